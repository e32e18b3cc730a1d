"""What a purchase costs on top of the hammer price, and what a sale costs of it. Pure: quote, invoice and payout call
the same functions.

A schedule is JSON as `auctions.services.snapshots` writes it onto an auction, decimals as texts. Every line is rounded
half up once, and the total is the sum of the rounded lines (docs/settlement.md, "Money").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from auctions.tiers import Finding, border_findings, has_places
from common.money import ZERO, to_cents

# What holds while staff have made no schedule.
DEFAULT_SCHEDULE: dict[str, Any] = {
    "kind": "percent",
    "percent": "5.00",
    "minimum": "250.00",
    "maximum": "7500.00",
    "tiers": [],
    "title_processing": "75.00",
    "tax_rates": {},
    "taxable": [],
    "seller_percent": "0.00",
}
# In the order in which they are shown. A tax is not taxed.
TAXABLE_KINDS = ("hammer", "buyer_premium", "title_processing", "transport")
LINE_KINDS = (*TAXABLE_KINDS, "tax")
STATE_PATTERN = "^[A-Z]{2}$"
_STATE = re.compile(r"[A-Z]{2}\Z")


class Line(NamedTuple):
    """One of `LINE_KINDS`, in whole cents."""

    kind: str
    amount: Decimal


class Quote(NamedTuple):
    """The all-in price."""

    lines: tuple[Line, ...]
    total: Decimal


def premium(schedule: Mapping[str, Any], hammer: Decimal) -> Decimal:
    """The buyer's premium on a hammer price."""
    if schedule["kind"] == "marginal":
        return to_cents(sum(_shares(schedule["tiers"], hammer), ZERO))
    share = to_cents(hammer * Decimal(schedule["percent"]) / 100)
    minimum, maximum = schedule.get("minimum"), schedule.get("maximum")
    share = share if minimum is None else max(share, Decimal(minimum))
    return to_cents(share if maximum is None else min(share, Decimal(maximum)))


def _shares(tiers: Sequence[Mapping[str, Any]], hammer: Decimal) -> Iterator[Decimal]:
    """What each tier takes of its own part of the price, unrounded."""
    below = ZERO
    for row in tiers:
        above = hammer if row["up_to"] is None else min(hammer, Decimal(row["up_to"]))
        if above > below:
            yield (above - below) * Decimal(row["percent"]) / 100
        below = max(below, above)


def quote(
    schedule: Mapping[str, Any], hammer: Decimal, *, transport: Decimal | None = None, state: str | None = None
) -> Quote:
    """Hammer price, premium, title, transport (where there is one) and tax. `state` is the buyer's, two letters; where
    it has no rate, or the schedule taxes nothing, there is no line of tax."""
    lines = [
        Line("hammer", to_cents(hammer)),
        Line("buyer_premium", premium(schedule, hammer)),
        Line("title_processing", to_cents(Decimal(schedule["title_processing"]))),
    ]
    if transport is not None:
        lines.append(Line("transport", to_cents(transport)))
    rate = schedule["tax_rates"].get(state)
    if rate is not None and schedule["taxable"]:
        taxed = sum((line.amount for line in lines if line.kind in schedule["taxable"]), ZERO)
        lines.append(Line("tax", to_cents(taxed * Decimal(rate) / 100)))
    return Quote(tuple(lines), sum((line.amount for line in lines), ZERO))


def seller_fee(schedule: Mapping[str, Any], hammer: Decimal) -> Decimal:
    """What is kept of the hammer price that the seller gets; older snapshots of a schedule name no percentage."""
    return to_cents(hammer * Decimal(schedule.get("seller_percent", 0)) / 100)


def validate(schedule: Mapping[str, Any]) -> list[Finding]:
    """All that is wrong with a schedule; nothing when a sale may use it. Then no higher price is ever cheaper: shares
    between 0 and 100 percent, a floor below the ceiling, tiers without gaps and taxes on amounts never fall."""
    kind = _marginal_findings if schedule["kind"] == "marginal" else _percent_findings
    return [*kind(schedule), *_tax_findings(schedule), *_seller_findings(schedule)]


def _percent_findings(schedule: Mapping[str, Any]) -> Iterator[Finding]:
    percent, low, high = schedule.get("percent"), schedule.get("minimum"), schedule.get("maximum")
    if percent is None:
        yield Finding("percent_missing", None, "percent", "A schedule of this kind needs its percentage.")
    elif finding := _share_finding(percent, None, "percent", places=2):
        yield finding
    for name, amount in (("minimum", low), ("maximum", high), ("title_processing", schedule["title_processing"])):
        if amount is not None and Decimal(amount) < 0:
            yield Finding("negative_amount", None, name, "An amount must not be below zero.")
    if low is not None and high is not None and Decimal(low) > Decimal(high):
        yield Finding("minimum_above_maximum", None, "minimum", "The minimum must not exceed the maximum.")
    if schedule.get("tiers"):
        yield Finding("not_of_this_kind", None, "tiers", "Only marginal schedules have tiers.")


def _marginal_findings(schedule: Mapping[str, Any]) -> Iterator[Finding]:
    for name in ("percent", "minimum", "maximum"):
        if schedule.get(name) is not None:
            yield Finding("not_of_this_kind", None, name, "Marginal schedules have tiers alone.")
    if Decimal(schedule["title_processing"]) < 0:
        yield Finding("negative_amount", None, "title_processing", "An amount must not be below zero.")
    tiers = schedule.get("tiers") or []
    found = border_findings(tiers)
    for position, row in enumerate(tiers):
        if finding := _share_finding(row["percent"], position, "percent", places=2):
            found.append(finding)
    yield from sorted(found, key=lambda finding: finding.position or 0)


def _tax_findings(schedule: Mapping[str, Any]) -> Iterator[Finding]:
    for state, rate in schedule["tax_rates"].items():
        if not _STATE.match(state):
            yield Finding("unknown_state", None, f"tax_rates.{state}", "A state is two capital letters.")
        elif finding := _share_finding(rate, None, f"tax_rates.{state}", places=3):
            yield finding
    if not set(schedule["taxable"]) <= set(TAXABLE_KINDS):
        yield Finding("unknown_kind", None, "taxable", f"Kinds among {', '.join(TAXABLE_KINDS)} are expected.")


def _seller_findings(schedule: Mapping[str, Any]) -> Iterator[Finding]:
    if finding := _share_finding(schedule.get("seller_percent", 0), None, "seller_percent", places=2):
        yield finding


def _share_finding(share: Any, position: int | None, member: str, *, places: int) -> Finding | None:
    if not 0 <= Decimal(share) <= 100:
        return Finding("percent_out_of_range", position, member, "A percentage from 0 to 100 is expected.")
    if not has_places(Decimal(share), places):
        return Finding("too_many_decimals", position, member, f"At most {places} decimal places are expected.")
    return None
