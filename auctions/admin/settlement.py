"""What the staff pages between the hammer and the delivered car share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe
from unfold.decorators import display

from accounts.authentication import user_of
from auctions.models import SettlementEvent
from common import clock
from common.admin import ReadOnlyAdmin, ReadOnlyInline

STATUS_COLORS = {
    # Somebody has to do something.
    "awaiting_payment": "warning", "overdue": "danger", "disputed": "danger", "failed": "danger",
    "requested": "warning", "due": "warning", "held": "warning", "partially_paid": "warning", "open": "info",
    "awaiting_seller_documents": "warning", "rejected_documents": "warning", "lien_pending": "warning",
    "quote_requested": "warning", "booked": "warning", "pending": "info",
    # It went well.
    "paid": "success", "succeeded": "success", "done": "success", "completed": "success", "delivered": "success",
    "accepted": "success",
    # It came to nothing.
    "defaulted": "danger", "cancelled": "danger", "refunded": "danger", "rejected": "danger",
}  # fmt: skip
LINE = "{} — {} {}{}"


def holding(permission: str) -> Callable[..., bool]:
    """A page's `has_..._permission`, by which its buttons name who may press them: of a permission's own name the theme
    would ask the database at every start."""

    def holds(page: Any, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm(permission)

    return holds


class SettlementAdmin(ReadOnlyAdmin):
    """Rows that only services write: with their history, and buttons that ask first and call a service then."""

    readonly_fields: tuple[str, ...] = ("history",)
    id_argument = ""  # What services call the row's id.

    @display(description="status", label=STATUS_COLORS)
    def show_status(self, row: Any) -> str:
        return str(row.status)

    @display(description="history")
    def history(self, row: Any) -> SafeString:
        """What happened to it, the oldest first: when, by whom, what and why."""
        subject = self.opts.model_name or ""
        names = {name.replace("_", ""): name for name in SettlementEvent.Subject.values}
        events = SettlementEvent.objects.filter(subject=names[subject], subject_id=row.pk)
        lines = (
            (
                f"{event.at:%Y-%m-%d %H:%M}",
                event.new.replace("_", " "),
                f"by {event.actor}" if event.actor else "by itself",
                f": {event.reason}" if event.reason else "",
            )
            for event in events.select_related("actor").order_by("id")
        )
        return format_html_join(mark_safe("<br>"), LINE, lines)

    def act(
        self,
        request: HttpRequest,
        object_id: str,
        title: str,
        service: Callable[..., Any],
        *,
        done: str,
        form_class: type[forms.Form] = forms.Form,
    ) -> HttpResponse:
        """Ask for what the form has fields for, or whether it is meant; then call the service with the answers."""
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        known = {self.id_argument: row.pk, "actor": user_of(request)}

        def call(**answers: Any) -> Any:
            return service(**known, now=clock.now(), **answers)

        return self.ask(request, row, title=title, service=call, done=done, form_class=form_class)


class EventInline(ReadOnlyInline):
    """What happened to an order and all that belongs to it."""

    model = SettlementEvent
    fields = readonly_fields = ("at", "subject", "subject_id", "old", "new", "reason", "actor", "told_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[SettlementEvent]:
        rows: QuerySet[SettlementEvent] = super().get_queryset(request)
        return rows.select_related("actor")
