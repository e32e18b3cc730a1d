"""The suppliers' catalogue, and prices to look at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import action

from accounts.authentication import user_of
from common import clock
from common.admin import ReadOnlyAdmin, StaffAdmin, status_column
from workshop.models import PriceProposal, Product
from workshop.services import products


@admin.register(Product)
class ProductAdmin(StaffAdmin):
    """What suppliers offer. Synced rows that people edit keep their edits; a deleted one does not come back."""

    list_display = ("name", "brand", "category", "price", "supplier_stock", "provider", "withdrawn_at", "updated_at")
    list_filter = ("provider", ("withdrawn_at", admin.EmptyFieldListFilter), "category")
    search_fields = ("name", "brand", "sku")
    fields = (
        "name", "description", "price", "category", "brand", "sku", "height", "length", "depth", "supplier_stock",
        "supplier_stock_at", "provider", "external_id", "locked_fields", "withdrawn_at",
    )  # fmt: skip
    readonly_fields = ("supplier_stock_at", "provider", "external_id", "locked_fields", "withdrawn_at")
    actions = ["unlock", "adopt"]

    def perform_create(self, request: HttpRequest, data: dict[str, Any]) -> Product:
        return products.create_product(data=data, actor=user_of(request), now=clock.now())

    def perform_update(self, request: HttpRequest, product: Product, data: dict[str, Any]) -> Product:
        return products.update_product(product=product, data=data, actor=user_of(request), now=clock.now())

    def delete_model(self, request: HttpRequest, obj: Product) -> None:
        products.delete_product(product=obj, actor=user_of(request))

    @action(description="Unlock edited fields: the sync may change them again", permissions=["change"])
    def unlock(self, request: HttpRequest, queryset: QuerySet[Product]) -> None:
        for product in queryset:
            self.run(
                request,
                lambda product=product: products.unlock_product(product=product),
                done=f"{product} is unlocked.",
            )

    def has_adopt_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("workshop.adopt_product")

    @action(description="Adopt as a part", permissions=["adopt"])
    def adopt(self, request: HttpRequest, queryset: QuerySet[Product]) -> None:
        for product in queryset:
            self.run(
                request,
                lambda product=product: products.adopt_product(product=product, data={}, now=clock.now()),
                done=f"{product} is a part now.",
            )


@admin.register(PriceProposal)
class PriceProposalAdmin(ReadOnlyAdmin):
    """Prices that moved by more than half. Accepting writes the price, rejecting keeps the old one."""

    list_display = ("product", "old_price", "new_price", "show_status", "created_at", "decided_by", "decided_at")
    list_filter = ("status",)
    list_select_related = ("product", "decided_by")
    search_fields = ("product__name",)
    actions = ["accept", "reject"]

    show_status = status_column({"pending": "warning", "accepted": "success"})

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("workshop.decide_priceproposal")

    @action(description="Accept", permissions=["decide"])
    def accept(self, request: HttpRequest, queryset: QuerySet[PriceProposal]) -> None:
        self._decide(request, queryset, products.accept_proposal, done="accepted")

    @action(description="Reject", permissions=["decide"])
    def reject(self, request: HttpRequest, queryset: QuerySet[PriceProposal]) -> None:
        self._decide(request, queryset, products.reject_proposal, done="rejected")

    def _decide(
        self, request: HttpRequest, queryset: QuerySet[PriceProposal], service: Callable[..., object], *, done: str
    ) -> None:
        for proposal in queryset.select_related("product"):
            self.run(
                request,
                lambda proposal=proposal: service(proposal=proposal, actor=user_of(request), now=clock.now()),
                done=f"{proposal.product}: {done}.",
            )
