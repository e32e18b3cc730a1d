"""Bids as JSON, and what is posted to place one."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework import serializers

from auctions.increments import MOST_AMOUNT
from auctions.models import AuctionEvent, Bid, Order
from auctions.serializers.columns import BidColumns
from auctions.services.bids import POSITIONS
from common.fields import (
    IdField,
    MoneyField,
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictDateTimeField,
    StrictIntegerField,
    compile_pattern,
)
from common.serializers import StrictModelSerializer, StrictSerializer


class BidAmountField(MoneyField):
    """A maximum: more than nothing, in whole cents, and at most what leaves room for a step and for fees. Unlike other
    amounts a text of zero or of ten digits is malformed (400), since the form can say so."""

    positive: ClassVar[str] = r"^(?:[1-9][0-9]{0,8}(?:\.[0-9]{1,2})?|0\.(?:0[1-9]|[1-9][0-9]?))$"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**({"min_value": "0.01", "max_value": MOST_AMOUNT} | kwargs))
        self.pattern = self.positive
        self._enforced = compile_pattern(self.positive)


class PlaceBidSerializer(StrictSerializer):
    """A bid: the most that its bidder would pay."""

    amount = BidAmountField()


class BidAnswerSerializer(StrictSerializer):
    """What became of a bid."""

    bid = serializers.UUIDField(read_only=True)
    position = StrictChoiceField(choices=POSITIONS[:2], read_only=True)
    price = MoneyField(read_only=True)
    min_next = MoneyField(read_only=True)
    ends_at = StrictDateTimeField(read_only=True)
    extended = StrictBooleanField(read_only=True)
    event_seq = StrictIntegerField(read_only=True)
    server_time = StrictDateTimeField(read_only=True)


class PublicBidSerializer(BidColumns, StrictModelSerializer):
    """A bid as everybody sees it: the price that it made, not its maximum."""

    seq = StrictIntegerField(source="bid_seq", read_only=True)
    placed_at = StrictDateTimeField(source="at", read_only=True)
    mine = serializers.SerializerMethodField()

    class Meta:
        model = AuctionEvent
        fields = ("seq", "alias", "price", "placed_at", "mine")
        read_only_fields = fields

    def get_mine(self, event: AuctionEvent) -> bool:
        return event.alias == self.context["view"].own_alias


class OwnBidSerializer(StrictModelSerializer):
    """One's own bid, with its maximum."""

    auction = IdField(source="auction_id", read_only=True)
    amount = MoneyField(read_only=True)
    placed_at = StrictDateTimeField(source="at", read_only=True)
    position = StrictChoiceField(choices=POSITIONS, read_only=True)

    class Meta:
        model = Bid
        fields = ("id", "auction", "amount", "placed_at", "position")
        read_only_fields = fields


class BoughtSerializer(StrictModelSerializer):
    """The order of what was bought at once."""

    order = IdField(source="pk", read_only=True)
    auction = IdField(source="auction_id", read_only=True)
    listing = IdField(source="listing_id", read_only=True)
    status = StrictCharField(max_length=19, read_only=True)

    class Meta:
        model = Order
        fields = ("order", "order_number", "auction", "listing", "hammer_price", "currency", "status")
        read_only_fields = fields
