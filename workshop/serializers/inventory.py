"""Parts and their movements as JSON."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from common.fields import (
    Describe,
    IdField,
    MoneyField,
    NameField,
    RelatedIdField,
    StrictBooleanField,
    StrictDecimalField,
    describe_nothing,
    nullable,
)
from common.serializers import StrictModelSerializer, StrictSerializer
from workshop.models import Part, StockMovement, Supplier


class QuantityField(StrictDecimalField):
    """A quantity from 0.000 up, in the part's unit."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**({"max_digits": 12, "decimal_places": 3, "min_value": 0} | kwargs))


class CostField(MoneyField):
    """What something costs the workshop: null in answers to people who may not see costs."""

    def to_representation(self, value: Decimal) -> Any:
        user = self.context["request"].user
        return super().to_representation(value) if user.has_perm("workshop.view_costs") else None

    def json_schema(self, *, request: bool, nested: Describe = describe_nothing) -> dict[str, Any]:
        schema = super().json_schema(request=request, nested=nested)
        return schema if request else nullable(schema)


class PartSerializer(StrictModelSerializer):
    """A part. `available` is what is on hand and not reserved; `low_stock` says that it is below the threshold."""

    name = NameField(max_length=200)
    sku = NameField(max_length=64)
    unit = NameField(max_length=16, required=False)
    price = MoneyField()
    cost = CostField()
    low_stock_threshold = QuantityField(required=False)
    supplier = RelatedIdField(queryset=Supplier.objects.all(), required=False, allow_null=True)
    supplier_sku = NameField(max_length=64, required=False, allow_blank=True)
    product = IdField(source="product_id", read_only=True, allow_null=True)
    on_hand = QuantityField(read_only=True)
    reserved = QuantityField(read_only=True)
    available = QuantityField(read_only=True)
    low_stock = StrictBooleanField(source="is_low", read_only=True)

    class Meta:
        model = Part
        fields = (
            "id",
            "name",
            "sku",
            "description",
            "unit",
            "price",
            "cost",
            "low_stock_threshold",
            "supplier",
            "supplier_sku",
            "product",
            "on_hand",
            "reserved",
            "available",
            "low_stock",
            "archived_at",
            "created_at",
            "updated_at",
        )
        read_only_fields = ("archived_at", "created_at", "updated_at")


class ReceivePartSerializer(StrictSerializer):
    """What came in; `reference` is the number of the delivery note."""

    quantity = QuantityField()
    reference = NameField(max_length=64, required=False, allow_blank=True, default="")


class AdjustPartSerializer(StrictSerializer):
    """How many were counted, and why."""

    counted = QuantityField()
    reason = NameField(max_length=200)


class ScrapPartSerializer(StrictSerializer):
    """How many are thrown away, and why."""

    quantity = QuantityField()
    reason = NameField(max_length=200)


class StockMovementSerializer(StrictModelSerializer):
    """An entry of the ledger. `before` and `after` are what was and is on hand; the deltas add up to `on_hand` and
    `reserved` of the part."""

    line = IdField(source="line_id", read_only=True, allow_null=True)
    actor = IdField(source="actor_id", read_only=True, allow_null=True)

    class Meta:
        model = StockMovement
        fields = (
            "id",
            "kind",
            "quantity",
            "on_hand_delta",
            "reserved_delta",
            "before",
            "after",
            "reason",
            "reference",
            "line",
            "actor",
            "at",
        )
        read_only_fields = fields
