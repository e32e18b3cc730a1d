"""Gate passes: the right to take a car off the lot."""

from __future__ import annotations

from datetime import datetime

from accounts.models import User
from auctions.models import GatePass, Order


def issue_pass(order: Order, *, actor: User | None, now: datetime) -> GatePass | None:
    """Give a locked order the right to its car when nothing is owed and nothing is on hold (no dispute, no refund on
    its way); the one that it has stays. None when something stands against it."""
    raise NotImplementedError


def revoke_pass(order: Order, *, reason: str, actor: User | None, now: datetime) -> None:
    """Take the right of a locked order back, unless the car has left or there is none."""
    raise NotImplementedError
