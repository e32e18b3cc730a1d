"""The page of faults: that every fault has its test, and that docs/reliability.md is of the tests that there are."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.reliability import ELSEWHERE, FAULTS, Results

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reliability.md"


def marked() -> Iterator[tuple[str, str, str]]:
    """The fault, the test and how it provokes it, of every mark in the source of the tests."""
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        text = path.read_text()
        if "mark.fault(" not in text:
            continue
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef):
                test = f"{path.relative_to(ROOT)}::{node.name}"
                yield from ((fault, test, how) for fault, how in _marks(node))


def _marks(function: ast.FunctionDef) -> Iterator[tuple[str, str]]:
    for mark in function.decorator_list:
        if isinstance(mark, ast.Call) and isinstance(mark.func, ast.Attribute) and mark.func.attr == "fault":
            fault, how = mark.args
            assert isinstance(fault, ast.Constant), ast.unparse(fault)
            yield str(fault.value), how.value if isinstance(how, ast.Constant) else ast.unparse(how)


def test_every_fault_has_a_test_or_a_reason() -> None:
    assert {fault for fault, _, _ in marked()} | set(ELSEWHERE) == set(FAULTS)


def test_the_page_is_of_the_tests_that_there_are_and_all_passed() -> None:
    """Else `make faults` has to run again."""
    rows = [line.split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| F") and "::" in line]
    on_the_page = {(cells[0].split()[1], cells[4].strip("`")) for cells in rows}
    assert on_the_page == {(fault, test) for fault, test, _ in marked()}
    assert {cells[5].split()[0] for cells in rows} == {"passed"}


def report(nodeid: str, outcome: str, *properties: tuple[str, object]) -> pytest.TestReport:
    return pytest.TestReport(
        nodeid,
        (nodeid, 0, nodeid),
        {},
        outcome,
        None,
        "call",
        user_properties=list(properties),  # type: ignore[arg-type]
    )


def test_variants_are_one_row_that_fails_with_any_of_them() -> None:
    results = Results()
    mark = ["F7", "restarted", "201 and 503 only", "tests/a.py::test_b"]
    fast, immediate = ("fault", [*mark, "fast"]), ("fault", [*mark, "immediate"])
    results.add(report("tests/a.py::test_b[fast]@faults", "passed", fast, ("witness", [("acked", 3), ("back", 1.25)])))
    results.add(report("tests/a.py::test_b[immediate]", "failed", immediate, ("witness", [("other", {"503": 2})])))
    results.add(report("tests/a.py::test_of_something_else", "passed"))
    (row,) = [line for line in results.page("a machine").splitlines() if "restarted |" in line]
    assert row == (
        "| F7 PostgreSQL restarted under load | restarted | 201 and 503 only | fast: acked 3, back 1.2; "
        "immediate: other 2 x 503 | `tests/a.py::test_b` | failed |"
    )
    assert "1 rows: 0 passed, 1 failed, 0 skipped" in results.page("a machine")
