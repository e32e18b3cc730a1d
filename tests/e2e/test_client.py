"""A client that a stranger generates from the published schema works against the server as it is."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.processes import BIN, EMBEDDED, ROOT, Platform, running_platform

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("e2e")]
PACKAGE = "forecourt_client"


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with running_platform(tmp_path, {"web": EMBEDDED["web"]}) as running:
        yield running


@pytest.fixture
def generated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder from which the generated package can be imported."""
    target = tmp_path / "generated"
    subprocess.run(
        [
            str(BIN / "openapi-python-client"),
            "generate",
            "--path",
            str(ROOT / "schema.yml"),
            "--output-path",
            str(target),
        ],
        check=True,
        env=os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"},
        timeout=120,
    )
    monkeypatch.syspath_prepend(target)
    yield target
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


def operation(tag: str, name: str) -> Any:
    return importlib.import_module(f"{PACKAGE}.api.{tag}.{name}")


def test_a_generated_client_registers_logs_in_and_walks_the_cars(generated: Path, platform: Platform) -> None:
    package, models = importlib.import_module(PACKAGE), importlib.import_module(f"{PACKAGE}.models")
    settings = {"base_url": platform.url, "raise_on_unexpected_status": True}
    person = {"email": "dana@example.com", "password": "a long customer word 7"}
    with package.Client(**settings) as anonymous:
        body = models.RegisterRequest(**person)
        assert operation("auth", "auth_register").sync_detailed(client=anonymous, body=body).status_code == 201
        session = operation("auth", "auth_login").sync(client=anonymous, body=models.EmailLoginRequest(**person))
    years = []
    with package.AuthenticatedClient(token=session.access_token, **settings) as client:
        for year in range(1990, 2015):
            car = models.CarRequest(make="Generated", model="Walker", year=year)
            assert operation("cars", "cars_create").sync(client=client, body=car).year == year
        for page in (1, 2, 3):
            listed = operation("cars", "cars_list").sync(client=client, make="Generated", page=page, limit=10)
            assert listed.count == 25
            years += [car.year for car in listed.results]
    assert sorted(years) == list(range(1990, 2015))
