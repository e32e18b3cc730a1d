"""Audits: what is stored is reckoned again from the rows that it came from, and what differs is told.

Nothing is mended. Each check is one statement, so that it sees one moment whatever is going on.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import F, OuterRef, QuerySet, Subquery, Sum, Value
from django.db.models.fields import DecimalField
from django.db.models.functions import Coalesce, Round

MOST_DETAILS = 200


class Check(NamedTuple):
    """A kind of difference, and the rows of (id, expected, found) that show it."""

    kind: str
    rows: Iterable[Any]


class Findings(NamedTuple):
    """How many differences there are, and the first of them as JSON."""

    differences: int
    details: list[dict[str, Any]]


def run_checks(checks: Iterable[Check]) -> Findings:
    """All differences are counted; MOST_DETAILS of them are kept."""
    details: list[dict[str, Any]] = []
    differences = 0
    for check in checks:
        rows = check.rows.iterator() if isinstance(check.rows, QuerySet) else check.rows
        for pk, expected, found in rows:
            differences += 1
            if len(details) < MOST_DETAILS:
                detail = {
                    "kind": check.kind,
                    "id": pk,
                    "expected": _text(expected, found),
                    "found": _text(found, found),
                }
                details.append(detail)
    return Findings(differences, details)


def differing(rows: QuerySet[Any], *, expected: Any, found: str) -> QuerySet[Any]:
    """Rows whose column `found` is not what it has to be, as a check shows them. Neither may be null."""
    other = rows.order_by("pk").annotate(expected=expected).exclude(**{found: F("expected")})
    return other.values_list("pk", "expected", found)


def stored_sum(kind: str, rows: QuerySet[Any], column: str, entries: QuerySet[Any], parent: str, amount: str) -> Check:
    """A column that has to equal the sum of `entries`' `amount` over those that refer to its row by `parent`."""
    field: Any = rows.model._meta.get_field(column)
    expected = rounded(sum_of(entries, parent, amount), field)
    return Check(kind, differing(rows, expected=expected, found=column))


def sum_of(entries: QuerySet[Any], parent: str, amount: str, *, of: str = "pk") -> Coalesce:
    """The sum of the entries that refer by `parent` to the outer row's `of`; zero where there are none."""
    field: Any = entries.model._meta.get_field(amount)
    mine = entries.filter(**{parent: OuterRef(of)}).order_by()
    total = Subquery(mine.values(parent).annotate(total=Sum(amount)).values("total"))
    nothing = Value(0, output_field=DecimalField(max_digits=field.max_digits, decimal_places=field.decimal_places))
    return Coalesce(total, nothing)


def rounded(amount: Any, field: Any) -> Round:
    """With the places of a field: SQLite adds decimals as floats."""
    return Round(amount, precision=field.decimal_places)


def _text(value: Any, found: Any) -> str:
    """Amounts with as many places as are stored: a sum of floats has none to speak of."""
    if isinstance(value, Decimal) and isinstance(found, Decimal):
        return str(value.quantize(found))
    return str(value)
