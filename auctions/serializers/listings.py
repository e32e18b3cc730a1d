"""Listings as JSON, and what sellers and moderators send."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.db import connection
from django.db.models import BooleanField, Case, F, OuterRef, Q, Value, When
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.models import User
from auctions import bidding
from auctions.increments import MOST_AMOUNT
from auctions.models import (
    Auction,
    BodyType,
    Condition,
    Drivetrain,
    FuelType,
    Listing,
    ListingEvent,
    ListingImage,
    OdometerStatus,
    TitleType,
    Transmission,
)
from auctions.models.listings import VIEW_LISTING
from auctions.serializers.columns import AuctionColumns, SellerColumns, truth
from auctions.serializers.files import ListingImageSerializer
from cars.models import YEAR_MAX, YEAR_MIN, VehicleEvent
from cars.vin_providers import PROVIDERS
from common.fields import (
    IdField,
    MoneyField,
    NameField,
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictDateTimeField,
    StrictDecimalField,
    StrictIntegerField,
    TextField,
)
from common.rowjson import JsonArray, JsonObject, columns_of
from common.serializers import StrictModelSerializer, StrictSerializer

MAX_MILEAGE = 9_999_999
TYPED_VIN_LENGTH = 32  # With the blanks and dashes that people type between the groups.
MOST_HISTORY = 50
SOLD_BY_AUCTION = (Listing.Status.IN_AUCTION, Listing.Status.PENDING_SALE, Listing.Status.SOLD)
# Only for the seller and staff who may view listings; other people's answers do not have these members at all.
PRIVATE = ("vehicle", "reserve_price", "submitted_at")


class ListingChangeSerializer(StrictSerializer):
    """What a seller says about a vehicle and its sale. A null or an empty text means that it is not said. Mileage is in
    miles; `title_state` is a state's two letters. Starting price <= reserve < price to buy at once."""

    year = StrictIntegerField(min_value=YEAR_MIN, max_value=YEAR_MAX, required=False, allow_null=True)
    make = NameField(max_length=128, required=False, allow_blank=True)
    model = NameField(max_length=160, required=False, allow_blank=True)
    trim = NameField(max_length=128, required=False, allow_blank=True)
    body_type = StrictChoiceField(choices=BodyType.choices, required=False, allow_blank=True)
    engine = NameField(max_length=128, required=False, allow_blank=True)
    transmission = StrictChoiceField(choices=Transmission.choices, required=False, allow_blank=True)
    drivetrain = StrictChoiceField(choices=Drivetrain.choices, required=False, allow_blank=True)
    fuel_type = StrictChoiceField(choices=FuelType.choices, required=False, allow_blank=True)
    exterior_color = NameField(max_length=64, required=False, allow_blank=True)
    interior_color = NameField(max_length=64, required=False, allow_blank=True)
    mileage = StrictIntegerField(min_value=0, max_value=MAX_MILEAGE, required=False, allow_null=True)
    odometer_status = StrictChoiceField(choices=OdometerStatus.choices, required=False)
    condition = StrictChoiceField(choices=Condition.choices, required=False, allow_blank=True)
    title_type = StrictChoiceField(choices=TitleType.choices, required=False, allow_blank=True)
    title_state = StrictCharField(max_length=2, pattern="^[A-Z]{2}$", required=False, allow_blank=True)
    has_keys = StrictBooleanField(required=False)
    shares_history = StrictBooleanField(required=False)
    description = TextField(required=False, allow_blank=True)
    starting_price = MoneyField(min_value="0.01", max_value=MOST_AMOUNT, required=False, allow_null=True)
    reserve_price = MoneyField(max_value=MOST_AMOUNT, required=False, allow_null=True)
    buy_now_price = MoneyField(max_value=MOST_AMOUNT, required=False, allow_null=True)
    currency = StrictCharField(max_length=3, min_length=3, pattern="^[A-Z]{3}$", required=False)
    location_address = NameField(max_length=200, required=False, allow_blank=True)
    location_city = NameField(max_length=100, required=False, allow_blank=True)
    location_state = NameField(max_length=100, required=False, allow_blank=True)
    location_zip = NameField(max_length=20, required=False, allow_blank=True)
    latitude = StrictDecimalField(
        max_digits=9, decimal_places=6, min_value=-90, max_value=90, required=False, allow_null=True
    )
    longitude = StrictDecimalField(
        max_digits=9, decimal_places=6, min_value=-180, max_value=180, required=False, allow_null=True
    )


