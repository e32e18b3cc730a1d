"""What meets at one car: two at the gate, two who complete its title, the buyer's two ways to get it, a carrier and a
dispute. Each with the locks, and without them to see that they matter."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection
from django.utils import timezone

from accounts.models import User
from auctions.models import GatePass, Invoice, Listing, Order, TitleTransfer, TransportOrder
from auctions.services import gate_passes, orders, titles, transport
from auctions.services.balances import Account
from auctions.services.gate_passes import GatePassUsed, use_pass
from auctions.services.orders import choose_self_pickup, dispute_order
from auctions.services.titles import chase_titles, complete_title
from auctions.services.transport import (
    GatePassMissing,
    TransportExists,
    book_transport,
    cancel_transport,
    pick_up,
    request_transport,
)
from cars.models import Vehicle, VehicleEvent
from common.errors import InvalidTransition
from tests.auctions.deliveries import ADDRESS, history, paid_order, pass_for, staff, title_of, transport_of
from tests.auctions.factories import OrderFactory
from tests.concurrency.race import race

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

AT_ONCE = 8
ROUNDS = 5


def now() -> dict[str, Any]:
    return {"now": timezone.now()}


def kinds(results: list[Any]) -> Counter[type]:
    return Counter(type(result) for result in results)


def meeting(read: Callable[..., Any], both: threading.Barrier | None = None) -> Callable[..., Any]:
    """`read`, after which the two threads of a race wait for each other: both have read before either writes."""
    both, test = both or threading.Barrier(2), threading.current_thread()

    def reading(*args: Any) -> Any:
        found = read(*args)
        if threading.current_thread() is not test:
            both.wait(timeout=30)
        return found

    return reading


def late(write: Callable[..., Any]) -> Callable[..., Any]:
    """`write`, which neither of two threads begins before both have read."""
    both = threading.Barrier(2)

    def writing(*args: Any) -> Any:
        both.wait(timeout=30)
        return write(*args)

    return writing


def order_of(order_id: int) -> Order:
    return Order.objects.get(pk=order_id)


def account_of(order_id: int) -> Account:
    order = order_of(order_id)
    return Account(Listing.objects.get(pk=order.listing_id), order, Invoice.objects.filter(order=order).first())


# --- Two at the gate


def users_of(gate_pass: GatePass, number: int = AT_ONCE) -> list[Callable[[], GatePass]]:
    return [partial(use_pass, code=gate_pass.code, actor=staff(), **now()) for _ in range(number)]


def test_a_pass_opens_the_gate_once() -> None:
    for _ in range(ROUNDS):
        order = paid_order()
        results = race(users_of(pass_for(order)))
        assert kinds(results) == {GatePass: 1, GatePassUsed: AT_ONCE - 1}, results
        assert history(pass_for(order), "gate_pass") == ["issued", "used"]
        assert history(order, "order").count("delivered") == 1


def test_the_guard_holds_also_without_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    gate_pass = pass_for(paid_order())
    monkeypatch.setattr(gate_passes, "lock_order", meeting(order_of))
    assert kinds(race(users_of(gate_pass, 2))) == {GatePass: 1, GatePassUsed: 1}


def test_without_lock_and_guard_a_car_would_leave_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    def take(gate_pass: GatePass, *, actor: User, now: Any) -> GatePass:
        if gate_pass.used_at is not None:
            raise GatePassUsed
        gate_pass.used_at, gate_pass.used_by = now, actor
        gate_pass.save()
        return gate_pass

    gate_pass = pass_for(paid_order())
    monkeypatch.setattr(gate_passes, "lock_order", meeting(order_of))
    monkeypatch.setattr(gate_passes, "take_pass", take)
    results = race(users_of(gate_pass, 2))
    assert GatePassUsed not in kinds(results), results


# --- Two who complete a title


def completers_of(title: TitleTransfer, number: int) -> list[Callable[[], TitleTransfer]]:
    return [partial(complete_title, title_id=title.pk, actor=staff(), **now()) for _ in range(number)]


def test_a_title_is_completed_once_and_the_car_changes_hands_once() -> None:
    for _ in range(ROUNDS):
        order = paid_order()
        title = title_of(order, "sent")
        results = race(completers_of(title, AT_ONCE))
        assert kinds(results) == {TitleTransfer: 1, InvalidTransition: AT_ONCE - 1}, results
        assert Vehicle.objects.get(pk=order.listing.vehicle_id).owner_id == order.buyer_id
        assert VehicleEvent.objects.filter(vehicle=order.listing.vehicle_id, kind="title_transferred").count() == 1
        assert history(title, "title_transfer").count("completed") == 1


def test_without_the_locks_a_title_would_be_completed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(title_id: int) -> tuple[Order, TitleTransfer]:
        title = TitleTransfer.objects.select_related("order").get(pk=title_id)
        return title.order, title

    title = title_of(paid_order(), "sent")
    monkeypatch.setattr(titles, "_lock_people", lambda title_id: None)
    monkeypatch.setattr(titles, "_lock_title", meeting(read))
    assert kinds(race(completers_of(title, 2))) == {TitleTransfer: 2}
    assert history(title, "title_transfer").count("completed") == 2


def test_titles_of_the_same_people_are_completed_side_by_side() -> None:
    """Buyer and seller are each other's in the second sale: users are locked by id, whoever sells."""
    first = paid_order()
    second = paid_order(buyer=first.seller, listing__seller=first.buyer)
    rows = [title_of(order, "sent") for order in (first, second)]
    results = race([action for row in rows for action in completers_of(row, 4)])
    assert kinds(results) == {TitleTransfer: 2, InvalidTransition: 6}, results


