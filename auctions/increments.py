"""Tables of bidding steps, as JSON rows `{"up_to": "4999.99" or null, "step": "100.00"}`. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from auctions.tiers import Finding, border_findings, has_places

MOST_STEP = Decimal("1000000.00")
# Of a bid. Its columns hold ten times as much: a step goes on top of a price, and fees and tax on top of a sale.
MOST_AMOUNT = Decimal("999999999.99")
# What holds while staff have marked no table as the default one: steps for vehicles.
DEFAULT_TIERS: list[dict[str, Any]] = [
    {"up_to": "4999.99", "step": "100.00"},
    {"up_to": "29999.99", "step": "250.00"},
    {"up_to": None, "step": "500.00"},
]
EBAY_TIERS: list[dict[str, Any]] = [
    {"up_to": "0.99", "step": "0.05"},
    {"up_to": "4.99", "step": "0.25"},
    {"up_to": "24.99", "step": "0.50"},
    {"up_to": "99.99", "step": "1.00"},
    {"up_to": "249.99", "step": "2.50"},
    {"up_to": "499.99", "step": "5.00"},
    {"up_to": "999.99", "step": "10.00"},
    {"up_to": "2499.99", "step": "25.00"},
    {"up_to": "4999.99", "step": "50.00"},
    {"up_to": None, "step": "100.00"},
]


def validate(tiers: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """All that is wrong with a table; nothing when an auction may use it. Amounts are decimals or their texts. The
    tiers must be contiguous (see `auctions.tiers`), the steps positive, in cents, never smaller than the one before
    and at most MOST_STEP."""
    found = border_findings(tiers)
    if any(finding.code in ("no_tiers", "too_many_tiers") for finding in found):
        return found
    largest = Decimal(0)
    for position, row in enumerate(tiers):
        step = Decimal(row["step"])
        if step <= 0:
            found.append(Finding("step_not_positive", position, "step", "A step must be above zero."))
        elif step < largest:
            found.append(Finding("steps_falling", position, "step", "A step must not be below the one before."))
        if step > MOST_STEP:
            found.append(Finding("step_too_large", position, "step", f"A step must not be above {MOST_STEP:,}."))
        if not has_places(step, 2):
            found.append(Finding("too_many_decimals", position, "step", "Two decimal places are expected."))
        largest = max(largest, step)
    return sorted(found, key=lambda finding: finding.position or 0)
