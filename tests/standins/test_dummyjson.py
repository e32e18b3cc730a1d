"""The DummyJSON stand-in pages, searches and refuses as the real one does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.standins.base import Fault
from tests.standins.dummyjson import PRODUCT_COUNT, DummyJSONServer, sample_products


@pytest.fixture
def server() -> Iterator[DummyJSONServer]:
    with DummyJSONServer() as running:
        yield running


@pytest.fixture
def client(server: DummyJSONServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.base_url, timeout=30) as http:
        yield http


def page(client: httpx.Client, path: str = "/products", **params: Any) -> dict[str, Any]:
    answer = client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def test_a_page_is_30_by_default_and_0_means_all(client: httpx.Client) -> None:
    first = page(client)
    assert (len(first["products"]), first["total"], first["skip"], first["limit"]) == (30, 194, 0, 30)
    assert len(page(client, limit=0)["products"]) == PRODUCT_COUNT == 194


def test_limit_in_the_answer_is_the_number_returned(client: httpx.Client) -> None:
    last = page(client, limit=100, skip=150)
    assert (len(last["products"]), last["limit"], last["skip"]) == (44, 44, 150)
    assert page(client, skip=500)["limit"] == 0


def test_a_product_has_the_real_shape(client: httpx.Client) -> None:
    product = client.get("/products/1").json()
    assert set(product) == {
        *("id", "title", "description", "category", "price", "discountPercentage", "rating", "stock", "tags"),
        *("brand", "sku", "weight", "dimensions", "warrantyInformation", "shippingInformation"),
        *(
            "availabilityStatus",
            "reviews",
            "returnPolicy",
            "minimumOrderQuantity",
            "meta",
            "images",
            "thumbnail",
        ),
    }
    assert set(product["dimensions"]) == {"width", "height", "depth"}


def test_prices_are_json_numbers_of_two_places(client: httpx.Client) -> None:
    products = json.loads(client.get("/products?limit=0").text, parse_float=Decimal)["products"]
    prices = [Decimal(row["price"]) for row in products]
    assert all(price > 0 and price == round(price, 2) for price in prices)


def test_brand_is_missing_on_many_and_ids_and_skus_are_unique() -> None:
    rows = sample_products()
    assert 80 <= sum("brand" not in row for row in rows) <= 110
    assert len({row["id"] for row in rows}) == len({row["sku"] for row in rows}) == 194
    assert rows == sample_products()


def test_select_keeps_the_id(client: httpx.Client) -> None:
    assert set(page(client, select="title,price")["products"][0]) == {"id", "title", "price"}
    assert set(client.get("/products/3?select=stock").json()) == {"id", "stock"}


def test_categories_and_their_products(client: httpx.Client) -> None:
    categories = client.get("/products/categories").json()
    assert set(categories[0]) == {"slug", "name", "url"}
    counts = [page(client, f"/products/category/{entry['slug']}")["total"] for entry in categories]
    assert sum(counts) == PRODUCT_COUNT
    assert client.get(categories[0]["url"]).json()["total"] == counts[0]
    assert page(client, "/products/category/none") == {"products": [], "total": 0, "skip": 0, "limit": 0}


def test_search_looks_at_titles_whatever_the_case(client: httpx.Client) -> None:
    found = page(client, "/products/search", q="TORQUE wrench", limit=0)["products"]
    assert found
    assert all("Torque Wrench" in row["title"] for row in found)


def test_a_trailing_slash_is_301_and_an_unknown_path_html(client: httpx.Client) -> None:
    answer = client.get("/products/")
    assert (answer.status_code, answer.headers["location"]) == (301, "/products")
    answer = client.get("/wares")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")


def test_an_unknown_id_and_a_wrong_number_are_refused_in_json(client: httpx.Client) -> None:
    answer = client.get("/products/9999")
    assert (answer.status_code, answer.json()) == (404, {"message": "Product with id '9999' not found"})
    answer = client.get("/products?limit=many")
    assert (answer.status_code, answer.json()) == (400, {"message": "Invalid 'limit' - must be a number"})


def test_the_101st_request_in_ten_seconds_is_429() -> None:
    with DummyJSONServer(rate_limited=True) as server, httpx.Client(base_url=server.base_url) as client:
        codes = [client.get("/products/1").status_code for _ in range(101)]
        assert codes == [200] * 100 + [429]
        assert client.get("/products").headers["retry-after"] == "10"


def test_products_can_change_go_and_come(client: httpx.Client, server: DummyJSONServer) -> None:
    server.update(1, price=123.45)
    server.remove(2)
    added = server.add(title="New thing")
    assert client.get("/products/1").json()["price"] == 123.45
    assert client.get("/products/2").status_code == 404
    assert (added, client.get(f"/products/{added}").json()["title"]) == (195, "New thing")
    server.clear()
    assert page(client)["total"] == 0


def test_faults_work_here_too(client: httpx.Client, server: DummyJSONServer) -> None:
    server.faults.add(Fault.STATUS, code=429, retry_after=1, times=1)
    server.faults.add(Fault.BAD_ROWS, from_request=2, times=1)
    assert client.get("/products").status_code == 429
    products = page(client, limit=1)["products"]
    assert len(products) == len(server.bad_rows()) + 1
    assert products[-1] == server.rows()[0]
    assert [request.path for request in server.requests] == ["/products", "/products"]
