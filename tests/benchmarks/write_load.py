"""The measured half of the benchmark of money and stock, in a process that has Django set up for the benchmark's
database: `python -m tests.benchmarks.write_load COUNT ROUNDS` prints one JSON object.

Four threads record wires for 50 orders, take a provider's signed webhooks of payments for 50 orders, or take reserved
lines of 20 parts off the shelf. No order is paid in full by it, and no part runs low. The peers are as these are
usually written: rows by select_for_update, `create` and `save`, with the same rows as ours and the checks that matter.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import django
from django.db import transaction
from django.utils import timezone

from tests.benchmarks.crew import Crew, Figures, analyze
from tests.benchmarks.harness import in_turns

if TYPE_CHECKING:
    from accounts.models import User
    from auctions.models import Invoice, Order, Payment
    from workshop.models import PartLine

ORDERS, PARTS = 50, 20
AMOUNT = Decimal("10.00")


@dataclass(frozen=True)
class Wire:
    """What finance has seen on the bank's statement."""

    order: Order
    reference: str
    actor: User


def record_wire(wire: Wire) -> bool:
    """The service behind POST /api/orders/{id}/payments."""
    from auctions.services.payments import start_payment

    facts = {"provider": "manual", "amount": AMOUNT, "reference": wire.reference}
    start_payment(order_id=wire.order.pk, actor=wire.actor, now=timezone.now(), **facts)
    return True


@transaction.atomic
def record_wire_by_orm(wire: Wire) -> bool:
    from auctions.models import Payment, SettlementEvent

    now = timezone.now()
    order, invoice = _locked(wire.order.pk)
    facts = {"order": order, "provider": "manual", "amount": AMOUNT, "reference": wire.reference}
    if not wire.actor.has_perm("auctions.add_payment") or Payment.objects.filter(**facts).exists():
        return False
    payment = Payment.objects.create(
        currency=invoice.currency, status="succeeded", succeeded_at=now, created_by=wire.actor, **facts
    )
    for old, new in (("", "created"), ("created", "succeeded")):
        SettlementEvent.objects.create(
            subject="payment", subject_id=payment.pk, order=order, old=old, new=new, actor=wire.actor, at=now,
            details={"amount": str(AMOUNT), "reference": wire.reference},
        )  # fmt: skip
    _count(invoice)
    return True


def take_webhook(payment: Payment) -> bool:
    """The service behind POST /api/webhooks/sandbox, with the signature."""
    from auctions.services.webhooks import receive

    headers, body = _webhook(payment)
    return receive(provider="sandbox", headers=headers, body=body, now=timezone.now()).pk is not None


def take_webhook_by_orm(payment: Payment) -> bool:
    from auctions.models import Payment, SettlementEvent, WebhookEvent
    from auctions.providers import provider_named

    headers, body = _webhook(payment)
    report, now = provider_named("sandbox").verify(headers, body), timezone.now()
    facts = {"kind": report.kind, "body": body.decode(), "received_at": now}
    stored, _ = WebhookEvent.objects.get_or_create(provider="sandbox", event_id=report.event_id, defaults=facts)
    with transaction.atomic():
        event = WebhookEvent.objects.select_for_update().get(pk=stored.pk)
        found = Payment.objects.get(provider="sandbox", provider_ref=report.provider_ref)
        order, invoice = _locked(found.order_id)
        found.refresh_from_db()
        if event.processed_at is not None or found.status != "processing" or found.amount != report.amount:
            return False
        found.status, found.succeeded_at = "succeeded", now
        found.save()
        SettlementEvent.objects.create(
            subject="payment", subject_id=found.pk, order=order, old="processing", new="succeeded", at=now,
            details={"amount": str(found.amount)},
        )  # fmt: skip
        _count(invoice)
        event.processed_at, event.outcome, event.attempts = now, "applied", 1
        event.save()
    return True


def take_part(line: PartLine) -> bool:
    """What completing a job does to each of its parts."""
    from workshop.services.stock import consume

    consume(lines=[line], actor=None, now=timezone.now())
    return True


