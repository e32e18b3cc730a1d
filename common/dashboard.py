"""The admin's home: figures and charts that the apps register in their `admin.py`, shown to whoever may see them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest

from common import clock


@dataclass(frozen=True)
class Figure:
    """One number of today, and the list it counts. `alarm` paints it as something to look at."""

    title: str
    value: int | str
    hint: str
    url: str
    alarm: bool = False


@dataclass(frozen=True)
class Chart:
    """One chart: a series of numbers for each name, in step with `labels`, None where there is nothing. `kind`
    is `bar` or `line`."""

    title: str
    labels: list[str]
    series: Mapping[str, Sequence[float | None]]
    kind: str = "bar"
    stacked: bool = False

    COLORS = ("primary-600", "base-400", "primary-300")

    @property
    def data(self) -> str:
        """The chart library's data as JSON; colours are the theme's variables, so dark mode follows."""
        colors = (f"var(--color-{self.COLORS[index % len(self.COLORS)]})" for index in range(len(self.series)))
        datasets = [
            {"label": name, "data": values, "backgroundColor": color, "borderColor": color}
            for (name, values), color in zip(self.series.items(), colors, strict=True)
        ]
        return json.dumps({"labels": self.labels, "datasets": datasets})

    @property
    def options(self) -> str:
        """Whole numbers on the axis, and a legend only where there is more than one series."""
        scale = {"stacked": self.stacked}
        return json.dumps(
            {
                "responsive": True,
                "maintainAspectRatio": False,
                "scales": {"x": scale, "y": scale | {"beginAtZero": True, "ticks": {"precision": 0}}},
                "plugins": {"legend": {"display": len(self.series) > 1}},
            }
        )


Panel = Callable[[datetime], Iterable[Figure | Chart]]
_PANELS: list[tuple[str, Panel]] = []


def panel(permission: str) -> Callable[[Panel], Panel]:
    """Register a function of `now` whose figures and charts are for holders of `permission`."""

    def register(function: Panel) -> Panel:
        _PANELS.append((permission, function))
        return function

    return register


def fill_home(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The theme's dashboard callback: add what this user may see to the context of the admin's home."""
    now = clock.now()
    items = [item for permission, show in _PANELS if request.user.has_perm(permission) for item in show(now)]
    context["figures"] = [item for item in items if isinstance(item, Figure)]
    context["charts"] = [item for item in items if isinstance(item, Chart)]
    return context
