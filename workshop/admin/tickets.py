"""Tickets with their jobs, lines, clocks and history."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget

from accounts.authentication import user_of
from common import clock
from common.admin import (
    ReadOnlyAdmin,
    ReadOnlyInline,
    StaffAdmin,
    button,
    change_column,
    quantity_column,
    status_column,
    text_field,
)
from common.transitions import sources_of
from workshop.admin.own import MineFilter, OwnWorkMixin, is_mechanic
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
from workshop.services.states import TICKET_MOVES

CONSUMED = (("", "None were used"), (tickets.RETURN, "Back on the shelf"), (tickets.WRITE_OFF, "Written off"))
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


STATE_COLORS = {
    Job.State.AUTHORISATION_REQUIRED: "warning",
    Job.State.AUTHORISED: "info",
    Job.State.IN_PROGRESS: "info",
    Job.State.FINISHED: "success",
    Job.State.DECLINED: "danger",
    Job.State.CANCELLED: "danger",
}


class OfTicketInline(ReadOnlyInline):
    """What a ticket's mechanics see with it, though not of other tickets."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_view_permission(request, obj) or is_mechanic(request.user)


class JobInline(OfTicketInline):
    """The ticket's jobs; each has a page with its lines."""

    model = Job
    fields = readonly_fields = ("title", "state", "tax_rate", "authorised_at", "finished_at")
    show_change_link = True


class TicketEventInline(OfTicketInline):
    """What happened, newest first."""

    model = TicketEvent
    fields = readonly_fields = ("at", "job", "show_change", "via", "actor", "note")
    show_change = change_column

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("job", "actor")


class CancelForm(forms.Form):
    """Why, if it is to be said, and what becomes of parts that were used."""

    reason = text_field(max_length=200, required=False)
    consumed_parts = forms.ChoiceField(
        choices=CONSUMED, required=False, label="Used parts", widget=UnfoldAdminSelectWidget
    )


