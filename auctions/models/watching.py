"""What people keep an eye on: single auctions, and searches for listings to come."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from auctions.models.auctions import Auction
from auctions.models.listings import Listing
from common.models import TimestampedModel


class Watch(models.Model):
    """Somebody watches an auction. The times say when it was last reminded of its end: a day and a quarter of an hour
    ahead; an extension that puts the end further off than that lets it be reminded again."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="watches")
    auction = models.ForeignKey(Auction, on_delete=models.CASCADE, related_name="watches")
    reminded_day_at = models.DateTimeField(null=True, blank=True)
    reminded_soon_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "watches"
        constraints = [models.UniqueConstraint(fields=["user", "auction"], name="watch_once")]
        indexes = [models.Index(fields=["auction"], name="watch_auction")]

    def __str__(self) -> str:
        return f"watch {self.auction_id}"


class SavedSearch(TimestampedModel):
    """A search of `GET /api/vehicles` by its parameters, told of new listings as they come or once a day."""

    class Cadence(models.TextChoices):
        INSTANT = "instant"
        DAILY = "daily"
        OFF = "off"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_searches")
    name = models.CharField(max_length=100)
    filters = models.JSONField(default=dict)
    cadence = models.CharField(max_length=7, choices=Cadence, default=Cadence.INSTANT)
    digest_due_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "saved searches"
        indexes = [
            models.Index(fields=["user", "-id"], name="saved_search_user"),
            models.Index(fields=["digest_due_at"], name="saved_search_digest", condition=Q(cadence="daily")),
        ]

    def __str__(self) -> str:
        return self.name


class SearchMatch(models.Model):
    """A listing that a search found: each pair once, whatever runs twice. Daily ones wait for the digest."""

    search = models.ForeignKey(SavedSearch, on_delete=models.CASCADE, related_name="matches")
    listing = models.ForeignKey(Listing, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    told_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["id"]
        verbose_name_plural = "search matches"
        constraints = [models.UniqueConstraint(fields=["search", "listing"], name="search_match_once")]
        indexes = [models.Index(fields=["search"], name="search_match_untold", condition=Q(told_at=None))]

    def __str__(self) -> str:
        return f"match {self.listing_id}"
