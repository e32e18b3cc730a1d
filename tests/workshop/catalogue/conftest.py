"""Fixtures of the catalogue's sync: the stand-in over real HTTP, and runs in the foreground."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from common import http
from tests.cars.sync.conftest import Sync, run_now
from tests.standins.dummyjson import DummyJSONServer


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries come at once: what is tested is that they come."""
    monkeypatch.setattr(http, "_FIRST_BACKOFF_S", 0.001)
    monkeypatch.setattr(http, "_LONGEST_BACKOFF_S", 0.001)


@pytest.fixture
def sync(db: None) -> Sync:
    return partial(run_now, source="products")


@pytest.fixture
def dummyjson(settings: Any) -> Iterator[DummyJSONServer]:
    """A DummyJSON of 194 invented products, chosen as the provider."""
    with DummyJSONServer() as server:
        settings.EXTERNAL_API_PROVIDER, settings.EXTERNAL_API_URL = "dummyjson", f"{server.base_url}/products"
        yield server