@transaction.atomic
def take_part_by_orm(line: PartLine) -> bool:
    from workshop.models import LowStockAlert, Part, PartLine, StockMovement

    line = PartLine.objects.select_for_update().get(pk=line.pk)
    part = Part.objects.select_for_update().get(pk=line.part_id)
    if line.stock != "reserved" or part.reserved < line.quantity:
        return False
    before = part.on_hand
    part.on_hand -= line.quantity
    part.reserved -= line.quantity
    part.save()
    StockMovement.objects.create(
        part=part, line=line, kind="consume", quantity=line.quantity, on_hand_delta=-line.quantity,
        reserved_delta=-line.quantity, before=before, after=part.on_hand, at=timezone.now(),
    )  # fmt: skip
    if part.is_low and not LowStockAlert.objects.filter(part=part, closed_at=None).exists():
        raise RuntimeError("No part should run low here.")
    line.stock = "consumed"
    line.save()
    return True


def _locked(order_id: int) -> tuple[Order, Invoice]:
    from auctions.models import Invoice, Listing, Order

    order = Order.objects.get(pk=order_id)
    Listing.objects.select_for_update().get(pk=order.listing_id)
    order = Order.objects.select_for_update().get(pk=order_id)
    return order, Invoice.objects.select_for_update().get(order=order)


def _count(invoice: Invoice) -> None:
    invoice.paid += AMOUNT
    invoice.status = "paid" if invoice.paid >= invoice.total else "partially_paid"
    invoice.save()


def _webhook(payment: Payment) -> tuple[dict[str, str], bytes]:
    """As the provider sends it."""
    from auctions.providers.sandbox import SIGNATURE_HEADER, _event_of, signed
    from common.renderers import dump_json

    body = dump_json(_event_of(payment))
    return {SIGNATURE_HEADER: signed(body, at=timezone.now())}, body


def wires(count: int) -> list[Wire]:
    from accounts.models import User

    actor = User.objects.create(email=f"{secrets.token_hex(4)}@example.com", is_superuser=True)
    orders = _orders()
    return [Wire(orders[number % ORDERS], f"bank {number}", actor) for number in range(count)]


def payments(count: int) -> list[Payment]:
    from auctions.models import Payment

    orders, stamp = _orders(), secrets.token_hex(4)
    rows = [
        Payment(
            order=orders[number % ORDERS], provider="sandbox", provider_ref=f"{stamp}-{number}", amount=AMOUNT,
            currency="USD", status="processing",
        )
        for number in range(count)
    ]  # fmt: skip
    return Payment.objects.bulk_create(rows)


def _orders() -> list[Order]:
    """Unpaid ones with invoices."""
    from tests.auctions.factories import InvoiceFactory, ListingFactory
    from tests.benchmarks.parking_rows import make_users

    seller, buyer = make_users(2)
    return [
        InvoiceFactory(order__listing=ListingFactory(seller=seller, status="pending_sale"), order__buyer=buyer).order
        for _ in range(ORDERS)
    ]


def lines(count: int) -> list[PartLine]:
    """Reserved ones."""
    from tests.workshop.factories import JobFactory, PartFactory
    from workshop.models import PartLine

    job, stamp = JobFactory(), secrets.token_hex(4)
    parts = [PartFactory(sku=f"{stamp}-{number}", on_hand=count, reserved=count) for number in range(PARTS)]
    rows = [
        PartLine(job=job, part=part, name=part.name, sku=part.sku, unit=part.unit, quantity=1, price=10, cost=6)
        for number in range(count)
        for part in [parts[number % PARTS]]
    ]
    for row in rows:
        row.stock = "reserved"
    return PartLine.objects.bulk_create(rows)


def main(count: int, rounds: int) -> None:
    jobs: dict[str, tuple[Callable[[int], Iterable[Any]], Callable[[Any], bool]]] = {
        "wire ours": (wires, record_wire),
        "wire orm": (wires, record_wire_by_orm),
        "webhook ours": (payments, take_webhook),
        "webhook orm": (payments, take_webhook_by_orm),
        "stock ours": (lines, take_part),
        "stock orm": (lines, take_part_by_orm),
    }

    def measure(name: str) -> Figures:
        make, job = jobs[name]
        work = make(count)
        analyze()
        figures = Crew(job, work).run()
        if figures["done"] != count:
            raise RuntimeError(f"{name}: {figures['done']} of {count} were done")
        return figures

    sys.stdout.write(json.dumps(in_turns(list(jobs), rounds, measure)))


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")
    django.setup()
    main(int(sys.argv[1]), int(sys.argv[2]))
