"""The query parameters of the list of invoices."""

from __future__ import annotations

from common.filters import (
    ChoiceFilter,
    FromDayFilter,
    IdFilter,
    NumberFilter,
    OrderingFilter,
    SearchFilter,
    StrictFilterSet,
    ToDayFilter,
)
from workshop.models import Invoice


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
