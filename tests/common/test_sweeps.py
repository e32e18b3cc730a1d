"""Sweeps: each row on its own, under its lock, and no row stops the others."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection

from cars.models import Car
from common.sweeps import sweep, sweep_ids

pytestmark = pytest.mark.django_db
NOW = datetime(2025, 6, 1, tzinfo=UTC)


@pytest.fixture
def cars(db: None) -> list[Car]:
    return [Car.objects.create(make="Audi", model=f"Q{number}", year=2020) for number in range(5)]


def due() -> Any:
    return Car.objects.filter(withdrawn_at__isnull=True)


def withdraw(car: Car, *, now: datetime) -> None:
    car.withdrawn_at = now
    car.save()


def test_every_due_row_is_handled_once(cars: list[Car]) -> None:
    assert sweep(due(), withdraw, now=NOW, batch=2) == (5, 0)
    assert sweep(due(), withdraw, now=NOW) == (0, 0)
    assert set(Car.objects.values_list("withdrawn_at", flat=True)) == {NOW}


def test_a_row_that_fails_is_rolled_back_and_stays_due(cars: list[Car]) -> None:
    def handle(car: Car, *, now: datetime) -> None:
        withdraw(car, now=now)
        if car.pk == cars[1].pk:
            raise RuntimeError

    assert sweep(due(), handle, now=NOW, batch=2) == (4, 1)
    assert list(due()) == [cars[1]]


def test_a_row_that_no_longer_matches_is_passed_over(cars: list[Car]) -> None:
    seen = []

    def handle(car: Car, *, now: datetime) -> None:
        seen.append(car.pk)
        Car.objects.update(withdrawn_at=now)

    assert sweep(due(), handle, now=NOW) == (1, 0)
    assert seen == [cars[0].pk]


def test_a_sweep_of_ids_leaves_locks_and_second_looks_to_the_handler(cars: list[Car]) -> None:
    def handle(pk: int) -> bool:
        if pk == cars[1].pk:
            raise RuntimeError
        return bool(due().filter(pk=pk).update(withdrawn_at=NOW))

    assert sweep_ids(due(), handle, batch=2) == (4, 1)
    assert sweep_ids(due(), handle, batch=2) == (0, 1)
    assert sweep_ids(due(), lambda pk: False) == (0, 0)
    assert list(due()) == [cars[1]]


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_row_that_another_process_holds_is_passed_over(cars: list[Car]) -> None:
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("SELECT 1 FROM cars_car WHERE id = %s FOR UPDATE", [cars[0].pk])
            assert sweep(due(), withdraw, now=NOW) == (4, 0)
    finally:
        other.rollback()
        other.close()
