"""The query parameters of the list of invoices of sales."""

from __future__ import annotations

from auctions.models import Invoice
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


class SaleInvoiceFilter(StrictFilterSet):
    """Invoices; the days are those of issue."""

    status = ChoiceFilter("status", choices=Invoice.Status.choices)
    order = IdFilter("order_id")
    buyer = IdFilter("order__buyer_id")
    number = NumberFilter("number", max_length=20)
    from_ = FromDayFilter("issued_at")
    to = ToDayFilter("issued_at")
    search = SearchFilter(fields=("number", "buyer_name"))
    ordering = OrderingFilter(fields=("id", "issued_at", "due_at", "total", "buyer_name"))

    ranges = [("from", "to")]

    class Meta:
        model = Invoice
        fields: list[str] = []
