"""Tables of bidding steps: what passes and what is found."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auctions import bidding
from auctions.increments import DEFAULT_TIERS, EBAY_TIERS, validate
from auctions.models.auctions import tiers_of
from auctions.tiers import MOST_TIERS

CENTS = st.integers(1, 10**9).map(lambda cents: Decimal(cents).scaleb(-2))
STEPS = st.integers(1, 10**8).map(lambda cents: Decimal(cents).scaleb(-2))


def tiers(*rows: tuple[str | None, str]) -> list[dict[str, Any]]:
    return [{"up_to": up_to, "step": step} for up_to, step in rows]


def found(*rows: tuple[str | None, str]) -> list[tuple[str, int, str | None]]:
    return [(finding.code, finding.position, finding.member) for finding in validate(tiers(*rows))]


def test_the_tables_to_begin_with_pass() -> None:
    assert validate(DEFAULT_TIERS) == validate(EBAY_TIERS) == []
    assert found((None, "5.00")) == found((None, "1000000.00")) == []


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ((("10", "1"), ("20", "2")), [("last_tier_not_open", 1, "up_to")]),
        (((None, "1"), (None, "2")), [("open_tier_not_last", 0, "up_to")]),
        ((("10", "1"), ("10", "2"), (None, "3")), [("tiers_not_rising", 1, "up_to")]),
        ((("10", "1"), ("9.99", "2"), (None, "3")), [("tiers_not_rising", 1, "up_to")]),
        ((("0", "1"), (None, "3")), [("tiers_not_rising", 0, "up_to")]),
        ((("10", "2"), (None, "1")), [("steps_falling", 1, "step")]),
        ((("10", "0"), (None, "1")), [("step_not_positive", 0, "step")]),
        ((("10", "-1"), (None, "1")), [("step_not_positive", 0, "step")]),
        ((("10.001", "1"), (None, "1")), [("too_many_decimals", 0, "up_to")]),
        ((("10", "0.125"), (None, "1")), [("too_many_decimals", 0, "step")]),
        ((("10", "1"), (None, "1000000.01")), [("step_too_large", 1, "step")]),
        (((None, "9999999999.99"),), [("step_too_large", 0, "step")]),
        ((), [("no_tiers", None, None)]),
    ],
)
def test_what_is_wrong_is_found_where_it_is(rows: Any, expected: Any) -> None:
    assert found(*rows) == expected


def test_all_findings_come_at_once_in_the_order_of_the_rows() -> None:
    assert found(("10", "5"), ("9", "1"), ("30", "-2")) == [
        ("tiers_not_rising", 1, "up_to"),
        ("steps_falling", 1, "step"),
        ("last_tier_not_open", 2, "up_to"),
        ("step_not_positive", 2, "step"),
    ]


def test_a_table_has_an_end() -> None:
    rows = [(str(number), "1") for number in range(1, MOST_TIERS)]
    assert found(*rows, (None, "1")) == []
    assert found(*rows, ("99", "1"), (None, "1")) == [("too_many_tiers", None, None)]


@given(st.lists(st.tuples(CENTS, STEPS), max_size=49), STEPS)
def test_every_table_that_passes_gives_each_price_its_step(rows: list[tuple[Decimal, Decimal]], last: Decimal) -> None:
    """A table in order passes, and the rules of bidding find a step in it on both sides of every border."""
    borders = sorted({border for border, _ in rows})
    steps = sorted([*(step for _, step in rows[: len(borders)]), last])
    table = [{"up_to": b, "step": s} for b, s in zip([*borders, None], steps, strict=True)]
    assert validate(table) == []
    read = tiers_of(table)
    for number, border in enumerate(borders):
        assert bidding.increment(read, border) == steps[number]
        assert bidding.increment(read, border + Decimal("0.01")) >= steps[number]
