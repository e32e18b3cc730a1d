"""The way of a title from the seller to the buyer.

Lock order: (users by id, for `complete_title`) -> order -> title -> vehicle.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings

from accounts.models import User
from auctions.models import Listing, Order, TitleDeadline, TitleTransfer
from auctions.models.delivery import TITLE_OVER
from auctions.services.settling import begin, move

Status = TitleTransfer.Status


def open_title(order: Order, listing: Listing, *, actor: User | None, now: datetime) -> TitleTransfer:
    """A locked order is paid: its title is awaited from the seller, due by the state's deadline."""
    due_at = now + timedelta(days=_days_for(listing.title_state))
    title = TitleTransfer.objects.create(order=order, title_state=listing.title_state, due_at=due_at)
    begin(title, actor=actor, now=now)
    move(title, Status.AWAITING_SELLER_DOCUMENTS, actor=actor, now=now)
    return title


def _days_for(state: str) -> int:
    days = TitleDeadline.objects.filter(state=state).values_list("days", flat=True).first()
    return settings.TITLE_DUE_DAYS if days is None else days


def cancel_title(order: Order, *, actor: User | None, now: datetime, reason: str) -> None:
    """The sale of a locked order was undone. Nothing happens when there is no title transfer or it is completed."""
    title = TitleTransfer.objects.filter(order=order).exclude(status__in=TITLE_OVER).first()
    if title is not None:
        move(title, Status.CANCELLED, actor=actor, now=now, reason=reason)
