"""What parking caches. A namespace is bumped by every write that changes what it holds; a booking never reads them."""

from __future__ import annotations

from common.cache import CacheNamespace

availability = CacheNamespace("parking.availability")
statistics = CacheNamespace("parking.statistics")
