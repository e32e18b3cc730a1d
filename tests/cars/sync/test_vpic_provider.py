"""The vPIC adapter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import time_machine

from cars.models import Car
from tests.cars.sync.conftest import Sync, counts
from tests.standins.base import Fault
from tests.standins.vpic import VpicServer


@pytest.fixture
def vpic(settings: Any) -> Iterator[VpicServer]:
    with VpicServer() as server:
        settings.CAR_PROVIDER, settings.CAR_API_URL = "vpic", server.api_url
        settings.VPIC_MAKES, settings.VPIC_YEARS = ["Toyota", "Land Rover"], [2020, 2021]
        yield server


def test_it_asks_for_each_make_and_year(vpic: VpicServer, sync: Sync) -> None:
    run = sync()
    assert (run.status, counts(run)) == ("succeeded", {"fetched": 12, "created": 12})
    assert Car.objects.filter(make="LAND ROVER", model="Defender", year=2021, source="vpic").exists()
    assert len(vpic.requests) == 5


def test_without_years_it_takes_this_one_and_the_two_before(vpic: VpicServer, sync: Sync, settings: Any) -> None:
    settings.VPIC_YEARS = []
    with time_machine.travel("2026-06-01", tick=True):
        sync()
    assert set(Car.objects.values_list("year", flat=True)) == {2024, 2025, 2026}


def test_a_make_that_vpic_does_not_know_fails_the_run(vpic: VpicServer, sync: Sync, settings: Any) -> None:
    settings.VPIC_MAKES = ["Toyota", "Toyoda"]
    run = sync()
    assert (run.status, run.reason) == ("failed", "unknown_make")
    assert "Toyoda" in run.error


def test_bad_rows_are_refused_alone(vpic: VpicServer, sync: Sync) -> None:
    rows = [row | {"Make_ID": 448} for row in vpic.bad_rows()]
    vpic.faults.add(Fault.BAD_ROWS, rows=rows, from_request=2, times=1)
    run = sync()
    assert (run.status, counts(run)) == ("partial", {"fetched": 18, "created": 12, "rejected": 6})


def test_a_model_that_is_no_longer_listed_is_withdrawn(vpic: VpicServer, sync: Sync) -> None:
    sync()
    vpic.remove(2200)
    assert counts(sync(full=True)) == {"fetched": 10, "unchanged": 10, "withdrawn": 2}
