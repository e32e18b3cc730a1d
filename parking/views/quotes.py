"""Quotes: `/api/parking/lots/{id}/quote`."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from common import clock
from common.examples import shown
from common.views import reading
from parking.filters.quotes import QuoteFilter
from parking.serializers.quotes import QuoteSerializer
from parking.services.booking import MOST_STAY
from parking.services.quotes import quote_stay

QUOTE = shown(
    "29 hours and a half on a spot that costs 10 % more",
    {
        "lines": [
            {"label": "Full days at the daily cap", "quantity": "1.00", "unit": "24 h", "amount": "15.00"},
            {"label": "Time parked", "quantity": "6.00", "unit": "60 min", "amount": "18.00"},
            {"label": "Daily cap", "quantity": "1.00", "unit": "24 h", "amount": "-3.00"},
            {"label": "Surcharge for ev", "quantity": "10.00", "unit": "%", "amount": "3.00"},
        ],
        "total": "33.00",
        "currency": "EUR",
    },
)


class QuoteQuery:
    """`GET /lots/{id}/quote`, for the viewset of lots."""

    @reading(
        detail=True,
        response=QuoteSerializer,
        query=QuoteFilter,
        filter_backends=[],  # The lot is found whatever the list's filters of the same names would say.
        schema={
            "summary": "Ask what a stay costs",
            "description": "At the lot's present rate, which a booking keeps. The stay is priced as if the vehicle "
            "stood there from `starts_at` to `ends_at`, whether or not a spot is free. An end that is not after the "
            f"start, or more than {MOST_STAY.days} days after it, is 400.",
            "examples": [QUOTE],
        },
    )
    def quote(self: Any, request: Request, pk: int) -> Response:
        priced = quote_stay(lot=self.get_object(), now=clock.now(), **self.query())
        return Response(self.represent(priced, QuoteSerializer))
