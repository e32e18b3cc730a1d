"""Orders as JSON, their timeline, and what is posted to move them."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from auctions.models import Invoice, Order, SettlementEvent, TitleTransfer, TransportOrder
from auctions.serializers.invoices import OwedSerializer
from auctions.services.orders import may_view
from common.fields import IdField, NameField, StrictCharField, StrictChoiceField
from common.serializers import StrictModelSerializer, StrictSerializer

TRANSPORTS = "standing_transports"
RESOLUTIONS = ("back", "refund")
Subject = SettlementEvent.Subject
# Of events that both parties see, what lies between the house and the other one: facts by subject, and the subject and
# new status of those whose reason it is.
_BUYERS_FACTS = {Subject.TRANSPORT_ORDER: ("amount", "currency")}
_BUYERS_REASONS = [(Subject.GATE_PASS, "revoked")]
_SELLERS_FACTS = {Subject.TITLE_TRANSFER: ("lien_holder",)}
_SELLERS_REASONS = [(Subject.TITLE_TRANSFER, "rejected_documents")]


def transports_of_orders() -> Prefetch[Any]:
    """For `prefetch_related`: the transport order of each order that is not cancelled."""
    standing = TransportOrder.objects.exclude(status=TransportOrder.Status.CANCELLED)
    return Prefetch("transport_orders", queryset=standing, to_attr=TRANSPORTS)


class OrderInvoiceSerializer(OwedSerializer):
    """What is to be paid for an order: `balance` is still owed, `credit` was paid beyond it."""

    class Meta:
        model = Invoice
        fields = ("id", "number", "status", "total", "paid", "credited", "balance", "credit", "due_at")
        read_only_fields = fields


class OrderTitleSerializer(StrictModelSerializer):
    """How far the title is."""

    class Meta:
        model = TitleTransfer
        fields = ("id", "status")
        read_only_fields = fields


class OrderTransportSerializer(StrictModelSerializer):
    """How far the transport is."""

    class Meta:
        model = TransportOrder
        fields = ("id", "status")
        read_only_fields = fields


class OrderSerializer(StrictModelSerializer):
    """A sale. `delivery` is blank until the buyer has chosen; `invoice` is between the buyer and the house, and null
    for the seller."""

    auction = IdField(source="auction_id", read_only=True, allow_null=True)
    listing = IdField(source="listing_id", read_only=True)
    vehicle = StrictCharField(source="listing.__str__", max_length=300, read_only=True)
    buyer = IdField(source="buyer_id", read_only=True)
    seller = IdField(source="seller_id", read_only=True)
    invoice = serializers.SerializerMethodField()
    title_transfer = serializers.SerializerMethodField()
    transport_order = serializers.SerializerMethodField()

    class Meta:
        model = Order
        fields = (
            "id",
            "order_number",
            "auction",
            "listing",
            "vehicle",
            "buyer",
            "seller",
            "hammer_price",
            "currency",
            "status",
            "delivery",
            "payment_due_at",
            "default_at",
            "paid_at",
            "invoice",
            "title_transfer",
            "transport_order",
            "created_at",
            "updated_at",
        )
        read_only_fields = fields

    @extend_schema_field(OrderInvoiceSerializer(allow_null=True))
    def get_invoice(self, order: Order) -> dict[str, Any] | None:
        viewer = self.context["request"].user
        if viewer.pk != order.buyer_id and not viewer.has_perm("auctions.view_invoice"):
            return None
        return _shown(getattr(order, "invoice", None), OrderInvoiceSerializer)

    @extend_schema_field(OrderTitleSerializer(allow_null=True))
    def get_title_transfer(self, order: Order) -> dict[str, Any] | None:
        return _shown(getattr(order, "title_transfer", None), OrderTitleSerializer)

    @extend_schema_field(OrderTransportSerializer(allow_null=True))
    def get_transport_order(self, order: Order) -> dict[str, Any] | None:
        rows = getattr(order, TRANSPORTS)
        return _shown(rows[0] if rows else None, OrderTransportSerializer)


def _shown(row: Any, serializer_class: type[StrictModelSerializer]) -> dict[str, Any] | None:
    return None if row is None else dict(serializer_class(row).data)


class OrderEventSerializer(StrictModelSerializer):
    """What happened: `subject` and `subject_id` name the row, which went from `old` (blank where it begins) to `new`.
    `details` are facts of that moment; `actor` is null where the rules acted or staff did, who are nobody's business
    but staff's."""

    actor = IdField(source="actor_id", read_only=True, allow_null=True)

    class Meta:
        model = SettlementEvent
        fields = ("id", "subject", "subject_id", "old", "new", "reason", "details", "actor", "at")
        read_only_fields = fields

    def to_representation(self, instance: SettlementEvent) -> dict[str, Any]:
        """What lies between the house and one party is not told the other."""
        data, viewer, order = super().to_representation(instance), self.context["request"].user, instance.order
        if order is None:
            return data
        if instance.actor_id not in (order.buyer_id, order.seller_id) and not may_view(viewer, "settlement_event"):
            data["actor"] = None
        if may_view(viewer, instance.subject):
            return data
        is_seller = viewer.pk == order.seller_id
        if (instance.subject, instance.new) in (_BUYERS_REASONS if is_seller else _SELLERS_REASONS):
            data["reason"] = ""
        hidden = (_BUYERS_FACTS if is_seller else _SELLERS_FACTS).get(Subject(instance.subject), ())
        data["details"] = {name: fact for name, fact in data["details"].items() if name not in hidden}
        return data


class OrderReasonSerializer(StrictSerializer):
    """Why."""

    reason = NameField(max_length=500)


class ResolveDisputeSerializer(StrictSerializer):
    """`back` to where the order was, or `refund` of all that was paid."""

    outcome = StrictChoiceField(choices=RESOLUTIONS)
    reason = NameField(max_length=500, required=False, allow_blank=True)
