"""Deliveries, shortages and waiting tickets, all at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, transaction
from django.utils import timezone

from accounts.models import User
from common.errors import InvalidTransition
from tests.concurrency.race import race
from tests.factories import UserFactory
from tests.workshop.factories import JobFactory, PartFactory, PartLineFactory, SupplierFactory, TicketFactory
from workshop.models import Job, Part, PurchaseOrder, PurchaseOrderLine, ServiceTicket, StockMovement
from workshop.services import jobs, purchasing, stock, waiting
from workshop.services.purchasing import DeliveryNoteRepeated, MoreThanOrdered

pytestmark = pytest.mark.django_db(transaction=True)

AT_ONCE = 6
HELD = {"status": "on_hold", "hold_reason": "parts", "held_from": "authorised"}


@pytest.fixture
def actor() -> User:
    return UserFactory()


def order_of(*parts: Part, quantity: int = 6, status: str = "sent") -> PurchaseOrder:
    order = PurchaseOrder.objects.create(supplier=SupplierFactory(), status=status)
    for part in parts:
        PurchaseOrderLine.objects.create(order=order, part=part, quantity=quantity, unit_cost=6)
    return order


def delivery(order: PurchaseOrder, note: str, quantity: int, actor: User) -> Callable[[], list[ServiceTicket]]:
    """Of every line, in falling order of parts."""
    arrivals: Any = [{"line": line.pk, "quantity": Decimal(quantity)} for line in order.lines.order_by("-part")]
    facts = {"order": order, "note": note, "arrivals": arrivals, "actor": actor, "now": timezone.now()}
    return partial(purchasing.receive_delivery, **facts)


def on_the_ledger(part: Part) -> tuple[Decimal, Decimal]:
    """on_hand and reserved, which the movements add up to."""
    part.refresh_from_db()
    moves = StockMovement.objects.filter(part=part)
    assert part.on_hand == sum(move.on_hand_delta for move in moves)
    assert part.reserved == sum(move.reserved_delta for move in moves)
    return part.on_hand, part.reserved


def job_waiting_for(*parts: Part, **ticket: Any) -> Job:
    job = JobFactory(ticket=TicketFactory(**(HELD | ticket)), state="authorised")
    for part in parts:
        PartLineFactory(job=job, part=part, quantity=1)
    return job


def test_one_delivery_note_is_booked_once(actor: User) -> None:
    part = PartFactory()
    order = order_of(part)
    results = race([delivery(order, "DN-1", 1, actor)] * AT_ONCE)
    assert sum(isinstance(result, DeliveryNoteRepeated) for result in results) == AT_ONCE - 1
    assert on_the_ledger(part) == (1, 0)


def test_deliveries_together_bring_no_more_than_was_ordered(actor: User) -> None:
    part = PartFactory()
    order = order_of(part, quantity=4)
    results = race([delivery(order, f"DN-{number}", 1, actor) for number in range(AT_ONCE)])
    refused = [result for result in results if isinstance(result, Exception)]
    assert {type(result) for result in refused} <= {MoreThanOrdered, InvalidTransition}
    assert (len(refused), on_the_ledger(part)) == (AT_ONCE - 4, (4, 0))
    order.refresh_from_db()
    assert (order.status, order.lines.get().received) == ("received", 4)


@pytest.mark.postgres
def test_without_the_orders_lock_deliveries_are_lost(actor: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: all have read what was received before anyone adds to it; only the constraint stops a note."""
    all_have_it = threading.Barrier(AT_ONCE)
    check = purchasing._check_arrivals

    def check_together(*args: Any) -> None:
        check(*args)
        all_have_it.wait(timeout=30)

    monkeypatch.setattr(purchasing, "_lock_order", lambda pk: PurchaseOrder.objects.get(pk=pk))
    monkeypatch.setattr(purchasing, "_check_arrivals", check_together)
    part = PartFactory()
    order = order_of(part)
    results = race([delivery(order, f"DN-{number // 2}", 1, actor) for number in range(AT_ONCE)])
    assert sum(isinstance(result, IntegrityError) for result in results) == AT_ONCE // 2
    assert order.lines.get().received < on_the_ledger(part)[0]


def test_an_order_is_received_or_cancelled_first(actor: User) -> None:
    for _ in range(5):
        part = PartFactory()
        order = order_of(part)
        received, cancelled = race([delivery(order, "DN-1", 6, actor), partial(purchasing.cancel_order, order=order)])
        order.refresh_from_db()
        if isinstance(received, InvalidTransition):
            assert (order.status, on_the_ledger(part)) == ("cancelled", (0, 0))
        else:
            assert isinstance(cancelled, InvalidTransition)
            assert (order.status, on_the_ledger(part)) == ("received", (6, 0))


def test_what_is_short_is_ordered_once(actor: User) -> None:
    part = PartFactory(supplier=SupplierFactory())
    job_waiting_for(part, part)
    collect = partial(purchasing.order_shortages, actor=actor, now=timezone.now())
    results = race([collect] * AT_ONCE)
    assert not [result for result in results if isinstance(result, Exception)]
    assert PurchaseOrderLine.objects.get().quantity == 2


