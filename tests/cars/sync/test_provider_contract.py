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
from cars.sync.registry import SOURCES, SourceDefinition
from common.http import OutsideClient
from tests.cars.sync.conftest import Sync, counts, use_parse
from tests.standins.dummyjson import DummyJSONServer, sample_products
from tests.standins.files import FileServer
from tests.standins.parse import ParseServer, sample_rows
from tests.standins.vpic import VpicServer

CARS = [
    {"external_id": f"c{number:03}"} | {name.lower(): value for name, value in row.items()}
    for number, row in enumerate(sample_rows(25))
]
MISSING = {
    "parse": "CAR_API_ID", "vpic": "VPIC_MAKES", "csv": "CAR_FILE", "json": "CAR_FILE", "custom": "",
    "products-dummyjson": "", "products-file": "PRODUCT_FILE", "products-json": "PRODUCT_FILE",
    "products-csv": "EXTERNAL_API_URL", "products-csv-url": "EXTERNAL_API_URL",
}  # fmt: skip
NOTHING: dict[str, Any] = {"CAR_FILE": "/nowhere", "PRODUCT_FILE": "/nowhere", "VPIC_MAKES": []}
NEEDED = {"cars": {"make", "model", "year"}, "products": {"name", "price"}}


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


@contextmanager
def dummyjson_scene(settings: Any, folder: Path) -> Iterator[None]:
    with DummyJSONServer() as server:
        settings.EXTERNAL_API_PROVIDER, settings.EXTERNAL_API_URL = "dummyjson", f"{server.base_url}/products"
        yield


@contextmanager
def bundled_parts_scene(settings: Any, folder: Path) -> Iterator[None]:
    settings.EXTERNAL_API_PROVIDER = "file"
    yield


@contextmanager
def products_json_scene(settings: Any, folder: Path) -> Iterator[None]:
    path = folder / "products.json"
    path.write_text(json.dumps({"products": sample_products()}))
    settings.EXTERNAL_API_PROVIDER, settings.PRODUCT_FILE = "file", str(path)
    yield


def price_list() -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["Article", "Title", "Unit price", "Stock"])
    writer.writerows((row["id"], row["title"], row["price"], row["stock"]) for row in sample_products())
    return text.getvalue().encode()


@contextmanager
def price_list_scene(settings: Any, folder: Path) -> Iterator[None]:
    path = folder / "list.csv"
    path.write_bytes(price_list())
    settings.EXTERNAL_API_PROVIDER, settings.EXTERNAL_API_URL = "csv", str(path)
    settings.EXTERNAL_API_COLUMNS = {"external_id": "Article", "price": "Unit price"}
    yield


@contextmanager
def price_list_url_scene(settings: Any, folder: Path) -> Iterator[None]:
    with price_list_scene(settings, folder), FileServer(price_list()) as server:
        settings.EXTERNAL_API_URL = f"{server.base_url}/list.csv"
        yield


Scene = Callable[[Any, Path], AbstractContextManager[None]]
SCENES: dict[str, Scene] = {
    "parse": parse_scene, "vpic": vpic_scene, "csv": csv_scene, "json": json_scene, "custom": custom_scene,
    "products-dummyjson": dummyjson_scene, "products-file": bundled_parts_scene, "products-json": products_json_scene,
    "products-csv": price_list_scene, "products-csv-url": price_list_url_scene,
}  # fmt: skip


@pytest.fixture(params=SCENES)
def scene(request: pytest.FixtureRequest, settings: Any, tmp_path: Path) -> Iterator[str]:
    with SCENES[request.param](settings, tmp_path):
        yield request.param


def source_of(scene: str) -> SourceDefinition:
    return SOURCES["products" if scene.startswith("products") else "cars"]


def provider(scene: str) -> Provider:
    return source_of(scene).provider(OutsideClient)


def test_it_has_a_name_of_its_own(scene: str) -> None:
    assert 0 < len(provider(scene).name) <= 32
    assert provider(scene).name != Car.MANUAL


def test_it_says_by_name_what_its_configuration_lacks(scene: str, settings: Any) -> None:
    assert provider(scene).readiness() == []
    if name := MISSING[scene]:
        setattr(settings, name, NOTHING.get(name, ""))
        assert provider(scene).readiness() == [name]


def test_its_pages_hold_each_record_once_in_a_stable_order(scene: str) -> None:
    first, second = ([record for page in provider(scene).pages(None) for record in page.records] for _ in range(2))
    assert first == second
    ids = [record.external_id for record in first]
    assert len(ids) == len(set(ids)) > 0


def test_its_records_use_the_targets_names(scene: str) -> None:
    source = source_of(scene)
    fields = {column.name for column in source.target.columns}
    records = [record for page in provider(scene).pages(None) for record in page.records]
    assert all(NEEDED[source.name] <= record.data.keys() <= fields for record in records)


def test_its_cursor_is_json_and_leads_to_nothing_new(scene: str, sync: Sync) -> None:
    source = source_of(scene)
    created = sync(source=source.name).created
    rows = source.target.model._default_manager.filter(**{source.target.owner: provider(scene).name})
    assert created == rows.count() > 0
    cursor = [page.cursor for page in provider(scene).pages(None)][-1]
    assert json.loads(json.dumps(cursor)) == cursor
    again = counts(sync(source=source.name))
    assert again.keys() <= {"fetched", "unchanged"}
    full = counts(sync(source=source.name, full=True))
    assert full == {"fetched": created, "unchanged": created}
