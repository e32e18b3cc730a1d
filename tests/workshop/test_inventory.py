"""/api/workshop/inventory: listing, adding, reading, changing and deleting parts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from tests.answers import error
from tests.workshop.factories import PartFactory, PartLineFactory, SupplierFactory
from workshop.models import LowStockAlert, Part

pytestmark = pytest.mark.django_db

URL = "/api/workshop/inventory"
BODY = {"name": "Oil filter", "sku": "OF-2003", "price": "12.90", "cost": 6.4}


@pytest.fixture
def advisor(as_user: Any, make_user: Any) -> APIClient:
    return as_user(make_user(roles=["service_advisor"]))


@pytest.fixture
def customer(as_user: Any, user: Any) -> APIClient:
    return as_user(user)


def names(answer: Any) -> list[str]:
    return [row["name"] for row in answer.json()["results"]]


def test_a_new_part_has_nothing_on_hand(advisor: APIClient) -> None:
    supplier = SupplierFactory()
    answer = advisor.post(URL, {**BODY, "supplier": supplier.pk, "supplier_sku": "W 610/3", "unit": "box"})
    assert answer.status_code == 201, answer.content
    shown = answer.json()
    assert {**shown, "id": 0, "created_at": "", "updated_at": ""} == {
        "id": 0, "name": "Oil filter", "sku": "OF-2003", "description": "", "unit": "box", "price": "12.90",
        "cost": "6.40", "low_stock_threshold": "0.000", "supplier": supplier.pk, "supplier_sku": "W 610/3",
        "product": None, "on_hand": "0.000", "reserved": "0.000", "available": "0.000", "low_stock": False,
        "archived_at": None, "created_at": "", "updated_at": "",
    }  # fmt: skip
    assert advisor.get(answer["Location"]).json() == shown


def test_a_part_with_a_threshold_is_low_from_the_start(advisor: APIClient) -> None:
    assert advisor.post(URL, {**BODY, "low_stock_threshold": "1.5"}).json()["low_stock"] is True
    assert LowStockAlert.objects.get().threshold == Decimal("1.5")


def test_an_sku_is_taken_in_every_spelling(advisor: APIClient) -> None:
    part = PartFactory(sku="OF 2003")
    other = PartFactory(sku="AF-1")
    for answer in (
        advisor.post(URL, {**BODY, "sku": "of  2003"}),
        advisor.patch(f"{URL}/{other.pk}", {"sku": "\uff2f\uff26 2003"}),
    ):
        assert (answer.status_code, error(answer)["code"], error(answer)["attr"]) == (409, "sku_taken", "sku")
        assert error(answer)["meta"] == {"existing_id": part.pk}
    assert advisor.patch(f"{URL}/{part.pk}", {"sku": "of 2003"}).json()["sku"] == "of 2003"


def test_an_sku_that_grows_too_long_is_422(advisor: APIClient) -> None:
    answer = advisor.post(URL, {**BODY, "sku": "\ufdfa" * 64})
    assert (answer.status_code, error(answer)["code"]) == (422, "sku_too_long")


def test_a_supplier_that_does_not_exist_is_422(advisor: APIClient) -> None:
    answer = advisor.post(URL, {**BODY, "supplier": 999999})
    assert (answer.status_code, error(answer)["attr"]) == (422, "supplier")


@pytest.mark.parametrize(
    "change",
    [
        {"price": "-0.01"},
        {"price": "1.005"},
        {"price": None},
        {"cost": -1},
        {"low_stock_threshold": "0.0001"},
        {"name": ""},
        {"sku": " "},
        {"unit": "x" * 17},
        {"supplier": "1"},
        {"colour": "red"},
        {"id": 1},
        {"sku_key": "x"},
        {"on_hand": "5"},
        {"reserved": "0"},
        {"available": "5"},
        {"low_stock": False},
        {"archived_at": None},
        {"product": 1},
        {"created_at": "2020-01-01T00:00:00Z"},
    ],
)
def test_what_the_schema_does_not_allow_is_400(advisor: APIClient, change: dict[str, Any]) -> None:
    part = PartFactory(on_hand=2)
    assert advisor.post(URL, BODY | change).status_code == 400
    assert advisor.put(f"{URL}/{part.pk}", BODY | change).status_code == 400
    assert advisor.patch(f"{URL}/{part.pk}", change).status_code == 400
    assert Part.objects.values("name", "on_hand").get() == {"name": part.name, "on_hand": 2}


def test_what_a_post_needs(advisor: APIClient) -> None:
    assert {fault["attr"] for fault in advisor.post(URL, {}).json()["errors"]} == {"name", "sku", "price", "cost"}


def test_a_part_is_replaced_and_changed(advisor: APIClient) -> None:
    part = PartFactory(on_hand=2, unit="litre")
    assert advisor.put(f"{URL}/{part.pk}", BODY).json()["name"] == "Oil filter"
    shown = advisor.patch(f"{URL}/{part.pk}", {"price": 13.5, "description": "Spin-on.\nM20."}).json()
    assert (shown["price"], shown["description"], shown["unit"], shown["on_hand"]) == (
        "13.50", "Spin-on.\nM20.", "litre", "2.000",
    )  # fmt: skip


def test_a_new_threshold_opens_and_closes_the_alert(advisor: APIClient) -> None:
    part = PartFactory(on_hand=2)
    advisor.patch(f"{URL}/{part.pk}", {"low_stock_threshold": "3"})
    assert LowStockAlert.objects.filter(closed_at=None).count() == 1
    advisor.patch(f"{URL}/{part.pk}", {"low_stock_threshold": "2"})
    assert LowStockAlert.objects.filter(closed_at=None).count() == 0


def test_of_two_edits_of_one_version_the_second_is_412(advisor: APIClient) -> None:
    url = f"{URL}/{PartFactory().pk}"
    tag = advisor.get(url)["ETag"]
    assert advisor.get(url, HTTP_IF_NONE_MATCH=tag).status_code == 304
    assert advisor.patch(url, {"price": "1"}, HTTP_IF_MATCH=tag).status_code == 200
    assert advisor.patch(url, {"price": "2"}, HTTP_IF_MATCH=tag).status_code == 412
    assert advisor.delete(url, HTTP_IF_MATCH=tag).status_code == 412


def test_a_part_that_was_never_used_is_deleted(advisor: APIClient) -> None:
    part = PartFactory(low_stock_threshold=1)
    LowStockAlert.objects.create(part=part, available=0, threshold=1)
    assert advisor.delete(f"{URL}/{part.pk}").status_code == 204
    assert advisor.get(f"{URL}/{part.pk}").status_code == 404


@pytest.mark.parametrize("use", [lambda: PartFactory(on_hand=1), lambda: PartLineFactory(part=PartFactory()).part])
def test_a_part_that_was_used_is_not(advisor: APIClient, use: Any) -> None:
    part = use()
    answer = advisor.delete(f"{URL}/{part.pk}")
    assert (answer.status_code, error(answer)["code"]) == (409, "part_in_use")
    assert Part.objects.filter(pk=part.pk).exists()


def test_a_repeated_post_with_a_key_makes_one_part(advisor: APIClient) -> None:
    answers = [advisor.post(URL, BODY, HTTP_IDEMPOTENCY_KEY="k") for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert Part.objects.count() == 1


def test_costs_are_for_those_who_may_see_them(
    as_user: Any, advisor: APIClient, customer: APIClient, make_user: Any
) -> None:
    part = PartFactory()
    mechanic = as_user(make_user(roles=["mechanic"]))
    for client, cost in ((customer, None), (mechanic, None), (advisor, "6.00"), (customer, None)):
        assert client.get(f"{URL}/{part.pk}").json()["cost"] == cost
        assert client.get(URL).json()["results"][0]["cost"] == cost
    writer = as_user(make_user(perms=["workshop.change_part"]))
    assert writer.patch(f"{URL}/{part.pk}", {"cost": "7"}).json()["cost"] is None
    assert error(customer.get(f"{URL}?ordering=cost"))["code"] == "invalid"


def test_who_only_looks_changes_nothing(as_user: Any, api: APIClient, customer: APIClient, make_user: Any) -> None:
    part = PartFactory()
    for client, status in ((api, 401), (customer, 403), (as_user(make_user(roles=["mechanic"])), 403)):
        assert client.post(URL, BODY).status_code == status
        assert client.put(f"{URL}/{part.pk}", BODY).status_code == status
        assert client.patch(f"{URL}/{part.pk}", {"price": "1"}).status_code == status
        assert client.delete(f"{URL}/{part.pk}").status_code == status
    assert api.get(URL).status_code == 401
    assert Part.objects.get().name == part.name


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["Brake pads", "Oil filter", "Wiper"]),
        ("?search=filter", ["Oil filter"]),
        ("?search=pads+br-", ["Brake pads"]),
        ("?search=610", ["Oil filter"]),
        ("?low_stock=true", ["Brake pads", "Wiper"]),
        ("?low_stock=false", ["Oil filter"]),
        ("?archived=true", ["Old belt"]),
        ("?archived=false", ["Brake pads", "Oil filter", "Wiper"]),
        ("?archived=true&low_stock=true", []),
        ("?supplier=999999", []),
        ("?ordering=-price,name", ["Wiper", "Brake pads", "Oil filter"]),
        ("?ordering=-sku&limit=1", ["Wiper"]),
    ],
)
def test_the_list_is_filtered_and_ordered(customer: APIClient, query: str, expected: list[str]) -> None:
    PartFactory(name="Brake pads", sku="BR-1", low_stock_threshold="0.2", on_hand="0.3")
    PartFactory(name="Oil filter", sku="OF-1", on_hand=5, low_stock_threshold=5, supplier_sku="W 610/3")
    PartFactory(name="Wiper", sku="WI-1", price="11", low_stock_threshold=1)
    PartFactory(name="Old belt", sku="BE-1", archived_at=timezone.now())
    Part.objects.filter(sku="BR-1").update(reserved="0.2")
    assert names(customer.get(URL + query)) == expected


def test_what_is_just_enough_is_not_low(customer: APIClient) -> None:
    """0.3 - 0.1 is 0.2; floats, with which SQLite reckons, fall short of it."""
    part = PartFactory(on_hand="0.3", low_stock_threshold="0.2")
    Part.objects.filter(pk=part.pk).update(reserved="0.1")
    assert names(customer.get(f"{URL}?low_stock=true")) == []
    assert customer.get(f"{URL}/{part.pk}").json()["low_stock"] is False


@pytest.mark.parametrize("query", ["?low_stock=1", "?archived=", "?supplier=x", "?ordering=cost", "?colour=red"])
def test_a_bad_query_is_400(customer: APIClient, query: str) -> None:
    assert customer.get(URL + query).status_code == 400


def test_the_number_of_queries_does_not_grow_with_the_rows(
    customer: APIClient, settings: Any, django_assert_num_queries: Any, django_assert_max_num_queries: Any
) -> None:
    settings.CACHE_TTL_S = 0
    PartFactory.create_batch(25, supplier=SupplierFactory(), on_hand=1)
    with django_assert_max_num_queries(5) as few:
        customer.get(f"{URL}?limit=1")
    with django_assert_num_queries(len(few)):
        customer.get(f"{URL}?limit=20")
