"""Prices that move by more than half: held, proposed, decided."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from tests.cars.sync.conftest import Sync, counts
from tests.standins.dummyjson import DummyJSONServer
from tests.workshop.factories import PartFactory
from workshop.models import PriceProposal, Product
from workshop.services import products
from workshop.services.products import EDITABLE, is_jump


@pytest.fixture
def product(dummyjson: DummyJSONServer, sync: Sync) -> Product:
    """Of upstream's product 1, which costs 100.00."""
    dummyjson.update(1, price=100.0)
    sync()
    return Product.objects.get(external_id="1")


def proposals() -> list[tuple[str, str, str]]:
    rows = PriceProposal.objects.order_by("pk").values_list("old_price", "new_price", "status")
    return [(str(old), str(new), status) for old, new, status in rows]


@pytest.mark.parametrize(
    ("old", "new", "jumps"),
    [
        ("100.00", "150.00", False),
        ("100.00", "150.01", True),
        ("100.00", "50.00", False),
        ("100.00", "49.99", True),
        ("0.00", "0.01", True),
        ("0.00", "0.00", False),
        ("10.00", "0.00", True),
    ],
)
def test_a_jump_is_more_than_half_of_what_it_was(old: str, new: str, jumps: bool) -> None:
    assert is_jump(Decimal(old), Decimal(new)) is jumps


@pytest.mark.parametrize("price", [150.01, 49.99])
def test_a_jump_is_held_and_proposed_while_the_rest_follows(
    dummyjson: DummyJSONServer, sync: Sync, product: Product, price: float
) -> None:
    dummyjson.update(1, price=price, title="New title")
    run = sync()
    assert counts(run) == {"fetched": 194, "updated": 1, "unchanged": 193}
    product.refresh_from_db()
    assert (product.name, product.price) == ("New title", Decimal("100.00"))
    proposal = PriceProposal.objects.get()
    assert (proposal.product, proposal.run_id, proposal.status) == (product, run.pk, "pending")
    assert proposals() == [("100.00", f"{price:.2f}", "pending")]


def test_half_and_less_is_applied(dummyjson: DummyJSONServer, sync: Sync, product: Product) -> None:
    dummyjson.update(1, price=150)
    sync()
    product.refresh_from_db()
    assert (product.price, proposals()) == (Decimal("150.00"), [])


def test_it_is_asked_once(dummyjson: DummyJSONServer, sync: Sync, product: Product) -> None:
    dummyjson.update(1, price=200)
    sync()
    sync()
    assert counts(sync()) == {"fetched": 194, "unchanged": 194}
    assert proposals() == [("100.00", "200.00", "pending")]


def test_accepting_applies_it_and_reaches_the_part(
    dummyjson: DummyJSONServer, sync: Sync, product: Product, admin_user: User
) -> None:
    part = PartFactory(product=product)
    dummyjson.update(1, price=200)
    sync()
    products.accept_proposal(proposal=PriceProposal.objects.get(), actor=admin_user, now=timezone.now())
    product.refresh_from_db()
    part.refresh_from_db()
    assert (product.price, part.cost, product.locked_fields) == (Decimal("200.00"), Decimal("200.00"), [])
    assert counts(sync()) == {"fetched": 194, "unchanged": 194}
    assert proposals() == [("100.00", "200.00", "accepted")]


def test_what_was_rejected_is_not_proposed_again_but_another_price_is(
    dummyjson: DummyJSONServer, sync: Sync, product: Product, admin_user: User
) -> None:
    dummyjson.update(1, price=200)
    sync()
    products.reject_proposal(proposal=PriceProposal.objects.get(), actor=admin_user, now=timezone.now())
    assert counts(sync()) == {"fetched": 194, "unchanged": 194}
    assert proposals() == [("100.00", "200.00", "rejected")]
    dummyjson.update(1, price=210)
    sync()
    assert proposals()[1:] == [("100.00", "210.00", "pending")]
    dummyjson.update(1, price=200)
    sync()
    assert proposals() == [("100.00", "200.00", "rejected")]


def test_a_proposal_that_upstream_overtook_is_gone(dummyjson: DummyJSONServer, sync: Sync, product: Product) -> None:
    dummyjson.update(1, price=200)
    sync()
    first = PriceProposal.objects.get()
    dummyjson.update(1, price=300)
    sync()
    assert proposals() == [("100.00", "300.00", "pending")]
    assert PriceProposal.objects.get().pk != first.pk
    dummyjson.update(1, price=110)
    sync()
    product.refresh_from_db()
    assert (product.price, proposals()) == (Decimal("110.00"), [])


def test_a_price_that_people_set_answers_the_question_and_is_not_asked_about(
    dummyjson: DummyJSONServer, sync: Sync, product: Product, admin_user: User
) -> None:
    dummyjson.update(1, price=200)
    sync()
    products.update_product(product=product, actor=admin_user, data={"price": Decimal("120.00")}, now=timezone.now())
    assert proposals() == [("100.00", "200.00", "rejected")]
    assert counts(sync()) == {"fetched": 194, "unchanged": 194}
    products.unlock_product(product=product)
    sync()
    assert proposals()[1:] == [("120.00", "200.00", "pending")]


def test_a_change_of_price_reaches_the_part_by_the_sync(
    dummyjson: DummyJSONServer, sync: Sync, product: Product
) -> None:
    part, other = PartFactory(product=product, cost="100.00"), PartFactory()
    before = other.updated_at
    dummyjson.update(1, price=111.11)
    sync()
    part.refresh_from_db()
    other.refresh_from_db()
    assert (part.cost, other.cost, other.updated_at) == (Decimal("111.11"), Decimal("6.00"), before)


def test_a_page_of_known_prices_asks_little_and_locks_nothing(
    dummyjson: DummyJSONServer, sync: Sync, product: Product, django_assert_num_queries: Any
) -> None:
    dummyjson.update(1, price=200)
    sync()
    row = Product.objects.values(*EDITABLE, "external_id").get(pk=product.pk)
    rows = [row | {"price": Decimal("200.00")}]
    with django_assert_num_queries(2):
        held = products.review_prices(rows, provider="dummyjson", run_id=1, now=timezone.now())
    assert held == {"1": {"price", "supplier_stock"}}
