"""PUT, PATCH and DELETE /api/cars/{id}, and POST /api/cars/{id}/unlock."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from cars.models import Car, SyncSuppression
from tests.factories import CarFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def own(user: User) -> Car:
    return CarFactory(make="Toyota", model="Camry", year=2020, created_by=user)


@pytest.fixture
def synced() -> Car:
    return CarFactory(make="Honda", model="Civic", year=2020, source="file", external_id="h1")


def code(answer: Any) -> str:
    return answer.json()["errors"][0]["code"]


def test_the_creator_changes_a_manual_row(as_user: Any, user: User, own: Car) -> None:
    answer = as_user(user).patch(f"/api/cars/{own.pk}", {"category": "Coupe"})
    assert (answer.status_code, answer.json()["category"]) == (200, "Coupe")
    assert answer.json()["locked_fields"] == []


def test_somebody_else_may_not(as_user: Any, other_user: User, own: Car) -> None:
    client = as_user(other_user)
    assert client.patch(f"/api/cars/{own.pk}", {"category": "X"}).status_code == 403
    assert client.put(f"/api/cars/{own.pk}", {"make": "A", "model": "B", "year": 2000}).status_code == 403
    assert client.delete(f"/api/cars/{own.pk}").status_code == 403
    own.refresh_from_db()
    assert own.category == "Sedan"


def test_nobody_may_without_signing_in(api: APIClient, own: Car) -> None:
    assert api.patch(f"/api/cars/{own.pk}", {"category": "X"}).status_code == 401
    assert api.delete(f"/api/cars/{own.pk}").status_code == 401


@pytest.mark.parametrize(
    ("perm", "method", "status"),
    [
        ("cars.change_car", "patch", 200),
        ("cars.delete_car", "patch", 403),
        ("cars.delete_car", "delete", 204),
        ("cars.change_car", "delete", 403),
    ],
)
def test_staff_need_the_permission_for_what_they_do(
    as_user: Any, make_user: Any, synced: Car, perm: str, method: str, status: int
) -> None:
    call = getattr(as_user(make_user(perms=[perm])), method)
    assert call(f"/api/cars/{synced.pk}", {"category": "X"} if method == "patch" else None).status_code == status


def test_a_missing_car_is_404_for_all(as_user: Any, user: User, admin_user: User) -> None:
    for who in (user, admin_user):
        assert as_user(who).patch("/api/cars/999999", {"category": "X"}).status_code == 404
        assert as_user(who).delete("/api/cars/999999").status_code == 404


def test_put_needs_make_model_and_year_and_keeps_the_category(as_user: Any, user: User, own: Car) -> None:
    client = as_user(user)
    assert client.put(f"/api/cars/{own.pk}", {"make": "Toyota", "model": "Corolla"}).status_code == 400
    answer = client.put(f"/api/cars/{own.pk}", {"make": "Toyota", "model": "Corolla", "year": 2021})
    assert (answer.status_code, answer.json()["category"]) == (200, "Sedan")
    assert (answer.json()["model"], answer.json()["year"]) == ("Corolla", 2021)


@pytest.mark.parametrize("method", ["put", "patch"])
def test_a_collision_is_409(as_user: Any, user: User, own: Car, synced: Car, method: str) -> None:
    taken = {"make": "HONDA", "model": "civic", "year": 2020}
    answer = getattr(as_user(user), method)(f"/api/cars/{own.pk}", taken)
    assert (answer.status_code, code(answer)) == (409, "duplicate_car")
    assert answer.json()["errors"][0]["meta"] == {"existing_id": synced.pk}


def test_another_spelling_of_itself_is_no_collision(as_user: Any, user: User, own: Car) -> None:
    answer = as_user(user).patch(f"/api/cars/{own.pk}", {"make": "TOYOTA"})
    assert (answer.status_code, answer.json()["make"]) == (200, "TOYOTA")


@pytest.mark.parametrize("member", ["id", "source", "external_id", "locked_fields", "created_at", "owner"])
def test_read_only_and_unknown_members_are_400(as_user: Any, user: User, own: Car, member: str) -> None:
    answer = as_user(user).patch(f"/api/cars/{own.pk}", {member: None})
    assert (answer.status_code, answer.json()["errors"][0]["attr"]) == (400, member)


def test_of_two_edits_of_one_version_the_second_is_412(as_user: Any, user: User, own: Car) -> None:
    client = as_user(user)
    tag = client.get(f"/api/cars/{own.pk}")["ETag"]
    first = client.patch(f"/api/cars/{own.pk}", {"category": "A"}, HTTP_IF_MATCH=tag)
    second = client.patch(f"/api/cars/{own.pk}", {"category": "B"}, HTTP_IF_MATCH=tag)
    assert (first.status_code, second.status_code) == (200, 412)


def test_what_changes_in_a_synced_row_is_locked(as_user: Any, admin_user: User, synced: Car) -> None:
    client = as_user(admin_user)
    answer = client.patch(f"/api/cars/{synced.pk}", {"model": "Civic Type R", "year": 2020})
    assert answer.json()["locked_fields"] == ["model"]
    answer = client.patch(f"/api/cars/{synced.pk}", {"category": "Sport"})
    assert answer.json()["locked_fields"] == ["category", "model"]


def test_a_change_to_the_same_writes_nothing(as_user: Any, admin_user: User, synced: Car) -> None:
    answer = as_user(admin_user).patch(f"/api/cars/{synced.pk}", {"model": "Civic"})
    assert answer.json()["locked_fields"] == []
    assert not synced.history.filter(history_type="~").exists()
    before = synced.updated_at
    synced.refresh_from_db()
    assert synced.updated_at == before


def test_unlocking_frees_the_named_fields_or_all(as_user: Any, admin_user: User, synced: Car) -> None:
    Car.objects.filter(pk=synced.pk).update(locked_fields=["category", "model", "year"])
    client = as_user(admin_user)
    some = client.post(f"/api/cars/{synced.pk}/unlock", {"fields": ["model", "make"]})
    assert (some.status_code, some.json()["locked_fields"]) == (200, ["category", "year"])
    assert client.post(f"/api/cars/{synced.pk}/unlock").json()["locked_fields"] == []
    assert client.post(f"/api/cars/{synced.pk}/unlock", {}).status_code == 200


def test_unlocking_is_for_staff_and_of_fields_that_exist(as_user: Any, user: User, make_user: Any, synced: Car) -> None:
    staff = as_user(make_user(perms=["cars.unlock_car"]))
    assert as_user(user).post(f"/api/cars/{synced.pk}/unlock").status_code == 403
    assert staff.post(f"/api/cars/{synced.pk}/unlock", {"fields": ["source"]}).status_code == 400
    assert staff.post(f"/api/cars/{synced.pk}/unlock", {"fields": []}).status_code == 400
    assert staff.post("/api/cars/999999/unlock").status_code == 404


def test_the_creator_deletes_a_manual_row(as_user: Any, user: User, own: Car) -> None:
    client = as_user(user)
    assert client.delete(f"/api/cars/{own.pk}").status_code == 204
    assert client.get(f"/api/cars/{own.pk}").status_code == 404
    assert not SyncSuppression.objects.exists()


def test_a_deleted_synced_row_is_suppressed(as_user: Any, admin_user: User, synced: Car) -> None:
    assert as_user(admin_user).delete(f"/api/cars/{synced.pk}").status_code == 204
    row = SyncSuppression.objects.get()
    assert (row.source, row.provider, row.external_id, row.created_by) == ("cars", "file", "h1", admin_user)
