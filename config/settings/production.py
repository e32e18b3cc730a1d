"""Production: every required setting is checked while this module is imported, because a system check does not stop a
server. A refusal names the setting and never its value."""

from config.settings.base import *  # noqa: F403
from config.settings.base import (
    BACKEND_IS_HTTPS,
    JWT_SECRET_KEY,
    env,
    simple_jwt,
)

SECRET_KEY = env.str("SECRET_KEY", default="")
SIMPLE_JWT = simple_jwt(secret=JWT_SECRET_KEY)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BACKEND_IS_HTTPS
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if BACKEND_IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = BACKEND_IS_HTTPS
