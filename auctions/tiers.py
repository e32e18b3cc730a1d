"""What tables in tiers have in common: JSON rows `{"up_to": inclusive border or null, ...}`, of bidding steps or of
percentages. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

MOST_TIERS = 50


class Finding(NamedTuple):
    """What is wrong: a stable code, the row's position from 0 (None: not in a row), the member at fault (None: the
    table)."""

    code: str
    position: int | None
    member: str | None
    detail: str

    def attr(self, table: str = "tiers") -> str:
        """Its place in a body that holds the rows as `table`: `tiers.2.step`."""
        if self.position is None:
            return self.member or table
        return f"{table}.{self.position}.{self.member}"

    @property
    def text(self) -> str:
        """For people, who count rows from 1."""
        return self.detail if self.position is None else f"Tier {self.position + 1}: {self.detail}"


def refusal_of(found: Sequence[Finding], table: str = "tiers") -> dict[str, Any]:
    """How an error tells of them: code, text and place of the first, and all in `meta.findings`."""
    findings = [{"code": f.code, "attr": f.attr(table), "detail": f.text} for f in found]
    first = findings[0]
    return {"detail": first["detail"], "code": first["code"], "attr": first["attr"], "meta": {"findings": findings}}


def border_findings(tiers: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """The rows must follow each other without a gap or an overlap: borders that rise, and null exactly at the end."""
    if not tiers:
        return [Finding("no_tiers", None, None, "There must be a tier.")]
    if len(tiers) > MOST_TIERS:
        return [Finding("too_many_tiers", None, None, f"At most {MOST_TIERS} tiers are expected.")]
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
        if not has_places(border, 2):
            found.append(Finding("too_many_decimals", position, "up_to", "Two decimal places are expected."))
        before = max(before, border)
    return found


def has_places(amount: Decimal, places: int) -> bool:
    """Whether these are enough to write it."""
    return amount == round(amount, places)


def tier_rows(tiers: Sequence[Mapping[str, Any]]) -> list[dict[str, str | None]]:
    """As the JSON columns hold them: decimals as strings with two places."""
    return [{name: None if value is None else f"{Decimal(value):.2f}" for name, value in row.items()} for row in tiers]
