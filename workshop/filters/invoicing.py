"""The query parameters of the list of invoices."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django.db.models import QuerySet

from common.calendar import start_of
from common.filters import (
    ChoiceFilter,
    DateFilter,
    IdFilter,
    OrderingFilter,
    SearchFilter,
    StrictFilterSet,
    TextFilter,
)
from workshop.models import Invoice


class FromDayFilter(DateFilter):
    """On this day of business or later."""

    meaning = "On this day or later, where the workshop is."

    def filter(self, qs: QuerySet[Any], value: date) -> QuerySet[Any]:
        return qs.filter(**{f"{self.field_name}__gte": start_of(value)})


class ToDayFilter(DateFilter):
    """On this day of business or earlier."""

    meaning = "On this day or earlier, where the workshop is."

    def filter(self, qs: QuerySet[Any], value: date) -> QuerySet[Any]:
        return qs.filter(**{f"{self.field_name}__lt": start_of(value + timedelta(days=1))})


class NumberFilter(TextFilter):
    """A whole number of a document."""

    meaning = "The whole number, whatever its case."

    def parse(self, raw: str) -> str:
        return super().parse(raw).upper()


class InvoiceFilter(StrictFilterSet):
    """Invoices; the days are those of issue."""

    status = ChoiceFilter("status", choices=Invoice.Status.choices)
    customer = IdFilter("customer_id")
    ticket = IdFilter("ticket_id")
    number = NumberFilter("number", max_length=20)
    from_ = FromDayFilter("issued_at")
    to = ToDayFilter("issued_at")
    search = SearchFilter(fields=("number", "customer_name"))
    ordering = OrderingFilter(fields=("id", "issued_at", "total", "customer_name"))

    ranges = [("from", "to")]

    class Meta:
        model = Invoice
        fields: list[str] = []
