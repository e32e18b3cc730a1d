"""The embedded default: SQLite, a cache in the database, a broker in files, mails as files. Nothing to
install."""

from config.settings.base import *
from config.settings.base import JWT_SECRET_KEY as _JWT_SECRET_KEY
from config.settings.base import simple_jwt
from config.settings.environment import development_secret, env

SECRET_KEY = env.str("SECRET_KEY", default="") or development_secret("SECRET_KEY")
JWT_SECRET_KEY = _JWT_SECRET_KEY or development_secret("JWT_SECRET_KEY")
SIMPLE_JWT = simple_jwt(secret=JWT_SECRET_KEY)