class ListingCreateSerializer(ListingChangeSerializer):
    """A draft. With a reason, chassis numbers from before 1981 and other short ones are admitted."""

    vin = NameField(max_length=TYPED_VIN_LENGTH)
    vin_exempt_reason = NameField(max_length=200, required=False, allow_blank=True)


class ListingReasonSerializer(StrictSerializer):
    """Why; the seller reads it."""

    reason = NameField(max_length=500)


class ListingSuspendSerializer(StrictSerializer):
    """Why, if it is to be said; the seller reads it."""

    reason = NameField(max_length=500, required=False, allow_blank=True)


class ListingSellerSerializer(SellerColumns, StrictSerializer):
    """Who sells. The business and the badge are those of a dealer whom a moderator approved."""

    id = IdField(source="pk", read_only=True)
    business_name = serializers.SerializerMethodField()
    is_dealer = serializers.SerializerMethodField()

    @extend_schema_field(StrictCharField(max_length=200, allow_null=True))
    def get_business_name(self, seller: User) -> str | None:
        return seller.seller_profile.business_name if self.get_is_dealer(seller) else None

    def get_is_dealer(self, seller: User) -> bool:
        profile = getattr(seller, "seller_profile", None)
        return profile is not None and profile.approved_at is not None


class ListingAuctionSerializer(AuctionColumns, StrictModelSerializer):
    """The auction in short. `price` is null before the first bid; `buy_now` when that is gone."""

    reserve_status = StrictChoiceField(choices=("none", "not_met", "met"), read_only=True)
    buy_now = serializers.SerializerMethodField()

    class Meta:
        model = Auction
        fields = ("id", "status", "ends_at", "price", "bid_count", "reserve_status", "buy_now")
        read_only_fields = fields

    @extend_schema_field(MoneyField(allow_null=True))
    def get_buy_now(self, auction: Auction) -> str | None:
        is_open = bidding.is_buy_now_open(auction.state(), auction.terms())
        return str(auction.buy_now_price) if is_open else None


class ListingHistorySerializer(StrictModelSerializer):
    """An entry of the vehicle's timeline, as everybody may read it."""

    summary = StrictCharField(source="public_summary", max_length=300, read_only=True)

    class Meta:
        model = VehicleEvent
        fields = ("kind", "at", "summary")
        read_only_fields = fields


class ListingSerializer(StrictModelSerializer):
    """A listing. `images` are the photos that are ready; `auction` is the one that it is in, or was sold in. `vehicle`
    (in the garage), `reserve_price` and `submitted_at` are there for the seller and staff only."""

    conditional_members = PRIVATE

    seller = ListingSellerSerializer(read_only=True)
    images = serializers.SerializerMethodField()
    auction = serializers.SerializerMethodField()
    # Not marked as read-only: they are the members that an answer may lack.
    vehicle = IdField(source="vehicle_id", required=False)
    reserve_price = MoneyField(required=False, allow_null=True)
    submitted_at = StrictDateTimeField(required=False, allow_null=True)

    class Meta:
        model = Listing
        fields = (
            "id",
            "status",
            "seller",
            "vehicle",
            "vin",
            "year",
            "make",
            "model",
            "trim",
            "body_type",
            "engine",
            "transmission",
            "drivetrain",
            "fuel_type",
            "exterior_color",
            "interior_color",
            "mileage",
            "odometer_status",
            "condition",
            "title_type",
            "title_state",
            "has_keys",
            "shares_history",
            "description",
            "starting_price",
            "reserve_price",
            "buy_now_price",
            "currency",
            "location_address",
            "location_city",
            "location_state",
            "location_zip",
            "latitude",
            "longitude",
            "images",
            "auction",
            "submitted_at",
            "published_at",
            "created_at",
        )
        read_only_fields = tuple(sorted(set(fields) - {*PRIVATE, "seller", "images", "auction"}))

    @extend_schema_field(ListingImageSerializer(many=True))
    def get_images(self, listing: Listing) -> Any:
        """Told apart here, so that those of a whole page come by one query."""
        ready = [image for image in listing.images.all() if image.status == ListingImage.Status.READY]
        return [self._image_serializer.to_representation(image) for image in ready]

    @extend_schema_field(ListingAuctionSerializer(allow_null=True))
    def get_auction(self, listing: Listing) -> Any:
        if listing.auction is None or listing.status not in SOLD_BY_AUCTION:
            return None
        return self._auction_serializer.to_representation(listing.auction)

    def column_images(self, prefix: str) -> JsonArray:
        ready = ListingImage.objects.filter(listing=OuterRef(f"{prefix}pk"), status=ListingImage.Status.READY)
        return JsonArray(self._image_serializer, ready.order_by("position"))

    def column_auction(self, prefix: str) -> JsonObject:
        shown = Case(When(**{f"{prefix}status__in": SOLD_BY_AUCTION}, then=F(f"{prefix}auction_id")))
        columns = columns_of(self._auction_serializer, Listing, connection.vendor, f"{prefix}auction__")
        return JsonObject(columns, present=shown)

    def has_conditional(self, prefix: str) -> Any:
        viewer = self.context["request"].user
        if viewer.pk is None or viewer.has_perm(VIEW_LISTING):
            return Value(viewer.pk is not None, output_field=BooleanField())
        return truth(Q(**{f"{prefix}seller_id": viewer.pk}))

    # Once for a page: to make the fields of a serializer costs more than to show a row with them.
    @cached_property
    def _image_serializer(self) -> ListingImageSerializer:
        return ListingImageSerializer(context=self.context)

    @cached_property
    def _auction_serializer(self) -> ListingAuctionSerializer:
        return ListingAuctionSerializer(context=self.context)

    def to_representation(self, instance: Listing) -> dict[str, Any]:
        data = super().to_representation(instance)
        viewer = self.context["request"].user
        if instance.seller_id != viewer.pk and not viewer.has_perm(VIEW_LISTING):
            for name in PRIVATE:
                del data[name]
        return data