def test_eight_sweeps_find_a_late_title_once() -> None:
    title = title_of(paid_order())
    results = race([partial(chase_titles, now=title.due_at)] * AT_ONCE)
    assert sorted(results) == [(0, 0)] * (AT_ONCE - 1) + [(1, 0)], results
    assert history(title, "title_transfer").count("overdue") == 1


# --- The buyer's two ways


def test_a_buyer_books_or_fetches() -> None:
    for _ in range(ROUNDS):
        order = OrderFactory()
        row = transport_of(order, "quoted")
        booked, fetched = race(
            [
                partial(book_transport, transport_id=row.pk, actor=order.buyer, **now()),
                partial(choose_self_pickup, order_id=order.pk, actor=order.buyer, **now()),
            ]
        )
        assert isinstance(booked, Exception) != isinstance(fetched, Exception), (booked, fetched)
        row.refresh_from_db()
        chosen = ("booked", "transport") if isinstance(fetched, Exception) else ("cancelled", "self_pickup")
        assert (row.status, order_of(order.pk).delivery) == chosen
        lines = set(Invoice.objects.get(order=order).lines.values_list("kind", flat=True))
        assert ("transport" in lines) == (row.status == "booked")


def test_without_the_locks_a_buyer_would_be_invoiced_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """But for the constraint on invoices, or a deadlock of the two."""
    order, both = OrderFactory(), threading.Barrier(2)
    row = transport_of(order, "quoted")
    monkeypatch.setattr(transport, "lock_account", account_of)
    monkeypatch.setattr(transport, "_lock_with_account", meeting(transport._lock_with_account, both))
    monkeypatch.setattr(orders, "lock_account", meeting(account_of, both))
    results = race(
        [
            partial(book_transport, transport_id=row.pk, actor=order.buyer, **now()),
            partial(choose_self_pickup, order_id=order.pk, actor=order.buyer, **now()),
        ]
    )
    assert sum(isinstance(result, DatabaseError) for result in results) == 1, results


def test_a_booking_and_its_cancellation_leave_one_of_both() -> None:
    for _ in range(ROUNDS):
        order = OrderFactory()
        row = transport_of(order, "quoted")
        race(
            [
                partial(book_transport, transport_id=row.pk, actor=order.buyer, **now()),
                partial(cancel_transport, transport_id=row.pk, actor=staff(), **now()),
            ]
        )
        row.refresh_from_db()
        invoice = Invoice.objects.filter(order=order).first()
        assert row.status == "cancelled"
        assert order_of(order.pk).delivery == ""
        assert invoice is None or invoice.credited == row.quoted_price


# --- One transport per order


def askers(order: Order, number: int) -> list[Callable[[], TransportOrder]]:
    ask = partial(request_transport, order_id=order.pk, delivery_address=ADDRESS, actor=order.buyer, **now())
    return [ask] * number


