"""Refunds: money that goes back out of a payment, never more than came in.

An approved refund is reserved on its payment, pays for nothing any more while the order is not paid
(`Invoice.going_back`), and keeps the car on the lot until the money is back. A wire is back once finance has approved
it; other providers are asked by `send_refunds`, outside of any transaction, and again under the
same key until they have answered: a refund that is in transit without the provider's reference was not taken over yet.
One that was, and is not heard of for a day, is asked for.

Lock order: listing -> order -> invoice -> payment -> refund -> payout -> number of the credit note.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet, Sum

from accounts.models import User
from auctions.models import Invoice, Order, Payment, Refund, SettlementEvent
from auctions.models.orders import UNPAID_ORDER
from auctions.providers import provider_named
from auctions.providers.base import ProviderError, Refunded
from auctions.services.balances import Account, credit_invoice, lock_account, overpaid, settle, take_money
from auctions.services.gate_passes import issue_pass, revoke_pass
from auctions.services.payouts import cancel_payout
from auctions.services.settling import GOING_BACK, REFUND_MOVES, Subject, begin, lock_order, move, order_id_of
from common.doorbell import ring_on_commit
from common.errors import Conflict, Forbidden
from common.money import ZERO
from common.sweeps import SweepResult, sweep_ids
from common.transitions import check_transition

log = structlog.get_logger(__name__)
Status = Refund.Status
# Only money that came in goes back; and the first attempt is the sweep's, all others are finance's.
_ASK_MOVES: Mapping[str, tuple[str, ...]] = {Payment.Status.SUCCEEDED: ("refunded",)}
_RETRY_MOVES: Mapping[str, tuple[str, ...]] = {**REFUND_MOVES, Status.APPROVED: ()}
_UNHEARD_OF_FOR = timedelta(days=1)


class RefundExceedsPayment(Conflict):
    """More than is left of the payment beside all refunds that were asked for: `meta.refundable`."""

    code = "refund_exceeds_payment"
    detail = "The refund exceeds what is left of the payment."


class SecondPersonNeeded(Forbidden):
    """Above the limit (`meta.limit`) nobody approves what they asked for themselves, all such refunds of a sale taken
    together."""

    code = "second_person_needed"
    detail = "Refunds of this size have to be approved by somebody else than who asked for them."


# --- Asking and deciding ----------------------------------------------------------------------------------------------


@transaction.atomic
def ask_for_refund(*, payment_id: int, amount: Decimal, reason: str, actor: User, now: datetime) -> Refund:
    """As `request_refund`, with the locks. Raises NotFound too."""
    account = lock_account(order_id_of(Payment, payment_id))
    payment = Payment.objects.get(pk=payment_id)
    return request_refund(account, payment, amount=amount, reason=reason, actor=actor, now=now)


def request_refund(
    account: Account, payment: Payment, *, amount: Decimal, reason: str, actor: User | None, now: datetime
) -> Refund:
    """Ask for some of a payment back, under the order's lock. All that is asked for and not rejected together never
    exceeds the payment. Raises RefundExceedsPayment (409), InvalidTransition (the payment has not succeeded)."""
    payment = _lock_payment(payment.pk)
    check_transition(current=payment.status, to="refunded", allowed=_ASK_MOVES)
    left = refundable(payment)
    if amount > left:
        raise RefundExceedsPayment(attr="amount", meta={"refundable": left})
    refund = Refund.objects.create(
        payment=payment,
        order=account.order,
        amount=amount,
        currency=payment.currency,
        reason=reason,
        requested_by=actor,
    )
    begin(refund, actor=actor, now=now, reason=reason, details=_facts(refund))
    return refund


def refundable(payment: Payment) -> Decimal:
    """What is left of a payment after all refunds that were not rejected."""
    asked: Decimal | None = payment.refunds.exclude(status=Status.REJECTED).aggregate(sum=Sum("amount"))["sum"]
    return payment.amount - (asked or ZERO)


@transaction.atomic
def approve_refund(*, refund_id: int, actor: User, now: datetime) -> Refund:
    """Reserve the money and send it back; the car stays where it is until then. Raises SecondPersonNeeded,
    InvalidTransition, NotFound."""
    account, refund = _lock_with_account(refund_id)
    move(refund, Status.APPROVED, actor=actor, now=now, details=_facts(refund), decided_by=actor)
    limit = settings.REFUND_APPROVAL_LIMIT
    if refund.requested_by_id == actor.pk and _decided_alone(account.order, actor) > limit:
        raise SecondPersonNeeded(meta={"limit": limit})
    payment = _lock_payment(refund.payment_id)
    payment.refund_reserved += refund.amount
    payment.save(update_fields=["refund_reserved", "updated_at"])
    revoke_pass(account.order, reason="A refund was approved.", actor=actor, now=now)
    if payment.provider == Payment.Provider.MANUAL:
        _begin_attempt(refund, actor=actor, now=now)
        return _finish(account, refund, actor=actor, now=now)
    ring_on_commit("auctions.tasks.send_refunds")
    return refund


def _decided_alone(order: Order, actor: User) -> Decimal:
    """What a person has both asked for and approved of a locked sale: a large refund in small parts is a large one."""
    alone = order.refunds.filter(requested_by=actor, decided_by=actor).exclude(status=Status.REJECTED)
    amount: Decimal = alone.aggregate(sum=Sum("amount"))["sum"]
    return amount


@transaction.atomic
def reject_refund(*, refund_id: int, reason: str, actor: User, now: datetime) -> Refund:
    """The money stays: what was only asked for, and what failed and nobody sends again. Raises InvalidTransition,
    NotFound."""
    account, refund = _lock_with_account(refund_id)
    was_promised = refund.status in GOING_BACK
    move(refund, Status.REJECTED, actor=actor, now=now, reason=reason, details=_facts(refund), decided_by=actor)
    if was_promised:
        _keep_money(account, refund, actor=actor, now=now)
    return refund


def _keep_money(account: Account, refund: Refund, *, actor: User, now: datetime) -> None:
    """What was reserved counts again: it may pay the rest of an unpaid order, and no longer keeps the car."""
    payment = _lock_payment(refund.payment_id)
    payment.refund_reserved -= refund.amount
    payment.save(update_fields=["refund_reserved", "updated_at"])
    settle(account, actor=actor, now=now)
    issue_pass(account.order, actor=actor, now=now)


@transaction.atomic
def retry_refund(*, refund_id: int, actor: User, now: datetime) -> Refund:
    """Send a refund that failed once more: another attempt for the provider. Raises InvalidTransition, NotFound."""
    refund = _lock_with_order(refund_id)
    check_transition(current=refund.status, to=Status.IN_TRANSIT, allowed=_RETRY_MOVES)
    _begin_attempt(refund, actor=actor, now=now)
    ring_on_commit("auctions.tasks.send_refunds")
    return refund


# --- Sending ----------------------------------------------------------------------------------------------------------


def send_refunds(*, now: datetime) -> SweepResult:
    """Hand over what was approved or is to be sent again, and ask for what was handed over long ago. What a provider
    cannot take at the moment stays due."""
    sent = sweep_ids(_to_send(), partial(_send, now=now))
    asked = sweep_ids(_unheard_of(now), partial(_look_up, now=now))
    return SweepResult(sent.done + asked.done, sent.failed + asked.failed)


def _to_send() -> QuerySet[Refund]:
    return Refund.objects.filter(Q(status=Status.APPROVED) | Q(status=Status.IN_TRANSIT, provider_ref=""))


def _send(refund_id: int, *, now: datetime) -> bool:
    refund = _start(refund_id, now=now)
    if refund is None:
        return False
    provider = provider_named(refund.payment.provider)
    try:
        answer = provider.send_refund(refund.payment, refund, idempotency_key=f"refund-{refund.pk}-{refund.attempt}")
    except ProviderError as error:
        if error.is_transient:
            raise
        answer = Refunded(provider_ref="", status=Status.FAILED, failure=str(error))
    return _take_answer(refund, answer, now=now)


@transaction.atomic
def _start(refund_id: int, *, now: datetime) -> Refund | None:
    """The refund with its payment and the attempt to make; None when somebody else has made it."""
    _lock_with_order(refund_id)
    refund = _to_send().select_related("payment", "order").filter(pk=refund_id).first()
    if refund is not None and refund.status == Status.APPROVED:
        _begin_attempt(refund, actor=None, now=now)
    return refund


@transaction.atomic
def _take_answer(sent: Refund, answer: Refunded, *, now: datetime) -> bool:
    account, refund = _lock_with_account(sent.pk)
    if (refund.status, refund.attempt) != (Status.IN_TRANSIT, sent.attempt):
        return False  # A webhook was faster.
    if refund.provider_ref and not answer.provider_ref:
        return False  # Another process was told that it was taken over.
    if answer.status == Status.IN_TRANSIT:
        refund.provider_ref = answer.provider_ref
        refund.save(update_fields=["provider_ref", "updated_at"])
        return True
    return _end(
        account,
        refund,
        succeeded=answer.status == Status.DONE,
        failure=answer.failure,
        provider_ref=answer.provider_ref,
        actor=None,
        now=now,
    )


def _unheard_of(now: datetime) -> QuerySet[Refund]:
    """Whose webhook may have been lost."""
    taken_over = Refund.objects.filter(status=Status.IN_TRANSIT).exclude(provider_ref="")
    return taken_over.filter(updated_at__lte=now - _UNHEARD_OF_FOR)


def _look_up(refund_id: int, *, now: datetime) -> bool:
    refund = _put_off(refund_id, now=now)
    if refund is None:
        return False
    report = provider_named(refund.payment.provider).look_up(refund)
    if report.status not in (Status.DONE, Status.FAILED):
        return False
    with transaction.atomic():
        return finish_refund(
            lock_account(refund.order_id),
            refund,
            succeeded=report.status == Status.DONE,
            failure=report.failure,
            provider_ref=report.provider_ref,
            actor=None,
            now=now,
        )


@transaction.atomic
def _put_off(refund_id: int, *, now: datetime) -> Refund | None:
    """The refund that is to be asked for, and not again before another day is over."""
    _lock_with_order(refund_id)
    if not _unheard_of(now).filter(pk=refund_id).update(updated_at=now):
        return None
    return Refund.objects.select_related("payment").get(pk=refund_id)


def _begin_attempt(refund: Refund, *, actor: User | None, now: datetime) -> None:
    move(
        refund,
        Status.IN_TRANSIT,
        actor=actor,
        now=now,
        details=_facts(refund),
        attempt=refund.attempt + 1,
        provider_ref="",
        failure="",
    )


# --- How it ends ------------------------------------------------------------------------------------------------------


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
    known before or is about an earlier attempt: reports come twice and late."""
    return _end(
        account,
        _lock_refund(refund.pk),
        succeeded=succeeded,
        failure=failure,
        provider_ref=provider_ref,
        actor=actor,
        now=now,
    )


