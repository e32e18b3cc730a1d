"""GET /api/cars/{id}/history."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from cars import services
from cars.models import Car, SyncRun
from tests.factories import CarFactory

pytestmark = pytest.mark.django_db


def entries(client: APIClient, car: Car, query: str = "") -> list[dict[str, Any]]:
    answer = client.get(f"/api/cars/{car.pk}/history{query}")
    assert answer.status_code == 200, answer.content
    return answer.json()["results"]


def without_history(**fields: Any) -> Car:
    """A row as the sync makes it."""
    car = CarFactory(**fields)
    car.history.all().delete()
    return car


def test_it_says_who_changed_what(as_user: Any, user: User, admin_user: User) -> None:
    client = as_user(user)
    made = client.post("/api/cars", {"make": "Toyota", "model": "Camry", "year": 2020}).json()
    as_user(admin_user).patch(f"/api/cars/{made['id']}", {"year": 2021})
    changed, created = entries(as_user(admin_user), Car.objects.get())
    assert (changed["action"], changed["user"], changed["run_id"]) == ("changed", admin_user.pk, None)
    assert changed["changes"] == [{"field": "year", "old": 2020, "new": 2021}]
    assert (created["action"], created["user"]) == ("created", user.pk)
    assert {"field": "make", "old": None, "new": "Toyota"} in created["changes"]
    assert created["at"].endswith("Z")


def test_only_staff_read_it(api: APIClient, as_user: Any, user: User, make_user: Any) -> None:
    car = CarFactory(created_by=user)
    assert api.get(f"/api/cars/{car.pk}/history").status_code == 401
    assert as_user(user).get(f"/api/cars/{car.pk}/history").status_code == 403
    staff = as_user(make_user(perms=["cars.view_historicalcar"]))
    assert staff.get(f"/api/cars/{car.pk}/history").status_code == 200
    assert staff.get("/api/cars/999999/history").status_code == 404


def test_the_first_edit_of_a_synced_row_is_told_from_what_the_run_brought(as_user: Any, admin_user: User) -> None:
    run = SyncRun.objects.create(source="cars", provider="file", trigger="schedule", status="succeeded")
    car = without_history(source="file", external_id="1", category="Sedan", created_in_run=run)
    services.update_car(car=car, actor=admin_user, data={"category": "SUV"}, now=timezone.now())
    changed, created = entries(as_user(admin_user), car)
    assert {"field": "category", "old": "Sedan", "new": "SUV"} in changed["changes"]
    assert {"field": "locked_fields", "old": [], "new": ["category"]} in changed["changes"]
    assert (created["action"], created["user"], created["run_id"]) == ("created", None, run.pk)


def test_a_change_by_a_sync_names_its_run(as_user: Any, admin_user: User) -> None:
    car = CarFactory(category="Sedan")
    car.category, car._change_reason = "SUV", Car.run_reason(17)
    car.save()
    first = entries(as_user(admin_user), car)[0]
    assert (first["run_id"], first["user"]) == (17, None)


def test_a_change_at_the_end_of_a_page_is_compared_with_the_next(as_user: Any, admin_user: User) -> None:
    car = CarFactory(year=2018)
    for year in (2019, 2020):
        services.update_car(car=car, actor=admin_user, data={"year": year}, now=timezone.now())
    (last,) = entries(as_user(admin_user), car, "?limit=1")
    assert last["changes"] == [{"field": "year", "old": 2019, "new": 2020}]


def test_a_change_whose_earlier_state_was_not_kept_has_no_details(as_user: Any, admin_user: User) -> None:
    car = without_history()
    car.category = "SUV"
    car.save()
    (only,) = entries(as_user(admin_user), car)
    assert (only["action"], only["changes"]) == ("changed", [])


def test_the_number_of_queries_does_not_grow(
    as_user: Any, admin_user: User, django_assert_num_queries: Any, django_assert_max_num_queries: Any
) -> None:
    car, client = CarFactory(), as_user(admin_user)
    with django_assert_max_num_queries(8) as few:
        entries(client, car)
    for year in range(2000, 2010):
        services.update_car(car=car, actor=admin_user, data={"year": year}, now=timezone.now())
    with django_assert_num_queries(len(few)):
        entries(client, car)
