"""What the workshop tells people. Rows of the outbox in the caller's transaction; accounts mails them after the
commit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.backends import ModelBackend

from accounts.models import Notification
from accounts.notifications import notify, notify_address
from accounts.registry import MailContent, NotificationKind, notification_kinds
from workshop.models import Customer

# To customers.
ESTIMATE_READY = "estimate_ready"
TICKET_COMPLETED = "ticket_completed"
INVOICE_ISSUED = "invoice_issued"
# To staff.
ESTIMATE_EXPIRED = "estimate_expired"
ESTIMATE_DECIDED = "estimate_decided"
LOW_STOCK = "low_stock"

LABELS = {
    ESTIMATE_READY: "Estimates to decide",
    TICKET_COMPLETED: "Work on your vehicle is done",
    INVOICE_ISSUED: "Invoices",
    ESTIMATE_EXPIRED: "Estimates that ran out",
    ESTIMATE_DECIDED: "Decisions on estimates",
    LOW_STOCK: "Parts that run low",
}
# Nobody reads the mail of an erased customer (RFC 2606).
NOWHERE = "@deleted.invalid"

BuildMail = Callable[[Notification], MailContent | None]


def register_kinds(build_mail: Mapping[str, BuildMail] | None = None) -> None:
    """Called once the apps are ready; `build_mail` by kind, for mails that hold what no row may (a signed link)."""
    for kind, label in LABELS.items():
        notification_kinds.register(kind, NotificationKind(label=label, build_mail=(build_mail or {}).get(kind)))


def tell_customer(
    *,
    customer: Customer,
    kind: str,
    title: str,
    body: str = "",
    data: Mapping[str, Any] | None = None,
    dedupe_key: str | None = None,
    now: datetime,
) -> Notification | None:
    """Tell a customer: one with an account as that person prefers, a walk-in by mail to the customer's address. None
    when nobody is told. The same `dedupe_key` tells once."""
    if customer.user is not None and customer.user.is_active:
        return notify(user=customer.user, kind=kind, title=title, body=body, data=data, dedupe_key=dedupe_key, now=now)
    if customer.email.endswith(NOWHERE):
        return None
    return notify_address(
        address=customer.email, kind=kind, title=title, body=body, data=data, dedupe_key=dedupe_key, now=now
    )


def tell_staff(
    *,
    permission: str,
    kind: str,
    title: str,
    body: str = "",
    data: Mapping[str, Any] | None = None,
    dedupe_key: str | None = None,
    now: datetime,
) -> None:
    """Tell every active user who holds `permission` (`workshop.view_part`), superusers too. The same `dedupe_key` tells
    each of them once."""
    for user in ModelBackend().with_perm(permission).order_by("pk"):
        notify(user=user, kind=kind, title=title, body=body, data=data, dedupe_key=dedupe_key, now=now)
