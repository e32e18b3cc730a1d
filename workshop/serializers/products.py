"""The catalogue as JSON."""

from __future__ import annotations

from typing import Any

from common.fields import (
    IdField,
    MoneyField,
    NameField,
    RelatedIdField,
    StrictCharField,
    StrictChoiceField,
    StrictDecimalField,
    StrictIntegerField,
    StrictListField,
)
from common.serializers import StrictModelSerializer, StrictSerializer
from workshop.models import Part, PriceProposal, Product, Supplier
from workshop.serializers.inventory import QuantityField
from workshop.services.products import EDITABLE

MOST_STOCK = 2**31 - 1


class MeasureField(StrictDecimalField):
    """A length of the package, in the supplier's unit; null where it is not known."""

    def __init__(self, **kwargs: Any) -> None:
        optional = {"required": False, "allow_null": True}
        super().__init__(**({"max_digits": 10, "decimal_places": 2, "min_value": 0} | optional | kwargs))


class ProductSerializer(StrictModelSerializer):
    """Something that a supplier offers. `provider` is `manual` or the provider that brought the row; `locked_fields`
    are those that people edited and the sync leaves alone; `supplier_stock_at` says when the supplier's stock was last
    news."""

    name = NameField(max_length=200)
    price = MoneyField()
    category = NameField(max_length=128, required=False, allow_blank=True)
    brand = NameField(max_length=128, required=False, allow_blank=True)
    sku = NameField(max_length=64, required=False, allow_blank=True)
    height = MeasureField()
    length = MeasureField()
    depth = MeasureField()
    supplier_stock = StrictIntegerField(min_value=0, max_value=MOST_STOCK, required=False, allow_null=True)
    locked_fields = StrictListField(child=StrictChoiceField(choices=EDITABLE), read_only=True)

    class Meta:
        model = Product
        fields = (
            "id",
            "name",
            "description",
            "price",
            "category",
            "brand",
            "sku",
            "height",
            "length",
            "depth",
            "supplier_stock",
            "supplier_stock_at",
            "provider",
            "external_id",
            "locked_fields",
            "withdrawn_at",
            "created_at",
            "updated_at",
        )
        read_only_fields = (
            "supplier_stock_at",
            "provider",
            "external_id",
            "withdrawn_at",
            "created_at",
            "updated_at",
        )


class UnlockProductSerializer(StrictSerializer):
    """The fields to unlock; without it all of them."""

    fields_ = StrictListField(child=StrictChoiceField(choices=EDITABLE), required=False, allow_empty=False)

    def get_fields(self) -> dict[str, Any]:
        """`fields` is what DRF calls its own attribute, so the member cannot be declared under its name."""
        declared = super().get_fields()
        return {"fields": declared.pop("fields_"), **declared}


class ProductCategorySerializer(StrictSerializer):
    """A category, in one of its spellings, and the number of its products."""

    category = StrictCharField(source="name", max_length=128, read_only=True)
    count = StrictIntegerField(min_value=1, read_only=True)


class AdoptProductSerializer(StrictSerializer):
    """`part` links the product to that part; without it a part is made. The others are fields of the part."""

    part = RelatedIdField(queryset=Part.objects.all(), required=False)
    name = NameField(max_length=200, required=False)
    sku = NameField(max_length=64, required=False)
    price = MoneyField(required=False)
    unit = NameField(max_length=16, required=False)
    low_stock_threshold = QuantityField(required=False)
    supplier = RelatedIdField(queryset=Supplier.objects.all(), required=False)


class PriceProposalSerializer(StrictModelSerializer):
    """A price that moved by more than half, and what became of it. `run_id` is the sync run that brought it."""

    product = IdField(source="product_id", read_only=True)
    product_name = StrictCharField(source="product.name", max_length=200, read_only=True)
    old_price = MoneyField(read_only=True)
    new_price = MoneyField(read_only=True)
    run_id = IdField(read_only=True, allow_null=True)
    decided_by = IdField(source="decided_by_id", read_only=True, allow_null=True)

    class Meta:
        model = PriceProposal
        fields = (
            "id",
            "product",
            "product_name",
            "old_price",
            "new_price",
            "status",
            "run_id",
            "created_at",
            "decided_at",
            "decided_by",
        )
        read_only_fields = ("status", "created_at", "decided_at")
