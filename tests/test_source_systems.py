"""Every row of docs/coming-from.md does what the page says, over HTTP on a server with demo data. The page and the
walks name the same rows: one without the other fails."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.clients.demo import demo
from tests.e2e.processes import ROOT
from tests.sources import auction, carbase, mechanic, parking, products  # noqa: F401 - they register their walks
from tests.sources.visit import DIFFERENCES, WALKS, Visit

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("clients")]
PAGE = (ROOT / "docs" / "coming-from.md").read_text()
SECTIONS = {title: text for title, _, text in (part.partition("\n") for part in PAGE.split("\n## ")[1:])}
SETTINGS, ON_PURPOSE = "Settings that kept their names", "Deliberate differences"


def cells(section: str) -> Iterator[str]:
    """The first cells of a section's table."""
    for line in re.findall(r"^\| (.+?) \|.*\|$", SECTIONS[section], re.MULTILINE)[1:]:
        yield line.replace("`", "")


def differences() -> dict[str, str]:
    parts = SECTIONS[ON_PURPOSE].split("\n### ")[1:]
    return {title: text for title, _, text in (part.partition("\n") for part in parts)}


ROWS = [(system, row) for system in SECTIONS if system not in (SETTINGS, ON_PURPOSE) for row in cells(system)]


@pytest.fixture(scope="module")
def visit() -> Iterator[Visit]:
    with ExitStack() as clients:
        yield Visit(demo(), clients)


def test_the_page_and_the_walks_name_the_same() -> None:
    assert sorted(ROWS) == sorted(WALKS)
    assert sorted(differences()) == sorted(DIFFERENCES)


@pytest.mark.parametrize(("system", "row"), ROWS, ids=lambda cell: cell)
def test_the_row_is_walked(visit: Visit, system: str, row: str) -> None:
    WALKS[system, row](visit)


@pytest.mark.parametrize("title", list(differences()))
def test_the_difference_is_as_stated(visit: Visit, title: str) -> None:
    then, now = re.findall(r"^# (.+)\n[^#]", differences()[title], re.MULTILINE)
    assert not then.startswith("Forecourt")
    assert now.startswith("Forecourt: ")
    DIFFERENCES[title](visit)


@pytest.mark.parametrize("name", list(cells(SETTINGS)))
def test_the_setting_kept_its_name(name: str) -> None:
    assert re.search(rf"^(# )?{name}=", (ROOT / ".env.example").read_text(), re.MULTILINE)
