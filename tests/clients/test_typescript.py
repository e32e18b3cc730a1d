"""The example of clients/typescript: compiled strictly against types made from the published schema, and run by Node
against the server as it is."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.clients.demo import demo
from tests.clients.node import run_node
from tests.e2e.processes import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.node, pytest.mark.xdist_group("clients")]
STORY = [
    "registered ts@example.com",
    "duplicate duplicate_car of the same car: true",
    "cars 1: Typed 2020",
    "garage Honda Accord",
    "parked active, then completed",
    "stream snapshot live",
]

WRONG = """\
import { forecourt } from "./client.js";
// @ts-expect-error A make is text, and a car has a model and a year.
await forecourt("").POST("/api/cars", { body: { make: 7 } });
// @ts-expect-error There is no such path.
await forecourt("").GET("/api/carz");
"""


@pytest.fixture(scope="module")
def project(node_modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The client's folder with the types of schema.yml."""
    folder = tmp_path_factory.mktemp("typescript") / "client"
    ignore = shutil.ignore_patterns("node_modules", "dist", "schema.d.ts")
    shutil.copytree(ROOT / "clients" / "typescript", folder, ignore=ignore)
    (folder / "node_modules").symlink_to(node_modules)
    run_node(folder, "openapi-typescript", str(ROOT / "schema.yml"), "--output", "src/schema.d.ts")
    return folder


def test_it_compiles_and_the_example_runs(project: Path) -> None:
    """What the schema does not allow is an error to the compiler, else the check would be none."""
    (project / "src" / "wrong.ts").write_text(WRONG)
    run_node(project, "tsc")
    ran = subprocess.run(
        ["node", "dist/example.js", demo().url], cwd=project, capture_output=True, text=True, timeout=120
    )
    assert (ran.returncode, ran.stdout.splitlines()) == (0, STORY), ran.stderr


def test_the_lock_names_no_index() -> None:
    assert "resolved" not in (ROOT / "clients" / "typescript" / "package-lock.json").read_text()
