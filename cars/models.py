"""Cars as types (make, model, year), the runs that sync them, and vehicles as things with an owner."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Count, F, Min, Q
from django.utils import timezone
from simple_history.models import HistoricalRecords

from cars.access import vehicles_shown_to
from common.models import TimestampedModel
from common.text import natural_key, plate_key

MAKE_KEY_LENGTH, MODEL_KEY_LENGTH = 256, 320  # Of UTF-8 in one index entry: at most 2,304 bytes, of 2,704 that fit.
PLATE_LENGTH = 16
RUN_REASON_PREFIX = "sync run "
YEAR_MIN, YEAR_MAX = 1886, 2100  # The Benz Patent-Motorwagen; the schema's upper bound.


class CarQuerySet(models.QuerySet["Car"]):
    """What can be asked of the registry."""

    def current(self) -> CarQuerySet:
        """Without the rows that upstream no longer lists."""
        return self.filter(withdrawn_at__isnull=True)

    def makes(self) -> models.QuerySet[Any, dict[str, Any]]:
        """The makes with the number of their rows, in one spelling each: `{"make_key", "name", "count"}`."""
        return self.values("make_key").annotate(name=Min("make"), count=Count("id")).order_by("make_key")

    def models_of(self, make: str) -> models.QuerySet[Any, dict[str, Any]]:
        """The models of a make (in any spelling), likewise: `{"model_key", "name", "count"}`."""
        rows = self.filter(make_key=natural_key(make)).values("model_key")
        return rows.annotate(name=Min("model"), count=Count("id")).order_by("model_key")


class Car(TimestampedModel):
    """One make, model and year. `source` names the owner of the row: `manual` or the provider that brought it."""

    MANUAL = "manual"

    make = models.CharField(max_length=128)
    model = models.CharField(max_length=160)
    year = models.PositiveSmallIntegerField()
    category = models.CharField(max_length=128, blank=True)
    make_key = models.CharField(max_length=MAKE_KEY_LENGTH, editable=False)
    model_key = models.CharField(max_length=MODEL_KEY_LENGTH, editable=False)
    source = models.CharField(max_length=32, default=MANUAL)
    external_id = models.CharField(max_length=64, null=True, blank=True)
    source_updated_at = models.DateTimeField(null=True, blank=True)
    locked_fields = models.JSONField(default=list, blank=True, help_text="Fields edited by people; the sync keeps off.")
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    # Checked and indexed per row, the reference would make a first load half as dear again; no run is ever deleted.
    created_in_run = models.ForeignKey(
        "SyncRun",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        db_constraint=False,
        db_index=False,
    )

    history = HistoricalRecords(excluded_fields=["make_key", "model_key"])
    _history_user: Any  # Whoever saves says here for whom; simple-history reads it.
    objects = CarQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["make_key", "model_key", "year"], name="car_natural_key"),
            models.UniqueConstraint(fields=["source", "external_id"], name="car_source_external_id"),
            models.CheckConstraint(condition=Q(year__gte=YEAR_MIN, year__lte=YEAR_MAX), name="car_year_bounds"),
        ]
        indexes = [
            # Of the listed rows only, so that counting a filter's matches need not look at the rows.
            models.Index(fields=["make_key", "year", "id"], name="car_make_year", condition=Q(withdrawn_at=None)),
            models.Index(fields=["model_key", "id"], name="car_model", condition=Q(withdrawn_at=None)),
            models.Index(fields=["year", "id"], name="car_year", condition=Q(withdrawn_at=None)),
        ]
        permissions = [("sync_cars", "Can run and watch syncs"), ("unlock_car", "Can unlock edited fields")]

    def __str__(self) -> str:
        return f"{self.year} {self.make} {self.model}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Keep the keys in step with the names, whoever saves."""
        self.set_keys()
        super().save(*args, **kwargs)

    def set_keys(self) -> None:
        self.make_key, self.model_key = natural_key(self.make), natural_key(self.model)

    @staticmethod
    def run_reason(run_id: int) -> str:
        """How the history names the sync run that wrote an entry (`history_change_reason`)."""
        return f"{RUN_REASON_PREFIX}{run_id}"


class SyncSuppression(models.Model):
    """A synced record that staff deleted: it must not come back."""

    source = models.CharField(max_length=32)
    provider = models.CharField(max_length=64)
    external_id = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "provider", "external_id"], name="sync_suppression_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.source}/{self.provider}/{self.external_id}"


