"""POST /api/workshop/products/{id}/adopt: a product becomes a part, and its price the cost."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from tests.workshop.factories import PartFactory, PartLineFactory, ProductFactory, SupplierFactory
from workshop.models import Part, Product, Supplier

pytestmark = pytest.mark.django_db


@pytest.fixture
def product() -> Product:
    return ProductFactory(
        name="Oil filter", price="6.40", sku="OIL-1", provider="dummyjson", external_id="1", description="Spin-on."
    )


@pytest.fixture
def client(as_user: Any, make_user: Any) -> APIClient:
    return as_user(make_user(roles=["service_advisor"]))


def adopt(client: APIClient, product: Product, body: dict[str, Any] | None = None, **more: Any) -> Any:
    return client.post(f"/api/workshop/products/{product.pk}/adopt", body or {}, **more)


def refusal(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["errors"][0]["code"]


def test_a_part_is_made_with_the_suppliers_number_and_cost(client: APIClient, product: Product) -> None:
    answer = adopt(client, product, {"price": "12.90", "unit": "box", "low_stock_threshold": "4"})
    assert answer.status_code == 201, answer.content
    part = Part.objects.get()
    assert answer["Location"].endswith(f"/api/workshop/inventory/{part.pk}")
    assert (part.name, part.sku, part.description, part.unit) == ("Oil filter", "OIL-1", "Spin-on.", "box")
    assert (part.price, part.cost, part.product) == (Decimal("12.90"), Decimal("6.40"), product)
    assert (part.supplier.name, part.supplier_sku) == ("dummyjson", "OIL-1")
    assert (answer.json()["cost"], answer.json()["on_hand"]) == ("6.40", "0.000")


def test_without_a_body_the_product_says_everything(client: APIClient, product: Product) -> None:
    assert adopt(client, product).status_code == 201
    part = Part.objects.get()
    assert (part.sku, part.price, part.cost) == ("OIL-1", Decimal("6.40"), Decimal("6.40"))


def test_a_part_that_is_there_is_linked_and_keeps_its_own(client: APIClient, product: Product) -> None:
    part = PartFactory(sku="OF-1", price="14.00", on_hand=3)
    assert adopt(client, product, {"part": part.pk}).status_code == 201
    part.refresh_from_db()
    assert (part.sku, part.price, part.on_hand) == ("OF-1", Decimal("14.00"), 3)
    assert (part.cost, part.supplier_sku, part.product) == (Decimal("6.40"), "OIL-1", product)


def test_all_products_of_a_provider_have_one_supplier(client: APIClient, product: Product) -> None:
    Supplier.objects.create(name="DummyJSON")
    adopt(client, product)
    adopt(client, ProductFactory(sku="OIL-2", provider="dummyjson", external_id="2"))
    assert Supplier.objects.get().parts.count() == 2


def test_a_supplier_may_be_named_and_a_manual_product_has_none(client: APIClient, product: Product) -> None:
    supplier = SupplierFactory()
    assert adopt(client, product, {"supplier": supplier.pk}).json()["supplier"] == supplier.pk
    assert adopt(client, ProductFactory(sku="M-1")).json()["supplier"] is None
    assert adopt(client, ProductFactory(sku="M-2"), {"supplier": 999_999}).status_code == 422


def test_a_product_is_adopted_once(client: APIClient, product: Product) -> None:
    first = adopt(client, product)
    second = adopt(client, product, {"sku": "OIL-2"})
    assert refusal(second) == (409, "already_adopted")
    assert second.json()["errors"][0]["meta"] == {"existing_id": first.json()["id"]}


def test_one_key_adopts_once(client: APIClient, product: Product) -> None:
    first, second = (adopt(client, product, headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert (first.status_code, second.status_code, second["Idempotency-Replayed"]) == (201, 201, "true")


def test_what_cannot_be_adopted_is_refused_and_nothing_is_made(client: APIClient, product: Product) -> None:
    other = PartFactory(sku="TAKEN", product=ProductFactory())
    assert refusal(adopt(client, product, {"sku": "taken"})) == (409, "sku_taken")
    assert refusal(adopt(client, product, {"part": other.pk})) == (409, "part_linked")
    assert refusal(adopt(client, product, {"part": 999_999})) == (422, "does_not_exist")
    assert refusal(adopt(client, ProductFactory(sku=""))) == (422, "sku_required")
    gone = ProductFactory(sku="GONE", withdrawn_at=timezone.now())
    assert refusal(adopt(client, gone)) == (409, "product_withdrawn")
    assert (Part.objects.count(), Supplier.objects.count()) == (1, 0)


def test_a_new_price_of_the_product_is_the_new_cost_and_no_lines(client: APIClient, product: Product) -> None:
    part = PartFactory(product=product, cost="6.40")
    line = PartLineFactory(part=part)
    before = client.get(f"/api/workshop/inventory/{part.pk}").json()
    assert client.patch(f"/api/workshop/products/{product.pk}", {"price": "7.00"}).status_code == 200
    after = client.get(f"/api/workshop/inventory/{part.pk}").json()
    assert (before["cost"], after["cost"]) == ("6.40", "7.00")
    line.refresh_from_db()
    assert line.cost == Decimal("6.40")


def test_the_list_of_parts_shows_the_new_cost_at_once(
    client: APIClient, product: Product, django_capture_on_commit_callbacks: Any
) -> None:
    PartFactory(product=product, cost="6.40")
    assert client.get("/api/workshop/inventory").json()["results"][0]["cost"] == "6.40"
    with django_capture_on_commit_callbacks(execute=True):
        client.patch(f"/api/workshop/products/{product.pk}", {"price": "7.00"})
    assert client.get("/api/workshop/inventory").json()["results"][0]["cost"] == "7.00"


def test_only_those_who_may_adopt_do(
    api: APIClient, as_user: Any, user: User, make_user: Any, product: Product
) -> None:
    assert adopt(api, product).status_code == 401
    assert adopt(as_user(user), product).status_code == 403
    assert adopt(as_user(make_user(roles=["mechanic"])), product).status_code == 403
    hidden = adopt(as_user(make_user(perms=["workshop.adopt_product"])), product)
    assert (hidden.status_code, hidden.json()["cost"]) == (201, None)


@pytest.mark.parametrize("body", [{"cost": "1.00"}, {"price": "-1"}, {"sku": ""}, {"product": 1}, {"part": None}])
def test_a_bad_body_is_400(client: APIClient, product: Product, body: dict[str, Any]) -> None:
    assert adopt(client, product, body).status_code == 400