class ListingDetailSerializer(ListingSerializer):
    """A listing with the vehicle's service history: what its timeline says in public, newest first, as long as the
    seller shares it and owns the vehicle; else null."""

    service_history = serializers.SerializerMethodField()

    class Meta(ListingSerializer.Meta):
        fields = (*ListingSerializer.Meta.fields, "service_history")  # type: ignore[assignment]

    @extend_schema_field(ListingHistorySerializer(many=True, allow_null=True))
    def get_service_history(self, listing: Listing) -> Any:
        if not listing.is_history_shared:
            return None
        events = listing.vehicle.events.public()[:MOST_HISTORY]
        return ListingHistorySerializer(events, many=True).data


class VinSourceSerializer(StrictSerializer):
    """Who said what the draft was filled with, and whether an outside source knows this very VIN."""

    source = StrictChoiceField(choices=("local", *PROVIDERS), read_only=True)  # type: ignore[assignment]
    verified = StrictBooleanField(read_only=True)


class ListingCreatedSerializer(ListingDetailSerializer):
    """A new draft, and where it has from what its seller left blank."""

    vin_decode = VinSourceSerializer(read_only=True)

    class Meta(ListingDetailSerializer.Meta):
        fields = (*ListingDetailSerializer.Meta.fields, "vin_decode")  # type: ignore[assignment]


class ListingEventSerializer(StrictModelSerializer):
    """What happened to a listing: `status` from `old` to `new`, or `edited`. `actor` is null where the rules acted."""

    actor = IdField(source="actor_id", read_only=True, allow_null=True)

    class Meta:
        model = ListingEvent
        fields = ("id", "kind", "old", "new", "reason", "actor", "at")
        read_only_fields = fields


class FacetSerializer(StrictSerializer):
    """A value and how many listings have it."""

    value = StrictCharField(max_length=256, read_only=True)
    count = StrictIntegerField(read_only=True)


class MakeFacetSerializer(FacetSerializer):
    """A make; `value` is what `make` finds in any spelling, `name` one of the spellings."""

    name = StrictCharField(max_length=128, read_only=True)


class PriceFacetSerializer(StrictSerializer):
    """A band of prices: `from` and above, below `to` (null: without an end)."""

    def get_fields(self) -> dict[str, Any]:
        return {
            "from": MoneyField(read_only=True),
            "to": MoneyField(read_only=True, allow_null=True),
            "count": StrictIntegerField(read_only=True),
        }


class FacetsSerializer(StrictSerializer):
    """How many listings match, and how many of them there are by make (the 50 most frequent), body, title and
    price."""

    count = StrictIntegerField(read_only=True)
    make = MakeFacetSerializer(many=True, read_only=True)
    body_type = FacetSerializer(many=True, read_only=True)
    title_type = FacetSerializer(many=True, read_only=True)
    price = PriceFacetSerializer(many=True, read_only=True)
