"""/api/workshop/suppliers: for staff, by name in any spelling."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from tests.answers import error
from tests.workshop.factories import PartFactory, SupplierFactory
from workshop.models import PurchaseOrder, Supplier

pytestmark = pytest.mark.django_db
URL = "/api/workshop/suppliers"


@pytest.fixture
def client(as_user: Any, make_user: Any) -> APIClient:
    return as_user(make_user(roles=["service_advisor"]))


def test_an_advisor_adds_and_changes_a_supplier(client: APIClient) -> None:
    answer = client.post(URL, {"name": "North Parts", "email": "orders@north.example", "phone": "1"})
    assert answer.status_code == 201, answer.content
    shown = answer.json()
    assert (shown["name"], shown["email"], shown["phone"]) == ("North Parts", "orders@north.example", "1")
    assert client.get(answer["Location"]).json() == shown
    assert client.patch(answer["Location"], {"phone": "2"}).json()["phone"] == "2"
    replaced = client.put(answer["Location"], {"name": "North"}).json()
    assert (replaced["name"], replaced["phone"]) == ("North", "2")


def test_a_name_is_that_of_one_supplier_in_any_spelling(client: APIClient) -> None:
    first, second = SupplierFactory(name="North Parts"), SupplierFactory()
    for answer in (
        client.post(URL, {"name": "NORTH  parts "}),
        client.patch(f"{URL}/{second.pk}", {"name": "north parts"}),
    ):
        assert (answer.status_code, error(answer)["code"], error(answer)["attr"]) == (409, "supplier_exists", "name")
        assert error(answer)["meta"] == {"existing_id": first.pk}
    assert client.patch(f"{URL}/{first.pk}", {"name": "NORTH PARTS"}).json()["name"] == "NORTH PARTS"


def test_a_name_that_grows_too_long_is_422(client: APIClient) -> None:
    answer = client.post(URL, {"name": "\ufdfa" * 100})
    assert (answer.status_code, error(answer)["code"]) == (422, "name_too_long")


@pytest.mark.parametrize(
    "body", [{"name": ""}, {"name": "x" * 201}, {"email": "nowhere"}, {"phone": "1" * 33}, {"name_key": "x"}, {"id": 1}]
)
def test_what_the_schema_does_not_allow_is_400(client: APIClient, body: dict[str, Any]) -> None:
    supplier = SupplierFactory()
    assert client.post(URL, {"name": "North"} | body).status_code == 400
    assert client.patch(f"{URL}/{supplier.pk}", body).status_code == 400
    assert Supplier.objects.count() == 1


def test_who_is_in_use_stays(client: APIClient) -> None:
    sells, expected, unused = SupplierFactory.create_batch(3)
    PartFactory(supplier=sells)
    PurchaseOrder.objects.create(supplier=expected)
    for supplier in (sells, expected):
        answer = client.delete(f"{URL}/{supplier.pk}")
        assert (answer.status_code, error(answer)["code"]) == (409, "supplier_in_use")
    assert client.delete(f"{URL}/{unused.pk}").status_code == 204
    assert client.delete(f"{URL}/{unused.pk}").status_code == 404


def test_suppliers_are_for_staff(as_user: Any, api: APIClient, make_user: Any, user: User) -> None:
    supplier = SupplierFactory()
    url = f"{URL}/{supplier.pk}"
    for person in (user, make_user(roles=["mechanic"]), make_user(roles=["finance"])):
        client = as_user(person)
        answers = [client.get(URL), client.get(url), client.post(URL, {"name": "X"}), client.patch(url, {})]
        assert [answer.status_code for answer in (*answers, client.delete(url))] == [403] * 5
    assert api.get(URL).status_code == 401


def test_who_only_looks_does_not_write(as_user: Any, make_user: Any) -> None:
    url = f"{URL}/{SupplierFactory().pk}"
    viewer = as_user(make_user(perms=["workshop.view_supplier"]))
    assert viewer.get(url).status_code == 200
    answers = [viewer.post(URL, {"name": "X"}), viewer.put(url, {"name": "X"}), viewer.delete(url)]
    assert [answer.status_code for answer in answers] == [403] * 3


def test_suppliers_are_searched_and_ordered(client: APIClient) -> None:
    north, south = SupplierFactory(name="north parts"), SupplierFactory(name="Ace", email="south@example.com")
    assert [row["id"] for row in client.get(f"{URL}?search=NORTH").json()["results"]] == [north.pk]
    assert [row["id"] for row in client.get(f"{URL}?search=south").json()["results"]] == [south.pk]
    assert [row["id"] for row in client.get(f"{URL}?ordering=name").json()["results"]] == [south.pk, north.pk]
    assert client.get(f"{URL}?phone=1").status_code == 400


def test_of_two_edits_of_one_version_the_second_is_412(client: APIClient) -> None:
    url = f"{URL}/{SupplierFactory().pk}"
    tag = client.get(url)["ETag"]
    assert client.patch(url, {"phone": "1"}, HTTP_IF_MATCH=tag).status_code == 200
    assert client.patch(url, {"phone": "2"}, HTTP_IF_MATCH=tag).status_code == 412


def test_the_number_of_queries_does_not_grow_with_the_rows(
    client: APIClient, django_assert_num_queries: Any, django_assert_max_num_queries: Any
) -> None:
    SupplierFactory()
    with django_assert_max_num_queries(5) as few:
        client.get(f"{URL}?count=exact")
    SupplierFactory.create_batch(5)
    with django_assert_num_queries(len(few)):
        client.get(f"{URL}?count=exact")
