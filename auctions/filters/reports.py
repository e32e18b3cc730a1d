"""The query parameters of reports."""

from __future__ import annotations

from common.filters import DateFilter, StrictFilterSet


class ReportFilter(StrictFilterSet):
    """From one day to another, in UTC."""

    ranges = [("from", "to")]

    from_ = DateFilter(description="The first day, in UTC; from the beginning unless given.")
    to = DateFilter(description="The last day, which counts as a whole; until now unless given.")
