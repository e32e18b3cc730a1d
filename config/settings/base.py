"""Settings common to every environment. What differs per deployment comes from the environment variables of
`.env.example`; `production.py` refuses to start when one of them is unsafe."""

from __future__ import annotations

import logging
import ssl
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from kombu import Queue

from common.logs import logging_config
from config.settings.environment import BASE_DIR, database_config, env, networks, rate, s3_storage
from config.settings.environment import DATA_DIR as DATA_DIR  # A setting too: manage.py reset_data empties it.
from config.settings.unfold import UNFOLD  # noqa: F401 - the admin's theme reads it from here
from config.tags import TAGS

PROCESS_ROLE = env.str("PROCESS_ROLE", default="command")  # web | stream | worker | command; set by wsgi.py and co.
DEBUG = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "common",  # First, because its templates stand in for the theme's.
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.import_export",
    "unfold.contrib.simple_history",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "corsheaders",
    "django_celery_beat",
    "django_filters",
    "django_prometheus",
    "django_structlog",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "drf_standardized_errors",
    "import_export",
    "rest_framework",
    "simple_history",
    "accounts",
    "cars",
    "workshop",
    "parking",
    "auctions",
]

MIDDLEWARE = [
    "common.middleware.TrustedProxy",
    "common.middleware.RequestContext",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "common.middleware.SecurityHeaders",
    "common.middleware.Guard",
    "common.middleware.StripSlash",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "common.middleware.Cors",
    "common.middleware.ReplicaReads",
    "common.fastlane.FastLane",
    "common.middleware.SessionWithCookie",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "common.middleware.AuthenticationWithCookie",
    "common.middleware.MessagesWithCookie",
    "simple_history.middleware.HistoryRequestMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"
APPEND_SLASH = False  # A redirect would lose a POST's body; common.middleware strips the slash instead.

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Where this deployment is reached ---------------------------------------------------------------------------------
PORT = env.int("PORT", default=8000)
BACKEND_URL = env.str("BACKEND_URL", default=f"http://localhost:{PORT}").rstrip("/")
INTERNAL_URL = env.str("INTERNAL_URL", default=BACKEND_URL).rstrip("/")  # Where this service reaches itself.
BACKEND_IS_HTTPS = urlsplit(BACKEND_URL).scheme == "https"
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CORS_ALLOWED_ORIGINS = env.list("BACKEND_CORS_ORIGINS", default=[])
CORS_URLS_REGEX = r"^/api/"
CORS_EXPOSE_HEADERS = [
    "ETag", "Link", "Location", "Retry-After", "X-Request-ID", "Idempotency-Replayed",
    "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset",
]  # fmt: skip
CORS_ALLOW_HEADERS = [
    "accept", "authorization", "content-type", "idempotency-key", "if-match", "if-none-match", "x-request-id",
]  # fmt: skip
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[BACKEND_URL])
# Networks whose X-Forwarded-For and -Proto count; `unix` for a proxy on a local socket.
TRUSTED_PROXIES = networks("TRUSTED_PROXIES")
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")  # TrustedProxy drops it when it comes from others.
ADMIN_PATH = env.str("ADMIN_PATH", default="admin").strip("/")
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")

# --- Database ---------------------------------------------------------------------------------------------------------
_SQLITE_PRAGMAS = (
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON; PRAGMA busy_timeout=20000;"
    " PRAGMA temp_store=MEMORY;"
)


DATABASE_POOLED = env.bool("DATABASE_POOLED", default=False)  # By PgBouncer, in transaction mode.


