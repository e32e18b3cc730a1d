"""Bids: `/api/auctions/{id}/bids`, `/api/bids`."""

from __future__ import annotations


class BuyNowActions:
    """Buying at once."""
