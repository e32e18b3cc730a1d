"""Staff pages of listings: the moderation queue, photos and papers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from unfold.decorators import action

from accounts.authentication import user_of
from auctions.bidding import is_due
from auctions.models import Listing, ListingDocument, ListingEvent, ListingImage, Upload
from auctions.services import moderation
from auctions.services.states import LISTING_MOVES
from common import clock
from common.admin import ReadOnlyAdmin, ReadOnlyInline, button, change_column, money_column, status_column
from common.transitions import sources_of

Status = Listing.Status
PENDING = {Status.PENDING_REVIEW}
STATUS_COLORS = {
    Status.PENDING_REVIEW: "warning",
    Status.ACTIVE: "success",
    Status.IN_AUCTION: "success",
    Status.REJECTED: "danger",
    Status.SUSPENDED: "danger",
    Status.SOLD: "info",
}


class ImageInline(ReadOnlyInline):
    """The photos, in their order."""

    model = ListingImage
    fields = readonly_fields = ("position", "is_primary", "status", "width", "height", "size", "key")


class DocumentInline(ReadOnlyInline):
    """The papers; their contents are read over the API."""

    model = ListingDocument
    fields = readonly_fields = ("kind", "filename", "content_type", "size", "uploaded_by", "created_at")


class ListingEventInline(ReadOnlyInline):
    """What happened, newest first."""

    model = ListingEvent
    fields = readonly_fields = ("at", "show_change", "reason", "actor")
    show_change = change_column


def _may_be_suspended(listing: Listing) -> bool:
    """Not while its auction's end has come and the closer is late: the result stands."""
    auction = listing.auction
    is_ending = auction is not None and is_due(auction.state(), clock.now())
    return not is_ending and listing.status in sources_of(LISTING_MOVES, Status.SUSPENDED)


@admin.register(Listing)
class ListingAdmin(ReadOnlyAdmin):
    """Listings. The queue is the filter `pending review`; the buttons are the moderator's verdicts."""

    list_display = (
        "id", "__str__", "vin", "seller", "show_status", "show_starting_price", "submitted_at",
    )  # fmt: skip
    list_filter = ("status", "condition", "title_type", "location_state", "submitted_at")
    list_select_related = ("seller",)
    search_fields = ("=id", "vin", "make", "model", "seller__email")
    inlines = [ImageInline, DocumentInline, ListingEventInline]
    actions = ["approve_all"]
    actions_detail = ["approve", "request_changes", "reject", "suspend", "unsuspend", "public_history"]

    show_status = status_column(STATUS_COLORS)
    show_starting_price = money_column("starting_price")

    def has_moderate_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("auctions.moderate_listing")

    @action(description="Approve", permissions=["moderate"])
    def approve_all(self, request: HttpRequest, queryset: QuerySet[Listing]) -> None:
        for listing in queryset.order_by("pk"):
            self._approve(request, listing)

    @button(description="Approve", permissions=["moderate"], url_path="approve", icon="check", offered=PENDING)
    def approve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        self._approve(request, Listing.objects.get(pk=object_id))
        return redirect(reverse("admin:auctions_listing_change", args=[object_id]))

    @button(
        description="Request changes", permissions=["moderate"], url_path="request-changes", icon="edit_note",
        offered=PENDING,
    )  # fmt: skip
    def request_changes(self, request: HttpRequest, object_id: str) -> HttpResponse:
        done = "The seller is asked for changes."
        return self._because(request, object_id, "Request changes", moderation.request_changes, done=done)

    @button(description="Reject", permissions=["moderate"], url_path="reject", icon="close", offered=PENDING)
    def reject(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._because(request, object_id, "Reject", moderation.reject_listing, done="The listing is rejected.")

    @button(
        description="Suspend", permissions=["moderate"], url_path="suspend", icon="block",
        offered=_may_be_suspended,
    )  # fmt: skip
    def suspend(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._because(request, object_id, "Suspend", moderation.suspend_listing, done="It is suspended.")

    @button(
        description="Unsuspend", permissions=["moderate"], url_path="unsuspend", icon="undo",
        offered={Status.SUSPENDED},
    )  # fmt: skip
    def unsuspend(self, request: HttpRequest, object_id: str) -> HttpResponse:
        listing = Listing.objects.get(pk=object_id)
        self.run(
            request,
            lambda: moderation.unsuspend_listing(listing=listing, actor=user_of(request), now=clock.now()),
            done="The listing is on the marketplace again.",
        )
        return redirect(reverse("admin:auctions_listing_change", args=[object_id]))

    @button(description="Public history", permissions=["view"], url_path="public-history", icon="history_edu")
    def public_history(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return redirect(reverse("listing-history-pdf", args=[int(object_id)]))

    def _approve(self, request: HttpRequest, listing: Listing) -> None:
        self.run(
            request,
            lambda: moderation.approve_listing(listing=listing, actor=user_of(request), now=clock.now()),
            done=f"{listing} is on the marketplace.",
        )

    def _because(
        self, request: HttpRequest, object_id: str, title: str, service: Callable[..., Any], *, done: str
    ) -> HttpResponse:
        listing = Listing.objects.get(pk=object_id)

        def act(reason: str) -> Any:
            return service(listing=listing, actor=user_of(request), now=clock.now(), reason=reason)

        return self.ask_reason(request, listing, title=title, service=act, done=done)


@admin.register(Upload)
class UploadAdmin(ReadOnlyAdmin):
    """Places for files that were promised to sellers; what is not confirmed is swept away."""

    list_display = ("filename", "listing", "purpose", "content_type", "created_by", "created_at", "confirmed_at")
    list_filter = ("purpose", ("confirmed_at", admin.EmptyFieldListFilter), "created_at")
    list_select_related = ("listing", "created_by")
    search_fields = ("filename", "=listing__id", "created_by__email")
