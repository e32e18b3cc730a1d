"""Invoices of sales: frozen when they are issued, numbered without gaps."""

from __future__ import annotations

from datetime import datetime

from accounts.models import User
from auctions.models import Invoice
from auctions.services.balances import Account


def issue_invoice(account: Account, *, actor: User | None, now: datetime) -> Invoice:
    """Freeze what the buyer of a locked order owes: price, premium, title, the transport that was booked, and the tax
    of the buyer's state, by `auctions.fees.quote` on the order's fee schedule. Raises AlreadyInvoiced (409),
    InvalidTransition (the order is not unpaid)."""
    raise NotImplementedError
