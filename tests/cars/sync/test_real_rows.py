"""The 9,581 real cars through the Parse stand-in."""

from __future__ import annotations

import pytest
from django.db import connection

from cars.models import Car
from cars.services.cars import cache
from tests.cars.sync.conftest import Sync, counts, stored, upstream
from tests.standins.parse import ParseServer


def writes() -> int:
    """Rows of the registry that this transaction wrote so far."""
    sql = "SELECT n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_xact_user_tables WHERE relname = 'cars_car'"
    if connection.vendor == "sqlite":
        sql = "SELECT total_changes()"
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return int(cursor.fetchone()[0])


def test_the_first_run_creates_all_and_the_second_writes_nothing(
    real_parse: ParseServer, sync: Sync, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = sync()
    assert (first.status, counts(first)) == ("succeeded", {"fetched": 9581, "created": 9581})
    assert stored() == upstream(real_parse)
    before = list(Car.objects.order_by("pk").values())
    bumps: list[None] = []
    monkeypatch.setattr(cache, "bump_on_commit", lambda: bumps.append(None))
    written = writes()

    second = sync(full=True)

    assert counts(second) == {"fetched": 9581, "unchanged": 9581}
    # On SQLite the bookkeeping of the run itself counts too: a statement or two per page.
    assert writes() - written <= (0 if connection.vendor == "postgresql" else 3 * second.pages + 10)
    assert list(Car.objects.order_by("pk").values()) == before
    assert bumps == []


def test_an_incremental_run_asks_only_for_what_changed(real_parse: ParseServer, sync: Sync) -> None:
    sync()
    changed = list(upstream(real_parse))[:3]
    for object_id in changed:
        real_parse.update(object_id, Category="Convertible")
    real_parse.add(Year=2021, Make="Audi", Model="e-tron GT", Category="Sedan")
    run = sync()
    # The newest row of the first run comes again: another could share its millisecond.
    assert counts(run) == {"fetched": 5, "created": 1, "updated": 3, "unchanged": 1}
    assert stored() == upstream(real_parse)
