"""Title transfers as JSON, and what is posted to move them."""

from __future__ import annotations

from typing import Any

from auctions.models import TitleTransfer
from common.fields import IdField, NameField, StrictCharField
from common.serializers import StrictModelSerializer, StrictSerializer


class TitleTransferSerializer(StrictModelSerializer):
    """The way of an order's title document. `overdue_at` is when it was found late; `lien_holder`, between the seller
    and the house, is blank for the buyer."""

    order = IdField(source="order_id", read_only=True)
    order_number = StrictCharField(source="order.order_number", max_length=16, read_only=True)
    listing = IdField(source="order.listing_id", read_only=True)
    vehicle = StrictCharField(source="order.listing", max_length=300, read_only=True)

    class Meta:
        model = TitleTransfer
        fields = (
            "id",
            "order",
            "order_number",
            "listing",
            "vehicle",
            "status",
            "title_state",
            "lien_holder",
            "tracking_reference",
            "due_at",
            "overdue_at",
            "received_at",
            "completed_at",
            "created_at",
            "updated_at",
        )
        read_only_fields = fields

    def to_representation(self, instance: TitleTransfer) -> dict[str, Any]:
        data, viewer = super().to_representation(instance), self.context["request"].user
        is_shown = viewer.pk == instance.order.seller_id or viewer.has_perm("auctions.view_titletransfer")
        return data if is_shown else data | {"lien_holder": ""}


class RejectDocumentsSerializer(StrictSerializer):
    """What is wrong with them."""

    reason = NameField(max_length=500)


class HoldLienSerializer(StrictSerializer):
    """Who has the claim."""

    lien_holder = NameField(max_length=200)


class SendTitleSerializer(StrictSerializer):
    """What finds the letter."""

    tracking_reference = NameField(max_length=100)