def database(url: str) -> dict[str, object]:
    """Django's database settings for a URL, tuned by vendor and by what this process does (see
    docs/operations.md)."""
    settings = database_config(url)
    if settings["ENGINE"].endswith("sqlite3"):
        settings["OPTIONS"] = {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": _SQLITE_PRAGMAS}
        settings["CONN_MAX_AGE"] = None if PROCESS_ROLE == "web" else 0
        return settings
    web = PROCESS_ROLE in {"web", "stream"}
    options = settings.setdefault("OPTIONS", {})
    options["connect_timeout"] = 5
    options["application_name"] = f"forecourt-{PROCESS_ROLE}"
    if DATABASE_POOLED:  # Behind PgBouncer nothing outlives a transaction: see docs/scaling.md.
        options["prepare_threshold"] = None
        settings["DISABLE_SERVER_SIDE_CURSORS"] = True
    else:
        options["options"] = (
            f"-c statement_timeout={5000 if web else 0} -c lock_timeout={2000 if web else 0}"
            f" -c idle_in_transaction_session_timeout={15000 if web else 0} -c timezone=UTC"
        )
        options["prepare_threshold"] = 0  # For common.prepared; Django's own cursors bind on the client.
    if PROCESS_ROLE == "stream":
        options["pool"] = {"min_size": 1, "max_size": 8, "timeout": 5}
    settings["CONN_MAX_AGE"] = None if PROCESS_ROLE == "web" else 0
    settings["CONN_HEALTH_CHECKS"] = PROCESS_ROLE == "web"
    return settings


DATABASE_URL = env.str("DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'forecourt.sqlite3'}")
DATABASES = {"default": database(DATABASE_URL)}
# Streaming replicas, for the reads of web processes that may be so many seconds old (see common.replicas).
REPLICA_MAX_LAG_S = env.int("REPLICA_MAX_LAG_S", default=5)
DATABASE_REPLICA_URLS = env.list("DATABASE_REPLICA_URLS", default=[])
if DATABASE_REPLICA_URLS and any(url.startswith("sqlite") for url in [DATABASE_URL, *DATABASE_REPLICA_URLS]):
    raise ImproperlyConfigured("DATABASE_REPLICA_URLS must name PostgreSQL databases.")


def replica(url: str) -> dict[str, object]:
    """As the primary's settings; nothing can be written, and one that is away is given up sooner."""
    settings = database(url)
    options: Any = settings["OPTIONS"]
    options["connect_timeout"] = 2
    if not DATABASE_POOLED:
        options["options"] += " -c default_transaction_read_only=on"
    return settings


if PROCESS_ROLE == "web":
    DATABASES |= {f"replica{number}": replica(url) for number, url in enumerate(DATABASE_REPLICA_URLS, start=1)}
MIGRATION_LOCK_TIMEOUT_S = env.int("MIGRATION_LOCK_TIMEOUT_S", default=2)
DATABASE_ROUTERS = ["common.replicas.Router"] if len(DATABASES) > 1 else []

# --- Cache: Redis when there is one, else the database ------------------------
REDIS_URL = env.str("REDIS_URL", default="")


def _redis_database(url: str, number: int) -> str:
    return urlsplit(url)._replace(path=f"/{number}").geturl()


REDIS_CACHE_URL = env.str("REDIS_CACHE_URL", default=_redis_database(REDIS_URL, 1) if REDIS_URL else "")
_SHARED_CACHE = (
    {
        "BACKEND": "common.cache.SoftRedisCache",
        "LOCATION": REDIS_CACHE_URL,
        # Short, because the first request that meets a hanging server waits for it.
        "OPTIONS": {"SOCKET_CONNECT_TIMEOUT": 0.2, "SOCKET_TIMEOUT": 0.3},
        "KEY_PREFIX": "forecourt",
    }
    if REDIS_CACHE_URL
    else {
        "BACKEND": "common.cache.SoftDatabaseCache",
        "LOCATION": "cache_entries",
        "KEY_PREFIX": "forecourt",
        "OPTIONS": {"MAX_ENTRIES": 10_000},
    }
)
CACHES = {"default": _SHARED_CACHE}
CACHE_TTL_S = env.int("CACHE_TTL_S", default=60)  # Bounds what a lost invalidation can do; 0 turns the cache off.

# --- Celery: the rows in the database are the jobs, the broker is their doorbell --------------------------------------
QUEUE_DIR = DATA_DIR / "queue"
_BROKERS = {env.str("CELERY_BROKER_URL", default=""), env.str("BROKER_URL", default="")} - {""}
if len(_BROKERS) > 1:
    raise ImproperlyConfigured("CELERY_BROKER_URL and BROKER_URL are both set and differ: keep one of them.")
# Kombu would warn at every message that the address of the files names no host.
BROKER_URL = next(iter(_BROKERS), "") or REDIS_URL or "filesystem://localhost"
CELERY_BROKER_URL = BROKER_URL
if BROKER_URL.startswith("rediss:"):  # Else Kombu asks for no certificate; `?ssl_cert_reqs=` and the like go before.
    CELERY_BROKER_USE_SSL = {"ssl_cert_reqs": ssl.CERT_REQUIRED}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
_FILE_BROKER: dict[str, object] = {
    "data_folder_in": str(QUEUE_DIR / "messages"),
    "data_folder_out": str(QUEUE_DIR / "messages"),
    "control_folder": str(QUEUE_DIR / "control"),
    "store_processed": False,
}
# A worker waits for its queue; a web process only rings, and a Redis that hangs must not hold up a request.
_RING: dict[str, object] = {"socket_connect_timeout": 0.2, "socket_timeout": 0.3, "max_retries": 1, "interval_start": 0}
_WAIT: dict[str, object] = {
    "socket_connect_timeout": 2, "socket_timeout": 10, "visibility_timeout": 3600, "max_retries": 1
}  # fmt: skip
CELERY_BROKER_TRANSPORT_OPTIONS = (
    _FILE_BROKER if BROKER_URL.startswith("filesystem:") else _RING if PROCESS_ROLE in {"web", "stream"} else _WAIT
)
CELERY_TASK_PUBLISH_RETRY = False  # Publishing must never hold a request: a sweep re-sends what got lost.
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = 15 * 60
CELERY_TASK_SOFT_TIME_LIMIT = 14 * 60
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
# A worker takes from all of them unless it is told otherwise (`-Q auctions`); see docs/scaling.md.
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_QUEUES = [Queue(name) for name in ("default", "auctions", "sync", "mail")]
CELERY_TASK_CREATE_MISSING_QUEUES = False  # A queue that nobody reads would swallow what is sent to it.
CELERY_TASK_ROUTES = {
    "auctions.tasks.send_digests": {"queue": "mail"},
    "auctions.tasks.process_image": {"queue": "default"},
    "auctions.tasks.process_images": {"queue": "default"},
    "auctions.tasks.verify_auctions": {"queue": "default"},
    "auctions.tasks.audit_ledger": {"queue": "default"},
    "auctions.tasks.*": {"queue": "auctions"},
    "cars.tasks.*": {"queue": "sync"},
    "accounts.tasks.deliver_notification": {"queue": "mail"},
    "accounts.tasks.sweep_mail": {"queue": "mail"},
    "workshop.tasks.mail_low_stock": {"queue": "mail"},
    "parking.tasks.send_*": {"queue": "mail"},
}
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_ENABLE_UTC = True
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "config.beat:PatientScheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 2  # Seconds until an edited schedule is seen.
DJANGO_CELERY_BEAT_TZ_AWARE = True

# --- People and tokens ------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["accounts.backends.EmailOrUsernameBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
     "OPTIONS": {"user_attributes": ["email", "username", "first_name", "last_name"]}},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 8}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]  # fmt: skip
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_NAME = "forecourt_session"
CSRF_COOKIE_SAMESITE = "Lax"
JWT_ALG = env.str("JWT_ALG", default="HS256")
if JWT_ALG not in {"HS256", "RS256"}:
    raise ImproperlyConfigured("JWT_ALG must be HS256 or RS256.")
