"""The test run: as local, with cheap passwords, mails in memory and throttles left to the tests that are
about them."""

from common.logs import logging_config
from config.settings.local import *
from config.settings.local import DATABASES, LOG_LEVEL

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
DISABLE_THROTTLES = True
PROVIDER_ALLOW_PRIVATE = True  # The stand-in servers listen on loopback.
LOG_FILES = False
LOGGING = logging_config(level=LOG_LEVEL)
if str(DATABASES["default"]["ENGINE"]).endswith("sqlite3"):
    # A file, because threads of one test need connections of their own to the same data.
    DATABASES["default"]["TEST"] = {"NAME": str(DATABASES["default"]["NAME"]) + ".test"}
AUCTION_MIN_DURATION_S = 5
WHITENOISE_AUTOREFRESH = True  # Else every client of every test looks through all static files first.
