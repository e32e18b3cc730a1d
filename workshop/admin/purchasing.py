"""Purchase orders and their deliveries."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from accounts.authentication import user_of
from common import clock
from common.admin import ReadOnlyAdmin, ReadOnlyInline, button, quantity_column, status_column
from common.transitions import sources_of
from workshop.models import Delivery, PurchaseOrder, PurchaseOrderLine
from workshop.services import purchasing

STATUS_COLORS = {
    PurchaseOrder.Status.SENT: "info",
    PurchaseOrder.Status.PARTIALLY_RECEIVED: "warning",
    PurchaseOrder.Status.RECEIVED: "success",
}


class LineInline(ReadOnlyInline):
    """What was ordered, and how much of it came."""

    model = PurchaseOrderLine
    fields = readonly_fields = ("part", "show_quantity", "unit_cost", "show_received")
    show_quantity = quantity_column("quantity")
    show_received = quantity_column("received")


class DeliveryInline(ReadOnlyInline):
    """Delivery notes that were booked."""

    model = Delivery
    verbose_name_plural = "deliveries"
    fields = readonly_fields = ("note", "received_at", "received_by")


@admin.register(PurchaseOrder)
class PurchaseOrderAdmin(ReadOnlyAdmin):
    """What is on order. "Collect shortages" writes what tickets and thresholds lack into the suppliers' drafts."""

    list_display = ("number", "supplier", "show_status", "sent_at", "created_at")
    list_filter = ("status", "supplier")
    list_select_related = ("supplier",)
    search_fields = ("supplier__name",)
    inlines = [LineInline, DeliveryInline]
    actions_list = ["collect_shortages"]
    actions_detail = ["send", "cancel"]

    show_status = status_column(STATUS_COLORS)

    def has_order_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("workshop.change_purchaseorder")

    @button(description="Collect shortages", permissions=["order"], url_path="from-shortages", icon="playlist_add")
    def collect_shortages(self, request: HttpRequest) -> HttpResponse:
        self.run(
            request,
            lambda: purchasing.order_shortages(actor=user_of(request), now=clock.now()),
            done="The suppliers' drafts hold what is lacking.",
        )
        return redirect(reverse("admin:workshop_purchaseorder_changelist"))

    @button(
        description="Mark as sent", permissions=["order"], url_path="send", icon="send",
        offered=sources_of(purchasing.MOVES, PurchaseOrder.Status.SENT),
    )  # fmt: skip
    def send(self, request: HttpRequest, object_id: str) -> HttpResponse:
        order = PurchaseOrder.objects.get(pk=object_id)
        self.run(request, lambda: purchasing.send_order(order=order, now=clock.now()), done="The order is sent.")
        return redirect(reverse("admin:workshop_purchaseorder_change", args=[object_id]))

    @button(
        description="Cancel", permissions=["order"], url_path="cancel", icon="cancel",
        offered=sources_of(purchasing.MOVES, PurchaseOrder.Status.CANCELLED),
    )  # fmt: skip
    def cancel(self, request: HttpRequest, object_id: str) -> HttpResponse:
        order = PurchaseOrder.objects.get(pk=object_id)
        return self.ask(
            request, order, title="Cancel", done="The order is cancelled.",
            service=lambda: purchasing.cancel_order(order=order),
        )  # fmt: skip
