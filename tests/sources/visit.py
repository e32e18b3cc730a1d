"""What the walks through the old systems' rows share: people of the demo data, and a register of walks by row."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import httpx

from tests.clients.demo import token
from tests.e2e.processes import Platform

Walk = Callable[["Visit"], None]
# By system and the row's first cell, without its back-ticks.
WALKS: dict[tuple[str, str], Walk] = {}
DIFFERENCES: dict[str, Walk] = {}


def walk(system: str, row: str) -> Callable[[Walk], Walk]:
    def register(function: Walk) -> Walk:
        assert WALKS.setdefault((system, row), function) is function, row
        return function

    return register


def difference(heading: str) -> Callable[[Walk], Walk]:
    def register(function: Walk) -> Walk:
        assert DIFFERENCES.setdefault(heading, function) is function, heading
        return function

    return register


def code_of(answer: httpx.Response) -> str:
    """The stable code of a refusal."""
    return str(answer.json()["errors"][0]["code"])


def must(answer: httpx.Response) -> Any:
    assert answer.is_success, f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}"
    return answer.json() if answer.content else None


@dataclass
class Visit:
    """Somebody who looks around on the server, as one person or another."""

    platform: Platform
    clients: ExitStack  # They are closed with it.

    def as_(self, name: str) -> httpx.Client:
        """A person of the demo data."""
        if name not in self._people:
            self._people[name] = self.clients.enter_context(self.platform.client(token(name)))
        return self._people[name]

    @cached_property
    def nobody(self) -> httpx.Client:
        return self.clients.enter_context(self.platform.client())

    @cached_property
    def _people(self) -> dict[str, httpx.Client]:
        return {}

    def register(self, **more: str) -> tuple[dict[str, str], dict[str, Any]]:
        """Somebody new: what was sent and what was answered."""
        body = {"email": f"{word()}@example.com", "username": word(), "password": "blue-Harbour-42", **more}
        return body, must(self.nobody.post("/api/auth/register", json=body))

    def newcomer(self) -> httpx.Client:
        return self.clients.enter_context(self.platform.client(self.register()[1]["access_token"]))


def word() -> str:
    """One that nobody used before."""
    return f"w{uuid.uuid4().hex[:10]}"
