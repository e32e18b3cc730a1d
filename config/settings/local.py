"""The embedded default: SQLite, a cache in the database, a broker in files, mails as files. Nothing to
install."""

from config.settings.base import *
from config.settings.base import JWT_SECRET_KEY as _JWT_SECRET_KEY
from config.settings.base import RATE_LIMITS, payment_providers, simple_jwt
from config.settings.environment import development_secret, env, rate

SECRET_KEY = env.str("SECRET_KEY", default="") or development_secret("SECRET_KEY")
JWT_SECRET_KEY = _JWT_SECRET_KEY or development_secret("JWT_SECRET_KEY")
SIMPLE_JWT = simple_jwt(secret=JWT_SECRET_KEY)
# Whoever tries the demo registers more than five people an hour.
RATE_LIMITS = RATE_LIMITS | {"register": rate("RATE_LIMIT_REGISTER", default="100/hour")}
PAYMENT_PROVIDERS = payment_providers(with_sandbox=True)
