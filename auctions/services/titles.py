"""The way of a title from the seller to the buyer."""

from __future__ import annotations

from datetime import datetime

from accounts.models import User
from auctions.models import Listing, Order, TitleTransfer


def open_title(order: Order, listing: Listing, *, actor: User | None, now: datetime) -> TitleTransfer:
    """A locked order is paid: its title is awaited from the seller, due by the state's deadline."""
    raise NotImplementedError


def cancel_title(order: Order, *, actor: User | None, now: datetime, reason: str) -> None:
    """The sale of a locked order was undone. Nothing happens when there is no title transfer or it is completed."""
    raise NotImplementedError
