"""Clients that write without pause while something breaks, and remember every answer: those of `write_load` never
repeat themselves, those of `resending` do until they are answered."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

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

    def wait_for(self, more: int, *, within: float = 120) -> None:
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


# One request: the number of it, and the header that makes a repetition known as one. None: there is nothing more to do.
Ask = Callable[[httpx.Client, int, dict[str, str]], httpx.Response | None]


class Resenders:
    """Clients that send each request again, under its key, until it is answered with success: afterwards all that is
    there was acknowledged, and all that was acknowledged is there, once. `acked` holds the answers by name; `answers`
    counts the others."""

    def __init__(self) -> None:
        self.acked: dict[str, list[httpx.Response]] = {}
        self.answers: Counter[int | str] = Counter()
        self.oddities: list[str] = []
        self._acked_at: list[float] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def _run(self, url: str, name: str, ask: Ask) -> None:
        with httpx.Client(base_url=url, timeout=30) as client:
            number, goes_on = 0, True
            while goes_on and not self._stop.is_set():
                number += 1
                goes_on = self._bring_to_its_end(client, name, ask, number)

    def _bring_to_its_end(self, client: httpx.Client, name: str, ask: Ask, number: int) -> bool:
        """Also when the load ends meanwhile. False: the client has done all that it was to do."""
        headers = {"Idempotency-Key": f"{id(self)}-{name}-{number}"}
        while True:
            try:
                answer = ask(client, number, headers)
            except httpx.TransportError:
                with self._lock:
                    self.answers[REFUSED] += 1
            else:
                if answer is None or self._is_final(name, answer):
                    return answer is not None
            time.sleep(0.02)  # Not the whole machine for clients that are told to come back later.

    def _is_final(self, name: str, answer: httpx.Response) -> bool:
        with self._lock:
            if answer.is_success:
                self.acked.setdefault(name, []).append(answer)
                self._acked_at.append(time.monotonic())
                return True
            self.answers[answer.status_code] += 1
            if "Retry-After" in answer.headers:
                return False
            self.oddities.append(f"{name} {answer.status_code} {answer.text[:300]}")
            return True

    def wait_for_each(self, names: Iterable[str], more: int, *, within: float = 180) -> None:
        """Until each of them was acknowledged so many times more."""
        target = {name: len(self.acked.get(name, [])) + more for name in names}
        deadline = time.monotonic() + within
        while any(len(self.acked.get(name, [])) < number for name, number in target.items()):
            assert time.monotonic() < deadline, f"{target} not within {within} s: {self.answers} {self.oddities[:5]}"
            time.sleep(0.01)

    def first_success_after_s(self, moment: float) -> float:
        """Seconds; `moment` is one of `time.monotonic`."""
        return next(at for at in self._acked_at if at > moment) - moment

    def made(self, names: str, *, field: str = "id") -> list[Any]:
        """What the 201s of all whose name begins so have made."""
        answers = [answer for name, found in self.acked.items() if name.startswith(names) for answer in found]
        return [answer.json()[field] for answer in answers if answer.status_code == 201]

    @property
    def all_acked(self) -> int:
        return sum(map(len, self.acked.values()))


@contextmanager
def resending(url: str, actors: Mapping[str, Ask]) -> Iterator[Resenders]:
    """A thread for each actor while the block runs; afterwards each has had its last answer."""
    load = Resenders()
    threads = [threading.Thread(target=load._run, args=(url, name, ask)) for name, ask in actors.items()]
    for thread in threads:
        thread.start()
    try:
        yield load
    finally:
        load._stop.set()
        for thread in threads:
            thread.join()


def sign_in(platform: Platform, email: str = PERSON["email"]) -> str:
    """Registers `PERSON`, or somebody with another address; returns the access token."""
    with platform.client() as client:
        answer = client.post("/api/auth/register", json=PERSON | {"email": email})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["access_token"])
