"""Ten thousand steps at random: whatever is done to the stock, and refused, the ledger adds up."""

from __future__ import annotations

import random
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from tests.workshop.factories import JobFactory, PartFactory, PartLineFactory
from workshop.models import LowStockAlert, Part, PartLine
from workshop.services import stock
from workshop.services.audit import audit_stock
from workshop.services.stock import CountedBelowReserved, InsufficientStock, StockConflict

pytestmark = pytest.mark.django_db

NOW = timezone.now()
STEPS = 2_500
WHO: dict[str, Any] = {"actor": None, "now": NOW}


class Shelf:
    """Four parts and twelve lines of them, and a model of what they must be: on hand and reserved by part."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.parts: list[Part] = [PartFactory(on_hand=5, low_stock_threshold=2) for _ in range(4)]
        job = JobFactory()
        self.lines: list[PartLine] = [
            PartLineFactory(job=job, part=part, quantity=self.amount()) for part in self.parts for _ in range(3)
        ]
        self.expected = {part.pk: (Decimal(5), Decimal(0)) for part in self.parts}

    def amount(self) -> Decimal:
        return Decimal(self.chance.randint(1, 3_000)).scaleb(-3)

    def some_lines(self) -> list[PartLine]:
        return self.chance.sample(self.lines, self.chance.randint(1, 4))

    def moved(self, part_id: int, on_hand: Decimal = Decimal(0), reserved: Decimal = Decimal(0)) -> None:
        had, promised = self.expected[part_id]
        self.expected[part_id] = had + on_hand, promised + reserved

    def step(self) -> str:
        name = self.chance.choice(["reserve", "release", "consume", "give_back", "write_off", "by_hand", "new_visit"])
        if name == "by_hand":
            return self.by_hand()
        if name == "new_visit":  # What was returned or written off is over; the line is taken for a new one.
            PartLine.objects.filter(stock__in=["returned", "written_off"]).update(stock="none")
            for line in self.lines:
                line.refresh_from_db(fields=["stock"])
            return name
        lines = self.some_lines()
        before = {line.pk: line.stock for line in lines}
        reason = {"reason": "x"} if name in ("give_back", "write_off") else {}
        try:
            getattr(stock, name)(lines=lines, **WHO, **reason)
        except (InsufficientStock, StockConflict) as refusal:
            return f"{name}: {refusal.code}"
        for line in lines:
            self.follow(line, before[line.pk])
        return name

    def follow(self, line: PartLine, before: str) -> None:
        quantity = line.quantity
        on_hand, reserved = {
            ("none", "reserved"): (0, 1),
            ("reserved", "none"): (0, -1),
            ("reserved", "consumed"): (-1, -1),
            ("consumed", "returned"): (1, 0),
        }.get((before, line.stock), (0, 0))
        self.moved(line.part_id, on_hand * quantity, reserved * quantity)

    def by_hand(self) -> str:
        part_id, quantity = self.chance.choice(self.parts).pk, self.amount()
        on_hand, _ = self.expected[part_id]
        name = self.chance.choice(["receive", "scrap", "adjust"])
        try:
            if name == "receive":
                stock.receive(part_id=part_id, quantity=quantity, **WHO)
            elif name == "scrap":
                stock.scrap(part_id=part_id, quantity=quantity, reason="x", **WHO)
            else:
                stock.adjust(part_id=part_id, counted=quantity, reason="x", **WHO)
        except (InsufficientStock, CountedBelowReserved) as refusal:
            return f"{name}: {refusal.code}"
        self.moved(part_id, {"receive": quantity, "scrap": -quantity}.get(name, quantity - on_hand))
        return name

    def check(self) -> None:
        for part in Part.objects.all():
            assert (part.on_hand, part.reserved) == self.expected[part.pk]
        low = {part.pk for part in Part.objects.all() if part.is_low}
        assert set(LowStockAlert.objects.filter(closed_at=None).values_list("part_id", flat=True)) == low
        assert set(Part.objects.low().values_list("pk", flat=True)) == low


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 8))])
def test_the_ledger_adds_up_whatever_happens(seed: int) -> None:
    shelf = Shelf(random.Random(seed))
    seen: Counter[str] = Counter()
    for number in range(STEPS):
        seen[shelf.step()] += 1
        if number % 50 == 0:
            shelf.check()
    shelf.check()
    assert audit_stock(now=NOW).differences == 0
    # The walk went everywhere, refusals too.
    assert min(seen[name] for name in ("reserve", "release", "consume", "give_back", "write_off", "adjust")) >= 10
    assert min(seen[f"{name}: insufficient_stock"] for name in ("reserve", "scrap")) >= 10
    assert seen["consume: stock_conflict"] >= 10
