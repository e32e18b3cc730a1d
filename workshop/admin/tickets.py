"""Tickets with their jobs, lines, clocks and history."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from unfold.decorators import display

from accounts.authentication import user_of
from accounts.models import User
from common import clock
from common.admin import ReadOnlyAdmin, ReadOnlyInline, StaffAdmin, button
from workshop.models import (
    EstimateLink,
    FeeLine,
    Job,
    LabourLine,
    PartLine,
    ServiceTicket,
    TicketEvent,
    TimeEntry,
)
from workshop.services import invoicing, tickets

Status = ServiceTicket.Status
STATUS_COLORS = {
    Status.AWAITING_AUTHORISATION: "warning",
    Status.AUTHORISED: "info",
    Status.IN_PROGRESS: "info",
    Status.ON_HOLD: "danger",
    Status.REVIEW: "warning",
    Status.COMPLETED: "success",
    Status.INVOICED: "success",
    Status.PAID: "success",
}


class JobInline(ReadOnlyInline):
    """The ticket's jobs; each has a page with its lines."""

    model = Job
    fields = readonly_fields = ("title", "state", "tax_rate", "authorised_at", "finished_at")
    show_change_link = True


class TicketEventInline(ReadOnlyInline):
    """What happened, newest first."""

    model = TicketEvent
    fields = readonly_fields = ("at", "kind", "job", "old", "new", "via", "actor", "note")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("job", "actor")


@admin.register(ServiceTicket)
class ServiceTicketAdmin(StaffAdmin):
    """The desk's tickets. They are opened over the API; here they are followed, completed and invoiced."""

    list_display = ("number", "customer", "show_vehicle", "service_date", "show_status", "hold_reason", "promised_at")
    list_filter = ("status", "hold_reason", "service_date")
    list_select_related = ("customer", "vehicle")
    search_fields = ("customer__name", "customer__email", "vin", "vehicle__plate_key", "description")
    search_help_text = "Customer, VIN, plate or description"
    filter_horizontal = ("mechanics",)
    fields = (
        "number", "customer", "vehicle", "vin", "service_date", "description", "promised_at", "odometer_in",
        "odometer_out", "mechanics", "status", "hold_reason", "estimate_version", "created_by", "completed_at",
    )  # fmt: skip
    readonly_fields = (
        "number", "customer", "vehicle", "vin", "odometer_in", "mechanics", "status", "hold_reason",
        "estimate_version", "created_by", "completed_at",
    )  # fmt: skip
    inlines = [JobInline, TicketEventInline]
    actions_detail = ["start", "review", "complete", "invoice", "cancel"]

    @display(description="vehicle")
    def show_vehicle(self, ticket: ServiceTicket) -> str:
        return str(ticket.vehicle) if ticket.vehicle else ticket.vin

    @display(description="status", label=STATUS_COLORS)
    def show_status(self, ticket: ServiceTicket) -> str:
        return ticket.status

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def perform_update(self, request: HttpRequest, ticket: ServiceTicket, data: dict[str, Any]) -> ServiceTicket:
        return tickets.update_ticket(ticket=ticket, actor=user_of(request), data=data, now=clock.now())

    @button(description="Start", permissions=["change"], url_path="start", icon="play_arrow")
    def start(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._command(request, object_id, tickets.start_ticket, done="The work has begun.")

    @button(description="To review", permissions=["change"], url_path="review", icon="rule")
    def review(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._command(request, object_id, tickets.review_ticket, done="The work is to be reviewed.")

    @button(description="Complete", permissions=["change"], url_path="complete", icon="task_alt")
    def complete(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._command(request, object_id, tickets.complete_ticket, done="The ticket is completed.")

    def has_invoice_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("workshop.add_invoice")

    @button(description="Invoice", permissions=["invoice"], url_path="invoice", icon="receipt_long")
    def invoice(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._command(request, object_id, invoicing.issue_invoice, done="The invoice is written.")

    @button(description="Cancel", permissions=["change"], url_path="cancel", icon="cancel")
    def cancel(self, request: HttpRequest, object_id: str) -> HttpResponse:
        def cancelled(*, ticket: ServiceTicket, actor: User, now: datetime) -> ServiceTicket:
            return tickets.cancel_ticket(ticket=ticket, reason="", consumed_parts=None, actor=actor, now=now)

        return self._command(request, object_id, cancelled, done="The ticket is cancelled.")

    def _command(
        self, request: HttpRequest, object_id: str, service: Callable[..., object], *, done: str
    ) -> HttpResponse:
        ticket = ServiceTicket.objects.get(pk=object_id)
        self.run(request, lambda: service(ticket=ticket, actor=user_of(request), now=clock.now()), done=done)
        return redirect(reverse("admin:workshop_serviceticket_change", args=[object_id]))


class LabourInline(ReadOnlyInline):
    """Hours."""

    model = LabourLine
    fields = readonly_fields = ("mechanic", "hours", "rate")


class PartInline(ReadOnlyInline):
    """Parts, and where their quantity is."""

    model = PartLine
    fields = readonly_fields = ("sku", "name", "quantity", "unit", "price", "stock")


class FeeInline(ReadOnlyInline):
    """Other charges."""

    model = FeeLine
    fields = readonly_fields = ("title", "amount")


class TimeEntryInline(ReadOnlyInline):
    """Clocks."""

    model = TimeEntry
    fields = readonly_fields = ("mechanic", "started_at", "ended_at")


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    """Jobs of all tickets with their lines. They change over the API, which asks the customer again where it must."""

    list_display = ("title", "ticket", "state", "tax_rate", "authorised_at", "finished_at")
    list_filter = ("state",)
    list_select_related = ("ticket",)
    search_fields = ("title", "ticket__customer__name")
    inlines = [LabourInline, PartInline, FeeInline, TimeEntryInline]


@admin.register(TimeEntry)
class TimeEntryAdmin(ReadOnlyAdmin):
    """Who worked on what, and when."""

    list_display = ("mechanic", "job", "started_at", "ended_at")
    list_filter = (("ended_at", admin.EmptyFieldListFilter), "mechanic")
    list_select_related = ("mechanic", "job")
    search_fields = ("mechanic__display_name", "job__title")


@admin.register(EstimateLink)
class EstimateLinkAdmin(ReadOnlyAdmin):
    """Estimates that were sent. The links themselves are not kept."""

    list_display = ("ticket", "version", "created_at", "expires_at", "first_opened_at", "revoked_at")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter), ("first_opened_at", admin.EmptyFieldListFilter))
    list_select_related = ("ticket",)
    search_fields = ("ticket__customer__name",)
