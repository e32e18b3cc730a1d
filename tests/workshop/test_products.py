"""/api/workshop/products: read by everybody, written by those who may."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from cars.models import SyncSuppression
from tests.workshop.factories import PartFactory, ProductFactory
from workshop.models import Part, PriceProposal, Product

pytestmark = pytest.mark.django_db
URL = "/api/workshop/products"


def names(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [row["name"] for row in answer.json()["results"]]


def code(answer: Any) -> str:
    return answer.json()["errors"][0]["code"]


@pytest.fixture
def advisor(make_user: Any) -> User:
    return make_user(roles=["service_advisor"])


@pytest.fixture
def client(as_user: Any, advisor: User) -> APIClient:
    return as_user(advisor)


@pytest.fixture
def synced() -> Product:
    return ProductFactory(name="Oil filter", price="10.00", provider="file", external_id="fc-1", category="Filters")


def test_anybody_reads_with_skip_and_limit(api: APIClient) -> None:
    for number in range(5):
        ProductFactory(name=f"Part {number}")
    page = api.get(f"{URL}?skip=1&limit=2")
    assert names(page) == ["Part 1", "Part 2"]
    body = page.json()
    assert (body["count"], body["next"].partition("?")[2]) == (5, "limit=2&skip=3")
    assert names(api.get(f"{URL}?page=3&limit=2")) == ["Part 4"]


def test_one_is_read_with_its_tag(api: APIClient) -> None:
    product = ProductFactory(price="9.90", height="12.5")
    answer = api.get(f"{URL}/{product.pk}")
    assert (answer.json()["price"], answer.json()["height"], answer.json()["length"]) == ("9.90", "12.50", None)
    assert api.get(f"{URL}/{product.pk}", HTTP_IF_NONE_MATCH=answer["ETag"]).status_code == 304
    assert api.get(f"{URL}/999999").status_code == 404


def test_category_and_brand_match_in_any_spelling(api: APIClient) -> None:
    ProductFactory(name="A", category="Brake  Pads", brand="MANN-FILTER")
    ProductFactory(name="B", category="Brake discs", brand="Mann")
    assert names(api.get(f"{URL}?category=brake%20pads")) == ["A"]
    assert names(api.get(f"{URL}?brand=mann")) == ["B"]


def test_prices_are_bounded_on_both_sides(api: APIClient) -> None:
    for price in ("5.00", "9.99", "10.00", "100.00"):
        ProductFactory(name=price, price=price)
    assert names(api.get(f"{URL}?min_price=9.99&max_price=10")) == ["9.99", "10.00"]
    answer = api.get(f"{URL}?min_price=10.01&max_price=10")
    assert (answer.status_code, code(answer)) == (400, "invalid_range")


def test_search_wants_every_word_somewhere(api: APIClient) -> None:
    ProductFactory(name="Brake pads front", brand="Brembo", sku="PAD-1")
    ProductFactory(name="Brake pads rear", brand="ATE", description="For Brembo discs.")
    ProductFactory(name="Brake disc", brand="Brembo")
    assert len(names(api.get(f"{URL}?search=brembo%20PADS"))) == 2
    assert names(api.get(f"{URL}?search=pad-1")) == ["Brake pads front"]


def test_the_order_is_by_the_listed_fields(api: APIClient) -> None:
    for name, price in (("b", "2.00"), ("a", "1.00"), ("c", "10.00")):
        ProductFactory(name=name, price=price)
    assert names(api.get(f"{URL}?ordering=-price")) == ["c", "b", "a"]
    assert names(api.get(f"{URL}?ordering=name")) == ["a", "b", "c"]


def test_withdrawn_products_are_hidden_but_readable(api: APIClient) -> None:
    gone = ProductFactory(withdrawn_at=timezone.now())
    assert names(api.get(URL)) == []
    assert names(api.get(f"{URL}?include_withdrawn=true")) == [gone.name]
    assert api.get(f"{URL}/{gone.pk}").status_code == 200


@pytest.mark.parametrize(
    "query",
    ["prize=1", "min_price=", "min_price=-1", "min_price=1e3", "max_price=1.234", "ordering=stock", "limit=101",
     "page=1&skip=0", "category=", "search=" + "x" * 51],
)  # fmt: skip
def test_a_bad_query_is_400(api: APIClient, query: str) -> None:
    assert api.get(f"{URL}?{query}").status_code == 400


def test_a_list_is_one_statement(api: APIClient, django_assert_num_queries: Any) -> None:
    for count in (1, 30):
        product = ProductFactory.create_batch(count)[0]
        with django_assert_num_queries(1):
            api.get(f"{URL}?limit=50&category=brakes")
        with django_assert_num_queries(1):
            api.get(f"{URL}/{product.pk}")


def test_the_fast_list_says_what_the_plain_one_says(api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    ProductFactory(height="1.50", supplier_stock=3, supplier_stock_at=timezone.now(), locked_fields=["name", "price"])
    ProductFactory(name='Ä "quoted" \\', description="two\nlines", external_id="x", provider="file")
    fast = api.get(URL).content
    monkeypatch.setattr("common.fastlist._answer", lambda view, request: None)
    assert api.get(URL).content == fast


def test_categories_are_counted_in_one_spelling_each(api: APIClient, django_assert_num_queries: Any) -> None:
    for category in ("Brakes", "BRAKES", "Bulbs", ""):
        ProductFactory(category=category)
    ProductFactory(category="Gone", withdrawn_at=timezone.now())
    with django_assert_num_queries(1):
        rows = api.get(f"{URL}/categories").json()["results"]
    assert [(row["category"].casefold(), row["count"]) for row in rows] == [("brakes", 2), ("bulbs", 1)]


def test_nobody_and_customers_write_nothing(api: APIClient, as_user: Any, user: User, synced: Product) -> None:
    body = {"name": "New", "price": "1.00"}
    for client, status in ((api, 401), (as_user(user), 403)):
        assert client.post(URL, body).status_code == status
        assert client.put(f"{URL}/{synced.pk}", body).status_code == status
        assert client.patch(f"{URL}/{synced.pk}", body).status_code == status
        assert client.delete(f"{URL}/{synced.pk}").status_code == status
        assert client.post(f"{URL}/{synced.pk}/unlock").status_code == status
    assert Product.objects.count() == 1


def test_an_advisor_adds_a_manual_product(client: APIClient, advisor: User) -> None:
    answer = client.post(URL, {"name": "Wax", "price": 29.99, "category": "Car  Care", "supplier_stock": 4})
    assert answer.status_code == 201, answer.content
    row = Product.objects.get()
    assert answer["Location"].endswith(f"{URL}/{row.pk}")
    assert (row.price, row.provider, row.external_id, row.created_by) == (Decimal("29.99"), "manual", None, advisor)
    assert (row.category_key, row.supplier_stock_at is not None) == ("car care", True)


def test_one_key_adds_one_product(client: APIClient) -> None:
    first, second = (
        client.post(URL, {"name": "Wax", "price": "1.00"}, headers={"Idempotency-Key": "k"}) for _ in range(2)
    )
    assert (first.json(), second["Idempotency-Replayed"]) == (second.json(), "true")
    assert Product.objects.count() == 1


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""}, {"name": None}, {"name": "x" * 201}, {"name": "\u0000"}, {"price": "-0.01"}, {"price": "1.001"},
        {"price": None}, {"price": "NaN"}, {"price": "10000000000.00"}, {"supplier_stock": 1.5}, {"height": "-1"},
        {"supplier_stock": 2**31}, {"id": 5}, {"provider": "file"}, {"external_id": "x"}, {"locked_fields": []},
        {"withdrawn_at": None}, {"brnad": "x"},
    ],
)  # fmt: skip
def test_a_bad_body_is_400(client: APIClient, change: dict[str, Any]) -> None:
    assert client.post(URL, {"name": "Wax", "price": "1.00"} | change).status_code == 400


def test_a_name_whose_key_does_not_fit_is_422(client: APIClient) -> None:
    answer = client.post(URL, {"name": "Wax", "price": "1.00", "brand": "\ufdfa" * 128})
    assert (answer.status_code, code(answer)) == (422, "name_too_long")


def test_what_changes_in_a_synced_product_is_locked(client: APIClient, synced: Product) -> None:
    answer = client.put(f"{URL}/{synced.pk}", {"name": "Oil filter", "price": "12.00"})
    assert (answer.status_code, answer.json()["locked_fields"]) == (200, ["price"])
    answer = client.patch(f"{URL}/{synced.pk}", {"brand": "Bosch", "category": "Filters"})
    assert answer.json()["locked_fields"] == ["brand", "price"]
    assert client.put(f"{URL}/{synced.pk}", {"name": "Oil filter"}).status_code == 400


def test_a_manual_product_locks_nothing(client: APIClient) -> None:
    product = ProductFactory()
    answer = client.patch(f"{URL}/{product.pk}", {"price": "1.00"})
    assert (answer.status_code, answer.json()["locked_fields"]) == (200, [])


def test_a_change_to_the_same_writes_nothing(client: APIClient, synced: Product) -> None:
    answer = client.patch(f"{URL}/{synced.pk}", {"name": "Oil filter", "price": "10"})
    assert (answer.status_code, answer.json()["locked_fields"]) == (200, [])
    before = synced.updated_at
    synced.refresh_from_db()
    assert synced.updated_at == before


def test_of_two_edits_of_one_version_the_second_is_412(client: APIClient, synced: Product) -> None:
    tag = client.get(f"{URL}/{synced.pk}")["ETag"]
    first = client.patch(f"{URL}/{synced.pk}", {"price": "11.00"}, HTTP_IF_MATCH=tag)
    second = client.patch(f"{URL}/{synced.pk}", {"price": "12.00"}, HTTP_IF_MATCH=tag)
    assert (first.status_code, second.status_code) == (200, 412)


def test_unlocking_frees_the_named_fields_or_all(client: APIClient, synced: Product) -> None:
    Product.objects.filter(pk=synced.pk).update(locked_fields=["brand", "name", "price"])
    some = client.post(f"{URL}/{synced.pk}/unlock", {"fields": ["price", "sku"]})
    assert (some.status_code, some.json()["locked_fields"]) == (200, ["brand", "name"])
    assert client.post(f"{URL}/{synced.pk}/unlock").json()["locked_fields"] == []
    assert client.post(f"{URL}/{synced.pk}/unlock", {"fields": ["provider"]}).status_code == 400


def test_a_deleted_synced_product_is_suppressed_and_its_part_stays(client: APIClient, synced: Product) -> None:
    part = PartFactory(product=synced, cost="10.00")
    PriceProposal.objects.create(product=synced, old_price="10.00", new_price="99.00")
    assert client.delete(f"{URL}/{synced.pk}").status_code == 204
    suppressed = SyncSuppression.objects.get()
    assert (suppressed.source, suppressed.provider, suppressed.external_id) == ("products", "file", "fc-1")
    part.refresh_from_db()
    assert (part.product_id, part.cost, Part.objects.count()) == (None, Decimal("10.00"), 1)


def test_a_deleted_manual_product_leaves_no_trace(client: APIClient) -> None:
    product = ProductFactory()
    assert client.delete(f"{URL}/{product.pk}").status_code == 204
    assert client.delete(f"{URL}/{product.pk}").status_code == 404
    assert not SyncSuppression.objects.exists()


@pytest.mark.parametrize("ordering", ["price", "-price", "name", "-category", "brand,price", "updated_at"])
def test_a_walk_by_cursor_meets_every_product_once_in_order(api: APIClient, ordering: str) -> None:
    for number, price in enumerate(("9.99", "10.00", "10.00", "100.00", "0.01")):
        ProductFactory(name=f"P{number}", price=price, brand="AB"[number % 2])
    whole = names(api.get(f"{URL}?ordering={ordering}"))
    met, url = [], f"{URL}?cursor=*&limit=2&ordering={ordering}"
    while url:
        answer = api.get(url)
        met += names(answer)
        url = answer.json()["next"]
    assert met == whole
