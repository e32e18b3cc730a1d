"""Clients that write without pause while something breaks, and remember every answer."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.e2e.processes import Platform

PERSON = {"email": "carla@example.com", "password": "a long customer word 7"}
CUT = "cut"  # The connection ended within an answer.
REFUSED = "refused"  # It ended before the first byte of an answer, or was not taken.


class WriteLoad:
    """`answers` counts statuses, `cut` and `refused`; `acknowledged` holds the ids of the 201s and `oddities` what else
    is wrong with an answer. A transport error is no answer: the caller does not know what became of the request."""

    def __init__(self, url: str, token: str) -> None:
        self.answers: Counter[int | str] = Counter()
        self.acknowledged: list[int] = []
        self.oddities: list[str] = []
        self.slowest_s = 0.0
        self.last_success_at = 0.0
        self._url, self._token = url, token
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def _write(self, name: str) -> None:
        headers = {"Authorization": f"Bearer {self._token}"}
        with httpx.Client(base_url=self._url, headers=headers, timeout=30) as client:
            number = 0
            while not self._stop.is_set():
                number += 1
                started = time.monotonic()
                try:
                    answer = client.post("/api/cars", json={"make": name, "model": f"Model {number}", "year": 2020})
                except httpx.TransportError as error:
                    self._note_no_answer(error)
                    continue
                self._note(answer, time.monotonic() - started)
                if answer.status_code >= 500:
                    self._stop.wait(0.02)  # Not the whole machine for clients that are told to come back later.

    def _note(self, answer: httpx.Response, seconds: float) -> None:
        with self._lock:
            self.answers[answer.status_code] += 1
            self.slowest_s = max(self.slowest_s, seconds)
            if answer.status_code == 201:
                self.acknowledged.append(answer.json()["id"])
                self.last_success_at = time.monotonic()
            elif answer.status_code == 503 and "Retry-After" not in answer.headers:
                self.oddities.append("503 without Retry-After")
            elif answer.status_code != 503:
                self.oddities.append(f"{answer.status_code} {answer.text[:300]}")

    def _note_no_answer(self, error: httpx.TransportError) -> None:
        half = isinstance(error, httpx.RemoteProtocolError) and "without sending" not in str(error)
        with self._lock:
            self.answers[CUT if half else REFUSED] += 1
        self._stop.wait(0.02)

    def wait_for(self, more: int, *, within: float = 30) -> None:
        """Until so many more writes were acknowledged."""
        target, deadline = len(self.acknowledged) + more, time.monotonic() + within
        while len(self.acknowledged) < target:
            assert time.monotonic() < deadline, f"no {more} writes within {within} s: {self.answers} {self.oddities}"
            time.sleep(0.01)


@contextmanager
def write_load(platform: Platform, token: str, *, clients: int = 8) -> Iterator[WriteLoad]:
    """Writes while the block runs; afterwards every client has had its last answer."""
    load = WriteLoad(platform.url, token)
    threads = [threading.Thread(target=load._write, args=(f"{id(load)}-{one}",)) for one in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        load._stop.set()
        for thread in threads:
            thread.join()


def sign_in(platform: Platform) -> str:
    """Registers `PERSON`; returns the access token."""
    with platform.client() as client:
        answer = client.post("/api/auth/register", json=PERSON)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["access_token"])