JWT_SECRET_KEY = env.str("JWT_SECRET_KEY", default="")
JWT_PRIVATE_KEY = env.str("JWT_PRIVATE_KEY", default="", multiline=True)
JWT_PUBLIC_KEY = env.str("JWT_PUBLIC_KEY", default="", multiline=True)
TOKEN_TTL_MIN = env.int("TOKEN_TTL_MIN", default=15)
REFRESH_TTL_DAYS = env.int("REFRESH_TTL_DAYS", default=30)


def simple_jwt(*, secret: str) -> dict[str, object]:
    """simplejwt's settings; `secret` signs HS256, the PEM pair RS256."""
    return {
        "ALGORITHM": JWT_ALG,
        "SIGNING_KEY": JWT_PRIVATE_KEY if JWT_ALG == "RS256" else secret,
        "VERIFYING_KEY": JWT_PUBLIC_KEY if JWT_ALG == "RS256" else "",
        "ACCESS_TOKEN_LIFETIME": timedelta(minutes=TOKEN_TTL_MIN),
        "REFRESH_TOKEN_LIFETIME": timedelta(days=REFRESH_TTL_DAYS),
        "USER_ID_CLAIM": "sub",
        "ISSUER": "forecourt",
        "LEEWAY": 5,
        "UPDATE_LAST_LOGIN": False,
    }


