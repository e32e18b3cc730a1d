"""Auctions as JSON, and what is posted to make and change them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import DateTimeField, Prefetch, Value, prefetch_related_objects
from drf_spectacular.utils import extend_schema_field
from rest_framework.serializers import SerializerMethodField

from auctions import bidding
from auctions.increments import MOST_AMOUNT
from auctions.models import Auction, AuctionBidder
from auctions.serializers.columns import AuctionColumns
from auctions.serializers.increments import IncrementTierSerializer
from common import clock
from common.fields import (
    IdField,
    MoneyField,
    NameField,
    StrictCharField,
    StrictChoiceField,
    StrictDateTimeField,
    StrictIntegerField,
)
from common.money import to_cents
from common.renderers import Untagged
from common.serializers import StrictModelSerializer, StrictSerializer

RESERVE_STATUSES = ("none", "not_met", "met")
OWN_BIDS = "own_bids"
DAY_S = 86_400


def own_bids_of(user: Any, path: str = "") -> Prefetch[Any]:
    """For `prefetch_related`: the caller's part in the auctions of a page, by one query. `path` leads to the auction,
    as `auction__`."""
    mine = AuctionBidder.objects.filter(user_id=user.pk) if user.pk else AuctionBidder.objects.none()
    return Prefetch(f"{path}bidders", queryset=mine, to_attr=OWN_BIDS)


class MomentField(StrictDateTimeField):
    """The moment of the answer, one for all of it. It makes no new version of a resource (see `Untagged`)."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("source", "*")
        super().__init__(read_only=True, **kwargs)

    def to_representation(self, value: Any) -> Any:  # noqa: ARG002 - the row says nothing about it
        return Untagged(super().to_representation(moment_of(self.context)))

    def column(self, prefix: str) -> Value:  # noqa: ARG002 - as above
        return Value(moment_of(self.context), output_field=DateTimeField())


def moment_of(context: Any) -> datetime:
    """What time it is in one answer."""
    moment: datetime = context.setdefault("moment", clock.now())
    return moment


class AuctionSerializer(AuctionColumns, StrictModelSerializer):
    """An auction as everybody sees it. `price` is null before the first bid; `min_next` is what somebody who does not
    lead must bid at least; `is_open` says whether bids are taken now; `buy_now` is the price to buy at once, null when
    that is not offered any more; `your_alias` and `your_max` are the caller's own, null for others."""

    listing = IdField(source="listing_id", read_only=True)
    is_open = SerializerMethodField()
    price = MoneyField(read_only=True, allow_null=True)
    min_next = MoneyField(read_only=True)
    reserve_status = StrictChoiceField(choices=RESERVE_STATUSES, read_only=True)
    buy_now = SerializerMethodField()
    leader_alias = StrictCharField(max_length=20, read_only=True, allow_null=True)
    your_alias = SerializerMethodField()
    your_max = SerializerMethodField()
    server_time = MomentField()

    class Meta:
        model = Auction
        fields = (
            "id",
            "listing",
            "status",
            "is_open",
            "starts_at",
            "ends_at",
            "original_ends_at",
            "price",
            "min_next",
            "bid_count",
            "reserve_status",
            "buy_now",
            "leader_alias",
            "your_alias",
            "your_max",
            "currency",
            "event_seq",
            "server_time",
        )
        read_only_fields = fields

    def get_is_open(self, auction: Auction) -> bool:
        """A bid opens a scheduled auction whose start has come, so the sweep's delay is not seen."""
        moment = moment_of(self.context)
        return auction.status in ("scheduled", "live") and auction.starts_at <= moment < auction.ends_at

    @extend_schema_field(MoneyField(allow_null=True))
    def get_buy_now(self, auction: Auction) -> str | None:
        return _shown(auction.buy_now_price if bidding.is_buy_now_open(auction.state(), auction.terms()) else None)

    @extend_schema_field(StrictCharField(max_length=20, allow_null=True))
    def get_your_alias(self, auction: Auction) -> str | None:
        own = self._own(auction)
        return None if own is None else str(own)

    @extend_schema_field(MoneyField(allow_null=True))
    def get_your_max(self, auction: Auction) -> str | None:
        own = self._own(auction)
        return _shown(own.maximum if own else None)

    def _own(self, auction: Auction) -> AuctionBidder | None:
        """The caller's part. A list brings it by `own_bids_of`; of a single auction it is asked for here."""
        if not hasattr(auction, OWN_BIDS):
            request = self.context.get("request")
            viewer = request.user if request else AnonymousUser()
            prefetch_related_objects([auction], own_bids_of(viewer))
        rows: list[AuctionBidder] = getattr(auction, OWN_BIDS)
        return rows[0] if rows else None


def _shown(amount: Decimal | None) -> str | None:
    return None if amount is None else str(to_cents(amount))


class CreateAuctionSerializer(StrictSerializer):
    """The terms of an auction. Prices and currency are the listing's; without `buy_now` also its price to buy at once,
    and null offers none. Without `increments` (see increment tables) the default table holds. While the leader's
    maximum is below the reserve, `under_reserve` shows that maximum (`jump`) or what the other bids force
    (`minimum`)."""

    listing = IdField()
    starts_at = StrictDateTimeField()
    ends_at = StrictDateTimeField()
    increments = IncrementTierSerializer(many=True, required=False, allow_null=True, allow_empty=False)
    soft_close_window_s = StrictIntegerField(min_value=0, max_value=DAY_S, required=False)
    soft_close_extension_s = StrictIntegerField(min_value=0, max_value=DAY_S, required=False)
    max_extensions = StrictIntegerField(min_value=0, max_value=10_000, required=False, allow_null=True)
    hard_end = StrictDateTimeField(required=False, allow_null=True)
    under_reserve = StrictChoiceField(choices=Auction.UnderReserve.choices, required=False)
    buy_now = MoneyField(min_value="0.01", max_value=MOST_AMOUNT, required=False, allow_null=True)


class CancelAuctionSerializer(StrictSerializer):
    """Why. Moderators have to say it."""

    reason = NameField(max_length=500, required=False, allow_blank=True)


class PauseAuctionSerializer(StrictSerializer):
    """Why."""

    reason = NameField(max_length=500)


class LowerReserveSerializer(StrictSerializer):
    """The new reserve; null removes it."""

    reserve_price = MoneyField(min_value="0.01", allow_null=True)


class ClockSerializer(StrictSerializer):
    """The clock by which auctions end."""

    server_time = StrictDateTimeField(read_only=True)
