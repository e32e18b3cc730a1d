"""The example of clients/python: checked against the package that a stranger generates from the published schema, and
run against the server as it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clients.demo import demo
from tests.e2e.processes import BIN, ROOT

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("clients")]
EXAMPLE = ROOT / "clients" / "python" / "example.py"
STORY = [
    "registered",
    "duplicate duplicate_car of the same car: True",
    "cars 1: Typed 2020",
    "garage Honda Accord",
    "parked active, then completed",
    "stream snapshot live",
]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds the generated package."""
    folder = tmp_path_factory.mktemp("python") / "generated"
    command = [BIN / "openapi-python-client", "generate", "--path", ROOT / "schema.yml", "--output-path", folder]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return folder


def test_the_types_agree(package: Path) -> None:
    options = ["--strict", "--config-file=", f"--cache-dir={package.parent / 'mypy'}"]
    checked = subprocess.run(
        [BIN / "mypy", *options, EXAMPLE],
        env=os.environ | {"MYPYPATH": str(package)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert checked.returncode == 0, checked.stdout


def test_the_example_runs(package: Path) -> None:
    ran = subprocess.run(
        [sys.executable, EXAMPLE, demo().url],
        env=os.environ | {"PYTHONPATH": str(package)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (ran.returncode, ran.stdout.splitlines()) == (0, STORY), ran.stderr
