"""Sixteen identical POSTs at once over HTTP: one is 201, fifteen are 409 and say why."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from accounts.tokens import issue_tokens
from cars.models import Car, Vehicle
from cars.services import DuplicateCar
from tests.concurrency.race import race

pytestmark = pytest.mark.django_db(transaction=True)

AT_ONCE = 16
CAMRY = {"make": "Toyota", "model": "Camry", "year": 2020}
Post = Callable[[str, dict[str, Any]], tuple[int, dict[str, Any]]]


@pytest.fixture
def post(live_server: Any, user: User) -> Post:
    """Sends a body; answers the status and the parsed body."""
    token = issue_tokens(user=user, now=timezone.now()).access

    def send(path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{live_server.url}{path}", json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, json.load(refused)

    return send


def statuses(results: list[Any]) -> Counter[int]:
    assert not [result for result in results if isinstance(result, Exception)]
    return Counter(status for status, _ in results)


def errors(results: list[Any]) -> list[dict[str, Any]]:
    return [body["errors"][0] for status, body in results if status != 201]


def test_of_sixteen_identical_cars_one_is_made(post: Post) -> None:
    spellings = [CAMRY | {"make": make} for make in ("Toyota", "TOYOTA", "toyota", "ＴＯＹＯＴＡ")]
    results = race([partial(post, "/api/cars", body) for body in spellings * (AT_ONCE // 4)])
    assert statuses(results) == {201: 1, 409: AT_ONCE - 1}
    car = Car.objects.get()
    assert {error["code"] for error in errors(results)} == {"duplicate_car"}
    assert [error["meta"] for error in errors(results)] == [{"existing_id": car.pk}] * (AT_ONCE - 1)


def test_of_sixteen_vehicles_with_one_vin_one_is_made(post: Post) -> None:
    results = race([partial(post, "/api/garage", {"vin": "1HGCM82633A004352"})] * AT_ONCE)
    assert statuses(results) == {201: 1, 409: AT_ONCE - 1}
    assert {error["code"] for error in errors(results)} == {"vin_in_use"}
    assert Vehicle.objects.get().events.count() == 1


@pytest.mark.postgres
def test_looking_first_and_saving_then_does_not_do_it(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: all look before anybody has saved, so nobody finds the row whose id they owe an answer. (SQLite has
    one writer from the first statement on, so there nobody can look while another is about to save.)"""
    all_have_looked = threading.Barrier(AT_ONCE)

    def look_and_save(car: Car, *, actor: User | None) -> Car:
        existing = Car.objects.filter(make_key=car.make_key, model_key=car.model_key, year=car.year).first()
        all_have_looked.wait(timeout=30)
        if existing:
            raise DuplicateCar(meta={"existing_id": existing.pk})
        car.save()
        return car

    monkeypatch.setattr("cars.services.cars._save", look_and_save)
    results = race([partial(post, "/api/cars", CAMRY)] * AT_ONCE)
    assert statuses(results)[201] == 1
    assert "duplicate_car" not in {error["code"] for error in errors(results)}
