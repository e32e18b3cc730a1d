"""What a purchase would cost: `/api/auctions/{id}/quote`."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from auctions.filters.quotes import QuoteFilter
from auctions.serializers.fees import AuctionQuoteSerializer
from auctions.services import fees
from common import clock
from common.examples import shown
from common.permissions import Public
from common.views import reading

QUOTE = shown(
    "15,000 and what comes on top",
    {
        "currency": "USD",
        "lines": [
            {"kind": "hammer", "amount": "15000.00"},
            {"kind": "buyer_premium", "amount": "750.00"},
            {"kind": "title_processing", "amount": "75.00"},
        ],
        "total": "15825.00",
    },
)


class QuoteActions:
    """The all-in price of an auction."""

    @reading(
        detail=True,
        response=AuctionQuoteSerializer,
        query=QuoteFilter,
        permission_classes=[Public],
        filter_backends=[],  # The query is the quote's and not that of the list.
        schema={
            "summary": "Quote the all-in price",
            "description": "Hammer price, buyer's premium, title processing and, with a `state` that the schedule "
            "taxes, tax. By the fee schedule that the auction took over when it went live; before that by the one in "
            "force now. Transport is quoted with the order. Each line is rounded half up, the total is their sum.",
            "examples": [QUOTE],
        },
    )
    def quote(self: Any, request: Request, pk: int) -> Response:
        auction, asked = self.get_object(), self.query()
        quoted = fees.quote_auction(
            auction=auction, amount=asked.get("amount"), state=asked.get("state"), now=clock.now()
        )
        shown = {"currency": auction.currency, "lines": quoted.lines, "total": quoted.total}
        return Response(self.represent(shown, AuctionQuoteSerializer))
