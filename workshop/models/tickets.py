"""Service tickets: jobs with labour, parts and fees, their authorisation, the clocks and the history."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from cars.models import Vehicle
from common.models import TimestampedModel
from workshop.models.people import Customer, Mechanic
from workshop.models.stock import PRICE, QUANTITY, Part

RATE: dict[str, Any] = {"max_digits": 5, "decimal_places": 2}


def _assignment(user: Any, ticket: OuterRef) -> Exists:
    """Whether the user is an active mechanic of that ticket."""
    return Exists(
        ServiceTicket.mechanics.through.objects.filter(
            serviceticket_id=ticket, mechanic__user_id=user.pk, mechanic__active=True
        )
    )


class ServiceTicketQuerySet(models.QuerySet["ServiceTicket"]):
    """Tickets as their viewers see them."""

    def visible_to(self, user: Any) -> ServiceTicketQuerySet:
        """All to those who may view tickets; to others their own and those they are assigned to."""
        if user.has_perm("workshop.view_serviceticket"):
            return self
        return self.filter(Q(customer__user_id=user.pk) | _assignment(user, OuterRef("pk")))

    def assigned_to(self, user: Any) -> ServiceTicketQuerySet:
        """Those that the user works on."""
        return self.filter(_assignment(user, OuterRef("pk")))


class ServiceTicket(TimestampedModel):
    """A visit of a vehicle to the workshop (a repair order)."""

    class Status(models.TextChoices):
        DRAFT = "draft"
        AWAITING_AUTHORISATION = "awaiting_authorisation"
        AUTHORISED = "authorised"
        IN_PROGRESS = "in_progress"
        ON_HOLD = "on_hold"
        REVIEW = "review"
        COMPLETED = "completed"
        INVOICED = "invoiced"
        PAID = "paid"
        DECLINED = "declined"
        CANCELLED = "cancelled"

    class HoldReason(models.TextChoices):
        PARTS = "parts"
        CUSTOMER = "customer"
        SUBLET = "sublet"
        OTHER = "other"

    # Jobs and lines may change, and mechanics come and go.
    EDITABLE = (
        Status.DRAFT,
        Status.AWAITING_AUTHORISATION,
        Status.AUTHORISED,
        Status.IN_PROGRESS,
        Status.ON_HOLD,
        Status.REVIEW,
        Status.DECLINED,
    )

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="tickets")
    vehicle = models.ForeignKey(
        Vehicle, on_delete=models.PROTECT, null=True, blank=True, related_name="service_tickets"
    )
    vin = models.CharField(max_length=17, blank=True)
    service_date = models.DateField()
    description = models.TextField(blank=True)
    promised_at = models.DateTimeField(null=True, blank=True)
    odometer_in = models.PositiveIntegerField(null=True, blank=True)
    odometer_out = models.PositiveIntegerField(null=True, blank=True)
    mechanics = models.ManyToManyField(Mechanic, blank=True, related_name="tickets")
    status = models.CharField(max_length=22, choices=Status, default=Status.DRAFT)
    hold_reason = models.CharField(max_length=8, choices=HoldReason, blank=True)
    held_from = models.CharField(max_length=22, choices=Status, blank=True, help_text="What it resumes to.")
    estimate_version = models.PositiveIntegerField(
        default=0, help_text="Counts what the customer could be shown; a link to an older version is void."
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    completed_at = models.DateTimeField(null=True, blank=True)

    objects = ServiceTicketQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(vehicle__isnull=False) | ~Q(vin=""), name="ticket_names_a_vehicle"),
            models.CheckConstraint(
                condition=Q(status="on_hold") & ~Q(hold_reason="") & Q(held_from__in=["authorised", "in_progress"])
                | ~Q(status="on_hold") & Q(hold_reason="", held_from=""),
                name="ticket_hold_has_reason",
            ),
            models.CheckConstraint(
                condition=Q(odometer_in=None) | Q(odometer_out=None) | Q(odometer_out__gte=F("odometer_in")),
                name="ticket_odometer_forward",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["completed", "invoiced", "paid"]) | Q(odometer_out__isnull=False),
                name="ticket_completed_with_odometer",
            ),
        ]
        indexes = [
            models.Index(fields=["status", "-id"], name="ticket_status"),
            models.Index(fields=["customer", "-id"], name="ticket_customer"),
            models.Index(fields=["service_date", "id"], name="ticket_service_date"),
            models.Index(fields=["vin"], name="ticket_vin"),
            models.Index(
                fields=["promised_at", "id"],
                condition=Q(status="on_hold", hold_reason="parts"),
                name="ticket_waits_for_parts",
            ),
        ]
        permissions = [("reopen_serviceticket", "Can reopen completed tickets")]

    def __str__(self) -> str:
        return self.number

    @property
    def number(self) -> str:
        """What people call it. Unique and never used again, because ids are."""
        return f"RO-{self.pk:06d}"

    @property
    def odometer_unit(self) -> str:
        """That of the vehicle; of one that is known by its VIN only nobody said otherwise."""
        return self.vehicle.mileage_unit if self.vehicle else Vehicle.MileageUnit.KILOMETRES

    def is_worked_on_by(self, user: Any) -> bool:
        """Whether the user is one of its active mechanics. Costs nothing when these are prefetched."""
        return any(mechanic.active and mechanic.user_id == user.pk for mechanic in self.mechanics.all())

    def shows_all_to(self, user: Any) -> bool:
        """Whether the user sees it from inside; its customer does not see what is still being prepared."""
        return user.has_perm("workshop.view_serviceticket") or self.is_worked_on_by(user)


class JobQuerySet(models.QuerySet["Job"]):
    """Jobs as their viewers see them."""

    def visible_to(self, user: Any) -> JobQuerySet:
        """Those of the tickets one sees; a customer's without what nobody has put before the customer yet."""
        if user.has_perm("workshop.view_serviceticket"):
            return self
        own = Q(ticket__customer__user_id=user.pk) & ~Q(state=Job.State.PROPOSED)
        return self.filter(own | _assignment(user, OuterRef("ticket_id")))