PASSWORD_RESET_TIMEOUT = 24 * 3600  # Seconds that a mailed token is good, for a reset and for a confirmation.
IDENTITY_PROVIDER = env.str("IDENTITY_PROVIDER", default="sandbox")  # sandbox: at once; manual: by a moderator.
LOGIN_FAILURES_PER_ACCOUNT = 5
LOGIN_FAILURES_PER_ADDRESS = env.int("LOGIN_FAILURES_PER_ADDRESS", default=20)
LOGIN_WINDOW_S = 15 * 60
CLERK_ISSUER = env.str("CLERK_ISSUER", default="")
CLERK_JWKS_URL = env.str("CLERK_JWKS_URL", default="")
CLERK_AUTHORIZED_PARTIES = env.list("CLERK_AUTHORIZED_PARTIES", default=[])

# --- API --------------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.BearerAuthentication",
        "accounts.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["common.permissions.SignedIn"],
    "DEFAULT_PARSER_CLASSES": ["common.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["common.renderers.JSONRenderer", "common.renderers.BrowsableRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "common.renderers.ContentNegotiation",
    "DEFAULT_FILTER_BACKENDS": ["common.filters.StrictFilterBackend"],
    "DEFAULT_PAGINATION_CLASS": "common.pagination.PagePagination",
    "DEFAULT_THROTTLE_CLASSES": ["common.throttling.GeneralThrottle", "common.throttling.ScopedThrottle"],
    "DEFAULT_SCHEMA_CLASS": "common.schema.AutoSchema",
    "DEFAULT_METADATA_CLASS": "common.metadata.SignedInMetadata",
    "EXCEPTION_HANDLER": "common.handler.exception_handler",
    "DEFAULT_VERSIONING_CLASS": None,
    "URL_FORMAT_OVERRIDE": None,
    "COERCE_DECIMAL_TO_STRING": True,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
# Written 600/minute or 600 per minute; second, minute, hour or day.
GLOBAL_RATE_LIMIT = rate("GLOBAL_RATE_LIMIT", default="600/minute")
RATE_LIMITS = {
    "anonymous": rate("RATE_LIMIT_ANONYMOUS", default="120/minute"),
    "user": GLOBAL_RATE_LIMIT,
    "login": rate("RATE_LIMIT_LOGIN", default="30/minute"),
    "register": rate("RATE_LIMIT_REGISTER", default="5/hour"),
    "password_reset": rate("RATE_LIMIT_PASSWORD_RESET", default="10/hour"),
    "sync": rate("RATE_LIMIT_SYNC", default="10/minute"),
    "exports": rate("RATE_LIMIT_EXPORTS", default="20/hour"),
    "vin": rate("RATE_LIMIT_VIN", default="30/minute"),
    "documents": rate("RATE_LIMIT_DOCUMENTS", default="20/minute"),
    "bids": rate("RATE_LIMIT_BIDS", default="10/second"),
    "audits": rate("RATE_LIMIT_AUDITS", default="30/minute"),
    "streams": rate("RATE_LIMIT_STREAMS", default="600/minute"),
    "uploads": rate("RATE_LIMIT_UPLOADS", default="60/minute"),
    "photos": rate("RATE_LIMIT_PHOTOS", default="3000/minute"),
    "webhooks": rate("RATE_LIMIT_WEBHOOKS", default="3000/minute"),
}
DISABLE_THROTTLES = env.bool("DISABLE_THROTTLES", default=False)
DRF_STANDARDIZED_ERRORS = {"EXCEPTION_FORMATTER_CLASS": "common.handler.ErrorFormatter"}
SPECTACULAR_SETTINGS = {
    "TITLE": "Forecourt",
    "DESCRIPTION": "The backend a motor business runs on: cars, workshop, parking, auctions and their accounts.",
    "VERSION": "0.1.0",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVERS": [{"url": BACKEND_URL}],
    "SCHEMA_PATH_PREFIX": "/api",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "TAGS": [{"name": name, "description": text} for name, text in TAGS.items()],
    "POSTPROCESSING_HOOKS": ["common.schema.postprocess"],
    "ENUM_NAME_OVERRIDES": {},
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024  # The admin's; API bodies are held to 1 MiB by the parser.
API_BODY_LIMIT = 1024 * 1024

# --- Browsers: the Content-Security-Policy is common.middleware's -----------------------------------------------------
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True

# --- Text, time, files ------------------------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
FORMAT_MODULE_PATH = ["config.formats"]
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
DEFAULT_USER_TIMEZONE = env.str("DEFAULT_USER_TIMEZONE", default="UTC")
DEFAULT_CURRENCY = env.str("DEFAULT_CURRENCY", default="USD")
# Percent, for jobs that name no rate of their own.
WORKSHOP_TAX_RATE = env.str("WORKSHOP_TAX_RATE", default="0.00")
# The letterhead of invoices.
WORKSHOP_NAME = env.str("WORKSHOP_NAME", default="Forecourt")
WORKSHOP_DETAILS = env.str("WORKSHOP_DETAILS", default="", multiline=True)
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
# Photos and papers: a bucket of any S3-compatible service when one is named, else files under MEDIA_ROOT.
AWS_S3_BUCKET = env.str("AWS_S3_BUCKET", default="")
AWS_REGION = env.str("AWS_REGION", default="us-east-1")
AWS_S3_ENDPOINT_URL = env.str("AWS_S3_ENDPOINT_URL", default="")
AWS_ACCESS_KEY_ID = env.str("AWS_ACCESS_KEY_ID", default="")
AWS_SECRET_ACCESS_KEY = env.str("AWS_SECRET_ACCESS_KEY", default="")
UPLOAD_STORE = "common.s3.BucketStore" if AWS_S3_BUCKET else "common.uploads.FolderStore"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"}
    if not AWS_S3_BUCKET
    else s3_storage(
        bucket=AWS_S3_BUCKET,
        region=AWS_REGION,
        endpoint=AWS_S3_ENDPOINT_URL,
        key_id=AWS_ACCESS_KEY_ID,
        secret=AWS_SECRET_ACCESS_KEY,
    ),
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
MEDIA_ROOT = DATA_DIR / "media"
EXPORT_FOLDER = Path(env.str("EXPORT_FOLDER", default=str(DATA_DIR / "exports")))
EXPORT_KEEP_DAYS = 7
PLATE_RETENTION_DAYS = env.int("PLATE_RETENTION_DAYS", default=0)  # 0 keeps plates.
AUCTION_MIN_DURATION_S = env.int("AUCTION_MIN_DURATION_S", default=600)
OFFER_TTL_S = env.int("OFFER_TTL_S", default=24 * 3600)
ORDER_PAYMENT_DUE_S = env.int("ORDER_PAYMENT_DUE_S", default=7 * 24 * 3600)
ORDER_DEFAULT_AFTER_S = env.int("ORDER_DEFAULT_AFTER_S", default=7 * 24 * 3600)  # Once it is overdue.
TITLE_DUE_DAYS = env.int("TITLE_DUE_DAYS", default=30)
STRIPE_SECRET_KEY = env.str("STRIPE_SECRET_KEY", default="")
STRIPE_WEBHOOK_SECRET = env.str("STRIPE_WEBHOOK_SECRET", default="")
STRIPE_API_BASE = env.str("STRIPE_API_BASE", default="https://api.stripe.com").rstrip("/")
HAS_STRIPE = bool(STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET)


def payment_providers(*, with_sandbox: bool) -> list[str]:
    """By whom payments are taken. Raises ImproperlyConfigured for a name that nobody knows."""
    usual = {"manual": True, "sandbox": with_sandbox, "stripe": HAS_STRIPE}
    names: list[str] = env.list("PAYMENT_PROVIDERS", default=[name for name, is_on in usual.items() if is_on])
    if unknown := set(names) - set(usual):
        raise ImproperlyConfigured(f"PAYMENT_PROVIDERS: {', '.join(sorted(unknown))} is none of {', '.join(usual)}.")
    return names


# The sandbox takes every card for good: nobody is to buy a car with it.
PAYMENT_PROVIDERS = payment_providers(with_sandbox=not BACKEND_IS_HTTPS)
REFUND_APPROVAL_LIMIT = Decimal(env.str("REFUND_APPROVAL_LIMIT", default="500.00"))
LISTING_IMAGE_MAX_BYTES = env.int("LISTING_IMAGE_MAX_BYTES", default=10 * 1024 * 1024)
LISTING_DOCUMENT_MAX_BYTES = env.int("LISTING_DOCUMENT_MAX_BYTES", default=20 * 1024 * 1024)
# Of POST /api/uploads alone: the largest file, and what the form around it takes.
UPLOAD_BODY_LIMIT = max(LISTING_IMAGE_MAX_BYTES, LISTING_DOCUMENT_MAX_BYTES) + 64 * 1024
# Of one process: a stream of the web process has a thread, one of the stream process costs nearly nothing.
STREAMS_PER_PROCESS = env.int("STREAMS_PER_PROCESS", default=2000 if PROCESS_ROLE == "stream" else 256)
STREAMS_PER_ADDRESS = env.int("STREAMS_PER_ADDRESS", default=256)
LISTING_AUTO_APPROVE = env.bool("LISTING_AUTO_APPROVE", default=False)  # Listings without a moderator's look.

# --- Mail: EMAIL_URL, or the MAIL_* names, else files under DATA_DIR --------------------------------------------------
if env.str("EMAIL_URL", default=""):
    _mail = env.email("EMAIL_URL")
elif env.str("MAIL_SERVER", default=""):
    _mail = {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": env.str("MAIL_SERVER"),
        "EMAIL_PORT": env.int("MAIL_PORT", default=587),
        "EMAIL_HOST_USER": env.str("MAIL_USERNAME", default=""),
        "EMAIL_HOST_PASSWORD": env.str("MAIL_PASSWORD", default=""),
        "EMAIL_USE_TLS": True,
    }
else:
    _mail = {"EMAIL_BACKEND": "django.core.mail.backends.filebased.EmailBackend"}
HAS_MAIL_SERVER = bool(env.str("EMAIL_URL", default="") or env.str("MAIL_SERVER", default=""))
EMAIL_BACKEND = _mail["EMAIL_BACKEND"]
EMAIL_HOST = _mail.get("EMAIL_HOST", "localhost")
EMAIL_PORT = _mail.get("EMAIL_PORT") or 25
EMAIL_HOST_USER = _mail.get("EMAIL_HOST_USER") or ""
EMAIL_HOST_PASSWORD = _mail.get("EMAIL_HOST_PASSWORD") or ""
EMAIL_USE_TLS = _mail.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL = _mail.get("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT = 10
EMAIL_FILE_PATH = str(DATA_DIR / "mails")
DEFAULT_FROM_EMAIL = env.str("MAIL_DEFAULT_SENDER", default="Forecourt <no-reply@localhost>")

# --- Sync -------------------------------------------------------------------------------------------------------------
CAR_PROVIDER = env.str("CAR_PROVIDER", default="file")
CAR_API_URL = env.str("CAR_API_URL", default="")
CAR_API_ID = env.str("CAR_API_ID", default="")
CAR_API_KEY = env.str("CAR_API_KEY", default="")
CAR_FILE = env.str("CAR_FILE", default="")  # Empty: the bundled rows.
VPIC_MAKES = env.list("VPIC_MAKES", default=["Toyota", "Honda", "Ford", "Volkswagen", "BMW"])
VPIC_YEARS = env.list("VPIC_YEARS", cast=int, default=[])  # Empty: this year and the two before.
EXTERNAL_API_PROVIDER = env.str("EXTERNAL_API_PROVIDER", default="file")  # Of the product catalogue.
EXTERNAL_API_URL = env.str("EXTERNAL_API_URL", default="")
EXTERNAL_API_COLUMNS = env.dict("EXTERNAL_API_COLUMNS", default={})  # The catalogue's name -> the list's column.
PRODUCT_FILE = env.str("PRODUCT_FILE", default="")  # Empty: the bundled parts.
PROVIDER_ALLOW_PRIVATE = env.bool("PROVIDER_ALLOW_PRIVATE", default=False)
CLEARVIN_API_KEY = env.str("CLEARVIN_API_KEY", default="")
VIN_PROVIDER = env.str("VIN_PROVIDER", default="vininfo")  # vininfo (offline), vpic or clearvin.
VIN_API_URL = env.str("VIN_API_URL", default="").rstrip("/")  # Empty: the provider's own address.

# --- Logs -------------------------------------------------------------------------------------------------------------
LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")
LOG_FILES = env.bool("LOG_FILES", default=True)
LOG_DIR = DATA_DIR / "logs"
SQL_ECHO = env.bool("SQL_ECHO", default=False)
LOGGING_CONFIG = "common.logs.configure"
# A rotating file has one writer: the processes that sync.
_SYNC_LOG = LOG_DIR / "sync_cars.log" if LOG_FILES and PROCESS_ROLE in {"worker", "command"} else None
LOGGING = logging_config(level=LOG_LEVEL, sync_log=_SYNC_LOG)
DJANGO_STRUCTLOG_CELERY_ENABLED = True  # Tasks carry the id of the request that sent them.
DJANGO_STRUCTLOG_CELERY_TASK_START_LOG_LEVEL = logging.DEBUG

ADMIN_EMAIL = env.str("ADMIN_EMAIL", default="")
ADMIN_PASSWORD = env.str("ADMIN_PASSWORD", default="")
ADMIN_NAME = env.str("ADMIN_NAME", default="")

for _folder in (
    DATA_DIR,
    STATIC_ROOT,
    MEDIA_ROOT,
    EXPORT_FOLDER,
    LOG_DIR,
    Path(EMAIL_FILE_PATH),
    QUEUE_DIR / "messages",
    QUEUE_DIR / "control",
):
    _folder.mkdir(parents=True, exist_ok=True)
