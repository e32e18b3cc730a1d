"""Lots with their spots and rates, and the reservations that occupy them. Occupancy is computed from reservations:
there is no stored counter that could be wrong."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from cars.models import PLATE_LENGTH, Vehicle
from common.models import CounterPayment, TimestampedModel
from common.text import plate_key

PRICE: dict[str, Any] = {"max_digits": 12, "decimal_places": 2}
MOST_SPOTS = 5000
DAY_MIN = 24 * 60
MOST_STAY_MIN = 30 * DAY_MIN
# What a lot and its rate may say, in the API as in the admin.
BOUNDS: dict[str, dict[str, Any]] = {
    "capacity": {"min_value": 1, "max_value": MOST_SPOTS},
    "default_stay_min": {"min_value": 1, "max_value": MOST_STAY_MIN},
    "no_show_after_min": {"min_value": 0, "max_value": DAY_MIN},
    "cancel_cutoff_min": {"min_value": 0, "max_value": MOST_STAY_MIN},
    "increment_min": {"min_value": 1, "max_value": 7 * DAY_MIN},
    "first_free_s": {"min_value": 0, "max_value": DAY_MIN * 60},
}
OPEN = Q(status__in=["reserved", "active"])


class SpotType(models.TextChoices):
    """What fits on a spot."""

    STANDARD = "standard"
    COMPACT = "compact"
    EV = "ev"
    ACCESSIBLE = "accessible"
    MOTORCYCLE = "motorcycle"
    OVERSIZE = "oversize"


class LotQuerySet(models.QuerySet["Lot"]):
    """Lots as their viewers see them."""

    def live(self) -> LotQuerySet:
        """Without the archived ones."""
        return self.filter(archived_at__isnull=True)

    def visible_to(self, user: Any) -> LotQuerySet:
        """Active lots to drivers; to those who may change lots also the inactive ones."""
        return self.live() if user.has_perm("parking.change_lot") else self.live().filter(is_active=True)


class Lot(TimestampedModel):
    """A place with numbered spots. Open all day, or from `opens_at` to `closes_at` in the lot's own time zone (over
    midnight when the second is the earlier one)."""

    name = models.CharField(max_length=200)
    address = models.CharField(max_length=300)
    pin_code = models.CharField(max_length=16)
    description = models.TextField(blank=True)
    is_active = models.BooleanField(default=True)
    timezone = models.CharField(max_length=64, default="UTC")
    opens_at = models.TimeField(null=True, blank=True)
    closes_at = models.TimeField(null=True, blank=True)
    default_stay_min = models.PositiveIntegerField(default=120, help_text="Of a booking without an end.")
    no_show_after_min = models.PositiveIntegerField(default=15)
    cancel_cutoff_min = models.PositiveIntegerField(
        default=0, help_text="Before the start; from then on no cancelling."
    )
    archived_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    objects = LotQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(opens_at__isnull=True, closes_at__isnull=True)
                | Q(opens_at__isnull=False, closes_at__isnull=False) & ~Q(opens_at=F("closes_at")),
                name="lot_opening_hours",
            ),
            models.CheckConstraint(condition=Q(default_stay_min__gt=0), name="lot_default_stay"),
        ]
        indexes = [
            models.Index(fields=["pin_code", "id"], name="lot_pin_code", condition=Q(archived_at=None)),
        ]

    def __str__(self) -> str:
        return self.name


class Rate(models.Model):
    """What parking in a lot costs, from one version to the next. Rows never change: a reservation keeps the row that
    held when it was booked, so a later price cannot touch it. Amounts are in `currency`."""

    lot = models.ForeignKey(Lot, on_delete=models.PROTECT, related_name="rates")
    version = models.PositiveIntegerField()
    price = models.DecimalField(**PRICE, help_text="For each increment that has begun.")
    increment_min = models.PositiveIntegerField(default=60)
    first_free_s = models.PositiveIntegerField(default=0, help_text="A stay of at most so many seconds costs nothing.")
    cap = models.DecimalField(**PRICE, null=True, blank=True, help_text="The most for each rolling 24 hours.")
    currency = models.CharField(max_length=3)
    surcharges = models.JSONField(default=dict, blank=True, help_text='Percent by type of spot, as {"ev": "10.00"}.')
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ["lot_id", "-version"]
        constraints = [
            models.UniqueConstraint(fields=["lot", "version"], name="rate_version"),
            models.CheckConstraint(condition=Q(price__gte=0), name="rate_price_not_negative"),
            models.CheckConstraint(condition=Q(cap__isnull=True) | Q(cap__gte=0), name="rate_cap_not_negative"),
            models.CheckConstraint(condition=Q(increment_min__gt=0), name="rate_increment_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.price} {self.currency} per {self.increment_min} min"

    def surcharge_percent(self, spot_type: str) -> Decimal:
        """What a type of spot costs more, in percent."""
        return Decimal(self.surcharges.get(spot_type, "0"))


class Spot(TimestampedModel):
    """One place for one vehicle. A retired spot stays for the history of what stood on it."""

    class Status(models.TextChoices):
        IN_SERVICE = "in_service"
        OUT_OF_ORDER = "out_of_order"
        RETIRED = "retired"

    lot = models.ForeignKey(Lot, on_delete=models.PROTECT, related_name="spots")
    number = models.PositiveIntegerField()
    type = models.CharField(max_length=10, choices=SpotType, default=SpotType.STANDARD)
    status = models.CharField(max_length=12, choices=Status, default=Status.IN_SERVICE)

    class Meta:
        ordering = ["lot_id", "number"]
        constraints = [
            models.UniqueConstraint(fields=["lot", "number"], name="spot_number"),
            models.CheckConstraint(condition=Q(number__gt=0), name="spot_number_positive"),
        ]
        indexes = [
            models.Index(fields=["lot", "type", "number"], name="spot_in_service", condition=Q(status="in_service")),
        ]

    def __str__(self) -> str:
        return f"{self.lot} {self.number}"


class ReservationQuerySet(models.QuerySet["Reservation"]):
    """Reservations as their viewers see them."""

    def visible_to(self, user: Any) -> ReservationQuerySet:
        """All to those who may view reservations; to drivers their own."""
        return self if user.has_perm("parking.view_reservation") else self.filter(user_id=user.pk)

    def occupying(self) -> ReservationQuerySet:
        """Those that hold their spot for their time."""
        return self.filter(status__in=Reservation.OCCUPYING)


class Reservation(TimestampedModel):
    """A spot for a vehicle from `starts_at` to `ends_at` (half open). The sweep may extend `ends_at` of a vehicle that
    stays too long; `booked_until` is the end as booked or extended by the driver.

    On PostgreSQL two exclusion constraints (migration 0002) refuse overlapping reservations of one spot, and of one
    plate; on SQLite the same is checked inside the one writer's transaction.
    """

    class Status(models.TextChoices):
        RESERVED = "reserved"
        ACTIVE = "active"
        COMPLETED = "completed"
        CANCELLED = "cancelled"
        NO_SHOW = "no_show"

    OCCUPYING = (Status.RESERVED, Status.ACTIVE)

    reference = models.CharField(max_length=12, unique=True)
    # The lot of the spot, so that lists and locks need no join; a reservation never leaves its lot.
    lot = models.ForeignKey(Lot, on_delete=models.PROTECT, related_name="reservations")
    spot = models.ForeignKey(Spot, on_delete=models.PROTECT, related_name="reservations")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="parking_reservations")
    vehicle = models.ForeignKey(
        Vehicle, on_delete=models.SET_NULL, null=True, blank=True, related_name="parking_reservations"
    )
    plate = models.CharField(max_length=PLATE_LENGTH, blank=True, help_text="Blank once its retention is over.")
    plate_key = models.CharField(max_length=PLATE_LENGTH, blank=True, editable=False)
    vehicle_model = models.CharField(max_length=160, blank=True)
    vehicle_color = models.CharField(max_length=64, blank=True)
    remarks = models.CharField(max_length=500, blank=True)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    booked_until = models.DateTimeField()
    checked_in_at = models.DateTimeField(null=True, blank=True)
    released_at = models.DateTimeField(null=True, blank=True)
    status = models.CharField(max_length=9, choices=Status, default=Status.RESERVED)
    is_overstay = models.BooleanField(default=False)
    rate = models.ForeignKey(Rate, on_delete=models.PROTECT, related_name="reservations")
    surcharge_percent = models.DecimalField(max_digits=5, decimal_places=2, default=Decimal(0))
    cost = models.DecimalField(**PRICE, null=True, blank=True, help_text="Frozen at the release.")
    paid = models.DecimalField(**PRICE, default=Decimal(0))

    objects = ReservationQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="reservation_forward"),
            models.CheckConstraint(condition=Q(booked_until__gt=F("starts_at")), name="reservation_booked_forward"),
            models.CheckConstraint(
                condition=~Q(status__in=["reserved", "active"]) | ~Q(plate_key=""), name="reservation_has_plate"
            ),
            models.CheckConstraint(
                condition=Q(
                    status="completed", released_at__isnull=False, checked_in_at__isnull=False, cost__isnull=False
                )
                | ~Q(status="completed") & Q(released_at__isnull=True, cost__isnull=True),
                name="reservation_cost_at_release",
            ),
            models.CheckConstraint(
                condition=Q(status="reserved", checked_in_at__isnull=True)
                | Q(status="active", checked_in_at__isnull=False)
                | Q(status__in=["completed", "cancelled", "no_show"]),
                name="reservation_checked_in_when_active",
            ),
            models.CheckConstraint(
                condition=Q(paid=0) | Q(paid__gt=0, paid__lte=F("cost")), name="reservation_paid_within_cost"
            ),
            models.UniqueConstraint(
                fields=["plate_key"], condition=Q(status="active"), name="reservation_plate_parked_once"
            ),
        ]
        indexes = [
            models.Index(
                fields=["spot", "starts_at"],
                name="reservation_occupies",
                condition=OPEN,
            ),
            models.Index(fields=["lot", "starts_at"], name="reservation_lot_open", condition=OPEN),
            models.Index(fields=["user", "-id"], name="reservation_user"),
            models.Index(fields=["user"], name="reservation_user_open", condition=OPEN),
            models.Index(fields=["lot", "-id"], name="reservation_lot"),
            models.Index(fields=["plate_key", "-id"], name="reservation_plate"),
            models.Index(fields=["starts_at"], name="reservation_due_start", condition=Q(status="reserved")),
            models.Index(fields=["ends_at"], name="reservation_due_end", condition=Q(status="active")),
            models.Index(fields=["released_at", "id"], name="reservation_released", condition=Q(status="completed")),
            models.Index(
                fields=["lot"], name="reservation_unpaid", condition=Q(status="completed", paid__lt=F("cost"))
            ),
        ]
        permissions = [("force_release", "Can release somebody else's vehicle"), ("check_plate", "Can check plates")]

    def __str__(self) -> str:
        return self.reference

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Keep the plate's key in step with the plate, whoever saves."""
        self.plate_key = plate_key(self.plate)
        super().save(*args, **kwargs)


