"""The clock by which auctions end: `/api/clock`."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from auctions.serializers.auctions import ClockSerializer
from common.clock import database_now
from common.examples import shown
from common.permissions import Public
from common.views import ApiView


class ClockView(ApiView):
    """`GET /clock`."""

    permission_classes = (Public,)

    @extend_schema(
        tags=["auctions"],
        summary="Read the server's clock",
        description="For countdowns: the difference from one's own clock, half of the request's time apart.",
        responses={200: ClockSerializer},
        examples=[shown("now", {"server_time": "2025-03-01T18:29:59.104512Z"})],
    )
    def get(self, request: Request) -> Response:
        return Response(self.represent({"server_time": database_now()}, ClockSerializer))
