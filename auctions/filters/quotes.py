"""The query parameters of a quote."""

from __future__ import annotations

from decimal import Decimal

from auctions.fees import STATE_PATTERN
from common.filters import StrictFilterSet, TextFilter

# Above zero, at most ten digits before the point.
_AMOUNT_PATTERN = r"^(?:[1-9][0-9]{0,9}(?:\.[0-9]{1,2})?|0\.(?:0[1-9]|[1-9][0-9]?))$"


class AmountFilter(TextFilter):
    """An amount of money above zero."""

    def __init__(self, **kwargs: str) -> None:
        super().__init__(max_length=13, pattern=_AMOUNT_PATTERN, **kwargs)

    def parse(self, raw: str) -> Decimal:
        return Decimal(super().parse(raw))


class QuoteFilter(StrictFilterSet):
    """At which price, and for a buyer of which state."""

    amount = AmountFilter(description="The hammer price; the next bid unless given, the last price after the end.")
    state = TextFilter(
        max_length=2, pattern=STATE_PATTERN, description="The buyer's state, two capital letters, for the tax."
    )
