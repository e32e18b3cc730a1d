"""The live stream of an auction."""

from __future__ import annotations

import re

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from auctions.stream.reading import give_connection_back, open_feed
from auctions.stream.responses import EventStreamResponse
from common import clock
from common.filters import IntegerFilter, StrictFilterSet
from common.permissions import Public
from common.renderers import EventStreamRenderer
from common.throttling import ScopedThrottle
from common.views import ApiView, FileMixin

SEQ_MAX = 2**31 - 1
_ID_PATTERN = "^[0-9]{1,10}$"

EVENTS = OpenApiExample(
    "a snapshot, a bid and the end that it moved",
    value="retry: 2000\n\n"
    'id: 7\nevent: snapshot\ndata: {"event_seq":7,"server_time":"2026-11-26T18:28:55.031000Z","status":"live",'
    '"ends_at":"2026-11-26T18:30:00Z","price":"5200.00","min_next":"5450.00","bid_count":4,"reserve_status":"not_met",'
    '"at":null,"alias":"Bidder 1","leader_alias":"Bidder 1","bid_seq":null}\n\n'
    'id: 8\nevent: bid\ndata: {"event_seq":8,"server_time":"2026-11-26T18:29:01.402000Z","status":"live",'
    '"ends_at":"2026-11-26T18:31:01.398000Z","price":"5450.00","min_next":"5700.00","bid_count":5,'
    '"reserve_status":"not_met","at":"2026-11-26T18:29:01.398000Z","alias":"Bidder 2","leader_alias":"Bidder 2",'
    '"bid_seq":5}\n\n'
    'id: 9\nevent: extended\ndata: {"event_seq":9,"server_time":"2026-11-26T18:29:01.402000Z","status":"live",'
    '"ends_at":"2026-11-26T18:31:01.398000Z","price":"5450.00","min_next":"5700.00","bid_count":5,'
    '"reserve_status":"not_met","at":"2026-11-26T18:29:01.398000Z","alias":"Bidder 2","leader_alias":"Bidder 2",'
    '"bid_seq":null}\n\n',
    response_only=True,
    media_type="text/event-stream",
)


class StreamQuery(StrictFilterSet):
    """For clients that cannot send the header."""

    last_event_id = IntegerFilter(min=0, max=SEQ_MAX, description="As the header, which wins.")


class AuctionStreamView(FileMixin, ApiView):
    """Credentials are not looked at: the stream is the same for everybody."""

    authentication_classes = ()
    permission_classes = (Public,)
    throttle_classes = (ScopedThrottle,)
    throttle_scope = "streams"
    renderer_classes = (EventStreamRenderer,)
    http_method_names = ["get", "options"]
    query_class = StreamQuery

    @extend_schema(
        operation_id="auctions_stream",
        summary="Follow an auction live",
        description="Server-sent events (the browser's `EventSource`). First `snapshot`, whose id is the present "
        "`event_seq`; then `opened`, `bid`, `bid_voided`, `extended`, `reserve_met`, `paused`, `resumed`, `closed` and "
        "`cancelled`, each with the id `event_seq`: by one higher than the one before, over all kinds. `data` is JSON: "
        "event_seq, server_time, status, ends_at, price (null before the first bid), min_next, bid_count, "
        "reserve_status, at (when it happened), alias (who acted, else who leads), leader_alias and bid_seq (of `bid` "
        "and `bid_voided`).\n\n"
        "Whoever comes back with `Last-Event-ID` gets what was missed and no snapshot, unless that is more than 500 "
        "events or an id that never was. A comment comes every 15 seconds. The stream ends soon after `closed` or "
        "`cancelled`, and whenever the server is replaced: connect again. 204, which tells a browser to give up, means "
        "that you have seen the end. 503 `too_many_streams`: read the auction every few seconds instead.",
        parameters=[
            OpenApiParameter(
                "Last-Event-ID",
                {"type": "string", "pattern": _ID_PATTERN},
                OpenApiParameter.HEADER,
                description="The id of the last event you have.",
            )
        ],
        responses={
            (200, "text/event-stream"): OpenApiResponse(OpenApiTypes.STR, "Events without end."),
            204: OpenApiResponse(description="The auction has ended, and you have seen it."),
        },
        examples=[EVENTS],
    )
    def get(self, request: Request, pk: int) -> HttpResponseBase:
        last_id = _last_event_id(request)
        feed = open_feed(
            auction_id=pk,
            last_id=self.query().get("last_event_id") if last_id is None else last_id,
            now=clock.now(),
        )
        give_connection_back()
        return Response(status=204) if feed.is_told else EventStreamResponse(request._request, feed)


def _last_event_id(request: Request) -> int | None:
    """Raises ValidationError (400) for what no event of ours ever had."""
    text = request.META.get("HTTP_LAST_EVENT_ID", "")
    if not text:
        return None
    if not re.fullmatch(_ID_PATTERN[1:-1], text):
        raise ValidationError({"Last-Event-ID": ["It must be the id of an event."]}, code="invalid")
    return int(text)
