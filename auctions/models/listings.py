"""Listings: the sale of a vehicle, with its photos and papers. `cars.Vehicle` is the physical car; what a listing says
of it (make, mileage, colours...) is the seller's statement in this sale and stays as it was said."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from cars.models import YEAR_MAX, YEAR_MIN, Vehicle
from common.models import TimestampedModel
from common.text import natural_key

# Whoever may view all listings, with what their sellers keep to themselves.
VIEW_LISTING = "auctions.view_listing"
PRICE: dict[str, Any] = {"max_digits": 12, "decimal_places": 2}
KEY_LENGTH = 256
PUBLIC_LIST = ["active", "in_auction"]
PUBLIC_DETAIL = [*PUBLIC_LIST, "pending_sale", "sold"]
# A sale that is not over: of one vehicle there is at most one.
LIVE = ["draft", "pending_review", "changes_requested", "active", "in_auction", "pending_sale", "suspended"]


class BodyType(models.TextChoices):
    SEDAN = "sedan"
    COUPE = "coupe"
    HATCHBACK = "hatchback"
    WAGON = "wagon"
    CONVERTIBLE = "convertible"
    SUV = "suv"
    PICKUP = "pickup"
    VAN = "van"
    MINIVAN = "minivan"
    TRUCK = "truck"
    MOTORCYCLE = "motorcycle"
    OTHER = "other"


class Transmission(models.TextChoices):
    AUTOMATIC = "automatic"
    MANUAL = "manual"
    CVT = "cvt"
    DUAL_CLUTCH = "dual_clutch"
    OTHER = "other"


class Drivetrain(models.TextChoices):
    FWD = "fwd"
    RWD = "rwd"
    AWD = "awd"
    FOUR_WD = "4wd"


class FuelType(models.TextChoices):
    GASOLINE = "gasoline"
    DIESEL = "diesel"
    HYBRID = "hybrid"
    PLUGIN_HYBRID = "plugin_hybrid"
    ELECTRIC = "electric"
    HYDROGEN = "hydrogen"
    LPG = "lpg"
    CNG = "cng"
    OTHER = "other"


class OdometerStatus(models.TextChoices):
    ACTUAL = "actual"
    EXCEEDS_MECHANICAL_LIMITS = "exceeds_mechanical_limits"
    NOT_ACTUAL = "not_actual"
    EXEMPT = "exempt"


class Condition(models.TextChoices):
    RUNS_DRIVES = "runs_drives"
    STARTS_NOT_DRIVE = "starts_not_drive"
    DOES_NOT_START = "does_not_start"
    PARTS_ONLY = "parts_only"


class TitleType(models.TextChoices):
    CLEAN = "clean"
    SALVAGE = "salvage"
    REBUILT = "rebuilt"
    JUNK = "junk"
    PRIOR_SALVAGE = "prior_salvage"
    FLOOD = "flood"
    LEMON = "lemon"
    TOTAL_LOSS_HISTORY = "total_loss_history"
    NOT_ACTUAL_MILEAGE = "not_actual_mileage"


class ListingQuerySet(models.QuerySet["Listing"]):
    """Listings as their viewers see them."""

    def public(self) -> ListingQuerySet:
        """On the marketplace."""
        return self.filter(status__in=PUBLIC_LIST)

    def live(self) -> ListingQuerySet:
        """Whose sale is not over."""
        return self.filter(status__in=LIVE)

    def visible_to(self, user: Any) -> ListingQuerySet:
        """To everybody what is or was for sale; to a seller all of the own; everything to those who may view
        listings."""
        if user.has_perm(VIEW_LISTING):
            return self
        shown = Q(status__in=PUBLIC_DETAIL)
        return self.filter(shown | Q(seller_id=user.pk)) if user.is_authenticated else self.filter(shown)


class Listing(TimestampedModel):
    """A vehicle offered for sale. `reserve_price` is the seller's secret: nothing that others see may depend on it but
    through an auction's price. Amounts are in `currency`; mileage in miles, as title documents state it."""

    class Status(models.TextChoices):
        DRAFT = "draft"
        PENDING_REVIEW = "pending_review"
        CHANGES_REQUESTED = "changes_requested"
        REJECTED = "rejected"
        ACTIVE = "active"
        IN_AUCTION = "in_auction"
        PENDING_SALE = "pending_sale"
        SOLD = "sold"
        SUSPENDED = "suspended"
        ARCHIVED = "archived"

    seller = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="listings")
    vehicle = models.ForeignKey(Vehicle, on_delete=models.PROTECT, related_name="listings")
    status = models.CharField(max_length=17, choices=Status, default=Status.DRAFT)
    vin = models.CharField(max_length=17, null=True, blank=True)
    year = models.PositiveSmallIntegerField(null=True, blank=True)
    make = models.CharField(max_length=128, blank=True)
    make_key = models.CharField(max_length=KEY_LENGTH, blank=True, editable=False)
    model = models.CharField(max_length=160, blank=True)
    model_key = models.CharField(max_length=KEY_LENGTH, blank=True, editable=False)
    trim = models.CharField(max_length=128, blank=True)
    body_type = models.CharField(max_length=11, choices=BodyType, blank=True)
    engine = models.CharField(max_length=128, blank=True)
    transmission = models.CharField(max_length=12, choices=Transmission, blank=True)
    drivetrain = models.CharField(max_length=3, choices=Drivetrain, blank=True)
    fuel_type = models.CharField(max_length=13, choices=FuelType, blank=True)
    exterior_color = models.CharField(max_length=64, blank=True)
    interior_color = models.CharField(max_length=64, blank=True)
    mileage = models.PositiveIntegerField(null=True, blank=True)
    odometer_status = models.CharField(max_length=25, choices=OdometerStatus, default=OdometerStatus.ACTUAL)
    condition = models.CharField(max_length=16, choices=Condition, blank=True)
    title_type = models.CharField(max_length=18, choices=TitleType, blank=True)
    title_state = models.CharField(max_length=2, blank=True, help_text="Two letters: the state of the title.")
    has_keys = models.BooleanField(default=True)
    shares_history = models.BooleanField(default=False, help_text="Shows the vehicle's service history to the public.")
    description = models.TextField(blank=True)
    starting_price = models.DecimalField(**PRICE, null=True, blank=True)
    reserve_price = models.DecimalField(**PRICE, null=True, blank=True)
    buy_now_price = models.DecimalField(**PRICE, null=True, blank=True)
    currency = models.CharField(max_length=3)
    location_address = models.CharField(max_length=200, blank=True)
    location_city = models.CharField(max_length=100, blank=True)
    location_state = models.CharField(max_length=100, blank=True)
    location_zip = models.CharField(max_length=20, blank=True)
    latitude = models.DecimalField(max_digits=9, decimal_places=6, null=True, blank=True)
    longitude = models.DecimalField(max_digits=9, decimal_places=6, null=True, blank=True)
    # The auction that is scheduled or running, or else the last one: lists need its price and end.
    auction = models.ForeignKey(
        "auctions.Auction", on_delete=models.SET_NULL, null=True, blank=True, related_name="+", editable=False
    )
    submitted_at = models.DateTimeField(null=True, blank=True)
    published_at = models.DateTimeField(null=True, blank=True, help_text="When it last became active.")
    matched_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When the saved searches were asked about it."
    )

    objects = ListingQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["vehicle"], condition=Q(status__in=LIVE), name="listing_live_vehicle"),
            # A vehicle that is taken out of the garage gives its VIN free for another one.
            models.UniqueConstraint(fields=["vin"], condition=Q(status__in=LIVE), name="listing_live_vin"),
            models.CheckConstraint(
                condition=Q(year__isnull=True) | Q(year__gte=YEAR_MIN, year__lte=YEAR_MAX), name="listing_year_bounds"
            ),
            models.CheckConstraint(
                condition=Q(starting_price__isnull=True) | Q(starting_price__gt=0), name="listing_starts_above_zero"
            ),
            models.CheckConstraint(
                condition=Q(reserve_price__isnull=True)
                | Q(starting_price__isnull=True)
                | Q(reserve_price__gte=F("starting_price")),
                name="listing_reserve_from_start",
            ),
            models.CheckConstraint(
                condition=Q(buy_now_price__isnull=True)
                | Q(starting_price__isnull=True)
                | Q(buy_now_price__gte=F("starting_price")),
                name="listing_buy_now_from_start",
            ),
            models.CheckConstraint(
                condition=Q(buy_now_price__isnull=True)
                | Q(reserve_price__isnull=True)
                | Q(buy_now_price__gt=F("reserve_price")),
                name="listing_buy_now_over_reserve",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=PUBLIC_DETAIL)
                | Q(
                    starting_price__isnull=False,
                    mileage__isnull=False,
                    year__isnull=False,
                    published_at__isnull=False,
                ),
                name="listing_public_is_complete",
            ),
            models.CheckConstraint(
                condition=~Q(status="in_auction") | Q(auction__isnull=False), name="listing_in_auction_has_one"
            ),
        ]
        indexes = [
            models.Index(fields=["-published_at", "-id"], name="listing_newest", condition=Q(status__in=PUBLIC_LIST)),
            models.Index(
                fields=["make_key", "model_key", "year"], name="listing_make", condition=Q(status__in=PUBLIC_LIST)
            ),
            models.Index(fields=["mileage", "id"], name="listing_mileage", condition=Q(status__in=PUBLIC_LIST)),
            models.Index(fields=["seller", "-id"], name="listing_seller"),
            models.Index(fields=["submitted_at"], name="listing_queue", condition=Q(status="pending_review")),
            models.Index(
                fields=["published_at"],
                name="listing_unmatched",
                condition=Q(matched_at=None, status__in=PUBLIC_LIST),
            ),
        ]
        permissions = [("moderate_listing", "Can review, suspend and archive listings")]

    def __str__(self) -> str:
        return " ".join(part for part in (str(self.year or ""), self.make, self.model) if part) or f"listing {self.pk}"

    @property
    def is_history_shared(self) -> bool:
        """Of a vehicle that changed hands, or is not yet the seller's, it is not the seller's to share."""
        return self.shares_history and self.vehicle.owner_id == self.seller_id

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Keep the keys in step with what the seller wrote, whoever saves."""
        self.make_key, self.model_key = natural_key(self.make), natural_key(self.model)
        fields = kwargs.get("update_fields")
        if fields is not None:
            kwargs["update_fields"] = {*fields, *(f"{name}_key" for name in ("make", "model") if name in fields)}
        super().save(*args, **kwargs)


class ListingEvent(models.Model):
    """What happened to a listing, append-only: `status`, `edited`."""

    listing = models.ForeignKey(Listing, on_delete=models.CASCADE, related_name="events")
    kind = models.CharField(max_length=16)
    old = models.CharField(max_length=32, blank=True)
    new = models.CharField(max_length=32, blank=True)
    reason = models.CharField(max_length=500, blank=True)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["listing", "-id"], name="listing_event")]

    def __str__(self) -> str:
        return self.kind


class Upload(models.Model):
    """A place for one file that the server promised to a seller. It becomes an image or a document when the seller
    confirms it; what is not confirmed is swept away."""

    class Purpose(models.TextChoices):
        IMAGE = "image"
        DOCUMENT = "document"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    listing = models.ForeignKey(Listing, on_delete=models.CASCADE, related_name="uploads")
    purpose = models.CharField(max_length=8, choices=Purpose)
    key = models.CharField(max_length=200, unique=True)
    filename = models.CharField(max_length=200)
    content_type = models.CharField(max_length=64)
    max_size = models.PositiveIntegerField(help_text="Bytes.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.CheckConstraint(condition=Q(expires_at__gt=F("created_at")), name="upload_expires"),
        ]
        indexes = [
            models.Index(fields=["listing"], name="upload_open", condition=Q(confirmed_at=None)),
            models.Index(fields=["expires_at"], name="upload_stale", condition=Q(confirmed_at=None)),
        ]

    def __str__(self) -> str:
        return self.key


class ListingImage(TimestampedModel):
    """A photo. `thumbnails` maps names of sizes to keys in the storage, once the task has made them."""

    class Status(models.TextChoices):
        PROCESSING = "processing"
        READY = "ready"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, editable=False)
    listing = models.ForeignKey(Listing, on_delete=models.CASCADE, related_name="images")
    key = models.CharField(max_length=200, unique=True)
    content_type = models.CharField(max_length=64)
    size = models.PositiveIntegerField(help_text="Bytes.")
    width = models.PositiveIntegerField(null=True, blank=True)
    height = models.PositiveIntegerField(null=True, blank=True)
    # Signed, so that a new order can be written past the old one.
    position = models.IntegerField()
    is_primary = models.BooleanField(default=False)
    status = models.CharField(max_length=10, choices=Status, default=Status.PROCESSING)
    thumbnails = models.JSONField(default=dict, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["listing_id", "position"]
        constraints = [
            models.UniqueConstraint(fields=["listing", "position"], name="image_position"),
            models.UniqueConstraint(fields=["listing"], condition=Q(is_primary=True), name="image_primary_once"),
        ]
        indexes = [
            models.Index(fields=["created_at"], name="image_to_process", condition=Q(status="processing")),
        ]

    def __str__(self) -> str:
        return self.key


class ListingDocument(models.Model):
    """A paper of a listing: private, for its seller, staff and the buyer."""

    class Kind(models.TextChoices):
        TITLE = "title"
        REGISTRATION = "registration"
        INSPECTION = "inspection"
        OTHER = "other"

    id = models.UUIDField(primary_key=True, editable=False)
    listing = models.ForeignKey(Listing, on_delete=models.CASCADE, related_name="documents")
    kind = models.CharField(max_length=12, choices=Kind)
    key = models.CharField(max_length=200, unique=True)
    filename = models.CharField(max_length=200)
    content_type = models.CharField(max_length=64)
    size = models.PositiveIntegerField(help_text="Bytes.")
    uploaded_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["created_at", "id"]
        indexes = [models.Index(fields=["listing"], name="document_listing")]

    def __str__(self) -> str:
        return self.filename
