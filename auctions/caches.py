"""What auctions cache. A namespace is bumped by the writes of listings; bids leave it to its time to live. No bid
reads it."""

from __future__ import annotations

from common.cache import CacheNamespace

facets = CacheNamespace("auctions.facets")
