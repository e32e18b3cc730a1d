"""The worked cases of bidding, as `data/bidding_cases.json` has them. Their times are of one day."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

from auctions.increments import DEFAULT_TIERS, EBAY_TIERS

DAY = datetime(2030, 5, 1, tzinfo=UTC)
FILE = Path(__file__).parent / "data" / "bidding_cases.json"
CASES: list[dict[str, Any]] = json.loads(FILE.read_text())
NO_FORMAT = {"TOO_MANY_DECIMALS", "INVALID_AMOUNT"}  # Refused with 400, before any rule is asked.


@dataclass(frozen=True)
class Op:
    """`bid X 200 18:29:59`, `buy X`, `retract X`, `close 18:30`; without a time it is noon."""

    verb: str
    who: str
    amount: str
    now: datetime


def op_of(text: str) -> Op:
    verb, *rest = text.split()
    now = at(rest.pop()) if rest and ":" in rest[-1] else at("12:00")
    who, amount, *_ = [*rest, "", ""]
    return Op(verb, who, amount, now)


def at(text: str) -> datetime:
    moment = time.fromisoformat(text)
    return DAY.replace(hour=moment.hour, minute=moment.minute, second=moment.second)


def tiers_of_case(table: str) -> list[dict[str, Any]]:
    named = {"EBAY": EBAY_TIERS, "VEH": DEFAULT_TIERS}
    return named.get(table) or [{"up_to": None, "step": table.removeprefix("FLAT ")}]


def money(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def bidders(case: dict[str, Any]) -> list[str]:
    """Everybody whom the case names, but the seller."""
    names = {op_of(step["op"]).who for step in case["steps"]}
    return sorted(names - {"", "SELLER"})


def code_of(result: str) -> tuple[str, Decimal | None]:
    """`BID_TOO_LOW(min 5100)` as the API's code and the minimum; `ok` as it is."""
    name, _, facts = result.partition("(min ")
    return name.lower(), money(facts.rstrip(")") or None)
