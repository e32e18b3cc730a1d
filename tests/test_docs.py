"""The documents against the code: what they link to, call, set and name is there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from django.core.management import get_commands
from django_celery_beat.models import PeriodicTask

ROOT = Path(__file__).resolve().parent.parent
_OTHERS = {"node_modules", "var", "staticfiles", "htmlcov"}
_FENCED = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_CALL = re.compile(r"""\b(get|post) "\$\w+" (["']?)([^\s"')]+)""")
_HELPER = re.compile(r'"\$BASE/(api/\S*?)\$2"')


def _pages() -> Iterator[str]:
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in _OTHERS and not name.startswith((".", "_"))]
        yield from (str((Path(folder) / name).relative_to(ROOT)) for name in files if name.endswith(".md"))


PAGES = sorted(_pages())
# Of other systems, and of releases that were.
OURS = [page for page in PAGES if page not in {"CHANGELOG.md", "docs/coming-from.md"}]


def _text(page: str) -> str:
    return (ROOT / page).read_text()


def _code(page: str) -> str:
    """What stands in fences and between backticks."""
    text = _text(page)
    return "\n".join([*_FENCED.findall(text), *re.findall(r"`([^`\n]+)`", _FENCED.sub("", text))])


def _anchors(page: str) -> set[str]:
    """As GitHub makes them of headings (small letters, nothing but words and hyphens), and those that are written."""
    text = _FENCED.sub("", _text(page))
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    made = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    return made | set(re.findall(r'<a id="([\w-]+)"', text))


@cache
def _operations() -> dict[str, set[str]]:
    """Path of schema.yml, with `{}` for each parameter -> its methods. By lines, since a YAML parser needs long."""
    found: dict[str, set[str]] = {}
    path = ""
    for line in _text("schema.yml").splitlines():
        if match := re.fullmatch(r"  (/\S*):", line):
            path = match[1]
            found[path] = set()
        elif match := re.fullmatch(r"    (get|post|put|patch|delete):", line):
            found[path].add(match[1])
    return found


def _methods(address: str) -> set[str]:
    """Of all operations that a path of a document may mean; `$X`, `{x}`, `<x>` and `*` stand for any one value."""
    segments = re.split(r"[?#]", address)[0].rstrip("/.,;:").split("/")
    found: set[str] = set()
    for path, methods in _operations().items():
        theirs = path.split("/")
        if len(theirs) == len(segments) and all(map(_is_same, theirs, segments)):
            found |= methods
    return found


def _is_same(segment: str, written: str) -> bool:
    return segment == written or segment.startswith("{") or written.startswith(("$", "{", "<", "*"))


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", _FENCED.sub("", _text(page))):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, anchor = target.partition("#")
        there = (ROOT / page).parent / path if path else ROOT / page
        assert there.exists(), target
        assert not anchor or anchor in _anchors(str(there.resolve().relative_to(ROOT))), target


@pytest.mark.parametrize("page", OURS)
def test_make_knows_the_targets(page: str) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", _text("Makefile"), re.MULTILINE))
    for words in re.findall(r"^ *(?:[A-Z_]+=\S* |.*&& )*make((?: [a-z][a-z-]*)+)", _code(page), re.MULTILINE):
        assert set(words.split()) <= targets, words


@pytest.mark.parametrize("page", OURS)
def test_settings_exist(page: str) -> None:
    files = [ROOT / name for name in (".env.example", "Makefile", "docker-compose.yml", "tests/services.py")]
    files += [file for folder in ("config/settings", "tests/benchmarks") for file in (ROOT / folder).glob("*.py")]
    known = set(re.findall(r"\b[A-Z][A-Z0-9_]+\b", "\n".join(file.read_text() for file in files)))
    own = set(re.findall(r"^(\w+)=", _code(page), re.MULTILINE))  # Variables of a document's shell.
    for name, more in re.findall(r"\b([A-Z][A-Z0-9]*_[A-Z0-9_]*)(?!\w)(\*?)", _code(page)):
        assert name in known | own or (more and any(one.startswith(name) for one in known)), name


@pytest.mark.parametrize("page", OURS)
def test_paths_are_those_of_the_schema(page: str) -> None:
    # The last one is to be made by whoever follows the recipe.
    outside = {"/api", "/api/docs", "/api/redoc", "/api/schema", "/api/cars/{id}/review"}
    for address in re.findall(r"(?:\$BASE|localhost:8000|(?<![\w.^-]))(/api(?:/[^\s`\"'|)\\,;]*)?)", _code(page)):
        is_part = any(path.startswith(f"{address}/") for path in _operations())
        assert address in outside or is_part or "..." in address or "$2" in address or _methods(address), address


@pytest.mark.parametrize("page", [page for page in PAGES if _HELPER.search(_text(page))])
def test_walks_call_what_there_is(page: str) -> None:
    """The `get` and `post` that a page defines for its shell."""
    found = _HELPER.search(_text(page))
    assert found
    calls = _CALL.findall(_code(page))
    assert calls
    for method, _, rest in calls:
        assert method in _methods(f"/{found[1]}{rest}") or "$step" in rest, (method, rest)


@pytest.mark.parametrize("page", OURS)
def test_files_and_commands_exist(page: str) -> None:
    code = _code(page)
    for path in re.findall(r"(?<![\w/.$<>-])((?:\w[\w.-]*/)+[\w.-]+\.(?:py|md|conf|yml|json))(?![\w/])", code):
        first = path.split("/")[0]
        assert (ROOT / path).exists() or first == "var" or not (ROOT / first).exists(), path
    for name in re.findall(r"manage\.py (\w+)", code):
        assert name in get_commands(), name


@pytest.mark.django_db
def test_schedules_are_called_so() -> None:
    names = set(PeriodicTask.objects.values_list("name", flat=True))
    for page in OURS:
        for name in re.findall(r"[*`]((?:accounts|cars|workshop|parking|auctions): [A-Z][\w -]+)[*`]", _text(page)):
            assert name in names, (page, name)
