"""Offers as JSON, and what is posted to make and counter one."""

from __future__ import annotations

from auctions.models import Offer
from auctions.serializers.bids import BidAmountField
from common.fields import IdField, NameField
from common.serializers import StrictModelSerializer, StrictSerializer


class OfferSerializer(StrictModelSerializer):
    """An offer. `made_by` proposes and the other party decides; `auction` is the one that it follows from; `parent` is
    the offer that this one answers, `counter` the one that answers it, `order` the sale that came of it."""

    listing = IdField(source="listing_id", read_only=True)
    auction = IdField(source="auction_id", read_only=True, allow_null=True)
    buyer = IdField(source="buyer_id", read_only=True)
    seller = IdField(source="seller_id", read_only=True)
    counter = IdField(source="counter.pk", read_only=True, allow_null=True)
    order = IdField(source="order.pk", read_only=True, allow_null=True)

    class Meta:
        model = Offer
        fields = (
            "id",
            "kind",
            "status",
            "listing",
            "auction",
            "buyer",
            "seller",
            "made_by",
            "amount",
            "currency",
            "message",
            "round",
            "parent",
            "counter",
            "order",
            "expires_at",
            "decided_at",
            "created_at",
            "updated_at",
        )
        read_only_fields = fields


class CreateOfferSerializer(StrictSerializer):
    """An offer for what is on the marketplace, in its currency."""

    listing = IdField()
    amount = BidAmountField()
    message = NameField(max_length=500, required=False, allow_blank=True)


class CounterOfferSerializer(StrictSerializer):
    """Another amount."""

    amount = BidAmountField()
