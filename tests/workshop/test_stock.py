"""The stock ledger: what each step does to a part, and what it refuses."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from common.errors import NotFound
from tests.workshop.factories import JobFactory, PartFactory, PartLineFactory
from workshop.models import Part, PartLine, StockMovement
from workshop.services import stock
from workshop.services.stock import CountedBelowReserved, InsufficientStock, StockConflict, StockLimit

pytestmark = pytest.mark.django_db

NOW = timezone.now()
reserve = partial(stock.reserve, actor=None, now=NOW)
release = partial(stock.release, actor=None, now=NOW)
consume = partial(stock.consume, actor=None, now=NOW)
give_back = partial(stock.give_back, actor=None, now=NOW, reason="Not needed.")
write_off = partial(stock.write_off, actor=None, now=NOW, reason="Broken.")
receive = partial(stock.receive, actor=None, now=NOW)
adjust = partial(stock.adjust, actor=None, now=NOW, reason="Stocktake.")
scrap = partial(stock.scrap, actor=None, now=NOW, reason="Rusty.")


def line(part: Part, quantity: str = "2") -> PartLine:
    return PartLineFactory(part=part, quantity=Decimal(quantity))


def standing(part: Part) -> tuple[Decimal, Decimal]:
    part.refresh_from_db()
    return part.on_hand, part.reserved


def last(part: Part) -> dict[str, Any]:
    names = ("kind", "quantity", "on_hand_delta", "reserved_delta", "before", "after", "line_id")
    found = part.movements.values(*names).first()
    assert found is not None
    return found


def test_a_reservation_promises_and_takes_nothing() -> None:
    part = PartFactory(on_hand=5)
    wanted = line(part)
    reserve(lines=[wanted])
    assert standing(part) == (5, 2)
    assert (wanted.stock, PartLine.objects.get().stock) == ("reserved", "reserved")
    assert last(part) == {
        "kind": "reserve", "quantity": 2, "on_hand_delta": 0, "reserved_delta": 2, "before": 5, "after": 5,
        "line_id": wanted.pk,
    }  # fmt: skip


def test_nothing_is_reserved_when_one_part_is_short_and_every_shortage_is_named() -> None:
    enough, few, none = PartFactory(on_hand=5), PartFactory(on_hand=1), PartFactory()
    lines = [line(few, "0.5"), line(none), line(enough), line(few, "0.75")]
    with transaction.atomic(), pytest.raises(InsufficientStock) as refusal:
        reserve(lines=lines)
    assert refusal.value.meta == {
        "shortages": [
            {"part": few.pk, "sku": few.sku, "name": few.name, "needed": Decimal("1.25"), "available": Decimal(1)},
            {"part": none.pk, "sku": none.sku, "name": none.name, "needed": Decimal(2), "available": Decimal(0)},
        ]
    }
    assert standing(enough) == (5, 0)
    assert {row.stock for row in [*lines, *PartLine.objects.all()]} == {"none"}
    assert not StockMovement.objects.exclude(kind="receive").exists()


def test_what_is_reserved_is_not_available_to_others() -> None:
    part = PartFactory(on_hand=3)
    reserve(lines=[line(part)])
    with pytest.raises(InsufficientStock):
        reserve(lines=[line(part)])
    reserve(lines=[line(part, "1")])
    assert standing(part) == (3, 3)


def test_consuming_takes_it_off_the_shelf() -> None:
    part = PartFactory(on_hand=5)
    used = line(part)
    reserve(lines=[used])
    consume(lines=[used])
    assert standing(part) == (3, 0)
    row = last(part)
    assert (row["kind"], row["on_hand_delta"], row["reserved_delta"], row["before"], row["after"]) == (
        "consume", -2, -2, 5, 3,
    )  # fmt: skip


def test_several_lines_of_one_part_chain_their_before_and_after() -> None:
    part = PartFactory(on_hand=5)
    lines = [line(part, "1"), line(part, "0.5")]
    reserve(lines=lines)
    consume(lines=lines)
    steps = part.movements.filter(kind="consume").order_by("id").values_list("before", "after")
    assert list(steps) == [(5, 4), (4, Decimal("3.5"))]


@pytest.mark.parametrize(
    ("steps", "on_hand"),
    [
        ([reserve], 5),
        ([reserve, release], 5),
        ([reserve, consume], 3),
        ([reserve, consume, give_back], 5),
        ([reserve, consume, write_off], 3),
    ],
)
def test_a_step_that_is_repeated_happens_once(steps: list[Any], on_hand: int) -> None:
    part = PartFactory(on_hand=5)
    stale = line(part)
    for step in steps:
        step(lines=[PartLine.objects.get()])
    count = StockMovement.objects.count()
    steps[-1](lines=[stale])
    assert standing(part)[0] == on_hand
    assert StockMovement.objects.count() == count


def test_a_release_passes_over_what_is_not_reserved() -> None:
    part = PartFactory(on_hand=5)
    used, waiting = line(part), line(part)
    reserve(lines=[used])
    consume(lines=[used])
    release(lines=[used, waiting])
    assert standing(part) == (3, 0)


@pytest.mark.parametrize(
    ("before", "step"),
    [
        ([], consume),
        ([reserve, release], consume),
        ([reserve, consume, give_back], consume),
        ([reserve, consume, give_back], reserve),
        ([reserve, consume, write_off], reserve),
    ],
)
def test_a_step_from_where_it_makes_no_sense_is_refused(before: list[Any], step: Any) -> None:
    part = PartFactory(on_hand=5)
    wanted = line(part)
    for earlier in before:
        earlier(lines=[wanted])
    was = standing(part)
    with transaction.atomic(), pytest.raises(StockConflict):
        step(lines=[wanted])
    assert standing(part) == was


def test_a_write_off_shows_as_scrap_and_leaves_the_shelf_alone() -> None:
    part = PartFactory(on_hand=5)
    used = line(part)
    for step in (reserve, consume, write_off):
        step(lines=[used])
    assert standing(part) == (3, 0)
    kinds = part.movements.filter(reason="Broken.").values_list("kind", "before", "after")
    assert list(kinds) == [("scrap", 5, 3), ("return", 3, 5)]


def test_receipt_adjustment_and_scrapping_change_what_is_on_hand() -> None:
    part = PartFactory(on_hand=5)
    receive(part_id=part.pk, quantity=Decimal("2.5"), reference="DN-1")
    assert part.movements.values_list("reference", "after")[0] == ("DN-1", Decimal("7.5"))
    adjust(part_id=part.pk, counted=Decimal(4))
    assert (last(part)["quantity"], last(part)["on_hand_delta"]) == (Decimal("3.5"), Decimal("-3.5"))
    scrap(part_id=part.pk, quantity=Decimal(1))
    assert standing(part) == (3, 0)


def test_a_count_that_agrees_is_on_the_ledger() -> None:
    part = PartFactory(on_hand=5)
    adjust(part_id=part.pk, counted=Decimal(5))
    assert (last(part)["kind"], last(part)["quantity"]) == ("adjust", 0)


def test_promised_parts_are_neither_scrapped_nor_counted_away() -> None:
    part = PartFactory(on_hand=5)
    reserve(lines=[line(part)])
    with pytest.raises(InsufficientStock):
        scrap(part_id=part.pk, quantity=Decimal(4))
    with pytest.raises(CountedBelowReserved) as refusal:
        adjust(part_id=part.pk, counted=Decimal(1))
    assert refusal.value.meta == {"reserved": 2, "on_hand": 5}
    scrap(part_id=part.pk, quantity=Decimal(3))
    assert standing(part) == (2, 2)


def test_a_shelf_has_an_end() -> None:
    part = PartFactory(on_hand=1)
    with pytest.raises(StockLimit):
        receive(part_id=part.pk, quantity=stock.MAX_QUANTITY)
    assert standing(part) == (1, 0)


@pytest.mark.parametrize("step", [partial(receive, quantity=1), partial(adjust, counted=1), partial(scrap, quantity=1)])
def test_a_part_that_does_not_exist_is_not_found(step: Any) -> None:
    with pytest.raises(NotFound):
        step(part_id=999999)


def test_nothing_to_do_is_no_error() -> None:
    for step in (reserve, release, consume, give_back, write_off):
        step(lines=[])


def test_thirds_add_up() -> None:
    """On SQLite too, which reckons decimals as floats: there 0.1 + 0.2 is not 0.3."""
    part = PartFactory()
    for _ in range(3):
        receive(part_id=part.pk, quantity=Decimal("0.1"))
    lines = [line(part, "0.1"), line(part, "0.2")]
    reserve(lines=lines)
    consume(lines=lines)
    assert standing(part) == (0, 0)


def test_a_reservation_costs_one_update_per_part(django_assert_num_queries: Any) -> None:
    job = JobFactory()
    few = [PartLineFactory(job=job) for _ in range(2)]
    many = [PartLineFactory(job=job) for _ in range(6)]
    with django_assert_num_queries(7 + 2):
        reserve(lines=few)
    with django_assert_num_queries(7 + 6):
        reserve(lines=many)
