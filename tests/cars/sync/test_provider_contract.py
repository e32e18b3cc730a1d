"""What every provider promises, checked for each of them; a new one is added to `SCENES`."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from cars.models import Car
from cars.sync.providers.base import Page, Provider, Record, batches
from cars.sync.registry import SOURCES
from common.http import OutsideClient
from tests.cars.sync.conftest import Sync, counts, use_parse
from tests.standins.parse import ParseServer, sample_rows
from tests.standins.vpic import VpicServer

CARS = [
    {"external_id": f"c{number:03}"} | {name.lower(): value for name, value in row.items()}
    for number, row in enumerate(sample_rows(25))
]
MISSING = {"parse": "CAR_API_ID", "vpic": "VPIC_MAKES", "csv": "CAR_FILE", "json": "CAR_FILE", "custom": ""}


class MemoryCars:
    """The smallest provider there can be, chosen by its dotted path."""

    name = "memory"
    text = json.dumps(CARS)

    def __init__(self, connect: Any) -> None:
        pass

    def readiness(self) -> list[str]:
        return []

    def pages(self, cursor: Any) -> Iterator[Page]:
        for batch in batches(json.loads(self.text), 10):
            yield Page([Record(row.pop("external_id"), row) for row in batch], {"rows": len(CARS)})


@contextmanager
def parse_scene(settings: Any, folder: Path) -> Iterator[None]:
    with ParseServer(CARS) as server:
        use_parse(settings, server)
        yield


@contextmanager
def vpic_scene(settings: Any, folder: Path) -> Iterator[None]:
    with VpicServer() as server:
        settings.CAR_PROVIDER, settings.CAR_API_URL = "vpic", server.api_url
        settings.VPIC_MAKES, settings.VPIC_YEARS = ["Toyota", "Land  Rover"], [2020, 2021]
        yield


@contextmanager
def csv_scene(settings: Any, folder: Path) -> Iterator[None]:
    text = io.StringIO()
    writer = csv.DictWriter(text, CARS[0])
    writer.writeheader()
    writer.writerows(CARS)
    path = folder / "cars.csv.gz"
    path.write_bytes(gzip.compress(text.getvalue().encode()))
    settings.CAR_PROVIDER, settings.CAR_FILE = "file", str(path)
    yield


@contextmanager
def json_scene(settings: Any, folder: Path) -> Iterator[None]:
    path = folder / "cars.json"
    path.write_text(json.dumps({"results": CARS}))
    settings.CAR_PROVIDER, settings.CAR_FILE = "file", str(path)
    yield


@contextmanager
def custom_scene(settings: Any, folder: Path) -> Iterator[None]:
    settings.CAR_PROVIDER = f"{__name__}.MemoryCars"
    yield


Scene = Callable[[Any, Path], AbstractContextManager[None]]
SCENES: dict[str, Scene] = {
    "parse": parse_scene, "vpic": vpic_scene, "csv": csv_scene, "json": json_scene, "custom": custom_scene,
}  # fmt: skip


@pytest.fixture(params=SCENES)
def scene(request: pytest.FixtureRequest, settings: Any, tmp_path: Path) -> Iterator[str]:
    with SCENES[request.param](settings, tmp_path):
        yield request.param


def provider() -> Provider:
    return SOURCES["cars"].provider(OutsideClient)


def test_it_has_a_name_of_its_own(scene: str) -> None:
    assert 0 < len(provider().name) <= 32
    assert provider().name != Car.MANUAL


def test_it_says_by_name_what_its_configuration_lacks(scene: str, settings: Any) -> None:
    assert provider().readiness() == []
    if name := MISSING[scene]:
        setattr(settings, name, "/nowhere" if name == "CAR_FILE" else [] if name == "VPIC_MAKES" else "")
        assert provider().readiness() == [name]


def test_its_pages_hold_each_record_once_in_a_stable_order(scene: str) -> None:
    first, second = ([record for page in provider().pages(None) for record in page.records] for _ in range(2))
    assert first == second
    ids = [record.external_id for record in first]
    assert len(ids) == len(set(ids)) > 0


def test_its_records_use_the_targets_names(scene: str) -> None:
    fields = {column.name for column in SOURCES["cars"].target.columns}
    records = [record for page in provider().pages(None) for record in page.records]
    assert all({"make", "model", "year"} <= record.data.keys() <= fields for record in records)


def test_its_cursor_is_json_and_leads_to_nothing_new(scene: str, sync: Sync) -> None:
    created = sync().created
    assert created == Car.objects.filter(source=provider().name).count() > 0
    cursor = [page.cursor for page in provider().pages(None)][-1]
    assert json.loads(json.dumps(cursor)) == cursor
    again = counts(sync())
    assert again.keys() <= {"fetched", "unchanged"}
    full = counts(sync(full=True))
    assert full == {"fetched": created, "unchanged": created}
