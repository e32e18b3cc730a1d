"""One shelf, many hands: nothing is promised twice, nothing happens twice, nobody waits in a circle."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

import httpx
import pytest
from django.db import OperationalError, transaction
from django.utils import timezone

from accounts.models import Notification
from accounts.tokens import issue_tokens
from tests.concurrency.race import race
from tests.concurrency.second_server import second_server
from tests.concurrency.served import served
from tests.conftest import MakeUser
from tests.workshop.factories import JobFactory, PartFactory, PartLineFactory
from workshop.models import LowStockAlert, Part, PartLine
from workshop.services import inventory, stock
from workshop.services.alerts import mail_low_stock
from workshop.services.audit import audit_stock
from workshop.services.inventory import PartInUse, SkuTaken
from workshop.services.stock import InsufficientStock, StockConflict

pytestmark = pytest.mark.django_db(transaction=True)

NOW = timezone.now()
WHO: dict[str, Any] = {"actor": None, "now": NOW}
AT_ONCE = 8


def attempt(action: Callable[[], None]) -> bool:
    try:
        action()
    except (InsufficientStock, StockConflict):
        return False
    return True


def lines_of(part: Part, number: int) -> list[PartLine]:
    job = JobFactory()
    return [PartLineFactory(job=job, part=part, quantity=1) for _ in range(number)]


def reservations(part: Part) -> tuple[Decimal, int]:
    """What the part says, and what the lines say."""
    part.refresh_from_db()
    return part.reserved, PartLine.objects.filter(part=part, stock="reserved").count()


@pytest.mark.fault("F24", "60 takers of 20 parts", expected="20 get one, stock is 0")
def test_of_sixty_who_want_one_of_twenty_exactly_twenty_get_it() -> None:
    part = PartFactory(on_hand=20)
    wanted = lines_of(part, 60)

    def take(lines: list[PartLine]) -> int:
        return sum(attempt(partial(stock.reserve, lines=[line], **WHO)) for line in lines)

    taken = race([partial(take, wanted[number::12]) for number in range(12)])
    assert sum(number for number in taken if isinstance(number, int)) == 20, taken
    assert reservations(part) == (20, 20)
    assert audit_stock(now=NOW).differences == 0


@pytest.mark.postgres
def test_without_the_condition_all_of_them_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: everybody has looked before anybody writes what they reckoned."""
    all_have_looked = threading.Barrier(AT_ONCE)

    def look_and_write(part_id: int, *, on_hand: Decimal, reserved: Decimal, now: Any) -> bool:
        found = Part.objects.get(pk=part_id)
        all_have_looked.wait(timeout=30)
        promised = found.reserved + reserved
        return found.on_hand >= promised and Part.objects.filter(pk=part_id).update(reserved=promised) == 1

    monkeypatch.setattr(stock, "_change", look_and_write)
    part = PartFactory(on_hand=1)
    race([partial(stock.reserve, lines=[line], **WHO) for line in lines_of(part, AT_ONCE)])
    assert reservations(part) == (1, AT_ONCE)


@pytest.mark.slow
def test_over_two_processes_nobody_takes_what_is_not_there(make_user: MakeUser) -> None:
    """Sixteen callers scrap one piece each of ten; nobody hears of a lock."""
    part = PartFactory(on_hand=10)
    token = issue_tokens(user=make_user(roles=["service_advisor"]), now=timezone.now()).access

    def scrap(server: str) -> int:
        url = f"{server}/api/workshop/inventory/{part.pk}/scrap"
        body = {"quantity": 1, "reason": "Rusty."}
        return httpx.post(url, json=body, headers={"Authorization": f"Bearer {token}"}, timeout=60).status_code

    with served() as here, second_server() as there:
        answers = race([partial(scrap, server) for server in (here, there) * 8])
    assert sorted(answers, key=str) == [200] * 10 + [409] * 6
    assert audit_stock(now=NOW).details == []


def crossing() -> list[list[PartLine]]:
    """Lines of two tickets for the same two parts, in opposite orders."""
    parts = [PartFactory(on_hand=10), PartFactory(on_hand=10)]
    jobs = JobFactory.create_batch(2)
    return [
        [PartLineFactory(job=job, part=part, quantity=1) for part in order]
        for job, order in zip(jobs, (parts, parts[::-1]), strict=True)
    ]


# SQLite has no rows to lock, and lets one of many writers wait for as long as the others go on.
@pytest.mark.postgres
@pytest.mark.fault("F25", "a thousand reservations of parts in opposite orders", expected="no deadlock")
def test_a_thousand_reservations_in_opposite_orders_do_not_deadlock() -> None:
    def reserve_again_and_again(lines: list[PartLine]) -> int:
        for _ in range(250):
            with transaction.atomic():
                stock.reserve(lines=lines, **WHO)
                transaction.set_rollback(True)
        return 250

    there, back = crossing()
    assert race([partial(reserve_again_and_again, lines) for lines in (there, back, *crossing())]) == [250] * 4
    assert not PartLine.objects.exclude(stock="none").exists()


