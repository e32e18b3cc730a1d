"""The admin's home: figures and charts that the apps register in their staff pages, shown to whoever may see them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode
from unfold.settings import get_config

from common import clock


@dataclass(frozen=True)
class Figure:
    """One number of today and the list behind it. `counted` is how many rows that list shows; None where the figure is
    no number of rows. `alarm` paints it as something to look at."""

    title: str
    value: int | str
    hint: str
    url: str
    alarm: bool = False
    counted: int | None = None


@dataclass(frozen=True)
class Queue:
    """Rows that wait: those for which all `lookups` hold, which are the filter of the linked list too. A list's own
    filter, which is no lookup of columns, is named in `link`, and `where` says the same."""

    title: str
    hint: str
    lookups: Mapping[str, Any] = field(default_factory=dict)
    where: Q = field(default_factory=Q)
    link: Mapping[str, str] = field(default_factory=dict)
    alarm: bool = False

    @property
    def condition(self) -> Q:
        return Q(**self.lookups) & self.where


def queues(rows: QuerySet[Any], *asked: Queue) -> Iterator[Figure]:
    """The figures of some queues of one table, in one statement, each with the link to just its rows. One that is an
    alarm is so while anybody waits."""
    conditions = {f"queue_{number}": queue.condition for number, queue in enumerate(asked)}
    waiting = rows.order_by().filter(reduce(or_, conditions.values()))
    counts = waiting.aggregate(**{name: Count("pk", filter=where) for name, where in conditions.items()})
    for queue, count in zip(asked, counts.values(), strict=True):
        url = list_url(rows.model, queue.lookups, queue.link)
        yield Figure(queue.title, count, queue.hint, url, alarm=queue.alarm and count > 0, counted=count)


def list_url(model: type[Any], lookups: Mapping[str, Any] | None = None, link: Mapping[str, str] | None = None) -> str:
    """The model's list in the admin, filtered."""
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    asked = {name: _as_text(value) for name, value in (lookups or {}).items()} | dict(link or {})
    return f"{url}?{urlencode(asked)}" if asked else url


def _as_text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


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

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not any(number for numbers in self.series.values() for number in numbers)


@dataclass(frozen=True)
class Visit:
    """Somebody looks at the home."""

    user: Any
    now: datetime


May = Callable[[Any], bool]
Show = Callable[[Visit], Iterable[Figure | Chart]]


@dataclass(frozen=True)
class Panel:
    """Figures and charts of one area for those users who may see them."""

    area: str
    may_see: May
    show: Show


@dataclass
class Area:
    """A heading of the home, which is one of the sidebar too, with what stands under it."""

    title: str
    figures: list[Figure] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)


PANELS: list[Panel] = []


def panel(area: str, who: str | May) -> Callable[[Show], Show]:
    """Register a function whose figures and charts stand under `area` for `who`: holders of a permission, or those of
    whom a function says so."""

    def holds(user: Any) -> bool:
        return bool(user.has_perm(str(who)))

    def register(show: Show) -> Show:
        PANELS.append(Panel(area, who if callable(who) else holds, show))
        return show

    return register


def areas() -> list[str]:
    """The sidebar's groups in their order, which is the home's as well."""
    return [group["title"] for group in get_config()["SIDEBAR"]["navigation"]]


def fill_home(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The theme's dashboard callback: add what this user may see to the context of the admin's home."""
    visit = Visit(request.user, clock.now())
    found = {title: Area(title) for title in areas()}
    for one in PANELS:
        if one.may_see(visit.user):
            items = list(one.show(visit))
            found[one.area].figures += [item for item in items if isinstance(item, Figure)]
            found[one.area].charts += [item for item in items if isinstance(item, Chart)]
    context["areas"] = [area for area in found.values() if area.figures or area.charts]
    return context
