"""As the other benchmarks, for the server whose lists go the ordinary way."""

from tests.benchmarks.settings import *  # noqa: F403
from tests.benchmarks.settings import MIDDLEWARE

MIDDLEWARE = [name for name in MIDDLEWARE if name != "common.fastlane.FastLane"]
