"""Amounts are rounded half up, once, and add up as printed."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.money import Amounts, money_text, priced, to_cents, total_of


@pytest.mark.parametrize(
    ("amount", "cents"),
    [
        ("0.125", "0.13"),
        ("-0.125", "-0.13"),
        ("0.124999", "0.12"),
        ("2.675", "2.68"),
        ("1000000000.005", "1000000000.01"),
    ],
)
def test_half_a_cent_goes_away_from_zero(amount: str, cents: str) -> None:
    assert to_cents(Decimal(amount)) == Decimal(cents)


def test_the_tax_is_that_of_the_rounded_net_amount() -> None:
    # 1.5 x 0.33 = 0.495 -> 0.50; 20 % of 0.50 is 0.10, of 0.495 it would be 0.099.
    assert priced(Decimal("1.5"), Decimal("0.33"), Decimal("20.00")) == Amounts(Decimal("0.50"), Decimal("0.10"))


def test_nothing_costs_nothing() -> None:
    assert total_of([]) == Amounts(Decimal("0.00"), Decimal("0.00"))


@given(
    st.lists(
        st.tuples(
            st.decimals(0, 1000, places=3), st.decimals(0, 10_000, places=2), st.sampled_from(["0.00", "7.00", "19.00"])
        )
    )
)
def test_a_total_is_the_sum_of_what_its_lines_show(lines: list[tuple[Decimal, Decimal, str]]) -> None:
    amounts = [priced(quantity, price, Decimal(rate)) for quantity, price, rate in lines]
    total = total_of(amounts)
    assert total.gross == sum((line.net + line.tax for line in amounts), Decimal(0))
    assert all(part == to_cents(part) for part in total)


def test_an_amount_is_written_with_its_currency() -> None:
    assert money_text(Decimal("1100"), "USD") == "1,100.00 USD"