class Job(TimestampedModel):
    """One thing to do in a ticket, authorised or declined as a whole. `tax_rate` (percent) holds for all its lines."""

    class State(models.TextChoices):
        PROPOSED = "proposed"
        AUTHORISATION_REQUIRED = "authorisation_required"
        AUTHORISED = "authorised"
        DECLINED = "declined"
        IN_PROGRESS = "in_progress"
        FINISHED = "finished"
        CANCELLED = "cancelled"

    # Lines may change; in the last three the customer has to be asked again.
    EDITABLE = (State.PROPOSED, State.AUTHORISATION_REQUIRED, State.AUTHORISED, State.DECLINED)
    # Agreed with the customer and not done yet.
    OPEN = (State.AUTHORISED, State.IN_PROGRESS)
    # Agreed with the customer, done or not: what is invoiced in the end.
    AGREED = (State.AUTHORISED, State.IN_PROGRESS, State.FINISHED)

    ticket = models.ForeignKey(ServiceTicket, on_delete=models.CASCADE, related_name="jobs")
    title = models.CharField(max_length=200)
    state = models.CharField(max_length=22, choices=State, default=State.PROPOSED)
    tax_rate = models.DecimalField(**RATE)
    authorised_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=Q(tax_rate__gte=0, tax_rate__lte=100), name="job_tax_rate_bounds")
        ]
        indexes = [models.Index(fields=["ticket", "id"], name="job_ticket")]

    def __str__(self) -> str:
        return self.title


