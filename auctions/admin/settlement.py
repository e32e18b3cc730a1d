"""What the staff pages between the hammer and the delivered car share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from unfold.decorators import display

from accounts.authentication import user_of
from auctions.models import SettlementEvent
from common import clock
from common.admin import ReadOnlyAdmin, ReadOnlyInline, change_column, status_column

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
MOMENT = "%Y-%m-%d %H:%M"


def holding(permission: str) -> Callable[..., bool]:
    """A page's `has_..._permission`, by which its buttons name who may press them: of a permission's own name the theme
    would ask the database at every start."""

    def holds(page: Any, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm(permission)

    return holds


def more(*names: str) -> dict[str, Any]:
    """Buttons that are wanted rarely, behind one: more than five leave no room for the page's name."""
    return {"title": "More", "icon": "more_horiz", "items": list(names)}


class SettlementAdmin(ReadOnlyAdmin):
    """Rows that only services write: with their history, and buttons that ask first and call a service then."""

    readonly_fields: tuple[str, ...] = ("history",)
    id_argument = ""  # What services call the row's id.

    def get_inline_instances(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Those with rows: much of what may belong to a sale comes late or never."""
        inlines = super().get_inline_instances(request, obj)
        of_row = {self.opts.model_name: obj}
        return [inline for inline in inlines if obj is None or inline.model.objects.filter(**of_row).exists()]

    show_status = status_column(STATUS_COLORS)

    @display(description="history")
    def history(self, row: Any) -> SafeString:
        """What happened to it, the oldest first: when, by whom, what and why."""
        subject = self.opts.model_name or ""
        names = {name.replace("_", ""): name for name in SettlementEvent.Subject.values}
        events = SettlementEvent.objects.filter(subject=names[subject], subject_id=row.pk)
        lines = (
            (
                f"{event.at:{MOMENT}}",
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


class PartInline(ReadOnlyInline):
    """Rows that belong to another, each with a link to its own page in place of the theme's title above each row."""

    @display(description="")
    def show_link(self, row: Any) -> SafeString:
        page = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
        return format_html('<a href="{}" class="text-primary-600 dark:text-primary-500">{}</a>', page, row)


class EventInline(ReadOnlyInline):
    """What happened to an order and all that belongs to it."""

    model = SettlementEvent
    verbose_name_plural = "history"
    fields = readonly_fields = ("show_at", "subject", "show_change", "reason", "actor")

    def get_queryset(self, request: HttpRequest) -> QuerySet[SettlementEvent]:
        rows: QuerySet[SettlementEvent] = super().get_queryset(request)
        return rows.select_related("actor")

    @display(description="at")
    def show_at(self, event: SettlementEvent) -> SafeString:
        return format_html('<span class="whitespace-nowrap">{}</span>', f"{event.at:{MOMENT}}")

    show_change = change_column
