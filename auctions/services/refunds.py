"""Refunds: money that goes back out of a payment, never more than came in."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from accounts.models import User
from auctions.models import Payment, Refund
from auctions.services.balances import Account


def request_refund(
    account: Account, payment: Payment, *, amount: Decimal, reason: str, actor: User | None, now: datetime
) -> Refund:
    """Ask for some of a payment back, under the order's lock. All that is asked for and not rejected together never
    exceeds the payment. Raises RefundExceedsPayment (409), InvalidTransition (the payment has not succeeded)."""
    raise NotImplementedError


def finish_refund(
    account: Account,
    refund: Refund,
    *,
    succeeded: bool,
    failure: str = "",
    provider_ref: str = "",
    actor: User | None,
    now: datetime,
) -> bool:
    """What became of a refund that is on its way, under the order's lock. False, and nothing changes, when that was
    known before: reports come twice and late."""
    raise NotImplementedError
