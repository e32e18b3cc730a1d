"""What the tests of the clients share."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.e2e.processes import ROOT


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The pinned packages, installed by make when the lock is a new one."""
    made = subprocess.run(["make", "--silent", "node"], cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert made.returncode == 0, made.stderr
    return ROOT / made.stdout.splitlines()[-1] / "node_modules"
