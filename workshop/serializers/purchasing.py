"""Purchase orders and their deliveries as JSON."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

from common.fields import (
    IdField,
    MoneyField,
    NameField,
    RelatedIdField,
    StrictCharField,
    StrictDecimalField,
    StrictListField,
)
from common.serializers import StrictModelSerializer, StrictSerializer
from workshop.models import Delivery, Part, PurchaseOrder, PurchaseOrderLine, Supplier
from workshop.models.stock import QUANTITY
from workshop.services import purchasing

MAX_LINES = 200


class PurchaseOrderLineSerializer(StrictModelSerializer):
    """A part of an order, and how much of it has arrived."""

    part = IdField(source="part_id", read_only=True)
    sku = StrictCharField(source="part.sku", max_length=64, read_only=True)
    name = StrictCharField(source="part.name", max_length=200, read_only=True)
    unit = StrictCharField(source="part.unit", max_length=16, read_only=True)
    supplier_sku = StrictCharField(source="part.supplier_sku", max_length=64, read_only=True)

    class Meta:
        model = PurchaseOrderLine
        fields = ("id", "part", "sku", "name", "unit", "supplier_sku", "quantity", "unit_cost", "received")
        read_only_fields = fields


class DeliveredLineSerializer(StrictSerializer):
    """What a delivery brought of a line."""

    line = IdField(read_only=True)
    quantity = StrictDecimalField(**QUANTITY, read_only=True)


class DeliverySerializer(StrictModelSerializer):
    """A delivery that was booked."""

    lines = serializers.SerializerMethodField()
    received_by = IdField(source="received_by_id", read_only=True, allow_null=True)

    class Meta:
        model = Delivery
        fields = ("id", "note", "lines", "received_by", "received_at")
        read_only_fields = fields

    @extend_schema_field(DeliveredLineSerializer(many=True))
    def get_lines(self, delivery: Delivery) -> Any:
        rows = [{"line": int(line), "quantity": quantity} for line, quantity in delivery.lines.items()]
        return DeliveredLineSerializer(rows, many=True).data


class PurchaseOrderRowSerializer(StrictModelSerializer):
    """An order in the list."""

    number = StrictCharField(max_length=20, read_only=True)
    supplier = IdField(source="supplier_id", read_only=True)
    supplier_name = StrictCharField(source="supplier.name", max_length=200, read_only=True)
    total = serializers.SerializerMethodField()
    created_by = IdField(source="created_by_id", read_only=True, allow_null=True)

    class Meta:
        model = PurchaseOrder
        fields: tuple[str, ...] = (
            "id",
            "number",
            "supplier",
            "supplier_name",
            "status",
            "total",
            "sent_at",
            "created_by",
            "created_at",
            "updated_at",
        )
        read_only_fields = fields

    @extend_schema_field(MoneyField())
    def get_total(self, order: PurchaseOrder) -> str:
        return str(purchasing.total_of_order(order))


class PurchaseOrderSerializer(PurchaseOrderRowSerializer):
    """An order with its lines and deliveries."""

    lines = PurchaseOrderLineSerializer(many=True, read_only=True)
    deliveries = DeliverySerializer(many=True, read_only=True)

    class Meta(PurchaseOrderRowSerializer.Meta):
        fields = (*PurchaseOrderRowSerializer.Meta.fields, "lines", "deliveries")
        read_only_fields = fields


class OrderedPartSerializer(StrictSerializer):
    """A line to be. Without `unit_cost` it is what the part costs now."""

    part = IdField()
    quantity = StrictDecimalField(**QUANTITY, min_value="0.001")
    unit_cost = MoneyField(required=False)


class PurchaseOrderLinesSerializer(StrictSerializer):
    """All lines of a draft, one per part."""

    lines = StrictListField(child=OrderedPartSerializer(), allow_empty=False, max_length=MAX_LINES)

    def validate_lines(self, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Looks the parts up by one query."""
        parts = Part.objects.in_bulk([line["part"] for line in lines])
        missing: dict[Any, Any] = {
            index: {"part": [ErrorDetail(f'Invalid pk "{line["part"]}" - object does not exist.', "does_not_exist")]}
            for index, line in enumerate(lines)
            if line["part"] not in parts
        }
        if missing:
            raise serializers.ValidationError(missing)
        return [line | {"part": parts[line["part"]]} for line in lines]


class NewPurchaseOrderSerializer(PurchaseOrderLinesSerializer):
    """A draft to be."""

    supplier = RelatedIdField(queryset=Supplier.objects.all())


class ArrivedLineSerializer(StrictSerializer):
    """What arrived of a line of the order."""

    line = IdField()
    quantity = StrictDecimalField(**QUANTITY, min_value="0.001")


class ReceiveDeliverySerializer(StrictSerializer):
    """What a delivery note says."""

    delivery_note = NameField(max_length=64)
    lines = StrictListField(child=ArrivedLineSerializer(), allow_empty=False, max_length=MAX_LINES)


class ResumedTicketSerializer(StrictSerializer):
    """A ticket that has all of its parts now."""

    id = IdField(read_only=True)
    number = StrictCharField(max_length=20, read_only=True)


class ReceivedOrderSerializer(PurchaseOrderSerializer):
    """An order after a delivery, with the tickets that go on by it."""

    resumed = ResumedTicketSerializer(many=True, read_only=True)

    class Meta(PurchaseOrderSerializer.Meta):
        fields = (*PurchaseOrderSerializer.Meta.fields, "resumed")
        read_only_fields = fields


class ShortPartSerializer(StrictSerializer):
    """A part that is short and has no supplier."""

    part = IdField(source="part.pk", read_only=True)
    sku = StrictCharField(source="part.sku", max_length=64, read_only=True)
    quantity = StrictDecimalField(**QUANTITY, read_only=True)


class OrderedShortagesSerializer(StrictSerializer):
    """The suppliers' drafts as they are now, and what is in none of them."""

    orders = PurchaseOrderSerializer(many=True, read_only=True)
    without_supplier = ShortPartSerializer(many=True, read_only=True)
