"""The query parameters of the ticket lists."""

from __future__ import annotations

import re
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Q, QuerySet

from cars.filters import VinFilter
from common.filters import ChoiceFilter, DateFilter, IdFilter, OrderingFilter, SearchFilter, StrictFilterSet
from common.routers import MAX_ID
from workshop.models import ServiceTicket

_NUMBER = re.compile(r"(?:RO-?)?0*([1-9][0-9]{0,18})", re.IGNORECASE)
_ORDERING = ("id", "service_date", "promised_at", "created_at", "updated_at")


class TicketSearchFilter(SearchFilter):
    """Words of the customer's name, parts of the VIN, or the number as `RO-000123`."""

    meaning = "Every word must be the ticket's number, or occur in its VIN or in the customer's name."

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        for word in value.split():
            found = reduce(or_, (Q(**{f"{field}__icontains": word}) for field in self.fields))
            number = _NUMBER.fullmatch(word)
            if number and int(number[1]) <= MAX_ID:
                found |= Q(pk=int(number[1]))
            qs = qs.filter(found)
        return qs


class TicketFilter(StrictFilterSet):
    """Tickets; `from` and `to` are days of service."""

    status = ChoiceFilter("status", choices=ServiceTicket.Status.choices)
    mechanic = IdFilter("mechanics")
    customer = IdFilter("customer_id")
    vin = VinFilter("vin")
    from_ = DateFilter("service_date", "gte", description="The first day of service, YYYY-MM-DD.")
    to = DateFilter("service_date", "lte", description="The last day of service, YYYY-MM-DD.")
    search = TicketSearchFilter(fields=("vin", "customer__name"))
    ordering = OrderingFilter(fields=_ORDERING)

    ranges = [("from", "to")]

    class Meta:
        model = ServiceTicket
        fields: list[str] = []


class OwnTicketFilter(StrictFilterSet):
    """One's own tickets."""

    status = ChoiceFilter("status", choices=ServiceTicket.Status.choices)
    ordering = OrderingFilter(fields=_ORDERING)

    class Meta:
        model = ServiceTicket
        fields: list[str] = []
