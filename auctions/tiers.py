"""What tables in tiers have in common: JSON rows `{"up_to": inclusive border or null, ...}`, of steps or of percentages.
Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

MOST_TIERS = 50


class Finding(NamedTuple):
    """What is wrong with a table: a stable code, the row's position from 0, the member at fault (null: the row)."""

    code: str
    position: int
    member: str | None
    detail: str

    def attr(self, table: str) -> str:
        """Its place in a body that holds the rows as `table`: `tiers.2.step`."""
        return ".".join([table, str(self.position), *([self.member] if self.member else [])])


def border_findings(tiers: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """The rows must follow each other without a gap or an overlap: borders that rise, and null exactly at the end."""
    if not tiers:
        return [Finding("no_tiers", 0, None, "There must be a tier.")]
    if len(tiers) > MOST_TIERS:
        return [Finding("too_many_tiers", MOST_TIERS, None, f"At most {MOST_TIERS} tiers are expected.")]
    found: list[Finding] = []
    before = Decimal(0)
    for position, row in enumerate(tiers):
        is_last = position == len(tiers) - 1
        if row["up_to"] is None:
            if not is_last:
                found.append(Finding("open_tier_not_last", position, "up_to", "Only the last tier has no end."))
            continue
        if is_last:
            found.append(Finding("last_tier_not_open", position, "up_to", "The last tier must have no end (null)."))
        border = Decimal(row["up_to"])
        if border <= before:
            found.append(Finding("tiers_not_rising", position, "up_to", "Each tier must end above the one before."))
        if not has_two_places(border):
            found.append(Finding("too_many_decimals", position, "up_to", "Two decimal places are expected."))
        before = max(before, border)
    return found


def has_two_places(amount: Decimal) -> bool:
    return amount.is_finite() and int(amount.as_tuple().exponent) >= -2


def tier_rows(tiers: Sequence[Mapping[str, Any]]) -> list[dict[str, str | None]]:
    """As the JSON columns hold them: decimals as strings with two places."""
    return [{name: None if value is None else f"{Decimal(value):.2f}" for name, value in row.items()} for row in tiers]