class SyncSource(models.Model):
    """What is remembered between the runs of one source (`cars`, `products`): cursor, breaker, earliest next run."""

    name = models.CharField(max_length=32, primary_key=True)
    provider = models.CharField(max_length=64, blank=True, help_text="The provider that the cursor belongs to.")
    cursor = models.JSONField(null=True, blank=True)
    last_success_at = models.DateTimeField(null=True, blank=True)
    last_full_at = models.DateTimeField(null=True, blank=True)
    full_due = models.BooleanField(default=False, help_text="A full run was asked for while another one was running.")
    consecutive_failures = models.PositiveIntegerField(default=0)
    breaker_opened_count = models.PositiveIntegerField(default=0)
    breaker_open_until = models.DateTimeField(null=True, blank=True)
    breaker_reason = models.CharField(max_length=64, blank=True)
    not_before = models.DateTimeField(null=True, blank=True, help_text="Upstream asked for silence until then.")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class SyncRun(models.Model):
    """One attempt to bring a source up to date. The row is the job; the broker only rings the bell."""

    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        PARTIAL = "partial"
        FAILED = "failed"
        CANCELLED = "cancelled"
        ABANDONED = "abandoned"
        SKIPPED = "skipped"

    class Trigger(models.TextChoices):
        SCHEDULE = "schedule"
        USER = "user"

    ACTIVE = (Status.QUEUED, Status.RUNNING)

    source = models.CharField(max_length=32)
    provider = models.CharField(max_length=64)
    trigger = models.CharField(max_length=8, choices=Trigger)
    triggered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="sync_runs"
    )
    joined_by = models.ManyToManyField(settings.AUTH_USER_MODEL, blank=True, related_name="joined_sync_runs")
    full = models.BooleanField(default=False)
    status = models.CharField(max_length=9, choices=Status, default=Status.QUEUED)
    reason = models.CharField(max_length=64, blank=True, help_text="Why skipped or failed, as a code.")
    fetched = models.PositiveIntegerField(default=0)
    created = models.PositiveIntegerField(default=0)
    updated = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    rejected = models.PositiveIntegerField(default=0)
    duplicate = models.PositiveIntegerField(default=0)
    withdrawn = models.PositiveIntegerField(default=0)
    pages = models.PositiveIntegerField(default=0)
    retries = models.PositiveIntegerField(default=0)
    cursor_before = models.JSONField(null=True, blank=True)
    cursor_after = models.JSONField(null=True, blank=True)
    error = models.TextField(blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    queued_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["source"], condition=Q(status__in=["queued", "running"]), name="sync_run_one_active"
            ),
        ]
        indexes = [models.Index(fields=["source", "-id"], name="sync_run_source")]

    def __str__(self) -> str:
        return f"{self.source} run {self.pk}"


class SyncIssue(models.Model):
    """A record that upstream sent and the registry refused, kept for the operator (raw text capped)."""

    run = models.ForeignKey(SyncRun, on_delete=models.CASCADE, related_name="issues")
    external_id = models.CharField(max_length=64, blank=True)
    reason = models.CharField(max_length=64)
    detail = models.CharField(max_length=300, blank=True)
    raw = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.reason} {self.external_id}"


class VehicleQuerySet(models.QuerySet["Vehicle"]):
    """Vehicles as their viewers see them."""

    def visible_to(self, user: Any) -> VehicleQuerySet:
        """The owner's own, and what another app shows this user (`cars.access`); everybody's for those who may view the
        garage. Others see nothing (404, not 403)."""
        if user.has_perm("cars.view_vehicle"):
            return self
        shown = vehicles_shown_to(user)
        return self.filter(Q(owner=user) | Q(pk__in=shown)) if shown else self.filter(owner=user)

    def live(self) -> VehicleQuerySet:
        """Without the archived ones."""
        return self.filter(archived_at__isnull=True)


