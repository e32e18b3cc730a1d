"""Watched auctions and saved searches."""

from __future__ import annotations


class WatchActions:
    """Watching an auction."""