class LabourLine(TimestampedModel):
    """Hours of a mechanic, at the rate of the day the line was written."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="labour_lines")
    mechanic = models.ForeignKey(Mechanic, on_delete=models.PROTECT, related_name="labour_lines")
    hours = models.DecimalField(max_digits=6, decimal_places=2)
    rate = models.DecimalField(max_digits=10, decimal_places=2)

    class Meta:
        ordering = ["id"]
        constraints = [models.CheckConstraint(condition=Q(hours__gt=0, rate__gte=0), name="labour_line_hours_positive")]

    def __str__(self) -> str:
        return f"{self.hours} h"


class PartLine(TimestampedModel):
    """Some of a part; name and prices are those of the day the line was written. `stock` says where its quantity is."""

    class Stock(models.TextChoices):
        NONE = "none"
        RESERVED = "reserved"
        CONSUMED = "consumed"
        RETURNED = "returned"
        WRITTEN_OFF = "written_off"

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="part_lines")
    part = models.ForeignKey(Part, on_delete=models.PROTECT, related_name="lines")
    name = models.CharField(max_length=200)
    sku = models.CharField(max_length=64)
    unit = models.CharField(max_length=16)
    quantity = models.DecimalField(**QUANTITY)
    price = models.DecimalField(**PRICE)
    cost = models.DecimalField(**PRICE)
    stock = models.CharField(max_length=11, choices=Stock, default=Stock.NONE)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(quantity__gt=0, price__gte=0, cost__gte=0), name="part_line_quantity_positive"
            )
        ]
        indexes = [
            models.Index(fields=["part"], condition=Q(stock="none"), name="part_line_unreserved"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} {self.sku}"


class FeeLine(TimestampedModel):
    """A charge that is neither labour nor part: disposal, shop supplies, a tow."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="fee_lines")
    title = models.CharField(max_length=200)
    amount = models.DecimalField(**PRICE)

    class Meta:
        ordering = ["id"]
        constraints = [models.CheckConstraint(condition=Q(amount__gte=0), name="fee_line_not_negative")]

    def __str__(self) -> str:
        return self.title


class TimeEntry(models.Model):
    """A mechanic's clock on a job; a mechanic has at most one open."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="time_entries")
    mechanic = models.ForeignKey(Mechanic, on_delete=models.PROTECT, related_name="time_entries")
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "time entries"
        constraints = [
            models.UniqueConstraint(
                fields=["mechanic"], condition=Q(ended_at__isnull=True), name="time_entry_one_open"
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(ended_at__gte=F("started_at")), name="time_entry_forward"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.mechanic} on {self.job}"


class TicketEventQuerySet(models.QuerySet["TicketEvent"]):
    """The history of tickets as their viewers see it."""

    def visible_to(self, user: Any) -> TicketEventQuerySet:
        """From inside everything; to the customer what became of the ticket and of the jobs that the customer sees."""
        if user.has_perm("workshop.view_serviceticket"):
            return self
        shown = Q(kind="job_state", job__isnull=False) & ~Q(job__state=Job.State.PROPOSED)
        own = Q(ticket__customer__user_id=user.pk) & (Q(kind="status") | shown)
        return self.filter(own | _assignment(user, OuterRef("ticket_id")))


class TicketEvent(models.Model):
    """What happened to a ticket or one of its jobs, append-only. `via` tells how an authorisation came in."""

    class Via(models.TextChoices):
        STAFF = "staff"
        LINK = "link"
        SYSTEM = "system"

    ticket = models.ForeignKey(ServiceTicket, on_delete=models.CASCADE, related_name="events")
    job = models.ForeignKey(Job, on_delete=models.SET_NULL, null=True, blank=True, related_name="events")
    kind = models.CharField(max_length=32, help_text="`status`, `job_state`, or what else happened.")
    old = models.CharField(max_length=22, blank=True)
    new = models.CharField(max_length=22, blank=True)
    note = models.CharField(max_length=300, blank=True)
    via = models.CharField(max_length=6, choices=Via, default=Via.STAFF)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    objects = TicketEventQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["ticket", "-id"], name="ticket_event_ticket")]

    def __str__(self) -> str:
        return self.kind


class EstimateLink(models.Model):
    """A signed link by which the customer of one ticket may read its estimate and decide. The token is the signed id,
    so the row holds no secret."""

    ticket = models.ForeignKey(ServiceTicket, on_delete=models.CASCADE, related_name="estimate_links")
    version = models.PositiveIntegerField(help_text="The ticket's estimate_version that it shows.")
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    expires_at = models.DateTimeField()
    first_opened_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    expiry_noted_at = models.DateTimeField(null=True, blank=True, help_text="When the sweep told the advisor.")

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["ticket", "version"], name="estimate_link_version")]
        indexes = [
            models.Index(
                fields=["expires_at"],
                condition=Q(revoked_at__isnull=True, expiry_noted_at__isnull=True),
                name="estimate_link_due",
            )
        ]

    def __str__(self) -> str:
        return f"{self.ticket} v{self.version}"
