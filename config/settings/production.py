"""Production: what is unsafe stops the start while this module is imported, because a system check does not
stop a server. A refusal names the setting and never its value."""

from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from django.core.exceptions import ImproperlyConfigured

from config.settings.base import *
from config.settings.base import (
    ADMIN_PASSWORD,
    ALLOWED_HOSTS,
    BACKEND_IS_HTTPS,
    BACKEND_URL,
    CORS_ALLOWED_ORIGINS,
    DISABLE_THROTTLES,
    HAS_STRIPE,
    JWT_ALG,
    JWT_PRIVATE_KEY,
    JWT_PUBLIC_KEY,
    JWT_SECRET_KEY,
    METRICS_TOKEN,
    PAYMENT_PROVIDERS,
    PROVIDER_ALLOW_PRIVATE,
    REDIS_URL,
    STORAGES,
    STRIPE_API_BASE,
    STRIPE_SECRET_KEY,
    STRIPE_WEBHOOK_SECRET,
    simple_jwt,
)
from config.settings.environment import env

SECRET_KEY = env.str("SECRET_KEY", default="")
SIMPLE_JWT = simple_jwt(secret=JWT_SECRET_KEY)
IDENTITY_PROVIDER = env.str("IDENTITY_PROVIDER", default="manual")  # Nobody confirms who they are by themselves.
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BACKEND_IS_HTTPS
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if BACKEND_IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = BACKEND_IS_HTTPS
# Names that carry their content's hash, so that browsers keep them for good; made by `manage.py collectstatic`.
STORAGES = STORAGES | {"staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"}}
WHITENOISE_USE_FINDERS = False
# W008 asks to redirect plain HTTP; common.middleware.Guard refuses it instead.
SILENCED_SYSTEM_CHECKS = ["security.W008"]

_EXAMPLES = (
    "example",
    "change-me",
    "changeme",
    "change_me",
    "insecure",
    "placeholder",
    "replace",
    "your-",
    "your_",
    "secret-key",
)


def _is_example(value: str) -> bool:
    """Copied from a README, or typed to get past the length."""
    return any(word in value.lower() for word in _EXAMPLES) or len(set(value)) < 8


def _secret_problems() -> list[str]:
    problems = []
    if len(SECRET_KEY) < 50 or _is_example(SECRET_KEY):
        problems.append("SECRET_KEY must be a random value of at least 50 characters")
    if JWT_ALG == "RS256":
        if not _is_key_pair(JWT_PRIVATE_KEY, JWT_PUBLIC_KEY):
            problems.append("JWT_PRIVATE_KEY and JWT_PUBLIC_KEY must be the two halves of one RSA key, in PEM")
    elif len(JWT_SECRET_KEY.encode()) < 32 or _is_example(JWT_SECRET_KEY):
        problems.append("JWT_SECRET_KEY must be a random value of at least 32 bytes")
    if JWT_SECRET_KEY and JWT_SECRET_KEY == SECRET_KEY:
        problems.append("JWT_SECRET_KEY must differ from SECRET_KEY")
    if ADMIN_PASSWORD and (
        len(ADMIN_PASSWORD) < 12 or _is_example(ADMIN_PASSWORD) or "password" in ADMIN_PASSWORD.lower()
    ):
        problems.append("ADMIN_PASSWORD must have at least 12 characters and be no example")
    if METRICS_TOKEN and (len(METRICS_TOKEN) < 16 or _is_example(METRICS_TOKEN)):
        problems.append("METRICS_TOKEN must be a random value of at least 16 characters")
    return problems


def _is_key_pair(private: str, public: str) -> bool:
    try:
        mine = load_pem_private_key(private.encode(), password=None).public_key()
        return bool(mine == load_pem_public_key(public.encode()) and getattr(mine, "key_size", 0) >= 2048)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False


def _deployment_problems() -> list[str]:
    database = env.str("DATABASE_URL", default="")
    checks = {
        "DEBUG must be off": env.bool("DEBUG", default=False),
        "ALLOWED_HOSTS must name the hosts of this service": not env.list("ALLOWED_HOSTS", default=[])
        or any("*" in host for host in ALLOWED_HOSTS),
        "BACKEND_URL must be an http or https address": urlsplit(BACKEND_URL).scheme not in {"http", "https"},
        "BACKEND_CORS_ORIGINS must name origins, not *": any("*" in origin for origin in CORS_ALLOWED_ORIGINS),
        "DATABASE_URL must name a PostgreSQL database": not database.startswith(
            ("postgres://", "postgresql://", "pgsql://")
        ),
        "REDIS_URL must be set": not REDIS_URL,
        "DISABLE_THROTTLES is for test servers": DISABLE_THROTTLES,
        "PROVIDER_ALLOW_PRIVATE is for tests": PROVIDER_ALLOW_PRIVATE,
        "PAYMENT_PROVIDERS must not name sandbox where BACKEND_URL is https": "sandbox" in PAYMENT_PROVIDERS
        and BACKEND_IS_HTTPS,
        "STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET go together": not HAS_STRIPE
        and ("stripe" in PAYMENT_PROVIDERS or bool(STRIPE_SECRET_KEY or STRIPE_WEBHOOK_SECRET)),
        "STRIPE_API_BASE must be an https address": not STRIPE_API_BASE.startswith("https://"),
    }
    return [problem for problem, is_present in checks.items() if is_present]


if _problems := [*_secret_problems(), *_deployment_problems()]:
    raise ImproperlyConfigured("Refusing to start: " + "; ".join(_problems) + ".")
