"""Payouts: what the seller gets."""

from __future__ import annotations

from datetime import datetime

from accounts.models import User
from auctions.models import Order, Payout


def make_payout(order: Order, *, actor: User | None, now: datetime) -> Payout:
    """A locked order that is paid, and whose title was received, owes its seller the price less the seller's fee. The
    one that it has stays."""
    raise NotImplementedError


def hold_payout(order: Order, *, actor: User | None, now: datetime, reason: str) -> None:
    """While a dispute of a locked order is open. Nothing happens when there is none or it was paid."""
    raise NotImplementedError


def release_payout(order: Order, *, actor: User | None, now: datetime) -> None:
    """After a dispute that went back. Nothing happens when none is held."""
    raise NotImplementedError


def cancel_payout(order: Order, *, actor: User | None, now: datetime, reason: str) -> None:
    """The sale was undone. Nothing happens when there is none or it was paid."""
    raise NotImplementedError
