"""Amounts of money: decimals with two places, rounded half up wherever a product or a share is made."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

CENT = Decimal("0.01")
ZERO = Decimal("0.00")


def to_cents(amount: Decimal) -> Decimal:
    """Rounded half up to whole cents, as invoices are: 0.125 -> 0.13, -0.125 -> -0.13."""
    return amount.quantize(CENT, rounding=ROUND_HALF_UP)


def money_text(amount: Decimal, currency: str) -> str:
    """`1,100.00 USD`, for messages and tables."""
    return f"{amount:,.2f} {currency}"


class Amounts(NamedTuple):
    """A net amount and its tax, both in whole cents."""

    net: Decimal
    tax: Decimal

    @property
    def gross(self) -> Decimal:
        return self.net + self.tax


def priced(quantity: Decimal, unit_price: Decimal, tax_rate: Decimal) -> Amounts:
    """What a line costs: the net amount is rounded first, and the tax (`tax_rate` in percent) is that of the rounded
    amount, so that the printed figures add up."""
    net = to_cents(quantity * unit_price)
    return Amounts(net, to_cents(net * tax_rate / 100))


def total_of(amounts: Iterable[Amounts]) -> Amounts:
    """The sum; taxes are per line, so nothing is rounded again."""
    parts = list(amounts)
    return Amounts(sum((part.net for part in parts), ZERO), sum((part.tax for part in parts), ZERO))
