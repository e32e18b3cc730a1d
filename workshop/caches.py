"""What the workshop caches. A namespace is bumped by every write that changes what it holds."""

from __future__ import annotations

from common.cache import CacheNamespace

inventory = CacheNamespace("workshop.inventory")
leaderboard = CacheNamespace("workshop.leaderboard")
