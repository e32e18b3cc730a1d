"""Auctions, their bidders, the private log that proves them and the public events that tell of them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from auctions import bidding
from auctions.models.listings import PRICE, PUBLIC_DETAIL, Listing
from common.models import TimestampedModel

OPEN = ["scheduled", "live", "paused"]
ENDED = ["sold", "bought_now", "reserve_not_met", "no_bids", "cancelled", "negotiating", "unsold"]


def tiers_of(rows: Sequence[Any]) -> list[bidding.Tier]:
    """From JSON: `[{"up_to": "4999.99", "step": "100.00"}, ..., {"up_to": null, "step": "500.00"}]`."""
    return [bidding.Tier(row["up_to"] and Decimal(row["up_to"]), Decimal(row["step"])) for row in rows]


class IncrementTable(TimestampedModel):
    """The steps by which prices rise. `tiers` as `tiers_of` reads them: contiguous, positive, never falling. Auctions
    take the default one over when they go live, so a later edit cannot touch them."""

    name = models.CharField(max_length=64, unique=True)
    tiers = models.JSONField()
    is_default = models.BooleanField(default=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"], condition=Q(is_default=True), name="increment_table_one_default"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class AuctionQuerySet(models.QuerySet["Auction"]):
    """Auctions as their viewers see them."""

    def visible_to(self, user: Any) -> AuctionQuerySet:
        """To everybody those whose listing everybody may see; the others only to seller and staff. A listing that was
        taken off and comes again carries its old auctions with it, past which its new texts would be seen unreviewed.
        """
        if user.has_perm("auctions.view_auction"):
            return self
        shown = Q(listing__status__in=PUBLIC_DETAIL)
        return self.filter(shown | Q(seller_id=user.pk)) if user.is_authenticated else self.filter(shown)

    def due_to_open(self, now: datetime) -> AuctionQuerySet:
        return self.filter(status="scheduled", starts_at__lte=now)

    def due_to_close(self, now: datetime) -> AuctionQuerySet:
        return self.filter(status="live", ends_at__lte=now)


class Auction(TimestampedModel):
    """The sale of a listing to whoever bids most. What `state()` and `terms()` give is all that the rules of `bidding`
    need, so a bid reads this row, its bidder's own and nothing else, however many were placed before.

    Secret: `reserve_price`, `leader_max`, `runner_up_max`, `log_seq`. `event_seq` numbers the public events, `log_seq`
    the rows of the private log, `bid_seq` the public bids ever made; `bid_count` are those of them that stand.
    """

    class Status(models.TextChoices):
        SCHEDULED = "scheduled"
        LIVE = "live"
        PAUSED = "paused"
        SOLD = "sold"
        BOUGHT_NOW = "bought_now"
        RESERVE_NOT_MET = "reserve_not_met"
        NO_BIDS = "no_bids"
        CANCELLED = "cancelled"
        NEGOTIATING = "negotiating"
        UNSOLD = "unsold"

    class UnderReserve(models.TextChoices):
        JUMP = "jump"
        MINIMUM = "minimum"

    listing = models.ForeignKey(Listing, on_delete=models.PROTECT, related_name="auctions")
    seller = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="auctions")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    status = models.CharField(max_length=15, choices=Status, default=Status.SCHEDULED)
    currency = models.CharField(max_length=3)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    original_ends_at = models.DateTimeField()
    hard_end = models.DateTimeField(null=True, blank=True)
    paused_at = models.DateTimeField(null=True, blank=True)
    opened_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    soft_close_window_s = models.PositiveIntegerField(default=120)
    soft_close_extension_s = models.PositiveIntegerField(default=120)
    max_extensions = models.PositiveIntegerField(null=True, blank=True)
    extensions = models.PositiveIntegerField(default=0)
    under_reserve = models.CharField(max_length=7, choices=UnderReserve, default=UnderReserve.JUMP)
    starting_price = models.DecimalField(**PRICE)
    # The reserve at the beginning, for the replay, and the one that holds now.
    original_reserve_price = models.DecimalField(**PRICE, null=True, blank=True)
    reserve_price = models.DecimalField(**PRICE, null=True, blank=True)
    buy_now_price = models.DecimalField(**PRICE, null=True, blank=True)
    # Given by the seller, else taken from the default table at the opening; likewise the fees.
    increments = models.JSONField(null=True, blank=True)
    fee_schedule = models.JSONField(null=True, blank=True)
    price = models.DecimalField(**PRICE, null=True, blank=True)
    leader = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    leader_number = models.PositiveIntegerField(null=True, blank=True, help_text="The 4 of `Bidder 4`.")
    leader_max = models.DecimalField(**PRICE, null=True, blank=True)
    runner_up_max = models.DecimalField(**PRICE, null=True, blank=True)
    bid_count = models.PositiveIntegerField(default=0)
    bid_seq = models.PositiveIntegerField(default=0)
    bidder_count = models.PositiveIntegerField(default=0)
    event_seq = models.PositiveIntegerField(default=0)
    log_seq = models.PositiveIntegerField(default=0)
    log_hash = models.CharField(max_length=64, blank=True, help_text="Of the log's last row.")

    objects = AuctionQuerySet.as_manager()

    class Meta:
        ordering = ["ends_at", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["listing"],
                condition=Q(status__in=[*OPEN, "reserve_not_met", "negotiating"]),
                name="auction_open_listing",
            ),
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="auction_forward"),
            models.CheckConstraint(condition=Q(ends_at__gte=F("original_ends_at")), name="auction_never_shorter"),
            models.CheckConstraint(
                condition=Q(hard_end__isnull=True) | Q(ends_at__lte=F("hard_end")), name="auction_within_hard_end"
            ),
            models.CheckConstraint(
                condition=Q(
                    price__isnull=True, leader__isnull=True, leader_max__isnull=True, leader_number__isnull=True
                )
                | Q(
                    leader__isnull=False,
                    leader_number__isnull=False,
                    price__gte=F("starting_price"),
                    price__lte=F("leader_max"),
                ),
                name="auction_price_between_start_and_max",
            ),
            models.CheckConstraint(
                condition=Q(runner_up_max__isnull=True) | Q(runner_up_max__lte=F("price")),
                name="auction_price_from_runner_up",
            ),
            models.CheckConstraint(
                condition=~Q(status__in=["sold", "bought_now"]) | Q(leader__isnull=False), name="auction_sold_to_one"
            ),
            models.CheckConstraint(
                condition=Q(status__in=OPEN, closed_at__isnull=True) | ~Q(status__in=OPEN) & Q(closed_at__isnull=False),
                name="auction_closed_at",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["scheduled", "cancelled"])
                | Q(opened_at__isnull=False, increments__isnull=False, fee_schedule__isnull=False),
                name="auction_snapshot_at_opening",
            ),
            models.CheckConstraint(
                condition=Q(reserve_price__isnull=True)
                | Q(reserve_price__gte=0, reserve_price__lte=F("original_reserve_price")),
                name="auction_reserve_only_down",
            ),
            models.CheckConstraint(
                condition=Q(buy_now_price__isnull=True)
                | Q(original_reserve_price__isnull=True)
                | Q(buy_now_price__gt=F("original_reserve_price")),
                name="auction_buy_now_over_reserve",
            ),
            models.CheckConstraint(condition=Q(starting_price__gt=0), name="auction_starts_above_zero"),
        ]
        indexes = [
            models.Index(fields=["ends_at", "id"], name="auction_ends"),
            models.Index(fields=["status", "ends_at", "id"], name="auction_status_ends"),
            models.Index(fields=["starts_at"], name="auction_due_start", condition=Q(status="scheduled")),
            models.Index(fields=["ends_at"], name="auction_due_end", condition=Q(status="live")),
            models.Index(fields=["leader"], name="auction_led", condition=Q(status__in=["live", "paused"])),
            models.Index(fields=["seller", "-id"], name="auction_seller"),
        ]
        permissions = [
            ("moderate_auction", "Can pause, cancel and correct auctions"),
            ("audit_auction", "Can read the private log of auctions"),
        ]

    def __str__(self) -> str:
        return f"auction {self.pk}"

    def state(self) -> bidding.State:
        """Where it stands, for the rules."""
        return bidding.State(
            status=self.status,  # type: ignore[arg-type]
            ends_at=self.ends_at,
            reserve=self.reserve_price,
            hard_end=self.hard_end,
            price=self.price,
            leader=self.leader_id,
            leader_max=self.leader_max,
            runner_up_max=self.runner_up_max,
            extensions=self.extensions,
            paused_at=self.paused_at,
        )

    def terms(self) -> bidding.Terms:
        """What its seller laid down, for the rules."""
        return bidding.Terms(
            starts_at=self.starts_at,
            starting_price=self.starting_price,
            tiers=tiers_of(self.increments or ()),
            under_reserve=self.under_reserve,  # type: ignore[arg-type]
            buy_now_price=self.buy_now_price,
            window=timedelta(seconds=self.soft_close_window_s),
            extension=timedelta(seconds=self.soft_close_extension_s),
            max_extensions=self.max_extensions,
        )

    def take(self, state: bidding.State) -> None:
        """Hold what the rules answered; the leader's number and the counters are the caller's."""
        self.status = state.status
        if state.ends_at is not None:
            self.ends_at = state.ends_at
        self.reserve_price = state.reserve
        self.hard_end = state.hard_end
        self.price = state.price
        self.leader_id = state.leader
        self.leader_max = state.leader_max
        self.runner_up_max = state.runner_up_max
        self.extensions = state.extensions
        self.paused_at = state.paused_at

    @property
    def min_next(self) -> Decimal:
        return bidding.min_next(self.state(), self.terms())

    @property
    def reserve_status(self) -> str:
        return bidding.reserve_status(self.state())

    @property
    def leader_alias(self) -> str | None:
        return None if self.leader_number is None else alias(self.leader_number)


def alias(number: int) -> str:
    """What a bidder is called in one auction: by the order of first bids, so it says nothing about other auctions."""
    return f"Bidder {number}"


class AuctionBidder(models.Model):
    """Somebody who bid in an auction. `maximum` is the highest that stands, null when all was voided."""

    auction = models.ForeignKey(Auction, on_delete=models.CASCADE, related_name="bidders")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    number = models.PositiveIntegerField()
    maximum = models.DecimalField(**PRICE, null=True, blank=True)
    first_bid_at = models.DateTimeField()

    class Meta:
        ordering = ["auction_id", "number"]
        constraints = [
            models.UniqueConstraint(fields=["auction", "user"], name="auction_bidder_once"),
            models.UniqueConstraint(fields=["auction", "number"], name="auction_bidder_number"),
            models.CheckConstraint(condition=Q(maximum__isnull=True) | Q(maximum__gt=0), name="auction_bidder_maximum"),
        ]
        indexes = [models.Index(fields=["user", "-id"], name="auction_bidder_user")]

    def __str__(self) -> str:
        return alias(self.number)


class AuctionLogEntry(models.Model):
    """A row of an auction's private log, append-only and chained by hashes (see `auctions.chain`): bids, voids, changes
    of the reserve, pauses and the end. `amount` is a bidder's maximum or the new reserve; `price`, `leader` and
    `ends_at` are what held after the row, `deadline` the end before it. PostgreSQL refuses to change or delete a row.
    """

    class Kind(models.TextChoices):
        OPENED = "opened"
        BID = "bid"
        VOID = "void"
        RESERVE = "reserve"
        PAUSED = "paused"
        RESUMED = "resumed"
        BUY_NOW = "buy_now"
        CLOSED = "closed"
        CANCELLED = "cancelled"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    auction = models.ForeignKey(Auction, on_delete=models.PROTECT, related_name="log")
    seq = models.PositiveIntegerField()
    kind = models.CharField(max_length=9, choices=Kind)
    at = models.DateTimeField()
    bidder = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    alias = models.CharField(max_length=20, blank=True)
    amount = models.DecimalField(**PRICE, null=True, blank=True)
    voids = models.OneToOneField("self", on_delete=models.PROTECT, null=True, blank=True, related_name="voided_by")
    price = models.DecimalField(**PRICE, null=True, blank=True)
    leader_alias = models.CharField(max_length=20, blank=True)
    ends_at = models.DateTimeField()
    deadline = models.DateTimeField()
    reason = models.CharField(max_length=500, blank=True)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    salt = models.CharField(max_length=32, blank=True)
    commitment = models.CharField(max_length=64, blank=True)
    previous_hash = models.CharField(max_length=64, blank=True)
    hash = models.CharField(max_length=64)

    class Meta:
        ordering = ["auction_id", "seq"]
        verbose_name_plural = "auction log entries"
        constraints = [
            models.UniqueConstraint(fields=["auction", "seq"], name="log_seq_once"),
            models.CheckConstraint(
                condition=~Q(kind__in=["bid", "buy_now"]) | Q(bidder__isnull=False, amount__isnull=False, amount__gt=0),
                name="log_bid_has_bidder_and_amount",
            ),
            models.CheckConstraint(
                condition=~Q(kind__in=["bid", "buy_now"]) | Q(at__lt=F("deadline")), name="log_no_bid_after_the_end"
            ),
            models.CheckConstraint(
                condition=Q(kind="void", voids__isnull=False) | ~Q(kind="void") & Q(voids__isnull=True),
                name="log_void_names_a_bid",
            ),
        ]
        indexes = [
            models.Index(fields=["bidder", "-at", "-id"], name="log_bidder", condition=Q(kind="bid")),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.seq}"


class BidManager(models.Manager["Bid"]):
    def get_queryset(self) -> models.QuerySet[Bid]:
        return super().get_queryset().filter(kind=AuctionLogEntry.Kind.BID)


class Bid(AuctionLogEntry):
    """The rows of the log that are bids."""

    objects: ClassVar[BidManager] = BidManager()

    class Meta:
        proxy = True


class AuctionEvent(models.Model):
    """What everybody may know of an auction, in the order of `seq`: the source of the live stream and of the public
    list of bids. Everything that is shown is in columns of its own; `entry`, `leader` and `previous_leader` are for
    the notifications and never shown."""

    class Kind(models.TextChoices):
        OPENED = "opened"
        BID = "bid"
        BID_VOIDED = "bid_voided"
        EXTENDED = "extended"
        RESERVE_MET = "reserve_met"
        PAUSED = "paused"
        RESUMED = "resumed"
        CLOSED = "closed"
        CANCELLED = "cancelled"

    auction = models.ForeignKey(Auction, on_delete=models.CASCADE, related_name="events")
    seq = models.PositiveIntegerField()
    kind = models.CharField(max_length=11, choices=Kind)
    at = models.DateTimeField(default=timezone.now)
    status = models.CharField(max_length=15, choices=Auction.Status)
    ends_at = models.DateTimeField()
    price = models.DecimalField(**PRICE, null=True, blank=True)
    min_next = models.DecimalField(**PRICE)
    bid_count = models.PositiveIntegerField()
    reserve_status = models.CharField(max_length=7)
    alias = models.CharField(max_length=20, blank=True, help_text="Who bid or bought; else who leads.")
    leader_alias = models.CharField(max_length=20, blank=True)
    bid_seq = models.PositiveIntegerField(null=True, blank=True, help_text="Of a bid, and of the one that was voided.")
    is_voided = models.BooleanField(default=False)
    entry = models.ForeignKey(AuctionLogEntry, on_delete=models.PROTECT, related_name="events")
    leader = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    previous_leader = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    told_at = models.DateTimeField(null=True, blank=True, help_text="When the notifications about it were written.")

    class Meta:
        ordering = ["auction_id", "seq"]
        constraints = [models.UniqueConstraint(fields=["auction", "seq"], name="event_seq_once")]
        indexes = [
            models.Index(fields=["auction", "-bid_seq"], name="event_bids", condition=Q(kind="bid")),
            models.Index(fields=["id"], name="event_untold", condition=Q(told_at=None)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.seq}"
