"""Production without rate limits: the peers have none. Their price is measured beside it, by production as it is."""

from config.settings.production import *  # noqa: F403

DISABLE_THROTTLES = True