@pytest.mark.postgres
def test_without_the_suppliers_lock_it_is_not(actor: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: all see the shortage before anyone orders; the constraint stops the others' drafts."""
    all_have_it = threading.Barrier(AT_ONCE)
    shortages = purchasing._shortages

    def see_together() -> Any:
        found = shortages()
        all_have_it.wait(timeout=30)
        return found

    monkeypatch.setattr(purchasing, "_lock_suppliers", lambda suppliers: {row.pk for row in suppliers})
    monkeypatch.setattr(purchasing, "_shortages", see_together)
    part = PartFactory(supplier=SupplierFactory())
    job_waiting_for(part)
    results = race([partial(purchasing.order_shortages, actor=actor, now=timezone.now())] * AT_ONCE)
    assert sum(isinstance(result, IntegrityError) for result in results) == AT_ONCE - 1


def test_shortages_and_deliveries_never_order_what_arrived(actor: User) -> None:
    for _ in range(5):
        part = PartFactory(supplier=SupplierFactory())
        job_waiting_for(part)
        order = order_of(part, quantity=1)
        race([delivery(order, "DN-1", 1, actor), partial(purchasing.order_shortages, actor=actor, now=timezone.now())])
        assert not PurchaseOrder.objects.filter(status="draft").exists()
        assert on_the_ledger(part) == (1, 1)


def test_a_delivery_and_an_authorisation_leave_nobody_waiting(actor: User) -> None:
    """Whoever comes first: the authorisation finds the stock, or the delivery finds the ticket, or the sweep does."""
    for _ in range(5):
        part = PartFactory()
        order = order_of(part, quantity=1)
        ticket = TicketFactory(status="awaiting_authorisation")
        job = JobFactory(ticket=ticket, state="authorisation_required")
        PartLineFactory(job=job, part=part, quantity=1)
        authorise = partial(jobs.authorise_job, job=job, actor=actor, now=timezone.now(), wait_for_parts=True)
        results = race([delivery(order, "DN-1", 1, actor), authorise])
        assert not [result for result in results if isinstance(result, Exception)], results
        waiting.resume_waiting(now=timezone.now())
        ticket.refresh_from_db()
        assert (ticket.status, on_the_ledger(part)) == ("authorised", (1, 1))


@pytest.mark.postgres
def test_deliveries_of_crossing_parts_do_not_deadlock(actor: User) -> None:
    """Tickets lack parts of both orders, so that each delivery takes what the other brings."""
    parts = PartFactory.create_batch(4)
    waiting_jobs = [job_waiting_for(*(parts if number % 2 else reversed(parts))) for number in range(6)]
    for number in range(5):
        first, second = order_of(*parts[:2], quantity=2), order_of(*parts[2:], quantity=2)
        results = race(
            [
                delivery(first, f"A-{number}", 2, actor),
                delivery(second, f"B-{number}", 2, actor),
                partial(waiting.resume_waiting, now=timezone.now()),
            ]
        )
        assert not [result for result in results if isinstance(result, Exception)], results
    assert {on_the_ledger(part) for part in parts} == {(Decimal(10), Decimal(6))}
    tickets = ServiceTicket.objects.filter(jobs__in=waiting_jobs)
    assert set(tickets.values_list("status", flat=True)) == {"authorised"}


@pytest.mark.postgres
def test_a_delivery_takes_its_parts_in_the_order_of_everybody(actor: User) -> None:
    """It brings the second part and its ticket takes both, while another job takes both too."""
    first, second = PartFactory.create_batch(2, on_hand=100)
    for number in range(5):
        lacking = job_waiting_for(first, second)
        other = JobFactory(ticket=TicketFactory(), state="proposed")
        PartLineFactory.create_batch(2, job=other, part=first)
        PartLineFactory(job=other, part=second)
        authorise = partial(jobs.authorise_job, job=other, actor=actor, now=timezone.now(), wait_for_parts=False)
        results = race([delivery(order_of(second), f"DN-{number}", 1, actor), authorise])
        assert not [result for result in results if isinstance(result, Exception)], results
        lacking.ticket.refresh_from_db()
        assert lacking.ticket.status == "authorised"


@pytest.mark.postgres
def test_without_the_parts_locks_it_deadlocks(actor: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the delivery has the second part and wants the first, the other one the reverse."""
    both_have_one = threading.Barrier(2)
    receive = stock.receive
    first, second = PartFactory.create_batch(2, on_hand=5)
    job_waiting_for(first, second)

    def receive_and_wait(**facts: Any) -> None:
        receive(**facts)
        both_have_one.wait(timeout=30)

    def take_both() -> None:
        with transaction.atomic():
            stock.lock_parts(part_ids=[first.pk])
            both_have_one.wait(timeout=30)
            stock.lock_parts(part_ids=[second.pk])

    monkeypatch.setattr(stock, "receive", receive_and_wait)
    monkeypatch.setattr(waiting, "lock_parts", lambda **_: {part.pk: part for part in Part.objects.all()})
    results = race([delivery(order_of(second), "DN-1", 1, actor), take_both])
    assert sum(isinstance(result, OperationalError) for result in results) == 1


@pytest.mark.postgres
def test_two_sweeps_reserve_once() -> None:
    part = PartFactory(on_hand=5)
    job = job_waiting_for(part)
    resumed = race([partial(waiting.resume_waiting, now=timezone.now())] * AT_ONCE)
    assert sorted(map(int, resumed)) == [0] * (AT_ONCE - 1) + [1]  # type: ignore[arg-type]
    assert on_the_ledger(part) == (5, 1)
    assert job.ticket.events.count() == 1


@pytest.mark.postgres
def test_a_ticket_that_is_held_by_somebody_has_its_turn_later() -> None:
    job = job_waiting_for(PartFactory(on_hand=1))
    locked, swept = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            ServiceTicket.objects.select_for_update().get(pk=job.ticket_id)
            locked.set()
            assert swept.wait(timeout=30)

    def sweep() -> int:
        assert locked.wait(timeout=30)
        resumed = waiting.resume_waiting(now=timezone.now())
        swept.set()
        return resumed

    assert race([hold, sweep]) == [None, 0]  # type: ignore[list-item]
    assert waiting.resume_waiting(now=timezone.now()) == 1
