"""The engine with another source than cars: no natural key, no run column, values held for review, a hook."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from cars.models import Car, SyncRun
from cars.sync.clean import text, whole_number
from cars.sync.providers.base import Page, Record
from cars.sync.registry import SOURCES, Column, PageChanges, Row, SourceDefinition, Target
from tests.cars.sync.conftest import Sync, counts
from tests.factories import CarFactory

UPSTREAM: dict[object, dict[str, object]] = {}
CHANGES: list[PageChanges] = []


class Catalogue:
    name = "catalogue"

    def __init__(self, connect: Any) -> None:
        pass

    def readiness(self) -> list[str]:
        return []

    def pages(self, cursor: Any) -> Iterator[Page]:
        yield Page([Record(key, data) for key, data in UPSTREAM.items()], {})


def clean(record: Record, now: datetime) -> Row:
    model = text(record.data, "model", longest=160)
    row = {"make": "Part", "make_key": "part", "model": model, "model_key": model.casefold()}
    return row | {"year": whole_number(record.data, "year")}


def hold(rows: Sequence[Row], *, provider: str, run_id: int) -> Mapping[str, set[str]]:
    """A year that moves by more than five waits for review."""
    known = dict(Car.objects.filter(source=provider).values_list("external_id", "year"))
    return {
        row["external_id"]: {"year"}
        for row in rows
        if abs(row["year"] - known.get(row["external_id"], row["year"])) > 5
    }


@pytest.fixture(autouse=True)
def _catalogue(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.CATALOGUE_PROVIDER = f"{__name__}.Catalogue"
    columns = [Column(name, lock=name) for name in ("make", "model", "year")]
    target = Target(
        model=Car, owner="source", columns=[*columns, Column("make_key"), Column("model_key")], clean=clean,
        hold=hold, changed=CHANGES.append,
    )  # fmt: skip
    monkeypatch.setitem(
        SOURCES, "catalogue", SourceDefinition(name="catalogue", setting="CATALOGUE_PROVIDER", target=target)
    )
    UPSTREAM.clear()
    UPSTREAM.update({1: {"model": "Filter", "year": 2000}, 2: {"model": "Belt", "year": Decimal("2000.0")}})
    CHANGES.clear()


def test_it_writes_its_own_rows_under_its_own_source(sync: Sync) -> None:
    run = sync(source="catalogue")
    assert (run.source, run.provider, counts(run)) == ("catalogue", "catalogue", {"fetched": 2, "created": 2})
    assert set(Car.objects.values_list("source", "external_id")) == {("catalogue", "1"), ("catalogue", "2")}
    assert counts(sync(source="catalogue")) == {"fetched": 2, "unchanged": 2}


def test_two_sources_run_beside_each_other(sync: Sync) -> None:
    from tests.cars.sync.test_runs import ask

    ask()
    assert sync(source="catalogue").status == "succeeded"
    assert SyncRun.objects.filter(source="cars", status="queued").exists()


def test_held_columns_stay_while_the_others_follow(sync: Sync) -> None:
    sync(source="catalogue")
    UPSTREAM[1] = {"model": "Oil filter", "year": 2020}
    UPSTREAM[2] = {"model": "Belt", "year": 2020}
    assert counts(sync(source="catalogue")) == {"fetched": 2, "updated": 1, "unchanged": 1}
    assert set(Car.objects.values_list("model", "year")) == {("Oil filter", 2000), ("Belt", 2000)}
    UPSTREAM[2] = {"model": "Belt", "year": 2004}
    assert counts(sync(source="catalogue"))["updated"] == 1


def test_the_hook_hears_of_what_changed_and_only_then(sync: Sync) -> None:
    sync(source="catalogue")
    pks = dict(Car.objects.values_list("external_id", "pk"))
    UPSTREAM[1]["model"] = "Oil filter"
    UPSTREAM[3] = {"model": "Bulb", "year": 2000}
    sync(source="catalogue")
    sync(source="catalogue")
    first, second = CHANGES
    assert sorted(first.created) == sorted(pks.values())
    assert (second.updated, second.created) == ([pks["1"]], [Car.objects.get(external_id="3").pk])


def test_withdrawals_reach_the_hook_and_leave_other_sources_alone(sync: Sync) -> None:
    UPSTREAM.update({key: {"model": f"Part {key}", "year": 2000} for key in range(3, 11)})
    other = CarFactory()
    sync(source="catalogue")
    gone = Car.objects.get(external_id="2")
    del UPSTREAM[2]
    assert sync(source="catalogue", full=True).withdrawn == 1
    assert CHANGES[-1].withdrawn == [gone.pk]
    other.refresh_from_db()
    assert other.withdrawn_at is None


def test_a_natural_key_that_only_the_database_knows_falls_back_to_single_rows(sync: Sync) -> None:
    """This target does not declare the key, so the page's one statement fails and its rows go in one by one."""
    CarFactory(make="Part", model="Filter", year=2000)
    assert counts(sync(source="catalogue")) == {"fetched": 2, "created": 1, "duplicate": 1}
    UPSTREAM[2] = {"model": "Filter", "year": 2000}
    run = sync(source="catalogue")
    assert (run.status, counts(run)) == ("partial", {"fetched": 2, "duplicate": 1, "rejected": 1})