def test_an_order_has_one_transport() -> None:
    for _ in range(ROUNDS):
        order = OrderFactory()
        results = race(askers(order, AT_ONCE))
        assert kinds(results) == {TransportOrder: 1, TransportExists: AT_ONCE - 1}, results


def test_the_constraint_holds_also_without_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    order = OrderFactory()
    monkeypatch.setattr(transport, "lock_order", order_of)
    monkeypatch.setattr(transport, "_insert", late(transport._insert))
    results = race(askers(order, 2))
    assert kinds(results) == {TransportOrder: 1, TransportExists: 1}, results


@pytest.fixture
def unconstrained() -> Iterator[None]:
    """Without the constraint of one transport per order."""
    constraint = next(row for row in TransportOrder._meta.constraints if row.name == "transport_one_per_order")
    with connection.schema_editor() as editor:
        editor.remove_constraint(TransportOrder, constraint)
    yield
    TransportOrder.objects.all().delete()
    with connection.schema_editor() as editor:
        editor.add_constraint(TransportOrder, constraint)


def test_without_lock_and_constraint_an_order_would_have_two(
    monkeypatch: pytest.MonkeyPatch, unconstrained: None
) -> None:
    order = OrderFactory()
    monkeypatch.setattr(transport, "lock_order", order_of)
    monkeypatch.setattr(transport, "_insert", late(transport._insert))
    assert kinds(race(askers(order, 2))) == {TransportOrder: 2}


# --- A carrier and a dispute


def carrier_and_dispute(order: Order, row: TransportOrder) -> list[Callable[[], Any]]:
    return [
        partial(pick_up, transport_id=row.pk, actor=staff(), **now()),
        partial(dispute_order, order_id=order.pk, actor=order.buyer, reason="A dent.", **now()),
    ]


def test_a_disputed_car_is_gone_or_stays() -> None:
    for _ in range(ROUNDS):
        order = OrderFactory()
        row = transport_of(order, "assigned")
        gate_pass = pass_for(order)
        picked, disputed = race(carrier_and_dispute(order, row))
        row.refresh_from_db()
        gate_pass.refresh_from_db()
        assert isinstance(disputed, Order), disputed
        if isinstance(picked, GatePassMissing):
            assert (row.status, gate_pass.used_at) == ("assigned", None)
            assert gate_pass.revoked_at is not None
        else:
            assert (picked.status, row.status, gate_pass.revoked_at) == ("picked_up", "picked_up", None)
            assert gate_pass.used_at is not None


def test_without_the_locks_a_used_pass_would_be_revoked(monkeypatch: pytest.MonkeyPatch) -> None:
    """But for the constraint on passes. The dispute reads the pass, and goes on when the car has left."""
    order = OrderFactory()
    row = transport_of(order, "assigned")
    left = threading.Event()
    read, find = gate_passes.pass_of, meeting(gate_passes.pass_of)

    def find_and_wait(of: Order) -> GatePass | None:
        found: GatePass | None = find(of)
        left.wait(timeout=30)
        return found

    def leave(**given: Any) -> TransportOrder:
        try:
            return pick_up(**given)
        finally:
            left.set()

    monkeypatch.setattr(transport, "lock_order", order_of)
    monkeypatch.setattr(orders, "lock_account", account_of)
    monkeypatch.setattr(transport, "pass_of", find)
    monkeypatch.setattr(gate_passes, "pass_of", find_and_wait)
    carrier, dispute = carrier_and_dispute(order, row)
    picked, disputed = race([partial(leave, **carrier.keywords), dispute])  # type: ignore[attr-defined]
    assert isinstance(picked, TransportOrder), picked
    assert isinstance(disputed, IntegrityError), disputed
    assert read(order) is not None


def test_carrier_and_gate_use_the_pass_once() -> None:
    for _ in range(ROUNDS):
        order = OrderFactory()
        row = transport_of(order, "assigned")
        gate_pass = pass_for(order)
        picked, opened = race(
            [partial(pick_up, transport_id=row.pk, actor=staff(), **now()), users_of(gate_pass, 1)[0]]
        )
        assert isinstance(picked, TransportOrder), picked
        assert isinstance(opened, GatePass | GatePassUsed), opened
        assert history(gate_pass, "gate_pass") == ["issued", "used"]
