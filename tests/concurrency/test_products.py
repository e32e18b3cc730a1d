"""One product, many hands: adopted by several at once, its price decided twice, edited while a sync writes it."""

from __future__ import annotations

import threading
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts.models import User
from cars.sync.providers.base import Record
from cars.sync.statements import Statements, Values
from cars.sync.upsert import PageWriter
from common.errors import NotFound
from tests.concurrency.race import errors, race
from tests.concurrency.test_sync import _until_somebody_waits
from tests.factories import UserFactory
from tests.workshop.factories import PartFactory, ProductFactory
from workshop.catalogue.source import PRODUCTS, clean_product
from workshop.models import Part, PriceProposal, Product
from workshop.services import products
from workshop.services.products import ProductAdopted, ProposalDecided

pytestmark = pytest.mark.django_db(transaction=True)

AT_ONCE = 8


def adopted_by_many(product: Product) -> list[object]:
    now = timezone.now()
    return race(
        [partial(products.adopt_product, product=product, data={"sku": f"S-{n}"}, now=now) for n in range(AT_ONCE)]
    )


def test_a_product_that_several_adopt_becomes_one_part() -> None:
    results = adopted_by_many(ProductFactory(sku="S"))
    assert sum(isinstance(result, ProductAdopted) for result in results) == AT_ONCE - 1
    assert Part.objects.count() == 1


def everybody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of locking: all have the row, none has its lock."""
    all_have_it = threading.Barrier(AT_ONCE)

    def only_read(product_id: int) -> Product:
        found = Product.objects.get(pk=product_id)
        all_have_it.wait(timeout=30)
        return found

    monkeypatch.setattr(products, "_lock", only_read)


@pytest.mark.postgres
def test_without_the_lock_only_the_constraint_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""
    everybody_reads(monkeypatch)
    results = adopted_by_many(ProductFactory(sku="S"))
    assert errors(results) == [IntegrityError] * (AT_ONCE - 1)


def proposed() -> PriceProposal:
    product = ProductFactory(price="10.00", provider="file", external_id="1")
    return PriceProposal.objects.create(product=product, old_price="10.00", new_price="20.00")


def decided_by_many(proposal: PriceProposal) -> list[object]:
    facts = {"proposal": proposal, "actor": UserFactory(), "now": timezone.now()}
    services = [products.accept_proposal, products.reject_proposal] * (AT_ONCE // 2)
    return race([partial(service, **facts) for service in services])


def test_a_price_is_decided_once() -> None:
    proposal = proposed()
    results = decided_by_many(proposal)
    assert sum(isinstance(result, ProposalDecided) for result in results) == AT_ONCE - 1
    proposal.refresh_from_db()
    price = Product.objects.get().price
    assert (proposal.status, price) in {("accepted", Decimal("20.00")), ("rejected", Decimal("10.00"))}


@pytest.mark.postgres
def test_without_the_locks_it_is_decided_by_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""
    all_have_it = threading.Barrier(AT_ONCE)

    def only_read(proposal: PriceProposal) -> tuple[Product, PriceProposal]:
        found = PriceProposal.objects.select_related("product").get(pk=proposal.pk)
        all_have_it.wait(timeout=30)
        return found.product, found

    monkeypatch.setattr(products, "_lock_proposal", only_read)
    results = decided_by_many(proposed())
    assert all(isinstance(result, PriceProposal) for result in results)


def write_page(product: Product, **fields: Any) -> None:
    """As the engine does: a page with one record of the product, in a transaction."""
    now = timezone.now()
    data = {"name": product.name, "price": product.price, "category": product.category} | fields
    row = clean_product(Record(product.external_id, data), now) | {"external_id": product.external_id}
    with transaction.atomic():
        writer = PageWriter(Statements(PRODUCTS.target, connection))
        result = writer.write([row], Values("products", product.provider, 1, "sync run 1", now))
        if PRODUCTS.target.changed:
            PRODUCTS.target.changed(result.changes(1))


@pytest.mark.postgres
def test_an_edit_that_a_page_waits_for_survives_it(admin_user: User) -> None:
    product = ProductFactory(price="10.00", name="Wax", provider="file", external_id="1")
    page = threading.Thread(target=race, args=[[partial(write_page, product, price=Decimal("12.00"), brand="New")]])
    with transaction.atomic():
        products.update_product(product=product, actor=admin_user, data={"price": Decimal("11.00")}, now=timezone.now())
        page.start()
        _until_somebody_waits()
    page.join()
    product.refresh_from_db()
    assert (product.price, product.locked_fields, product.brand) == (Decimal("11.00"), ["price"], "New")


@pytest.mark.postgres
def test_a_price_that_is_accepted_while_its_page_waits_is_kept(admin_user: User) -> None:
    proposal = proposed()
    product = proposal.product
    page = threading.Thread(target=race, args=[[partial(write_page, product, price=Decimal("20.00"), brand="New")]])
    with transaction.atomic():
        products.accept_proposal(proposal=proposal, actor=admin_user, now=timezone.now())
        page.start()
        _until_somebody_waits()
    page.join()
    product.refresh_from_db()
    assert (product.price, product.brand) == (Decimal("20.00"), "New")


def test_a_price_is_accepted_or_overtaken_but_never_another_one(admin_user: User) -> None:
    for _ in range(5):
        Product.objects.all().delete()
        proposal = proposed()
        part = PartFactory(product=proposal.product, cost="10.00")
        accept = partial(products.accept_proposal, proposal=proposal, actor=admin_user, now=timezone.now())
        results = race([accept, partial(write_page, proposal.product, price=Decimal("40.00"))])
        product = Product.objects.get()
        part.refresh_from_db()
        assert results[1] is None
        assert product.price == part.cost
        accepted = not isinstance(results[0], NotFound)
        assert product.price == (Decimal("20.00") if accepted else Decimal("10.00"))
        assert PriceProposal.objects.get(status="pending").new_price == Decimal("40.00")
        part.delete()


def test_syncs_and_edits_of_the_same_products_do_not_deadlock(admin_user: User) -> None:
    """A page locks its products by id and then parts by id; a person one product and then its part."""
    rows = [ProductFactory(price="10.00", provider="file", external_id=str(number)) for number in range(6)]
    for row in rows:
        PartFactory(product=row, cost="10.00")
    edits = [
        partial(
            products.update_product, product=row, actor=admin_user, data={"price": Decimal("11.00")}, now=timezone.now()
        )
        for row in reversed(rows)
    ]
    pages = [partial(write_page, row, price=Decimal("12.00")) for row in rows]
    results = race([*edits, *pages])
    assert not [result for result in results if isinstance(result, Exception)]
    assert all(part.cost == part.product.price for part in Part.objects.select_related("product"))
