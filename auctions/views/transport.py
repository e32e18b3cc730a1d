"""Transport orders: `/api/transport-orders`."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotency import idempotent
from auctions.filters.transport import TransportOrderFilter
from auctions.models import TransportOrder
from auctions.permissions import Buyer, BuyerOr
from auctions.serializers.transport import (
    AssignCarrierSerializer,
    BookTransportSerializer,
    CancelTransportSerializer,
    DeliverTransportSerializer,
    QuoteTransportSerializer,
    RequestTransportSerializer,
    TransportOrderSerializer,
)
from auctions.services import transport
from common import clock
from common.examples import sent, shown
from common.permissions import ObjectPerm, SignedIn
from common.views import ApiViewSet, CreateMixin, ListMixin, RetrieveMixin, command

REQUESTED = {
    "id": 6,
    "order": 31,
    "order_number": "FO-7K3QX9ZD",
    "listing": 9,
    "vehicle": "2018 Honda Accord",
    "status": "quote_requested",
    "pickup_address": "Albany, NY 12207",
    "delivery_address": "1 Main Street, Boston, MA 02108",
    "quoted_price": None,
    "final_price": None,
    "currency": "USD",
    "carrier": "",
    "driver_name": "",
    "driver_phone": "",
    "pickup_on": None,
    "delivery_on": None,
    "booked_at": None,
    "picked_up_at": None,
    "delivered_at": None,
    "created_at": "2025-03-01T19:02:11.900125Z",
    "updated_at": "2025-03-01T19:02:11.900125Z",
}
DATES = {"pickup_on": "2025-03-10", "delivery_on": "2025-03-12"}
QUOTED = REQUESTED | DATES | {"status": "quoted", "quoted_price": "450.00"}
BOOKED = QUOTED | {"status": "booked", "booked_at": "2025-03-02T08:15:40.010993Z"}
DRIVER = {"carrier": "Roadrunner Haulage", "driver_name": "Max Miller", "driver_phone": "+1 555 0100"}
ASSIGNED = BOOKED | DRIVER | {"status": "assigned"}
PICKED_UP = ASSIGNED | {"status": "picked_up", "picked_up_at": "2025-03-10T09:00:00.552210Z"}
DELIVERED = PICKED_UP | {"status": "delivered", "delivered_at": "2025-03-12T16:45:00.120114Z", "final_price": "430.00"}
MOVED = "409 `invalid_transition` from another status"
ON_HOLD = MOVED + ", `order_on_hold` while the order is disputed."


@extend_schema_view(
    list=extend_schema(
        summary="List transport orders",
        description="The newest first. Sellers see who comes for the car, and neither address nor prices.",
        examples=[shown("a quote", QUOTED)],
    ),
    retrieve=extend_schema(summary="Read a transport order", examples=[shown("assigned", ASSIGNED)]),
    create=extend_schema(
        summary="Ask for a quote of transport",
        description="By the buyer of an order that is neither paid nor invoiced: 422 `does_not_exist` for one that is "
        "not one's own, 409 `delivery_decided`, `transport_exists` (`meta.transport_order`).",
        examples=[
            sent("to Boston", {"order": 31, "delivery_address": "1 Main Street, Boston, MA 02108"}),
            shown("asked", REQUESTED),
        ],
    ),
)
class TransportOrderViewSet(ListMixin, RetrieveMixin, CreateMixin, ApiViewSet):
    """The transports of what one sells and buys; staff see all, and those who change them arrange them."""

    queryset = TransportOrder.objects.all()
    serializer_class = TransportOrderSerializer
    filterset_class = TransportOrderFilter
    permission_classes = [SignedIn, ObjectPerm.of(transport.ARRANGE)]
    action_permissions = {
        "list": [SignedIn],
        "retrieve": [SignedIn],
        "create": [SignedIn],
        "book": [SignedIn, Buyer],
        "cancel": [SignedIn, BuyerOr.of(transport.ARRANGE)],
    }
    action_serializers = {"create": RequestTransportSerializer, "retrieve": TransportOrderSerializer}

    def get_queryset(self) -> QuerySet[TransportOrder]:
        visible = TransportOrder.objects.visible_to(self.caller)
        return visible.select_related("order__listing").order_by("-id")

    def check_object_permissions(self, request: Request, obj: TransportOrder) -> None:
        """Who buys and who sells is the order's."""
        super().check_object_permissions(request, obj.order)

    def _move(self, move: Any, **data: Any) -> Response:
        row = self.get_object()
        return self.answer(move(transport_id=row.pk, actor=self.caller, now=clock.now(), **data))

    @idempotent
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        return super().create(request, *args, **kwargs)

    def perform_create(self, data: dict[str, Any]) -> TransportOrder:
        return transport.request_transport(
            order_id=data["order"], delivery_address=data["delivery_address"], actor=self.caller, now=clock.now()
        )

    @command(
        detail=True,
        request=QuoteTransportSerializer,
        response=TransportOrderSerializer,
        summary="Quote a transport",
        description="The price and, where they are known, the days; again until it is booked. 422 "
        "`delivery_before_pickup`. 409 `delivery_decided` when the order is not to be paid any more. " + MOVED + ".",
        examples=[
            sent("450", {"quoted_price": "450.00", **DATES}),
            shown("quoted", QUOTED),
        ],
    )
    @idempotent
    def quote(self, request: Request, pk: int) -> Response:
        return self._move(transport.quote_transport, **self.validated(QuoteTransportSerializer))

    @command(
        detail=True,
        request=BookTransportSerializer,
        response=TransportOrderSerializer,
        summary="Book a transport",
        description="By the buyer, at the quote. The invoice is issued with it. With `quoted_price` only at that "
        "price: 409 `quote_changed` (`meta.quoted_price`). 409 `already_invoiced` when the invoice came first, "
        "`delivery_decided` when the order is not to be paid any more. " + MOVED + ".",
        examples=[
            sent("at this price", {"quoted_price": "450.00"}),
            shown("booked", BOOKED),
        ],
    )
    @idempotent
    def book(self, request: Request, pk: int) -> Response:
        return self._move(transport.book_transport, **self.validated(BookTransportSerializer))

    @command(
        detail=True,
        request=AssignCarrierSerializer,
        response=TransportOrderSerializer,
        summary="Assign a carrier",
        description="Or another one, until the car is picked up. The order's transport is scheduled. 409 "
        "`order_not_paid`. " + ON_HOLD,
        examples=[sent("with a driver", DRIVER), shown("assigned", ASSIGNED)],
    )
    @idempotent
    def assign(self, request: Request, pk: int) -> Response:
        return self._move(transport.assign_carrier, **self.validated(AssignCarrierSerializer))

    @command(
        detail=True,
        response=TransportOrderSerializer,
        url_path="pick-up",
        summary="Pick the car up",
        description="On the order's gate pass, which is used with it unless the gate did. 409 `gate_pass_missing` when "
        "it was revoked. " + MOVED + ".",
        examples=[shown("picked up", PICKED_UP)],
    )
    @idempotent
    def pick_up(self, request: Request, pk: int) -> Response:
        return self._move(transport.pick_up)

    @command(
        detail=True,
        response=TransportOrderSerializer,
        summary="Depart",
        description="The order is in transit. " + ON_HOLD,
        examples=[shown("on the road", PICKED_UP | {"status": "in_transit"})],
    )
    @idempotent
    def depart(self, request: Request, pk: int) -> Response:
        return self._move(transport.depart)

    @command(
        detail=True,
        request=DeliverTransportSerializer,
        response=TransportOrderSerializer,
        summary="Deliver the car",
        description="The order is delivered. " + ON_HOLD,
        examples=[
            sent("for less", {"final_price": "430.00"}),
            shown("delivered", DELIVERED),
        ],
    )
    @idempotent
    def deliver(self, request: Request, pk: int) -> Response:
        return self._move(transport.deliver, **self.validated(DeliverTransportSerializer))

    @command(
        detail=True,
        request=CancelTransportSerializer,
        response=TransportOrderSerializer,
        summary="Cancel a transport",
        description="The buyer until it is booked (409 `transport_booked`), staff until the car has left (409 "
        "`gate_pass_used`). A booked one is credited with its tax by a credit note, and the delivery is undecided "
        "again. " + ON_HOLD,
        examples=[
            sent("why", {"reason": "The carrier has no room."}),
            shown("cancelled", QUOTED | {"status": "cancelled"}),
        ],
    )
    @idempotent
    def cancel(self, request: Request, pk: int) -> Response:
        return self._move(transport.cancel_transport, **self.validated(CancelTransportSerializer))
