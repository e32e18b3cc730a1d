"""Viewsets: the order of refusals, visibility, conditional requests and commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from rest_framework.test import APIClient

from accounts.models import User
from cars.models import Car, Vehicle
from common.renderers import dump_json

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.common.urls")]
SignIn = Callable[[User], APIClient]


@pytest.fixture
def client(as_user: SignIn, user: User) -> APIClient:
    return as_user(user)


@pytest.fixture
def car(db: None) -> Car:
    return Car.objects.create(make="Audi", model="Q3", year=2020)


def code(response: Any) -> str:
    return response.json()["errors"][0]["code"]


@pytest.mark.parametrize(("method", "path"), [("PUT", "/api/cars"), ("TRACE", "/api/cars"), ("GET", "/api/cars/wash")])
def test_a_method_that_nobody_offers_is_405_even_to_strangers(api: APIClient, method: str, path: str) -> None:
    response = api.generic(method, path)

    assert (response.status_code, code(response)) == (405, "method_not_allowed")
    assert "POST" in response["Allow"]


def test_strangers_are_asked_who_they_are(api: APIClient, car: Car) -> None:
    response = api.get(f"/api/cars/{car.pk}")

    assert (response.status_code, code(response)) == (401, "not_authenticated")
    assert response["WWW-Authenticate"] == 'Bearer realm="api"'


def test_permissions_are_per_action_and_compose(
    client: APIClient, user: User, as_user: SignIn, admin_user: User, car: Car
) -> None:
    assert client.post(f"/api/cars/{car.pk}/paint", {"color": "red"}).status_code == 200
    assert client.delete(f"/api/cars/{car.pk}").status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="delete_car"))

    assert as_user(user).post(f"/api/cars/{car.pk}/paint", {"color": "red"}).status_code == 403
    assert as_user(admin_user).delete(f"/api/cars/{car.pk}").status_code == 204


def test_what_is_hidden_looks_exactly_like_what_is_missing(client: APIClient, other_user: User) -> None:
    hidden = Vehicle.objects.create(owner=other_user)

    of_another = client.get(f"/api/vehicles/{hidden.pk}")
    of_nobody = client.get(f"/api/vehicles/{hidden.pk + 1}")

    assert of_another.status_code == of_nobody.status_code == 404
    assert of_another.content == of_nobody.content
    ours = {"X-Request-ID", "RateLimit-Remaining", "RateLimit-Reset"}
    assert {k: v for k, v in of_another.items() if k not in ours} == {
        k: v for k, v in of_nobody.items() if k not in ours
    }


@pytest.mark.parametrize("pk", ["0", "01", "-1", "abc", "1.0", "9" * 19, "9" * 30, "%2f", "%D9%A1", "1%0A"])
def test_an_id_that_is_none_is_404(client: APIClient, pk: str) -> None:
    response = client.get(f"/api/cars/{pk}")

    assert (response.status_code, response["Content-Type"]) == (404, "application/json")


def test_an_id_in_a_body_must_exist_and_be_visible(client: APIClient, car: Car, user: User, other_user: User) -> None:
    mine, theirs = (Vehicle.objects.create(owner=owner) for owner in (user, other_user))

    def paint(**extra: Any) -> Any:
        return client.post(f"/api/cars/{car.pk}/paint", {"color": "red", **extra})

    assert paint(vehicle=mine.pk, cars=[car.pk, car.pk]).json() == {"color": "red", "cars": [car.pk, car.pk]}
    for refused in (paint(vehicle=theirs.pk), paint(vehicle=theirs.pk + 1), paint(cars=[car.pk, 999])):
        assert (refused.status_code, code(refused)) == (422, "does_not_exist")
    assert paint(cars=[car.pk, 999]).json()["errors"][0]["attr"] == "cars.1"
    for broken in (paint(cars={}), paint(cars="1"), paint(vehicle="1"), paint(cars=[1] * 51), paint(vehicle=2**63)):
        assert broken.status_code == 400


def test_creating_answers_201_with_its_location(client: APIClient) -> None:
    response = client.post("/api/cars", {"make": "Audi", "model": "Q3", "year": 2020.0})
    pk = response.json()["id"]

    assert (response.status_code, response["Location"]) == (201, f"http://testserver/api/cars/{pk}")
    assert client.get(response["Location"])["ETag"] == response["ETag"]


@pytest.mark.django_db(transaction=True)
def test_a_duplicate_that_only_the_database_sees_is_409(client: APIClient, car: Car) -> None:
    response = client.post("/api/cars", {"make": " AUDI ", "model": "q3", "year": 2020})

    assert (response.status_code, code(response)) == (409, "unique")
    assert Car.objects.count() == 1


@pytest.mark.parametrize("extra", ["id", "source", "created_at", "make_key", "is_staff"])
def test_nobody_assigns_what_is_not_his_to_assign(client: APIClient, car: Car, extra: str) -> None:
    response = client.patch(f"/api/cars/{car.pk}", {extra: "1"})

    assert response.status_code == 400
    assert code(response) in {"read_only", "unknown_field"}


def test_put_needs_the_whole_and_patch_a_part(client: APIClient, car: Car) -> None:
    assert client.put(f"/api/cars/{car.pk}", {"make": "BMW"}).status_code == 400
    assert client.patch(f"/api/cars/{car.pk}", {"make": "BMW"}).json()["make"] == "BMW"
    assert client.patch(f"/api/cars/{car.pk}").status_code == 200


def test_the_tag_follows_the_representation(client: APIClient, car: Car) -> None:
    first = client.get(f"/api/cars/{car.pk}")
    tag = first["ETag"]
    Car.objects.update(created_in_run=None)  # Nothing a viewer sees.

    unchanged = client.get(f"/api/cars/{car.pk}", HTTP_IF_NONE_MATCH=f'"x", W/{tag}')
    assert (unchanged.status_code, unchanged.content, unchanged["ETag"]) == (304, b"", tag)
    Car.objects.update(category="SUV")
    assert client.get(f"/api/cars/{car.pk}", HTTP_IF_NONE_MATCH=tag).status_code == 200


@pytest.mark.parametrize("prefix", ["", "W/"])
def test_of_two_who_read_the_same_version_the_second_is_refused(client: APIClient, car: Car, prefix: str) -> None:
    tag = prefix + client.get(f"/api/cars/{car.pk}")["ETag"]

    first = client.patch(f"/api/cars/{car.pk}", {"year": 2021}, HTTP_IF_MATCH=tag)
    second = client.patch(f"/api/cars/{car.pk}", {"year": 2022}, HTTP_IF_MATCH=tag)

    assert (first.status_code, second.status_code, code(second)) == (200, 412, "precondition_failed")
    assert client.put(f"/api/cars/{car.pk}", {}, HTTP_IF_MATCH="nonsense").status_code == 412
    assert client.patch(f"/api/cars/{car.pk}", {"year": 2023}, HTTP_IF_MATCH="*").status_code == 200
    assert client.patch(f"/api/cars/{car.pk}", {"year": 2024}, HTTP_IF_MATCH=first["ETag"]).status_code == 412


def test_deleting_honours_if_match(as_user: SignIn, admin_user: User, car: Car) -> None:
    client = as_user(admin_user)

    assert client.delete(f"/api/cars/{car.pk}", HTTP_IF_MATCH='"old"').status_code == 412
    assert (
        client.delete(f"/api/cars/{car.pk}", HTTP_IF_MATCH=client.get(f"/api/cars/{car.pk}")["ETag"]).status_code == 204
    )


def test_a_command_without_a_body_is_the_same_as_an_empty_object(client: APIClient) -> None:
    assert client.post("/api/cars/wash").status_code == 204
    assert client.post("/api/cars/wash", {}).status_code == 204
    assert client.post("/api/cars/wash", {"hot": True}).status_code == 400
    assert client.generic("POST", "/api/cars/wash", b"", content_type="text/plain").status_code == 204


def test_an_unknown_format_is_406(client: APIClient, car: Car) -> None:
    for accept in ("application/xml", "text/html"):
        response = client.get(f"/api/cars/{car.pk}", HTTP_ACCEPT=accept)
        assert (response.status_code, response["Content-Type"]) == (406, "application/json")


def test_options_describes_to_signed_in_people_only(client: APIClient, api: APIClient) -> None:
    assert api.options("/api/cars").status_code == 401
    assert client.options("/api/cars").json()["methods"] == ["GET", "POST", "HEAD", "OPTIONS"]
    assert api.options("/api/echo").status_code == 401


def test_head_is_get_without_the_body(client: APIClient, car: Car) -> None:
    response = client.head(f"/api/cars/{car.pk}")

    assert (response.status_code, response.content) == (200, b"")
    assert response["ETag"] == client.get(f"/api/cars/{car.pk}")["ETag"]


def test_a_stray_parameter_is_refused_on_single_resources_too(client: APIClient, car: Car) -> None:
    assert code(client.get(f"/api/cars/{car.pk}?fields=id")) == "unknown_parameter"
    assert client.patch(f"/api/cars/{car.pk}?force=1", {}).status_code == 400


def test_the_root_lists_the_collections(api: APIClient) -> None:
    collections = api.get("/api").json()

    assert collections["cars"] == "http://testserver/api/cars"
    assert "vehicles" not in collections  # It has no list.


def test_unrouted_paths_answer_in_json(api: APIClient) -> None:
    for path in ("/api/nothing", "/nothing", "/api//cars"):
        response = api.get(path, HTTP_ACCEPT="*/*")
        assert (response.status_code, response["Content-Type"]) == (404, "application/json")
        assert response.content == dump_json(
            {"type": "client_error", "errors": [{"code": "not_found", "detail": "Not found.", "attr": None}]}
        )
    assert api.get("/nothing", HTTP_ACCEPT="text/html")["Content-Type"].startswith("text/html")