@pytest.mark.postgres
def test_in_the_order_of_the_lines_they_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: both hold their first part before they want the second."""
    both_hold_one = threading.Barrier(2)
    change, mine = stock._change, threading.local()

    def change_and_meet(part_id: int, **facts: Any) -> bool:
        changed = change(part_id, **facts)
        if not getattr(mine, "met", False):
            mine.met = True
            both_hold_one.wait(timeout=30)
        return changed

    monkeypatch.setattr(stock, "_change", change_and_meet)
    monkeypatch.setattr(stock, "sorted", list, raising=False)
    results = race([partial(stock.reserve, lines=lines, **WHO) for lines in crossing()])
    assert sum(isinstance(result, OperationalError) for result in results) == 1


def test_what_many_release_at_once_is_released_once() -> None:
    part = PartFactory(on_hand=AT_ONCE)
    line, *others = lines_of(part, AT_ONCE)
    stock.reserve(lines=[line, *others], **WHO)
    results = race([partial(stock.release, lines=[line], **WHO) for _ in range(AT_ONCE)])
    assert all(result is None or isinstance(result, StockConflict) for result in results)
    assert None in results
    assert reservations(part) == (AT_ONCE - 1, AT_ONCE - 1)
    assert part.movements.filter(kind="release").count() == 1


@pytest.mark.postgres
def test_without_the_guard_it_is_released_by_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: all have read that the line is reserved, and nobody asks again."""
    all_have_read = threading.Barrier(AT_ONCE)

    def only_read(lines: list[PartLine], current: str, to: str, **_: Any) -> list[PartLine]:
        rows = list(PartLine.objects.filter(pk__in=[line.pk for line in lines], stock=current))
        all_have_read.wait(timeout=30)
        PartLine.objects.filter(pk__in=[row.pk for row in rows]).update(stock=to)
        return rows

    part = PartFactory(on_hand=AT_ONCE)
    line, *others = lines_of(part, AT_ONCE)
    stock.reserve(lines=[line, *others], **WHO)
    monkeypatch.setattr(stock, "_claim", only_read)
    race([partial(stock.release, lines=[line], **WHO) for _ in range(AT_ONCE)])
    assert reservations(part) == (0, AT_ONCE - 1)


def test_a_stocktake_among_takers_and_deliveries_leaves_a_ledger_that_adds_up() -> None:
    """Six lines are consumed while the shelf is counted again and again and deliveries come in."""
    part = PartFactory(on_hand=20, low_stock_threshold=19)
    lines = lines_of(part, 6)
    stock.reserve(lines=lines, **WHO)

    def count() -> None:
        for counted in range(10, 15):
            stock.adjust(part_id=part.pk, counted=Decimal(counted), reason="Stocktake.", **WHO)

    def bring() -> None:
        for _ in range(5):
            stock.receive(part_id=part.pk, quantity=Decimal(1), **WHO)

    def consume(mine: list[PartLine]) -> None:
        for line in mine:
            stock.consume(lines=[line], **WHO)

    results = race([count, count, bring, bring, partial(consume, lines[:3]), partial(consume, lines[3:])])
    assert results == [None] * 6
    assert reservations(part) == (0, 0)
    assert audit_stock(now=NOW).details == []
    assert LowStockAlert.objects.filter(closed_at=None).count() == (1 if part.is_low else 0)


@pytest.mark.postgres
def test_stocktakes_that_do_not_lock_book_what_is_missing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: two counts of the same shelf, made at once from the same number, are booked twice."""
    both_have_read = threading.Barrier(2)

    def only_read(*, part_ids: list[int]) -> dict[int, Part]:
        found = Part.objects.in_bulk(part_ids)
        both_have_read.wait(timeout=30)
        return found

    monkeypatch.setattr(stock, "lock_parts", only_read)
    part = PartFactory(on_hand=20)
    count = partial(stock.adjust, part_id=part.pk, counted=Decimal(15), reason="Stocktake.", **WHO)
    assert race([count, count]) == [None, None]
    part.refresh_from_db()
    assert part.on_hand == 10


def test_two_workers_mail_an_alert_once(make_user: MakeUser) -> None:
    advisor = make_user(roles=["service_advisor"])
    for _ in range(3):
        part = PartFactory(on_hand=1, low_stock_threshold=1)
        stock.scrap(part_id=part.pk, quantity=Decimal(1), reason="x", **WHO)
    messages = race([partial(mail_low_stock, now=NOW)] * AT_ONCE)
    assert sorted(messages, key=str) == [0] * (AT_ONCE - 1) + [1]
    assert Notification.objects.filter(user=advisor).count() == 1


def test_a_part_is_deleted_or_used_and_never_both() -> None:
    for _ in range(5):
        part = PartFactory()
        results = race(
            [
                partial(inventory.delete_part, part=part),
                partial(stock.receive, part_id=part.pk, quantity=Decimal(1), **WHO),
            ]
        )
        exists = Part.objects.filter(pk=part.pk).exists()
        assert isinstance(results[0], PartInUse) == exists
        assert (results[1] is None) == exists


def test_of_parts_with_one_sku_one_is_made() -> None:
    facts = {"name": "Oil filter", "price": Decimal(1), "cost": Decimal(1)}
    spellings = ["of 1", "OF 1", "Of  1", "oF 1"]
    results = race([partial(inventory.create_part, data={**facts, "sku": sku}, now=NOW) for sku in spellings])
    assert sum(isinstance(result, SkuTaken) for result in results) == 3
    assert Part.objects.count() == 1