def _end(
    account: Account,
    refund: Refund,
    *,
    succeeded: bool,
    failure: str,
    provider_ref: str,
    actor: User | None,
    now: datetime,
) -> bool:
    """As `finish_refund`, of a locked refund."""
    if _is_of_earlier_attempt(refund, provider_ref):
        return False
    if refund.status != Status.IN_TRANSIT:
        if refund.status != (Status.DONE if succeeded else Status.FAILED):
            # Nothing moves back by itself: finance has to look.
            log.error("refund_report_contradicts", refund=refund.pk, status=refund.status, succeeded=succeeded)
        return False
    provider_ref = provider_ref or refund.provider_ref
    if succeeded:
        _finish(account, refund, actor=actor, now=now, provider_ref=provider_ref)
        return True
    failure = failure[:200]
    # Why it failed is the operator's business, and the buyer reads the event.
    details = _facts(refund) | {"provider_ref": provider_ref}
    move(
        refund,
        Status.FAILED,
        actor=actor,
        now=now,
        details=details,
        failure=failure,
        provider_ref=provider_ref,
    )
    return True


def _is_of_earlier_attempt(refund: Refund, provider_ref: str) -> bool:
    if not provider_ref or refund.attempt <= 1:
        return False
    if refund.provider_ref:
        return refund.provider_ref != provider_ref
    # The present attempt was not taken over yet, or the report is faster than the answer.
    failed = SettlementEvent.objects.filter(subject=Subject.REFUND, subject_id=refund.pk, new=Status.FAILED)
    return failed.filter(details__provider_ref=provider_ref).exists()


