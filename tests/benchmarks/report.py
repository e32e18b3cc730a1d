"""Figures beside their goals, as one table."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import django
import psycopg

from tests.benchmarks.harness import base_url


@dataclass(frozen=True)
class Figure:
    """One measured figure. `goal` is what it must reach, or keep under when `at_most`; None: shown only."""

    name: str
    value: float
    unit: str = "x"
    goal: float | None = None
    at_most: bool = False
    note: str = ""

    @property
    def verdict(self) -> str:
        if self.goal is None:
            return ""
        reached = self.value <= self.goal if self.at_most else self.value >= self.goal
        return "reached" if reached else "MISSED"

    @property
    def bar(self) -> str:
        if self.goal is None:
            return ""
        return f"{'<=' if self.at_most else '>='} {self.goal:g} {self.unit}".rstrip()


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table: first column to the left, the others to the right."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    out = ["| " + " | ".join(_cells(line, widths)) + " |" for line in lines]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    out.insert(1, "| " + " | ".join(rule) + " |")
    return "\n".join(out)


def _cells(line: tuple[str, ...], widths: list[int]) -> list[str]:
    return [
        line[0].ljust(widths[0]),
        *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)),
    ]


def figures_table(figures: Iterable[Figure]) -> str:
    return table(
        ("figure", "measured", "goal", "", "note"),
        [(f.name, f"{f.value:.4g} {f.unit}".rstrip(), f.bar, f.verdict, f.note) for f in figures],
    )


def machine() -> str:
    """When and where: the date, the processor, how many of it, how busy it is, and the versions."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    load = os.getloadavg()[0]
    now = datetime.now(tz=UTC).strftime("%Y-%m-%d %H:%M UTC")
    with psycopg.connect(base_url()) as connection:
        server = connection.info.parameter_status("server_version")
    versions = f"Python {platform.python_version()}, Django {django.__version__}, PostgreSQL {server}"
    return f"{now}; {os.cpu_count()} x {model}; load {load:.1f}; {versions}"
