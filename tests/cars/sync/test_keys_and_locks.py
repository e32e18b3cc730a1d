"""Whose row it is: natural keys, people's edits, suppressed records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from django.db import DataError, IntegrityError
from django.utils import timezone

from accounts.models import User
from cars import services
from cars.models import Car, SyncIssue
from cars.sync.registry import Row
from cars.sync.statements import Values
from cars.sync.upsert import PageWriter
from tests.cars.sync.conftest import Sync, counts
from tests.factories import CarFactory
from tests.standins.parse import ParseServer, object_id

Csv = Callable[[str], Path]
HEAD = "external_id,year,make,model,category\n"


def test_the_first_owner_of_a_natural_key_keeps_the_row(csv_cars: Csv, sync: Sync) -> None:
    manual = CarFactory(make="Audi", model="Q3", year=2020, category="SUV")
    csv_cars(HEAD + "a,2020, AUDI ,q3,Coupe\nb,2021,Audi,Q3,SUV\n")
    assert counts(sync()) == {"fetched": 2, "created": 1, "duplicate": 1}
    assert counts(sync()) == {"fetched": 2, "unchanged": 1, "duplicate": 1}
    manual.refresh_from_db()
    assert (manual.source, manual.category) == ("manual", "SUV")


def test_two_ids_with_one_natural_key_are_one_row(csv_cars: Csv, sync: Sync) -> None:
    csv_cars(HEAD + "a,2020,Audi,Q3,SUV\nb,2020,audi,Q3,Coupe\n")
    run = sync()
    assert (run.status, counts(run)) == ("succeeded", {"fetched": 2, "created": 1, "duplicate": 1})


def test_the_id_that_has_the_row_keeps_it_when_both_come_changed(csv_cars: Csv, sync: Sync) -> None:
    csv_cars(HEAD + "b,2020,Audi,Q3,SUV\n")
    sync()
    csv_cars(HEAD + "a,2020,Audi,Q3,Coupe\nb,2020,Audi,Q3,Wagon\n")
    assert counts(sync()) == {"fetched": 2, "updated": 1, "duplicate": 1}
    assert Car.objects.get().category == "Wagon"


def test_an_update_onto_anothers_key_is_an_issue(csv_cars: Csv, sync: Sync) -> None:
    CarFactory(make="Audi", model="Q5", year=2020)
    csv_cars(HEAD + "a,2020,Audi,Q3,SUV\n")
    sync()
    csv_cars(HEAD + "a,2020,Audi,Q5,SUV\n")
    run = sync()
    assert (run.status, counts(run)) == ("partial", {"fetched": 1, "rejected": 1})
    assert Car.objects.get(external_id="a").model == "Q3"
    assert SyncIssue.objects.get().reason == "natural_key_taken"


def test_rows_that_swap_their_keys_in_one_page_are_settled_or_refused(csv_cars: Csv, sync: Sync) -> None:
    csv_cars(HEAD + "a,2020,Audi,Q3,SUV\nb,2020,Audi,Q5,SUV\n")
    sync()
    csv_cars(HEAD + "a,2020,Audi,Q5,SUV\nb,2020,Audi,Q7,SUV\n")
    assert counts(sync()) == {"fetched": 2, "updated": 2}  # b moves away, then a may move in.
    csv_cars(HEAD + "a,2020,Audi,Q7,SUV\nb,2020,Audi,Q5,SUV\n")
    assert counts(sync()) == {"fetched": 2, "rejected": 2}  # A true swap has no first step.


def test_a_withdrawn_row_of_another_provider_is_taken_over(csv_cars: Csv, parse: ParseServer, sync: Sync) -> None:
    sync()
    gone = Car.objects.get(external_id=object_id(1))
    parse.remove(object_id(1))
    sync(full=True)
    csv_cars(HEAD + f"x,{gone.year},{gone.make},{gone.model},{gone.category}\n")
    assert counts(sync())["updated"] == 1
    gone.refresh_from_db()
    assert (gone.source, gone.external_id, gone.withdrawn_at) == ("file", "x", None)


def test_fields_that_people_edited_stay_and_the_others_follow(csv_cars: Csv, sync: Sync, admin_user: User) -> None:
    csv_cars(HEAD + "a,2020,Audi,Q3,SUV\n")
    sync()
    car = Car.objects.get()
    services.update_car(car=car, actor=admin_user, data={"model": "Q3 Sportback"}, now=timezone.now())
    csv_cars(HEAD + "a,2021,Audi,Q3 neo,Wagon\n")
    assert counts(sync()) == {"fetched": 1, "updated": 1}
    car.refresh_from_db()
    assert (car.year, car.model, car.model_key, car.category) == (2021, "Q3 Sportback", "q3 sportback", "Wagon")
    assert counts(sync()) == {"fetched": 1, "unchanged": 1}
    services.unlock_car(car=car, actor=admin_user)
    assert counts(sync()) == {"fetched": 1, "updated": 1}


def test_a_record_that_staff_deleted_does_not_come_back(csv_cars: Csv, sync: Sync, admin_user: User) -> None:
    csv_cars(HEAD + "a,2020,Audi,Q3,SUV\nb,2020,Audi,Q5,SUV\n")
    sync()
    services.delete_car(car=Car.objects.get(external_id="a"), actor=admin_user)
    run = sync(full=True)
    assert (run.status, counts(run)) == ("succeeded", {"fetched": 2, "unchanged": 2})
    assert Car.objects.get().external_id == "b"


@pytest.mark.parametrize("error", [IntegrityError, DataError])
def test_a_page_that_the_database_refuses_is_tried_again_row_by_row(
    csv_cars: Csv, sync: Sync, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    CarFactory(make="Audi", model="Q5", year=2020)
    csv_cars(HEAD + "a,2020,Audi,Q3,SUV\nb,2020,Audi,Q5,SUV\nc,2020,Audi,Q7,SUV\n")
    execute = PageWriter._execute

    def refuse(self: PageWriter, rows: Sequence[Row], values: Values) -> Any:
        if len(rows) > 1 or (error is DataError and rows[0]["external_id"] == "a"):
            raise error
        return execute(self, rows, values)

    monkeypatch.setattr(PageWriter, "_execute", refuse)
    run = sync()
    assert (
        counts(run)
        == {
            IntegrityError: {"fetched": 3, "created": 2, "duplicate": 1},
            DataError: {"fetched": 3, "created": 1, "duplicate": 1, "rejected": 1},
        }[error]
    )
