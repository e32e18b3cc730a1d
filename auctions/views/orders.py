"""Orders: `/api/orders`."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotency import idempotent
from auctions.filters.orders import OrderFilter
from auctions.models import Order
from auctions.permissions import Buyer, BuyerOr
from auctions.serializers.orders import (
    OrderEventSerializer,
    OrderReasonSerializer,
    OrderSerializer,
    ResolveDisputeSerializer,
    transports_of_orders,
)
from auctions.services import orders
from auctions.views.gate_passes import GatePassActions
from auctions.views.invoices import InvoiceActions
from auctions.views.payments import PaymentActions
from common import clock
from common.examples import sent, shown
from common.permissions import HasPerm, SignedIn
from common.views import ApiViewSet, ListMixin, RetrieveMixin, command, reading

UNPAID: dict[str, Any] = {
    "id": 31,
    "order_number": "FO-7K3QX9ZD",
    "auction": 17,
    "listing": 9,
    "vehicle": "2018 Honda Accord",
    "buyer": 5,
    "seller": 3,
    "hammer_price": "15000.00",
    "currency": "USD",
    "status": "awaiting_payment",
    "delivery": "",
    "payment_due_at": "2025-03-08T18:30:00Z",
    "default_at": "2025-03-15T18:30:00Z",
    "paid_at": None,
    "invoice": None,
    "title_transfer": None,
    "transport_order": None,
    "created_at": "2025-03-01T18:30:00.104512Z",
    "updated_at": "2025-03-01T18:30:00.104512Z",
}
OPEN_INVOICE = {
    "id": 12,
    "number": "SINV-2025-000012",
    "status": "open",
    "total": "15825.00",
    "paid": "0.00",
    "credited": "0.00",
    "balance": "15825.00",
    "credit": "0.00",
    "due_at": "2025-03-08T18:30:00Z",
}
PAID_INVOICE = OPEN_INVOICE | {"status": "paid", "paid": "15825.00", "balance": "0.00"}
VOID_INVOICE = OPEN_INVOICE | {"status": "void", "credited": "15825.00", "balance": "0.00"}
TO_PICK_UP = UNPAID | {"delivery": "self_pickup", "invoice": OPEN_INVOICE}
DELIVERED = TO_PICK_UP | {
    "status": "delivered",
    "paid_at": "2025-03-03T09:00:00Z",
    "invoice": PAID_INVOICE,
    "title_transfer": {"id": 8, "status": "completed"},
}
EVENT = {
    "id": 211,
    "subject": "order",
    "subject_id": 31,
    "old": "awaiting_payment",
    "new": "paid",
    "reason": "",
    "details": {},
    "actor": None,
    "at": "2025-03-03T09:00:00Z",
}
CHANGE = "auctions.change_order"


@extend_schema_view(
    list=extend_schema(
        summary="List orders",
        description="Buyers and sellers see theirs, staff all; the newest first. `invoice` is null for the seller.",
        examples=[shown("an unpaid order", UNPAID)],
    ),
    retrieve=extend_schema(
        summary="Read an order",
        description="With what is owed (null for the seller), and how far title and transport are.",
        examples=[shown("to be picked up", TO_PICK_UP)],
    ),
)
class OrderViewSet(GatePassActions, InvoiceActions, PaymentActions, ListMixin, RetrieveMixin, ApiViewSet):
    """Sales, from the hammer to the delivered car."""

    queryset = Order.objects.all()
    serializer_class = OrderSerializer
    filterset_class = OrderFilter
    action_permissions = {
        "cancel": [HasPerm.of(CHANGE)],
        "self_pickup": [SignedIn, Buyer],
        "dispute": [SignedIn, BuyerOr.of(CHANGE)],
        "resolve": [HasPerm.of(CHANGE)],
        "complete": [SignedIn, BuyerOr.of(CHANGE)],
    }

    def get_queryset(self) -> QuerySet[Order]:
        shown = Order.objects.visible_to(self.caller).select_related("listing", "invoice", "title_transfer")
        return shown.prefetch_related(
            transports_of_orders(), "refunds"
        )  # What an invoice leaves open depends on these.

    def answer_order(self, order: Order) -> Response:
        """The order as it is now, with what belongs to it."""
        return self.answer(self.get_queryset().get(pk=order.pk))

    @reading(
        detail=True,
        response=OrderEventSerializer(many=True),
        schema={
            "summary": "List an order's events",
            "description": "The oldest first: what happened to the order and to all that belongs to it. Sellers are "
            "not shown what is between the buyer and the house, nor buyers the payout, a lien or why the seller's "
            "documents were rejected. Staff see what happened to the rows that they may view, and which of them did "
            "it.",
            "examples": [shown("paid", EVENT)],
        },
    )
    def events(self, request: Request, pk: int) -> Response:
        return self.listing(orders.events_for(self.get_object(), self.caller), OrderEventSerializer)

    @command(
        detail=True,
        request=OrderReasonSerializer,
        response=OrderSerializer,
        summary="Cancel an order",
        description="By finance. Unpaid, its invoice is voided by a credit note and the listing is on the market "
        "again; paid, all must have been refunded. 409 `money_received` while money is there, `payment_in_progress` "
        "while a payment is being processed, `gate_pass_used` when the car has left, `invalid_transition` when it is "
        "too late.",
        examples=[
            sent("why", {"reason": "Both parties agreed."}),
            shown("cancelled", UNPAID | {"status": "cancelled", "invoice": VOID_INVOICE}),
        ],
    )
    @idempotent
    def cancel(self, request: Request, pk: int) -> Response:
        order, data = self.get_object(), self.validated(OrderReasonSerializer)
        return self.answer_order(orders.cancel_order(order_id=order.pk, actor=self.caller, now=clock.now(), **data))

    @command(
        detail=True,
        response=OrderSerializer,
        url_path="self-pickup",
        summary="Pick the car up oneself",
        description="By the buyer, instead of a transport: what was not booked yet is cancelled. The invoice is issued "
        "unless there is one. 409 `delivery_decided` when the buyer has chosen before, `invalid_transition` when the "
        "order is over.",
        examples=[shown("to be picked up", TO_PICK_UP)],
    )
    @idempotent
    def self_pickup(self, request: Request, pk: int) -> Response:
        order = orders.choose_self_pickup(order_id=self.get_object().pk, actor=self.caller, now=clock.now())
        return self.answer_order(order)

    @command(
        detail=True,
        request=OrderReasonSerializer,
        response=OrderSerializer,
        summary="Dispute an order",
        description="By the buyer or finance, from the payment until 14 days after completion (409 `dispute_too_late`)"
        ". The gate pass is revoked and the seller's payout held until it is resolved. 409 `invalid_transition` when "
        "the order is not paid, disputed already, or over.",
        examples=[
            sent("why", {"reason": "The engine is another one."}),
            shown("disputed", DELIVERED | {"status": "disputed"}),
        ],
    )
    @idempotent
    def dispute(self, request: Request, pk: int) -> Response:
        order, data = self.get_object(), self.validated(OrderReasonSerializer)
        return self.answer_order(orders.dispute_order(order_id=order.pk, actor=self.caller, now=clock.now(), **data))

    @command(
        detail=True,
        request=ResolveDisputeSerializer,
        response=OrderSerializer,
        summary="Resolve a dispute",
        description="By finance. `back`: the order goes on where it was. `refund`: the sale is undone, the invoice "
        "credited in full, and a refund of every payment requested. 409 `invalid_transition` when it is not disputed.",
        examples=[
            sent("the sale goes on", {"outcome": "back"}),
            sent("undone", {"outcome": "refund", "reason": "The engine is another one."}),
            shown("back", DELIVERED),
        ],
    )
    @idempotent
    def resolve(self, request: Request, pk: int) -> Response:
        order, data = self.get_object(), self.validated(ResolveDisputeSerializer)
        return self.answer_order(orders.resolve_dispute(order_id=order.pk, actor=self.caller, now=clock.now(), **data))

    @command(
        detail=True,
        response=OrderSerializer,
        summary="Complete an order",
        description="By the buyer or finance: the car is there and its title is the buyer's. 409 "
        "`title_not_completed`; `invalid_transition` before the delivery and afterwards.",
        examples=[shown("completed", DELIVERED | {"status": "completed"})],
    )
    @idempotent
    def complete(self, request: Request, pk: int) -> Response:
        order = orders.complete_order(order_id=self.get_object().pk, actor=self.caller, now=clock.now())
        return self.answer_order(order)
