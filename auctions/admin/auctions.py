"""Staff pages of auctions and their bids: read-only, with buttons that call the services."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from unfold.decorators import display

from accounts.authentication import user_of
from auctions.bidding import is_due
from auctions.models import Auction, AuctionBidder, AuctionEvent, AuctionLogEntry, Bid
from auctions.services import auctions, corrections
from auctions.services.audit import audit_auction
from auctions.services.states import AUCTION_MOVES
from common import clock
from common.admin import ReadOnlyAdmin, ReadOnlyInline, button, money_column, status_column
from common.transitions import sources_of

Status = Auction.Status
STATUS_COLORS = {
    Status.LIVE: "success",
    Status.SCHEDULED: "info",
    Status.PAUSED: "warning",
    Status.RESERVE_NOT_MET: "warning",
    Status.CANCELLED: "danger",
}


AUDIT = "auctions.audit_auction"
SECRETS = ("reserve_price", "original_reserve_price", "leader_max", "runner_up_max", "log_seq")


def _may(to: str) -> Callable[[Auction], bool]:
    """Whether an auction may become `to`: what the end decides stays once it has come, however late the closer is."""

    def may(auction: Auction) -> bool:
        return auction.status in sources_of(AUCTION_MOVES, to) and not is_due(auction.state(), clock.now())

    return may


def _may_be_voided(bid: Bid) -> bool:
    """Once, and before the end; also while the auction is paused."""
    is_open = bid.auction.status in (Status.LIVE, Status.PAUSED) and not is_due(bid.auction.state(), clock.now())
    return is_open and not hasattr(bid, "voided_by")


class AuditorsPage(ReadOnlyAdmin):
    """Rows that hold maxima: for those who may read the private log."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(AUDIT)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(AUDIT)


class BidderInline(ReadOnlyInline):
    """Who is behind the aliases, and how far each would go."""

    model = AuctionBidder

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(AUDIT)

    fields = readonly_fields = ("number", "user", "maximum", "first_bid_at")


class EventInline(ReadOnlyInline):
    """What everybody could see, in its order."""

    model = AuctionEvent
    fk_name = "auction"
    fields = readonly_fields = ("seq", "at", "kind", "alias", "price", "bid_count", "reserve_status", "ends_at")


@admin.register(Auction)
class AuctionAdmin(ReadOnlyAdmin):
    """Auctions with their price, their bidders and what happened."""

    list_display = (
        "id", "listing", "seller", "show_status", "show_price", "show_reserve", "bid_count", "starts_at", "ends_at",
    )  # fmt: skip
    list_filter = ("status", "currency", "under_reserve", "ends_at")
    list_select_related = ("listing", "seller")
    search_fields = ("=id", "listing__vin", "listing__make", "listing__model", "seller__email")
    inlines = [BidderInline, EventInline]
    actions_detail = ["pause", "resume", "cancel", "verify"]

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Reserve and maxima are for those who may read the private log."""
        shown_nowhere = ("log_hash", "increments", "fee_schedule")
        return shown_nowhere if request.user.has_perm(AUDIT) else (*shown_nowhere, *SECRETS)

    show_status = status_column(STATUS_COLORS)
    show_price = money_column("price")

    @display(description="reserve")
    def show_reserve(self, auction: Auction) -> str:
        return auction.reserve_status.replace("_", " ")

    def has_moderate_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("auctions.moderate_auction")

    def has_audit_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm(AUDIT)

    @button(description="Pause", permissions=["moderate"], url_path="pause", icon="pause", offered=_may(Status.PAUSED))
    def pause(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._because(request, object_id, "Pause", auctions.pause_auction, done="The auction is paused.")

    @button(
        description="Resume", permissions=["moderate"], url_path="resume", icon="play_arrow",
        offered={Status.PAUSED},
    )  # fmt: skip
    def resume(self, request: HttpRequest, object_id: str) -> HttpResponse:
        auction_id = int(object_id)
        self.run(
            request,
            lambda: auctions.resume_auction(auction_id=auction_id, actor=user_of(request)),
            done="The auction goes on; its end has moved by the pause.",
        )
        return redirect(reverse("admin:auctions_auction_change", args=[object_id]))

    @button(
        description="Cancel", permissions=["moderate"], url_path="cancel", icon="cancel",
        offered=_may(Status.CANCELLED),
    )  # fmt: skip
    def cancel(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._because(request, object_id, "Cancel", auctions.cancel_auction, done="The auction is cancelled.")

    @button(description="Verify the log", permissions=["audit"], url_path="verify", icon="verified")
    def verify(self, request: HttpRequest, object_id: str) -> HttpResponse:
        problems = audit_auction(int(object_id)).problems
        found = [f"{problem.code} (row {problem.seq}) {problem.field}".strip() for problem in problems]
        text = "; ".join(found) or "Log, price and outcome agree."
        self.message_user(request, text, "error" if problems else "success")
        return redirect(reverse("admin:auctions_auction_change", args=[object_id]))

    def _because(
        self, request: HttpRequest, object_id: str, title: str, service: Callable[..., Any], *, done: str
    ) -> HttpResponse:
        auction = Auction.objects.get(pk=object_id)

        def act(reason: str) -> Any:
            return service(auction_id=auction.pk, actor=user_of(request), reason=reason)

        return self.ask_reason(request, auction, title=title, service=act, done=done)


@admin.register(Bid)
class BidAdmin(AuditorsPage):
    """Bids of all auctions. One that should not have been placed is voided, never deleted."""

    list_display = ("at", "auction", "alias", "bidder", "amount", "price", "leader_alias", "show_voided")
    list_filter = ("at", ("voided_by", admin.EmptyFieldListFilter))
    list_select_related = ("auction", "bidder", "voided_by")
    search_fields = ("=auction__id", "bidder__email", "auction__listing__vin")
    ordering = ("-at",)
    fields = (
        "id", "auction", "seq", "at", "alias", "bidder", "amount", "price", "leader_alias", "ends_at", "commitment",
        "hash",
    )  # fmt: skip
    actions_detail = ["void"]

    @display(description="stands", boolean=True)
    def show_voided(self, bid: Bid) -> bool:
        return not hasattr(bid, "voided_by")

    def has_moderate_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("auctions.moderate_auction")

    @button(description="Void", permissions=["moderate"], url_path="void", icon="block", offered=_may_be_voided)
    def void(self, request: HttpRequest, object_id: str) -> HttpResponse:
        bid = Bid.objects.get(pk=object_id)

        def act(reason: str) -> Any:
            return corrections.void_bid(bid_id=bid.pk, actor=user_of(request), reason=reason)

        return self.ask_reason(request, bid, title="Void", service=act, done="The bid is void; the rest stands anew.")


@admin.register(AuctionLogEntry)
class AuctionLogEntryAdmin(AuditorsPage):
    """The private logs, row by row."""

    list_display = ("auction", "seq", "at", "kind", "alias", "bidder", "amount", "price", "leader_alias", "reason")
    list_filter = ("kind", "at")
    list_select_related = ("auction", "bidder")
    search_fields = ("=auction__id", "bidder__email", "=hash")
    exclude = ("salt",)
    ordering = ("-at",)


@admin.register(AuctionEvent)
class AuctionEventAdmin(ReadOnlyAdmin):
    """Public events, and whether those they concern were told."""

    list_display = ("auction", "seq", "at", "kind", "alias", "price", "status", "told_at")
    list_filter = ("kind", ("told_at", admin.EmptyFieldListFilter), "at")
    list_select_related = ("auction",)
    search_fields = ("=auction__id",)
    ordering = ("-id",)
