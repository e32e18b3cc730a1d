"""Offers: how a price is found outside the bidding."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from auctions.models.auctions import Auction
from auctions.models.listings import PRICE, Listing
from auctions.models.parties import OfPartiesQuerySet
from common.models import TimestampedModel

MOST_ROUNDS = 3


class Offer(TimestampedModel):
    """A price that one party proposes and the other decides on. A counter-offer is a row of its own that names the one
    it answers; `round` counts them. Amounts never change.

    Kinds: `pre_auction`, a buyer's before the bidding; `if_bid`, the highest bid of an auction that missed its reserve,
    which binds its bidder; `second_chance`, the seller's to the next bidder when a sale came to nothing, or below the
    reserve that bidder's to the seller.
    """

    class Kind(models.TextChoices):
        PRE_AUCTION = "pre_auction"
        IF_BID = "if_bid"
        SECOND_CHANCE = "second_chance"

    class Status(models.TextChoices):
        PENDING = "pending"
        ACCEPTED = "accepted"
        DECLINED = "declined"
        COUNTERED = "countered"
        WITHDRAWN = "withdrawn"
        EXPIRED = "expired"
        SUPERSEDED = "superseded"

    class Party(models.TextChoices):
        BUYER = "buyer"
        SELLER = "seller"

    kind = models.CharField(max_length=13, choices=Kind)
    status = models.CharField(max_length=10, choices=Status, default=Status.PENDING)
    listing = models.ForeignKey(Listing, on_delete=models.PROTECT, related_name="offers")
    auction = models.ForeignKey(Auction, on_delete=models.PROTECT, null=True, blank=True, related_name="offers")
    buyer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    seller = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    made_by = models.CharField(max_length=6, choices=Party, help_text="Who proposes; the other one decides.")
    amount = models.DecimalField(**PRICE)
    currency = models.CharField(max_length=3)
    parent = models.OneToOneField("self", on_delete=models.PROTECT, null=True, blank=True, related_name="counter")
    round = models.PositiveSmallIntegerField(default=0)
    message = models.CharField(max_length=500, blank=True)
    expires_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)

    objects = OfPartiesQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["listing", "buyer"], condition=Q(status="pending"), name="offer_one_pending"
            ),
            models.UniqueConstraint(
                fields=["listing"], condition=Q(status="pending", kind="second_chance"), name="offer_one_second_chance"
            ),
            models.CheckConstraint(condition=Q(amount__gt=0), name="offer_amount"),
            models.CheckConstraint(condition=~Q(buyer=F("seller")), name="offer_between_two"),
            models.CheckConstraint(condition=Q(round__lte=MOST_ROUNDS), name="offer_rounds"),
            models.CheckConstraint(
                condition=Q(round=0, parent__isnull=True) | Q(round__gt=0, parent__isnull=False), name="offer_parent"
            ),
            models.CheckConstraint(
                condition=Q(status="pending", decided_at__isnull=True)
                | ~Q(status="pending") & Q(decided_at__isnull=False),
                name="offer_decided_at",
            ),
        ]
        indexes = [
            models.Index(fields=["buyer", "-id"], name="offer_buyer"),
            models.Index(fields=["seller", "-id"], name="offer_seller"),
            models.Index(fields=["listing", "-id"], name="offer_listing"),
            models.Index(fields=["expires_at"], name="offer_due", condition=Q(status="pending")),
        ]

    def __str__(self) -> str:
        return f"offer {self.pk}"

    @property
    def recipient_id(self) -> int:
        """Who decides."""
        return self.seller_id if self.made_by == self.Party.BUYER else self.buyer_id

    @property
    def proposer_id(self) -> int:
        return self.buyer_id if self.made_by == self.Party.BUYER else self.seller_id
