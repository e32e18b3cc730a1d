"""What a purchase would cost."""

from __future__ import annotations


class QuoteActions:
    """The all-in price of an auction."""
