"""Premiums and quotes: the worked cases, the figures of the spec, and what holds for every schedule that passes."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auctions import fees
from auctions.fees import DEFAULT_SCHEDULE, premium, quote, seller_fee, validate

CASES = json.loads((Path(__file__).parent / "data" / "premiums.json").read_text())["cases"]
HAMMERS = st.integers(1, 10**12 - 1).map(lambda cents: Decimal(cents).scaleb(-2))
PERCENTS = st.integers(0, 10_000).map(lambda number: Decimal(number).scaleb(-2))
MARGINAL = [("1000.00", "15.00"), ("5000.00", "10.00"), ("50000.00", "7.00"), (None, "4.00")]


def tier_rows(pairs: Any) -> list[dict[str, Any]]:
    return [{"up_to": up_to, "percent": percent} for up_to, percent in pairs]


def schedule(**changes: Any) -> dict[str, Any]:
    return DEFAULT_SCHEDULE | changes


def marginal(*pairs: Any, **changes: Any) -> dict[str, Any]:
    return schedule(kind="marginal", percent=None, minimum=None, maximum=None, tiers=tier_rows(pairs)) | changes


@st.composite
def schedules(draw: st.DrawFn) -> dict[str, Any]:
    """Any that passes the validator."""
    common = {
        "title_processing": str(draw(HAMMERS)),
        "tax_rates": {"NY": str(Decimal(draw(st.integers(0, 100_000))).scaleb(-3))},
        "taxable": draw(st.lists(st.sampled_from(fees.TAXABLE_KINDS), unique=True)),
    }
    if draw(st.booleans()):
        low, high = sorted([draw(HAMMERS), draw(HAMMERS)])
        bounds = {
            "minimum": draw(st.sampled_from([None, str(low)])),
            "maximum": draw(st.sampled_from([None, str(high)])),
        }
        return schedule(percent=str(draw(PERCENTS)), **bounds, **common)
    borders = sorted(draw(st.sets(HAMMERS, max_size=8)))
    return marginal(*[(border and str(border), str(draw(PERCENTS))) for border in [*borders, None]], **common)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['schedule']['kind']}-{case['hammer']}")
def test_the_worked_cases(case: dict[str, Any]) -> None:
    terms = case["schedule"]
    if terms["kind"] == "marginal":
        terms = {"kind": "marginal", "tiers": tier_rows(terms["tiers"])}
    assert str(premium(terms, Decimal(case["hammer"]))) == case["premium"]


@pytest.mark.parametrize(
    ("hammer", "expected"),
    [("1000", "250.00"), ("5000", "250.00"), ("5000.10", "250.01"), ("12345", "617.25"), ("150000.01", "7500.00")],
)
def test_the_default_schedule(hammer: str, expected: str) -> None:
    assert validate(DEFAULT_SCHEDULE) == []
    assert str(premium(DEFAULT_SCHEDULE, Decimal(hammer))) == expected


def test_the_example_of_the_spec() -> None:
    """15,000 + 750 premium + 75 title + 450 transport = 16,275.00 before tax."""
    priced = quote(DEFAULT_SCHEDULE, Decimal(15000), transport=Decimal(450), state="NY")
    assert [(line.kind, str(line.amount)) for line in priced.lines] == [
        ("hammer", "15000.00"), ("buyer_premium", "750.00"), ("title_processing", "75.00"), ("transport", "450.00"),
    ]  # fmt: skip
    assert str(priced.total) == "16275.00"


def test_tax_is_by_the_state_on_the_taxable_lines_alone() -> None:
    taxed = schedule(tax_rates={"NY": "8.875", "OR": "0"}, taxable=["hammer", "buyer_premium"])
    lines = dict(quote(taxed, Decimal("5000.10"), transport=Decimal(450), state="NY").lines)
    assert str(lines["tax"]) == "465.95"  # 8.875 % of 5,250.11 is 465.947...
    assert dict(quote(taxed, Decimal(1000), state="OR").lines)["tax"] == 0
    for terms, state in ((taxed, None), (taxed, "CA"), (schedule(tax_rates={"NY": "8"}), "NY")):
        assert "tax" not in dict(quote(terms, Decimal(1000), state=state).lines)


@pytest.mark.parametrize(
    ("percent", "hammer", "expected"),
    [("4.50", "12345", "555.53"), ("5.00", "5000.10", "250.01"), ("0.00", "15000", "0.00"), ("100", "0.01", "0.01")],
)
def test_the_sellers_fee_is_rounded_half_up(percent: str, hammer: str, expected: str) -> None:
    assert str(seller_fee(schedule(seller_percent=percent), Decimal(hammer))) == expected


def test_auctions_of_before_took_over_no_sellers_fee() -> None:
    """And a quote by the schedule that they took over is what it was."""
    old = {name: value for name, value in DEFAULT_SCHEDULE.items() if name != "seller_percent"}
    assert seller_fee(old, Decimal(15000)) == 0
    assert quote(old, Decimal(15000)) == quote(schedule(seller_percent="3.00"), Decimal(15000))
    assert validate(old) == []


@given(schedules(), HAMMERS, HAMMERS, st.none() | HAMMERS)
def test_a_higher_price_is_never_cheaper(terms: Any, one: Decimal, other: Decimal, transport: Decimal | None) -> None:
    assert validate(terms) == []
    low, high = sorted([one, other])
    cheap, dear = (quote(terms, price, transport=transport, state="NY") for price in (low, high))
    assert all(a.amount <= b.amount for a, b in zip(cheap.lines, dear.lines, strict=True))
    assert cheap.total <= dear.total


@given(schedules(), HAMMERS, st.none() | HAMMERS)
def test_the_total_is_the_sum_of_lines_in_whole_cents(terms: Any, hammer: Decimal, transport: Decimal | None) -> None:
    priced = quote(terms, hammer, transport=transport, state="NY")
    assert priced.total == sum(line.amount for line in priced.lines)
    assert {amount.as_tuple().exponent for amount in [priced.total, *(line.amount for line in priced.lines)]} == {-2}
    assert [line.kind for line in priced.lines] == sorted(
        (line.kind for line in priced.lines), key=fees.LINE_KINDS.index
    )


@given(schedules())
def test_a_border_makes_no_jump(terms: Any) -> None:
    """A cent more costs at most a cent more, whichever tier it falls into: no percentage is above 100."""
    borders = [Decimal(row["up_to"]) for row in terms["tiers"] if row["up_to"]] or [Decimal(5000)]
    for border in borders:
        above = premium(terms, border + Decimal("0.01")) - premium(terms, border)
        assert 0 <= above <= Decimal("0.02")  # A cent, and one of rounding.


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        (schedule(percent=None), [("percent_missing", "percent")]),
        (schedule(percent="100.01"), [("percent_out_of_range", "percent")]),
        (schedule(percent="-1"), [("percent_out_of_range", "percent")]),
        (schedule(percent="5.125"), [("too_many_decimals", "percent")]),
        (schedule(minimum="10", maximum="9.99"), [("minimum_above_maximum", "minimum")]),
        (schedule(minimum="-1"), [("negative_amount", "minimum")]),
        (schedule(title_processing="-1"), [("negative_amount", "title_processing")]),
        (schedule(tiers=tier_rows(MARGINAL)), [("not_of_this_kind", "tiers")]),
        (marginal(*MARGINAL, minimum="1"), [("not_of_this_kind", "minimum")]),
        (marginal(*MARGINAL, title_processing="-1"), [("negative_amount", "title_processing")]),
        (marginal(), [("no_tiers", "tiers")]),
        (marginal(("10", "101"), (None, "1")), [("percent_out_of_range", "tiers.0.percent")]),
        (marginal(("10", "1"), ("5", "1"), (None, "1")), [("tiers_not_rising", "tiers.1.up_to")]),
        (marginal(("10", "1")), [("last_tier_not_open", "tiers.0.up_to")]),
        (schedule(tax_rates={"ny": "8"}), [("unknown_state", "tax_rates.ny")]),
        (schedule(tax_rates={"NY": "101"}), [("percent_out_of_range", "tax_rates.NY")]),
        (schedule(tax_rates={"NY": "8.8755"}), [("too_many_decimals", "tax_rates.NY")]),
        (schedule(taxable=["tax"]), [("unknown_kind", "taxable")]),
        (schedule(seller_percent="-0.01"), [("percent_out_of_range", "seller_percent")]),
        (schedule(seller_percent="100.01"), [("percent_out_of_range", "seller_percent")]),
        (marginal(*MARGINAL, seller_percent="2.125"), [("too_many_decimals", "seller_percent")]),
    ],
)
def test_what_is_wrong_is_found_where_it_is(terms: Any, expected: Any) -> None:
    assert [(finding.code, finding.attr()) for finding in validate(terms)] == expected