class ReservationEvent(models.Model):
    """What happened to a reservation, append-only: `booked`, `status`, `extended`, `overstay`, `moved`..."""

    reservation = models.ForeignKey(Reservation, on_delete=models.CASCADE, related_name="events")
    kind = models.CharField(max_length=16)
    old = models.CharField(max_length=32, blank=True)
    new = models.CharField(max_length=32, blank=True)
    note = models.CharField(max_length=300, blank=True)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["reservation", "-id"], name="reservation_event")]

    def __str__(self) -> str:
        return self.kind


class ParkingPayment(CounterPayment):
    """Money taken for a stay, append-only."""

    reservation = models.ForeignKey(Reservation, on_delete=models.PROTECT, related_name="payments")

    class Meta(CounterPayment.Meta):
        constraints = [models.CheckConstraint(condition=Q(amount__gt=0), name="parking_payment_positive")]
        indexes = [models.Index(fields=["received_at"], name="parking_payment_received")]


class PlateCheck(models.Model):
    """An attendant looked up a plate. Every check is kept, with what it answered."""

    lot = models.ForeignKey(Lot, on_delete=models.PROTECT, null=True, blank=True, related_name="plate_checks")
    plate = models.CharField(max_length=PLATE_LENGTH, blank=True)
    reservation = models.ForeignKey(
        Reservation, on_delete=models.SET_NULL, null=True, blank=True, related_name="checks"
    )
    allowed_until = models.DateTimeField(null=True, blank=True)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["at"], name="plate_check_at")]

    def __str__(self) -> str:
        return self.plate