@admin.register(ServiceTicket)
class ServiceTicketAdmin(OwnWorkMixin, StaffAdmin):
    """The desk's tickets. They are opened over the API; here they are followed, completed and invoiced. Mechanics find
    those that they are assigned to."""

    list_display = ("number", "customer", "show_vehicle", "service_date", "show_status", "hold_reason", "promised_at")
    list_filter = ("status", "hold_reason", MineFilter, "service_date", "promised_at")
    list_select_related = ("customer", "vehicle")
    search_fields = ("customer__name", "customer__email", "vin", "vehicle__plate_key", "description")
    search_help_text = "Customer, VIN, plate or description"
    filter_horizontal = ("mechanics",)
    fields = (
        ("number", "status"), ("customer", "hold_reason"), ("vehicle", "vin"), "description",
        ("service_date", "mechanics"), "promised_at", ("odometer_in", "odometer_out"),
        ("created_by", "completed_at"), "estimate_version",
    )  # fmt: skip
    readonly_fields = (
        "number", "customer", "vehicle", "vin", "odometer_in", "mechanics", "status", "hold_reason",
        "estimate_version", "created_by", "completed_at",
    )  # fmt: skip
    inlines = [JobInline, TicketEventInline]
    actions_detail = ["start", "resume", "review", "complete", "invoice", "cancel"]

    def own(self, rows: Any, user: Any) -> QuerySet[ServiceTicket]:
        own: QuerySet[ServiceTicket] = rows.assigned_to(user)
        return own

    def get_inline_instances(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Jobs have pages of their own, with prices that are not for everybody who sees the ticket."""
        inlines = super().get_inline_instances(request, obj)
        for inline in inlines:
            inline.show_change_link = inline.show_change_link and request.user.has_perm("workshop.view_job")
        return inlines

    @display(description="vehicle")
    def show_vehicle(self, ticket: ServiceTicket) -> str:
        return str(ticket.vehicle) if ticket.vehicle else ticket.vin

    show_status = status_column(STATUS_COLORS)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def perform_update(self, request: HttpRequest, ticket: ServiceTicket, data: dict[str, Any]) -> ServiceTicket:
        return tickets.update_ticket(ticket=ticket, actor=user_of(request), data=data, now=clock.now())

    @button(
        description="Start", permissions=["change"], url_path="start", icon="play_arrow",
        offered={Status.AUTHORISED, Status.REVIEW},
    )  # fmt: skip
    def start(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._command(request, object_id, tickets.start_ticket, done="The work has begun.")

    @button(
        description="Resume", permissions=["change"], url_path="resume", icon="play_arrow", offered={Status.ON_HOLD}
    )
    def resume(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._command(request, object_id, tickets.resume_ticket, done="The work goes on.")

    @button(
        description="To review", permissions=["change"], url_path="review", icon="rule",
        offered=sources_of(TICKET_MOVES, Status.REVIEW),
    )  # fmt: skip
    def review(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._command(request, object_id, tickets.review_ticket, done="The work is to be reviewed.")

    @button(
        description="Complete", permissions=["change"], url_path="complete", icon="task_alt",
        offered={Status.REVIEW},
    )  # fmt: skip
    def complete(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._command(request, object_id, tickets.complete_ticket, done="The ticket is completed.")

    def has_invoice_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("workshop.add_invoice")

    @button(
        description="Invoice", permissions=["invoice"], url_path="invoice", icon="receipt_long",
        offered={Status.COMPLETED},
    )  # fmt: skip
    def invoice(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._command(request, object_id, invoicing.issue_invoice, done="The invoice is written.")

    @button(
        description="Cancel", permissions=["change"], url_path="cancel", icon="cancel",
        offered=sources_of(TICKET_MOVES, Status.CANCELLED),
    )  # fmt: skip
    def cancel(self, request: HttpRequest, object_id: str) -> HttpResponse:
        ticket = ServiceTicket.objects.get(pk=object_id)

        def cancelled(reason: str, consumed_parts: str) -> ServiceTicket:
            return tickets.cancel_ticket(
                ticket=ticket, reason=reason, consumed_parts=consumed_parts or None, actor=user_of(request),
                now=clock.now(),
            )  # fmt: skip

        return self.ask(
            request, ticket, title="Cancel", form_class=CancelForm, service=cancelled, done="The ticket is cancelled."
        )

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
    fields = readonly_fields = ("sku", "name", "show_quantity", "unit", "price", "stock")
    show_quantity = quantity_column("quantity")


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

    list_display = ("title", "ticket", "show_state", "tax_rate", "authorised_at", "finished_at")
    show_state = status_column(STATE_COLORS, field="state")
    list_filter = ("state",)
    list_select_related = ("ticket",)
    search_fields = ("title", "ticket__customer__name")
    inlines = [LabourInline, PartInline, FeeInline, TimeEntryInline]


@admin.register(TimeEntry)
class TimeEntryAdmin(OwnWorkMixin, ReadOnlyAdmin):
    """Who worked on what, and when. Mechanics find their own clocks."""

    list_display = ("mechanic", "job", "show_ticket", "started_at", "ended_at")
    list_filter = (("ended_at", admin.EmptyFieldListFilter), MineFilter, "started_at")
    list_select_related = ("mechanic", "job__ticket")
    search_fields = ("mechanic__display_name", "job__title")

    def own(self, rows: QuerySet[TimeEntry], user: Any) -> QuerySet[TimeEntry]:
        return rows.filter(mechanic__user_id=user.pk)

    @display(description="ticket")
    def show_ticket(self, entry: TimeEntry) -> str:
        return entry.job.ticket.number


@admin.register(EstimateLink)
class EstimateLinkAdmin(ReadOnlyAdmin):
    """Estimates that were sent. The links themselves are not kept."""

    list_display = ("ticket", "version", "created_at", "expires_at", "first_opened_at", "revoked_at")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter), ("first_opened_at", admin.EmptyFieldListFilter))
    list_select_related = ("ticket",)
    search_fields = ("ticket__customer__name",)
