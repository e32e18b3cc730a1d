"""Reports as JSON: for each a row with its columns, which the reports themselves declare."""

from __future__ import annotations

from typing import Any

from rest_framework.fields import Field

from auctions.services.reports import REPORTS, Figure, Kind, Report
from common.fields import StrictCharField, StrictChoiceField, StrictDateField, StrictDecimalField, StrictIntegerField
from common.serializers import StrictSerializer

_GROUPS: dict[str, dict[str, Any]] = {
    "month": {"max_length": 7, "help_text": "`2026-11`, in UTC."},
    "currency": {"max_length": 3},
}


def _field(figure: Figure) -> Field[Any, Any, Any, Any]:
    if figure.kind is Kind.COUNT:
        return StrictIntegerField(read_only=True, help_text=figure.meaning)
    places = 2 if figure.kind is Kind.MONEY else 1
    is_nullable = figure.kind is not Kind.MONEY
    return StrictDecimalField(
        max_digits=19, decimal_places=places, read_only=True, allow_null=is_nullable, help_text=figure.meaning
    )


def _rows(name: str, report: Report, groups: tuple[str, ...]) -> type[StrictSerializer]:
    fields: dict[str, Any] = {group: StrictCharField(read_only=True, **_GROUPS[group]) for group in groups}
    fields |= {column: _field(figure) for column, figure in report.figures.items()}
    return type(f"{name}Serializer", (StrictSerializer,), {"__doc__": report.description, **fields})


def _serializer(slug: str, report: Report) -> type[StrictSerializer]:
    name = "".join(word.capitalize() for word in slug.split("-"))
    fields = {
        "__doc__": report.description,
        "name": StrictChoiceField(choices=[slug], read_only=True),
        "from": StrictDateField(read_only=True, allow_null=True),
        "to": StrictDateField(read_only=True, allow_null=True),
        "rows": _rows(f"{name}Row", report, report.groups)(many=True, read_only=True),
        "totals": _rows(f"{name}Total", report, report.groups[1:])(many=True, read_only=True),
    }
    return type(f"{name}ReportSerializer", (StrictSerializer,), fields)


REPORT_SERIALIZERS = {slug: _serializer(slug, report) for slug, report in REPORTS.items()}