def _finish(account: Account, refund: Refund, *, actor: User | None, now: datetime, provider_ref: str = "") -> Refund:
    """The money is back: the invoice of a sale that was paid asks for as much less, but for what the buyer had paid
    beyond it, and the car may leave when nothing else stands against it. When nothing is left to ask for, the seller
    is not paid either."""
    invoice = account.invoice
    if invoice is None:
        raise RuntimeError("Money without an invoice.")
    move(refund, Status.DONE, actor=actor, now=now, details=_facts(refund), done_at=now, provider_ref=provider_ref)
    credited = _to_credit(account.order, invoice, refund)
    if credited and credited == invoice.due:
        cancel_payout(account.order, actor=actor, now=now, reason="All that was paid went back.")
    if credited:
        reason = f"Refund {refund.pk}: {refund.reason}"
        credit_invoice(account, credited, reason=reason, actor=actor, now=now, refund=refund)
    take_money(account, -refund.amount, actor=actor, now=now)
    issue_pass(account.order, actor=actor, now=now)
    return refund


def _to_credit(order: Order, invoice: Invoice, refund: Refund) -> Decimal:
    """Before it is paid, an order goes on owing all of it; it was not paid with what goes back."""
    if order.status in UNPAID_ORDER:
        return ZERO
    return refund.amount - min(refund.amount, overpaid(invoice))


# --- Locks ------------------------------------------------------------------------------------------------------------


def _lock_with_account(refund_id: int) -> tuple[Account, Refund]:
    account = lock_account(order_id_of(Refund, refund_id))
    return account, _lock_refund(refund_id)


def _lock_with_order(refund_id: int) -> Refund:
    lock_order(order_id_of(Refund, refund_id))
    return _lock_refund(refund_id)


def _lock_payment(payment_id: int) -> Payment:
    payment: Payment = Payment.objects.select_for_update(of=("self",), no_key=True).get(pk=payment_id)
    return payment


def _lock_refund(refund_id: int) -> Refund:
    refund: Refund = Refund.objects.select_for_update(of=("self",), no_key=True).get(pk=refund_id)
    return refund


def _facts(refund: Refund) -> dict[str, Any]:
    return {"amount": str(refund.amount), "currency": refund.currency, "payment": refund.payment_id}
