"""Reports on sales: `/api/reports/{name}` and `/api/reports/{name}.csv`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, PolymorphicProxySerializer, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.csvfile import csv_line
from auctions.filters.reports import ReportFilter
from auctions.serializers.reports import REPORT_SERIALIZERS
from auctions.services.reports import REPORTS, Period, Report, report_named, rows_of, totals_of
from common.examples import shown
from common.permissions import HasPerm
from common.renderers import CSVRenderer, JSONRenderer
from common.views import ApiView, FileMixin

_NAME = OpenApiParameter("name", str, OpenApiParameter.PATH, enum=list(REPORTS), description="Which report.")
_REPORTS = " ".join(f"`{name}`: {report.description}" for name, report in REPORTS.items())
_MAY = "Holders of `auctions.read_sales_reports`; 404 for a report that there is not."
_SHAPES: Any = PolymorphicProxySerializer(
    component_name="SalesReport", serializers={**REPORT_SERIALIZERS}, resource_type_field_name="name"
)
_EXAMPLE = {
    "name": "sell-through",
    "from": "2026-10-01",
    "to": None,
    "rows": [
        {"month": "2026-10", "ended": 40, "sold": 29, "no_bids": 4, "percent": "72.5"},
        {"month": "2026-11", "ended": 35, "sold": 28, "no_bids": 2, "percent": "80.0"},
    ],
    "totals": [{"ended": 75, "sold": 57, "no_bids": 6, "percent": "76.0"}],
}


class ReportView(ApiView):
    """One report as JSON."""

    permission_classes = (HasPerm.of("auctions.read_sales_reports"),)
    query_class = ReportFilter
    replica_reads = frozenset({"get"})

    def asked(self, name: str) -> tuple[Report, Period]:
        """Raises NotFound, ValidationError (400)."""
        report, query = report_named(name), self.query()
        return report, Period(query.get("from"), query.get("to"))

    @extend_schema(
        tags=["reports"],
        operation_id="reports_retrieve",
        summary="Read a report on sales",
        description=f"By month, the oldest first; months in which nothing happened have no row. `totals` are over all "
        f"of them, for each currency where there is money in it. {_REPORTS} {_MAY}",
        parameters=[_NAME],
        responses={200: _SHAPES},
        examples=[shown("two months", _EXAMPLE)],
    )
    def get(self, request: Request, name: str) -> Response:
        report, period = self.asked(name)
        shown = {
            "name": name,
            "from": period.first,
            "to": period.last,
            "rows": list(rows_of(report, period)),
            "totals": list(totals_of(report, period)),
        }
        return Response(self.represent(shown, REPORT_SERIALIZERS[name]))


class ReportFileView(FileMixin, ReportView):
    """One report as a table for spreadsheets."""

    renderer_classes = (JSONRenderer, CSVRenderer)

    @extend_schema(
        tags=["reports"],
        operation_id="reports_file_retrieve",
        summary="Download a report on sales",
        description=f"The rows of the report as CSV: RFC 4180, UTF-8, every cell quoted, streamed. {_MAY}",
        parameters=[_NAME],
        responses={(200, "text/csv"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, name: str) -> StreamingHttpResponse:  # type: ignore[override]
        report, period = self.asked(name)
        headers = {"Content-Disposition": f'attachment; filename="{name}.csv"', "X-Content-Type-Options": "nosniff"}
        return StreamingHttpResponse(_lines(report, period), content_type="text/csv; charset=utf-8", headers=headers)


def _lines(report: Report, period: Period) -> Iterator[bytes]:
    yield csv_line(report.columns)
    for row in rows_of(report, period):
        yield csv_line("" if row[name] is None else str(row[name]) for name in report.columns)
