"""Auctions with a history, for the tests of what proves them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db import connection, transaction

from accounts.models import User
from auctions.models import Auction
from auctions.services.bids import place_bid
from auctions.services.closing import close_auction


def bid(auction: Auction, bidder: User, amount: str, *, at: datetime | None = None) -> UUID:
    """Placed by the service; `at` instead of now. The id of the bid."""
    clock = {"clock": lambda: at} if at else {}
    return place_bid(user_id=bidder.pk, auction_id=auction.pk, amount=Decimal(amount), **clock).bid


def closed(auction: Auction) -> Auction:
    """Closed by the service, a second after its end."""
    end = Auction.objects.values_list("ends_at", flat=True).get(pk=auction.pk)
    return close_auction(auction_id=auction.pk, clock=lambda: end + timedelta(seconds=1))


@contextmanager
def planted() -> Iterator[None]:
    """Lets a test edit the log, which PostgreSQL refuses otherwise."""
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL forecourt.rewrite_log = 'on'")
        yield
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL forecourt.rewrite_log = 'off'")
