"""Money that comes in for an order.

An attempt to pay is a row before its provider hears of it, so nothing is paid that we do not know of. The provider is
asked outside of any transaction; what it answers, and what its webhooks report later, is applied under the order's
lock, whichever comes first, and a final status stays.

Lock order: (webhook event ->) listing -> order -> invoice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Q, QuerySet, Sum

from accounts.models import User
from auctions.models import Invoice, Order, Payment, Refund
from auctions.models.orders import DEAD_ORDER, UNPAID_ORDER
from auctions.providers import provider_named, require_on
from auctions.providers.base import ProviderError, ProviderUnavailable, Report, Started
from auctions.services.balances import Account, lock_account, take_money
from auctions.services.refunds import finish_refund
from auctions.services.settling import PAYMENT_MOVES, begin, lock_order, move, order_id_of
from common.doorbell import ring_on_commit
from common.errors import Conflict, Forbidden, Unprocessable
from common.money import ZERO
from common.sweeps import SweepResult, sweep_ids

log = structlog.get_logger(__name__)
ADD_PAYMENT = "auctions.add_payment"
Status = Payment.Status
# Attempts that the payer has to go on with; after a day nobody will.
_WAITING = (Status.CREATED, Status.REQUIRES_ACTION)
_WAITS_FOR = timedelta(days=1)
# After which a provider is asked about what it took over: a webhook may have been lost.
_UNHEARD_OF_FOR = timedelta(days=1)
# One that its provider has not heard of by then was left behind by a process that died.
_ASKED_WITHIN = timedelta(minutes=15)


class NotInvoiced(Conflict):
    """Nobody has decided how the vehicle gets to the buyer, so what is owed is not known yet."""

    code = "not_invoiced"
    detail = "There is no invoice to pay yet."


class OrderNotPayable(Conflict):
    """The sale came to nothing; `meta.status` says how."""

    code = "order_not_payable"
    detail = "This order takes no payments any more."


class PaymentExceedsBalance(Conflict):
    """More than is owed and not on its way already; `meta.balance` says how much that is."""

    code = "payment_exceeds_balance"
    detail = "The payment exceeds what is still owed."


class ReferenceRequired(Unprocessable):
    """A wire without the words that it came with cannot be found again."""

    code = "reference_required"
    detail = "A wire needs its reference."


class DuplicatePayment(Conflict):
    """A wire of this reference and amount was recorded for the order before: `meta.existing_id`."""

    code = "duplicate_payment"
    detail = "This wire has been recorded already."


@dataclass(frozen=True)
class Attempt:
    """A payment and what its payer does next: `action` may hold a secret, so it is answered and never stored."""

    payment: Payment
    action: Mapping[str, Any] | None


# --- Paying


@transaction.atomic
def start_payment(
    *, order_id: int, provider: str, amount: Decimal, reference: str = "", actor: User, now: datetime
) -> Payment:
    """A new attempt to pay: a wire that finance has seen is money at once, for cards `ask_provider` is next. A wire may
    exceed the balance, and what is too much is the buyer's credit; cards may not.

    Raises ProviderOff, ReferenceRequired (422), Forbidden, NotInvoiced, OrderNotPayable, PaymentExceedsBalance,
    DuplicatePayment (409), NotFound.
    """
    is_card = require_on(provider).is_card
    if not is_card and not actor.has_perm(ADD_PAYMENT):
        raise Forbidden
    if not is_card and not reference:
        raise ReferenceRequired(attr="reference")
    account = lock_account(order_id)
    if is_card and account.order.buyer_id != actor.pk:
        raise Forbidden
    invoice = _require_payable(account)
    if is_card:
        _require_owed(account.order, invoice, amount)
    else:
        _require_new_wire(account.order, reference, amount)
    payment = Payment.objects.create(
        order=account.order,
        provider=provider,
        amount=amount,
        currency=invoice.currency,
        reference=reference,
        created_by=actor,
    )
    begin(payment, actor=actor, now=now, details=_facts(payment))
    if not is_card:
        _bring(account, payment, Status.SUCCEEDED, actor=actor, now=now)
    return payment


def _require_payable(account: Account) -> Invoice:
    """Raises OrderNotPayable, NotInvoiced."""
    if account.order.status in DEAD_ORDER:
        raise OrderNotPayable(meta={"status": account.order.status})
    if account.invoice is None:
        raise NotInvoiced
    return account.invoice


def _require_owed(order: Order, invoice: Invoice, amount: Decimal) -> None:
    """Also instead of what is about to go back. Raises PaymentExceedsBalance."""
    left = max(invoice.balance - under_way(order), ZERO)
    if amount > left:
        raise PaymentExceedsBalance(attr="amount", meta={"balance": left})


def _require_new_wire(order: Order, reference: str, amount: Decimal) -> None:
    """Two people with the same bank statement must not make two payments of it. Raises DuplicatePayment."""
    wires = Payment.objects.filter(order=order, provider=Payment.Provider.MANUAL, reference=reference, amount=amount)
    if (existing := wires.values_list("pk", flat=True).first()) is not None:
        raise DuplicatePayment(attr="reference", meta={"existing_id": existing})


def under_way(order: Order) -> Decimal:
    """What providers are just processing, or are about to be asked for, of a locked order."""
    coming = Payment.objects.filter(order=order, status__in=(Status.CREATED, Status.PROCESSING))
    amount: Decimal | None = coming.aggregate(sum=Sum("amount"))["sum"]
    return amount or ZERO


def ask_provider(*, payment_id: int, now: datetime) -> Attempt:
    """Tell the provider of a new attempt, or ask again how one goes on; call it outside of any transaction. What the
    provider refuses has failed; so has what it did not answer, since nobody can pay it without the answer.

    Raises ProviderUnavailable when an attempt that has begun, here or meanwhile elsewhere, cannot be asked for.
    """
    payment = Payment.objects.select_related("order").get(pk=payment_id)
    if payment.status not in _WAITING:
        return Attempt(payment, None)
    try:
        started = provider_named(payment.provider).start(payment)
    except ProviderError as error:
        log.warning("payment_not_started", payment=payment.pk, provider=payment.provider, error=str(error))
        if payment.provider_ref:
            raise ProviderUnavailable from error
        text = "The provider does not answer." if error.is_transient else "The provider refused the payment."
        started = Started(provider_ref="", status=Status.FAILED, failure=text)
    payment = _take_answer(payment, started, now=now)
    if payment.status in _WAITING and not started.provider_ref:
        raise ProviderUnavailable
    if payment.status == Status.PROCESSING and payment.provider == Payment.Provider.SANDBOX:
        ring_on_commit("auctions.tasks.run_sandbox")
    return Attempt(payment, started.action if payment.status == Status.REQUIRES_ACTION else None)


@transaction.atomic
def _take_answer(asked: Payment, started: Started, *, now: datetime) -> Payment:
    account = lock_account(asked.order_id)
    payment = Payment.objects.get(pk=asked.pk)
    if payment.provider_ref and not started.provider_ref:
        return payment  # No answer, and another request got one.
    if started.status in PAYMENT_MOVES.get(payment.status, ()):
        _bring(account, payment, started.status, ref=started.provider_ref, failure=started.failure, now=now)
    return payment


# --- What providers report


@transaction.atomic
def apply_report(*, provider: str, report: Report, now: datetime) -> bool:
    """Bring a payment or a refund to what its provider says of it. False, and nothing changes, when it is none of ours,
    was known before, or is overtaken: a final status stays."""
    if report.subject == "payment":
        return _apply_to_payment(provider, report, now=now)
    if report.subject == "refund":
        return _apply_to_refund(provider, report, now=now)
    return False


def is_awaited(provider: str, report: Report) -> bool:
    """Whether a report is about something of ours that may become what it says. Others who use the same account at the
    provider are none of our business."""
    if report.subject == "payment":
        found = _payment_named_by(provider, report)
        return found is not None and report.status in PAYMENT_MOVES.get(found.status, ())
    return False


def _apply_to_payment(provider: str, report: Report, *, now: datetime) -> bool:
    found = _payment_named_by(provider, report)
    if found is None:
        return False
    account = lock_account(found.order_id)
    payment = Payment.objects.get(pk=found.pk)
    if report.status not in PAYMENT_MOVES.get(payment.status, ()) or not _is_same_money(payment, report):
        if report.status == Status.SUCCEEDED != payment.status:
            # Finance has to look: there is money that is not counted.
            log.error("payment_report_contradicts", payment=payment.pk, status=payment.status, event_id=report.event_id)
        return False
    _bring(account, payment, report.status, ref=report.provider_ref, failure=report.failure, now=now)
    return True


def _apply_to_refund(provider: str, report: Report, *, now: datetime) -> bool:
    refund = _named_by(Refund.objects.filter(payment__provider=provider), report)
    if refund is None or report.status not in (Refund.Status.DONE, Refund.Status.FAILED):
        return False
    return finish_refund(
        lock_account(refund.order_id),
        refund,
        succeeded=report.status == Refund.Status.DONE,
        failure=report.failure,
        provider_ref=report.provider_ref,
        actor=None,
        now=now,
    )


def _payment_named_by(provider: str, report: Report) -> Payment | None:
    found: Payment | None = _named_by(Payment.objects.filter(provider=provider), report)
    return found


def _named_by(rows: QuerySet[Any], report: Report) -> Any:
    """By the provider's id; by ours only while the provider's is not stored."""
    found = rows.filter(provider_ref=report.provider_ref).first() if report.provider_ref else None
    if found is None and report.row_id is not None:
        found = rows.filter(pk=report.row_id, order__order_number=report.order_number, provider_ref="").first()
    return found


def _is_same_money(payment: Payment, report: Report) -> bool:
    if report.status != Status.SUCCEEDED:
        return True
    return (report.amount, report.currency) == (payment.amount, payment.currency)


def _bring(
    account: Account,
    payment: Payment,
    to: str,
    *,
    actor: User | None = None,
    ref: str = "",
    failure: str = "",
    now: datetime,
) -> None:
    """Move a payment of a locked order; money that came in is counted in the same transaction."""
    changes: dict[str, Any] = {"failure": failure[:200]}
    if ref and not payment.provider_ref:
        changes["provider_ref"] = ref
    if to == Status.SUCCEEDED:
        changes["succeeded_at"] = now
    move(payment, to, actor=actor, now=now, reason=failure, details=_facts(payment), **changes)
    if to == Status.SUCCEEDED:
        take_money(account, payment.amount, actor=actor, now=now)


def _facts(payment: Payment) -> dict[str, str]:
    return {
        "amount": str(payment.amount),
        "currency": payment.currency,
        "provider": payment.provider,
        "reference": payment.reference,
    }


# --- What nobody goes on with


def end_stale(*, now: datetime) -> SweepResult:
    """End the attempts that wait for their payers in vain: too old, or of orders that are paid or came to nothing; and
    ask what has become of those that their providers have processed for long."""
    ended = sweep_ids(_stale(now), partial(_end, now=now))
    asked = sweep_ids(_unheard_of(now), partial(_look_up, now=now))
    return SweepResult(ended.done + asked.done, ended.failed + asked.failed)


def _stale(now: datetime) -> QuerySet[Payment]:
    waiting = Payment.objects.filter(status__in=_WAITING)
    return waiting.filter(
        Q(created_at__lte=now - _WAITS_FOR)
        | Q(status=Status.CREATED, created_at__lte=now - _ASKED_WITHIN)
        | Q(status=Status.REQUIRES_ACTION) & ~Q(order__status__in=UNPAID_ORDER)
    )


def _end(payment_id: int, *, now: datetime) -> bool:
    payment = Payment.objects.select_related("order").get(pk=payment_id)
    # Of one without the provider's id nobody was given what is needed to pay it.
    status = provider_named(payment.provider).cancel(payment) if payment.provider_ref else Status.CANCELLED
    report = Report(
        event_id="",
        kind="stale",
        subject="payment",
        provider_ref=payment.provider_ref,
        row_id=payment.pk,
        order_number=payment.order.order_number,
        status=status,
        amount=payment.amount,
        currency=payment.currency,
    )
    return apply_report(provider=payment.provider, report=report, now=now)


def _unheard_of(now: datetime) -> QuerySet[Payment]:
    processing = Payment.objects.filter(status=Status.PROCESSING).exclude(provider_ref="")
    return processing.filter(updated_at__lte=now - _UNHEARD_OF_FOR)


def _look_up(payment_id: int, *, now: datetime) -> bool:
    payment = _put_off(payment_id, now=now)
    if payment is None:
        return False
    provider = provider_named(payment.provider)
    report = provider.look_up(payment)
    if report.status == Status.REQUIRES_ACTION:
        # It did not go through, and its payer could try again; here another attempt is another payment.
        report = replace(report, status=Status.FAILED)
    return apply_report(provider=payment.provider, report=provider.confirm(report), now=now)


@transaction.atomic
def _put_off(payment_id: int, *, now: datetime) -> Payment | None:
    """The payment that is to be asked for, and not again before another day is over."""
    lock_order(order_id_of(Payment, payment_id))
    if not _unheard_of(now).filter(pk=payment_id).update(updated_at=now):
        return None
    return Payment.objects.get(pk=payment_id)