class Vehicle(TimestampedModel):
    """A physical car. The owner is null for walk-ins; the timeline stays when it is sold."""

    class MileageUnit(models.TextChoices):
        KILOMETRES = "km"
        MILES = "mi"

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="vehicles"
    )
    vin = models.CharField(max_length=17, null=True, blank=True)
    vin_exempt_reason = models.CharField(max_length=200, blank=True)
    plate = models.CharField(max_length=PLATE_LENGTH, blank=True)
    plate_key = models.CharField(max_length=PLATE_LENGTH, blank=True, editable=False)
    car = models.ForeignKey(Car, on_delete=models.SET_NULL, null=True, blank=True, related_name="vehicles")
    year = models.PositiveSmallIntegerField(null=True, blank=True)
    make = models.CharField(max_length=128, blank=True)
    model = models.CharField(max_length=160, blank=True)
    trim = models.CharField(max_length=128, blank=True)
    color = models.CharField(max_length=64, blank=True)
    mileage = models.PositiveIntegerField(null=True, blank=True)
    mileage_unit = models.CharField(max_length=2, choices=MileageUnit, default=MileageUnit.KILOMETRES)
    archived_at = models.DateTimeField(null=True, blank=True)

    objects = VehicleQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["vin"], condition=Q(archived_at__isnull=True), name="vehicle_live_vin"),
            models.CheckConstraint(
                condition=Q(year__isnull=True) | Q(year__gte=YEAR_MIN, year__lte=YEAR_MAX), name="vehicle_year_bounds"
            ),
        ]
        indexes = [
            models.Index(fields=["owner", "id"], name="vehicle_owner"),
            models.Index(fields=["plate_key"], name="vehicle_plate"),
        ]
        permissions = [("reassign_vehicle", "Can give a vehicle to another owner")]

    def __str__(self) -> str:
        return self.vin or self.plate or f"vehicle {self.pk}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Keep the plate's key in step with the plate, whoever saves."""
        self.set_plate_key()
        super().save(*args, **kwargs)

    def set_plate_key(self) -> None:
        self.plate_key = plate_key(self.plate)


class OdometerReading(models.Model):
    """A mileage that somebody read. One below the last needs force and a reason; history is never rewritten."""

    vehicle = models.ForeignKey(Vehicle, on_delete=models.CASCADE, related_name="odometer_readings")
    value = models.PositiveIntegerField()
    unit = models.CharField(max_length=2, choices=Vehicle.MileageUnit)
    at = models.DateTimeField()
    source = models.CharField(max_length=32)
    forced_reason = models.CharField(max_length=200, blank=True)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [models.Index(fields=["vehicle", "-at", "-id"], name="odometer_vehicle_at")]

    def __str__(self) -> str:
        return f"{self.value} {self.unit}"


class VehicleEventQuerySet(models.QuerySet["VehicleEvent"]):
    """Timelines as their viewers see them."""

    def visible_to(self, user: Any) -> VehicleEventQuerySet:
        """To staff everything; to an owner what happened while it was theirs, and of earlier times what has a public
        summary."""
        if user.has_perm("cars.view_vehicle"):
            return self
        return self.filter(Q(owner=user) | ~Q(public_summary=""))

    def public(self) -> VehicleEventQuerySet:
        """What everybody may read, of whose time it may be."""
        return self.exclude(public_summary="")


class VehicleEvent(models.Model):
    """One entry of a vehicle's timeline, append-only. `owner` is the owner at that time: a later owner reads the
    public summary only."""

    class Kind(models.TextChoices):
        REGISTERED = "registered"
        SERVICED = "serviced"
        ESTIMATE_AUTHORISED = "estimate_authorised"
        PARKED = "parked"
        RELEASED = "released"
        LISTED = "listed"
        BID_WON = "bid_won"
        SOLD = "sold"
        TITLE_TRANSFERRED = "title_transferred"
        ODOMETER = "odometer"

    vehicle = models.ForeignKey(Vehicle, on_delete=models.CASCADE, related_name="events")
    kind = models.CharField(max_length=32, choices=Kind)
    at = models.DateTimeField()
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    reference = models.CharField(max_length=64, blank=True, help_text="The record it stems from, as `ticket:12`.")
    public_summary = models.CharField(max_length=300, blank=True)
    private_summary = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = VehicleEventQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["vehicle", "-id"], name="vehicle_event_vehicle")]

    def __str__(self) -> str:
        return f"{self.kind} {self.vehicle_id}"


class VinDecode(models.Model):
    """A provider's answer about a VIN, kept 30 days (negative answers 1 day)."""

    vin = models.CharField(max_length=17)
    provider = models.CharField(max_length=32)
    found = models.BooleanField()
    attributes = models.JSONField(default=dict)
    fetched_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["vin", "provider"], name="vin_decode_unique"),
            models.CheckConstraint(condition=Q(expires_at__gt=F("fetched_at")), name="vin_decode_expiry"),
        ]

    def __str__(self) -> str:
        return self.vin
