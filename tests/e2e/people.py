"""The people of an end-to-end story, each with a client of their own."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import httpx

from tests.e2e.processes import ADMIN_EMAIL, ADMIN_PASSWORD, Platform

PASSWORD = "a long customer word 7"


def must(response: httpx.Response) -> Any:
    """The answer's JSON, of a request that has to succeed."""
    request = response.request
    assert response.is_success, f"{request.method} {request.url}: {response.status_code} {response.text}"
    return response.json() if response.content else None


def user_id(client: httpx.Client) -> int:
    return int(must(client.get("/api/auth/me"))["id"])


class Desk:
    """Makes people on a running platform; `stack` closes their clients."""

    def __init__(self, platform: Platform, stack: ExitStack) -> None:
        self._platform, self._stack = platform, stack
        self._people: dict[str, httpx.Client] = {}
        self.anybody = self._client()
        self.admin = self._signed_in(ADMIN_EMAIL, ADMIN_PASSWORD)
        self.stranger = self.person("stranger@example.com")

    def person(self, email: str, *roles: str) -> httpx.Client:
        """Somebody who registered, was given the roles, and is signed in; the same one for the same address."""
        if email not in self._people:
            registered = must(self.anybody.post("/api/auth/register", json={"email": email, "password": PASSWORD}))
            if roles:
                must(self.admin.patch(f"/api/users/{registered['user']['id']}", json={"groups": list(roles)}))
            self._people[email] = self._signed_in(email, PASSWORD)
        return self._people[email]

    def _signed_in(self, email: str, password: str) -> httpx.Client:
        answer = must(self.anybody.post("/api/auth/login", json={"email": email, "password": password}))
        return self._client(answer["access_token"])

    def _client(self, token: str | None = None) -> httpx.Client:
        return self._stack.enter_context(self._platform.client(token))
