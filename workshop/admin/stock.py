"""Parts and their ledger."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from unfold.decorators import action

from common import clock
from common.admin import ReadOnlyAdmin, StaffAdmin, button, quantity_column
from workshop.models import LowStockAlert, Part, StockAudit, StockMovement
from workshop.services import audit, inventory


@admin.register(Part)
class PartAdmin(StaffAdmin):
    """What is on the shelf. Quantities move by receipts, counts and tickets, never by an edit."""

    list_display = (
        "sku", "name", "price", "show_on_hand", "show_reserved", "show_available", "supplier", "archived_at",
    )  # fmt: skip
    list_display_links = ("sku", "name")
    list_filter = (("archived_at", admin.EmptyFieldListFilter), "supplier")
    list_select_related = ("supplier",)
    search_fields = ("sku_key", "name", "description")
    autocomplete_fields = ("supplier",)
    fields = (
        "name", "sku", "description", "unit", "price", "cost", "low_stock_threshold", "supplier", "supplier_sku",
        "product", "on_hand", "reserved", "archived_at",
    )  # fmt: skip
    readonly_fields = ("product", "on_hand", "reserved", "archived_at")
    actions = ["archive", "unarchive"]

    show_on_hand = quantity_column("on_hand")
    show_reserved = quantity_column("reserved")
    show_available = quantity_column("available")

    def perform_create(self, request: HttpRequest, data: dict[str, Any]) -> Part:
        return inventory.create_part(data=data, now=clock.now())

    def perform_update(self, request: HttpRequest, part: Part, data: dict[str, Any]) -> Part:
        return inventory.update_part(part=part, data=data, now=clock.now())

    def delete_model(self, request: HttpRequest, obj: Part) -> None:
        inventory.delete_part(part=obj)

    @action(description="Archive", permissions=["change"])
    def archive(self, request: HttpRequest, queryset: QuerySet[Part]) -> None:
        for part in queryset:
            self.run(
                request,
                lambda part=part: inventory.archive_part(part=part, now=clock.now()),
                done=f"{part} is archived.",
            )

    @action(description="Take back from the archive", permissions=["change"])
    def unarchive(self, request: HttpRequest, queryset: QuerySet[Part]) -> None:
        for part in queryset:
            self.run(
                request,
                lambda part=part: inventory.unarchive_part(part=part, now=clock.now()),
                done=f"{part} is back.",
            )


@admin.register(StockMovement)
class StockMovementAdmin(ReadOnlyAdmin):
    """The ledger: every change of what is on hand or reserved."""

    list_display = (
        "at", "part", "kind", "show_quantity", "show_before", "show_after", "reason", "reference", "actor",
    )  # fmt: skip
    list_filter = ("kind",)
    list_select_related = ("part", "actor")
    search_fields = ("part__sku_key", "part__name", "reference", "reason")
    show_quantity = quantity_column("quantity")
    show_before = quantity_column("before")
    show_after = quantity_column("after")


@admin.register(LowStockAlert)
class LowStockAlertAdmin(ReadOnlyAdmin):
    """Parts that ran low, until they recovered."""

    list_display = ("part", "show_available", "show_threshold", "opened_at", "mailed_at", "closed_at")
    show_available = quantity_column("available")
    show_threshold = quantity_column("threshold")
    list_filter = (("closed_at", admin.EmptyFieldListFilter),)
    list_select_related = ("part",)
    search_fields = ("part__sku_key", "part__name")


@admin.register(StockAudit)
class StockAuditAdmin(ReadOnlyAdmin):
    """What the nightly audit found."""

    list_display = ("at", "parts", "invoices", "differences")
    list_filter = ("at",)
    actions_list = ["audit_now"]

    @button(description="Audit now", permissions=["view"], url_path="audit-now", icon="fact_check")
    def audit_now(self, request: HttpRequest) -> HttpResponse:
        self.run(request, lambda: audit.audit_stock(now=clock.now()), done="The audit has run.")
        return redirect(reverse("admin:workshop_stockaudit_changelist"))
