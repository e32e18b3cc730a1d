"""Payouts: what the seller gets. One per order, under the order's lock; its amount never changes.

Finance pays outside of this system and writes down the bank's reference; a job reminds them of what is due.

Lock order: order -> payout.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.db import transaction
from django.db.models import Count, Sum
from django.urls import reverse

from accounts.models import Notification, User
from accounts.notifications import Message, notify_many
from accounts.registry import MailContent, NotificationKind, notification_kinds
from auctions.fees import seller_fee
from auctions.models import Invoice, Order, Payout, Refund
from auctions.services.settling import GOING_BACK, begin, lock_order, move, order_id_of
from common.errors import Conflict

Status = Payout.Status
PAYOUTS_DUE = "payouts_due"


class MoneyGoesBack(Conflict):
    """The seller is not paid while money goes back to the buyer, nor when all of it did."""

    code = "money_goes_back"
    detail = "Money of this sale is on its way back to the buyer, or all of it went back."


def register_kinds() -> None:
    """Called once the apps are ready."""
    entry = NotificationKind(label="Sellers who wait for their money", build_mail=_mail)
    notification_kinds.register(PAYOUTS_DUE, entry)


def _mail(notification: Notification) -> MailContent:
    link = settings.BACKEND_URL + reverse("admin:auctions_payout_changelist") + "?status__exact=due"
    return MailContent(notification.title, notification.body, link=link, link_label="See the payouts")


def make_payout(order: Order, *, actor: User | None, now: datetime) -> Payout:
    """A locked order that is paid, and whose title was received, owes its seller the price less the seller's fee. The
    one that it has stays. Raises MoneyGoesBack when all that was paid went back; while only some of it is on its way
    the seller is owed the price all the same, and is paid afterwards."""
    present = Payout.objects.filter(order=order).first()
    if present is not None:
        return present
    if _is_void(order):
        raise MoneyGoesBack
    price = order.hammer_price
    fee = seller_fee(order.fee_schedule, price)
    payout = Payout.objects.create(
        order=order, price=price, fee=fee, amount=price - fee, currency=order.currency, due_at=now
    )
    begin(payout, actor=actor, now=now, details=_facts(payout))
    return payout


def hold_payout(order: Order, *, actor: User | None, now: datetime, reason: str) -> None:
    """While a dispute of a locked order is open. Nothing happens when there is none or it was paid."""
    _move_from(order, {Status.DUE}, Status.HELD, actor=actor, now=now, reason=reason)


def release_payout(order: Order, *, actor: User | None, now: datetime) -> None:
    """After a dispute that went back. Nothing happens when none is held."""
    _move_from(order, {Status.HELD}, Status.DUE, actor=actor, now=now)


def cancel_payout(order: Order, *, actor: User | None, now: datetime, reason: str) -> None:
    """The sale was undone. Nothing happens when there is none or it was paid."""
    _move_from(order, {Status.DUE, Status.HELD}, Status.CANCELLED, actor=actor, now=now, reason=reason)


def _move_from(
    order: Order, statuses: set[Status], to: Status, *, actor: User | None, now: datetime, reason: str = ""
) -> None:
    payout = _locked().filter(order=order, status__in=statuses).first()
    if payout is not None:
        move(payout, to, actor=actor, now=now, reason=reason, details=_facts(payout))


@transaction.atomic
def pay_payout(*, payout_id: int, reference: str, actor: User, now: datetime) -> Payout:
    """Write down that the seller was paid, with the bank's reference. Raises InvalidTransition (held, cancelled, paid
    already), MoneyGoesBack (409), NotFound."""
    order = lock_order(order_id_of(Payout, payout_id))
    payout: Payout = _locked().get(pk=payout_id)
    if payout.status == Status.DUE and (_is_void(order) or _goes_back(order)):
        raise MoneyGoesBack
    details = _facts(payout) | {"reference": reference}
    move(payout, Status.PAID, actor=actor, now=now, details=details, reference=reference, paid_at=now, paid_by=actor)
    return payout


def _is_void(order: Order) -> bool:
    return Invoice.objects.filter(order=order, status=Invoice.Status.VOID).exists()


def _goes_back(order: Order) -> bool:
    return Refund.objects.filter(order=order, status__in=GOING_BACK).exists()


@transaction.atomic
def remind_of_payouts(*, now: datetime) -> int:
    """Tell those who pay, once a day, how many payouts are due and what they come to. The number of those told."""
    sums = Payout.objects.filter(status=Status.DUE).values("currency").annotate(count=Count("id"), sum=Sum("amount"))
    due = list(sums.order_by("currency"))
    if not due:
        return 0
    count = sum(row["count"] for row in due)
    title = "1 payout is due" if count == 1 else f"{count} payouts are due"
    amounts = ", ".join(f"{row['sum']:,.2f} {row['currency']}" for row in due)
    body = f"Sellers wait for {amounts}."
    payers = ModelBackend().with_perm("auctions.change_payout").order_by("pk")
    messages = [
        Message(payer.pk, PAYOUTS_DUE, title, body, data={"count": count}, dedupe_key=f"{now:%Y-%m-%d}")
        for payer in payers
    ]
    notify_many(messages, now=now)
    return len(messages)


def _locked() -> Any:
    return Payout.objects.select_for_update(of=("self",), no_key=True)


def _facts(payout: Payout) -> dict[str, str]:
    return {"amount": str(payout.amount), "currency": payout.currency}
