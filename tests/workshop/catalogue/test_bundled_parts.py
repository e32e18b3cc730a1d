"""The embedded default: a catalogue of car parts without a network."""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django_celery_beat.models import PeriodicTask
from rest_framework.test import APIClient

from tests.cars.sync.conftest import Sync, counts
from tests.standins.dummyjson import sample_products
from workshop.catalogue.providers.file import FileProducts
from workshop.models import Product


def test_a_first_run_brings_about_two_hundred_parts(sync: Sync, api: APIClient) -> None:
    run = sync()
    assert (run.provider, run.status, run.rejected) == ("file", "succeeded", 0)
    assert run.created == Product.objects.count() > 190
    assert counts(sync()) == {"fetched": run.created, "unchanged": run.created}
    page = api.get("/api/workshop/products?category=oil%20FILTERS&ordering=price").json()
    assert page["count"] == 12
    assert page["results"][0]["price"] == "7.95"


def test_the_bundled_rows_are_complete_and_told_apart() -> None:
    with FileProducts.bundled.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for name in ("external_id", "sku", "name"):
        assert len({row[name] for row in rows}) == len(rows)
    assert all(all(row.values()) for row in rows)
    assert all(Decimal(row["price"]).as_tuple().exponent == -2 for row in rows)


def test_a_file_of_ones_own_may_speak_like_dummyjson(sync: Sync, settings: Any, tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    path.write_text(json.dumps({"products": sample_products()}))
    settings.PRODUCT_FILE = str(path)
    assert sync().created == 194
    row = sample_products()[0]
    product = Product.objects.get(external_id="1")
    assert (product.name, product.length) == (row["title"], Decimal(str(row["dimensions"]["width"])))


@pytest.mark.parametrize("name", ["", "dumyjson", "no.such.module", "workshop.models.Product"])
def test_an_unknown_provider_stops_the_start_and_names_the_setting(settings: Any, name: str) -> None:
    settings.EXTERNAL_API_PROVIDER = name
    with pytest.raises(ImproperlyConfigured, match=r"^EXTERNAL_API_PROVIDER is neither one of file, dummyjson, csv"):
        apps.get_app_config("workshop").ready()


def test_the_catalogue_is_synced_every_half_hour_and_fully_once_a_day(db: None) -> None:
    jobs = {job.name: job for job in PeriodicTask.objects.filter(kwargs__contains='"products"')}
    assert jobs["workshop: Sync products"].interval.every == 1800
    assert jobs["workshop: Full refresh of products"].kwargs == '{"source": "products", "full": true}'
