"""The catalogue from DummyJSON: all of it, exactly, and through every fault."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import User
from tests.cars.sync.conftest import Sync, counts
from tests.standins.base import Answer, Fault, Request
from tests.standins.dummyjson import DummyJSONServer
from workshop.models import Product
from workshop.services import products


def stored() -> dict[str, Any]:
    return {row.external_id: row for row in Product.objects.all()}


def test_all_194_products_come_and_none_twice(dummyjson: DummyJSONServer, sync: Sync) -> None:
    run = sync()
    assert (run.provider, run.status, counts(run)) == ("dummyjson", "succeeded", {"fetched": 194, "created": 194})
    assert [request.params for request in dummyjson.requests] == [
        {"limit": "100", "skip": "0"},
        {"limit": "100", "skip": "100"},
    ]


def test_every_value_is_that_of_upstream_to_the_cent(dummyjson: DummyJSONServer, sync: Sync) -> None:
    sync()
    rows = stored()
    for row in dummyjson.rows():
        product = rows[str(row["id"])]
        assert (product.name, product.category, product.sku) == (row["title"], row["category"], row["sku"])
        assert (product.brand, product.supplier_stock) == (row.get("brand", ""), row["stock"])
        sizes = row["dimensions"]
        exact = [Decimal(str(row["price"])), *(Decimal(str(sizes[side])) for side in ("height", "width", "depth"))]
        assert [product.price, product.height, product.length, product.depth] == exact
        assert (product.category_key, product.brand_key) == (row["category"], row.get("brand", "").casefold())


def test_a_second_run_changes_nothing(dummyjson: DummyJSONServer, sync: Sync) -> None:
    sync()
    before = list(Product.objects.order_by("pk").values())
    assert counts(sync()) == {"fetched": 194, "unchanged": 194}
    assert list(Product.objects.order_by("pk").values()) == before


@pytest.mark.postgres
def test_a_second_run_makes_no_row_version(dummyjson: DummyJSONServer, sync: Sync) -> None:
    def versions() -> list[Any]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT id, ctid::text, xmin::text, xmax::text FROM workshop_product ORDER BY id")
            return cursor.fetchall()

    sync()
    before = versions()
    sync()
    assert versions() == before


def test_what_changed_follows_and_the_time_of_the_stock_with_its_figure(dummyjson: DummyJSONServer, sync: Sync) -> None:
    sync()
    first = stored()
    dummyjson.update(1, title="Another name")
    dummyjson.update(2, stock=first["2"].supplier_stock + 1)
    assert counts(sync()) == {"fetched": 194, "updated": 2, "unchanged": 192}
    rows = stored()
    assert (rows["1"].name, rows["1"].supplier_stock_at) == ("Another name", first["1"].supplier_stock_at)
    assert rows["2"].supplier_stock_at > first["2"].supplier_stock_at


def test_category_and_brand_may_be_missing(dummyjson: DummyJSONServer, sync: Sync) -> None:
    dummyjson.clear()
    bare = dummyjson.add(title="Bare", price=5)
    for row in dummyjson._rows:
        for name in ("category", "brand", "sku", "stock", "dimensions", "description"):
            row.pop(name, None)
    assert counts(sync()) == {"fetched": 1, "created": 1}
    product = Product.objects.get(external_id=str(bare))
    assert (product.category, product.brand, product.height, product.supplier_stock) == ("", "", None, None)
    assert (product.price, product.supplier_stock_at) == (Decimal("5.00"), None)


def test_a_vanished_product_is_withdrawn_by_the_full_run_and_comes_back(dummyjson: DummyJSONServer, sync: Sync) -> None:
    sync()
    (gone,) = [row for row in dummyjson.rows() if row["id"] == 7]
    dummyjson.remove(7)
    assert counts(sync()) == {"fetched": 193, "unchanged": 193}
    assert counts(sync(full=True)) == {"fetched": 193, "unchanged": 193, "withdrawn": 1}
    assert not Product.objects.current().filter(external_id="7").exists()
    dummyjson._rows.append(gone)
    assert counts(sync())["updated"] == 1
    assert Product.objects.current().filter(external_id="7").exists()


def test_an_emptied_upstream_withdraws_nothing(dummyjson: DummyJSONServer, sync: Sync) -> None:
    sync()
    dummyjson.clear()
    run = sync(full=True)
    assert (run.status, run.reason, run.withdrawn) == ("partial", "too_many_withdrawals", 0)


def test_fields_that_people_edited_survive(dummyjson: DummyJSONServer, sync: Sync, admin_user: User) -> None:
    sync()
    product = Product.objects.get(external_id="3")
    products.update_product(product=product, actor=admin_user, data={"category": "Ours"}, now=timezone.now())
    dummyjson.update(3, category="theirs", title="New title")
    assert counts(sync())["updated"] == 1
    product.refresh_from_db()
    assert (product.name, product.category, product.category_key) == ("New title", "Ours", "ours")
    products.unlock_product(product=product)
    assert counts(sync())["updated"] == 1
    product.refresh_from_db()
    assert (product.category, product.category_key) == ("theirs", "theirs")


def test_a_product_that_staff_deleted_does_not_come_back(
    dummyjson: DummyJSONServer, sync: Sync, admin_user: User
) -> None:
    sync()
    products.delete_product(product=Product.objects.get(external_id="3"), actor=admin_user)
    run = sync(full=True)
    assert (run.status, counts(run)) == ("succeeded", {"fetched": 194, "unchanged": 194})
    assert Product.objects.count() == 193


def test_bad_rows_are_refused_alone_even_one_whose_price_is_no_number(dummyjson: DummyJSONServer, sync: Sync) -> None:
    dummyjson.faults.add(Fault.BAD_ROWS, times=1)
    run = sync()
    assert (run.status, run.reason, run.retries) == ("partial", "bad_rows", 0)
    assert counts(run) == {"fetched": 203, "created": 194, "rejected": 9}
    reasons = dict(run.issues.values_list("external_id", "reason"))
    assert reasons == {
        "9001": "missing_field", "9002": "missing_field", "9003": "wrong_type", "9004": "out_of_range",
        "9005": "out_of_range", "9006": "forbidden_characters", "9007": "forbidden_characters", "9008": "too_long",
        "": "missing_id",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("price", "expected"),
    [("0", "0.00"), ("19.990000000000002", "19.99"), ("12.345", "12.35"), ("9999999999.99", "9999999999.99")],
)
def test_prices_are_decimals_from_the_first_byte(
    dummyjson: DummyJSONServer, sync: Sync, price: str, expected: str
) -> None:
    dummyjson.clear()
    dummyjson.add(price=Raw(price))
    sync()
    assert Product.objects.get().price == Decimal(expected)


class Raw(float):
    """A number that is written into JSON as it is spelled here."""

    def __new__(cls, text: str) -> Raw:
        self = super().__new__(cls, text)
        self.text = text
        return self

    def __repr__(self) -> str:
        return self.text


@pytest.mark.parametrize("fault", [Fault.DUPLICATE_IN_PAGE, Fault.DUPLICATE_ACROSS_PAGES])
def test_rows_that_come_twice_are_counted_once(dummyjson: DummyJSONServer, sync: Sync, fault: Fault) -> None:
    dummyjson.faults.add(fault)
    run = sync(full=True)
    assert (run.status, run.created, Product.objects.count()) == ("succeeded", 194, 194)
    assert run.duplicate > 0


def between_pages(server: DummyJSONServer, change: Any) -> None:
    """Carry out a change once, before the second page is read."""
    left = [change]

    def hook(request: Request) -> None:
        if request.params.get("skip") == "100" and left:
            left.pop()()

    server.on_request(hook)


def test_a_row_that_slips_between_two_pages_is_not_taken_for_gone(dummyjson: DummyJSONServer, sync: Sync) -> None:
    sync()
    between_pages(dummyjson, lambda: dummyjson.remove(1))
    run = sync(full=True)
    assert (run.status, run.withdrawn) == ("succeeded", 0)  # 1 was still met.
    assert counts(sync(full=True)) == {"fetched": 193, "unchanged": 193, "withdrawn": 1}


def test_a_list_that_never_stands_still_withdraws_nothing(dummyjson: DummyJSONServer, sync: Sync) -> None:
    sync()
    shrinking: Iterator[int] = iter(range(1, 20))
    dummyjson.on_request(lambda request: dummyjson.remove(next(shrinking)) if request.params["skip"] != "0" else None)
    run = sync(full=True)
    assert (run.status, run.reason, run.withdrawn) == ("failed", "list_shifts", 0)


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        (Fault.STATUS, {"code": 500}),
        (Fault.STATUS, {"code": 503}),
        (Fault.STATUS, {"code": 429}),
        (Fault.TRUNCATED, {}),
        (Fault.UNPARSABLE, {}),
        (Fault.RESET, {}),
        (Fault.WRONG_CHARSET, {}),
        (Fault.EMPTY_BODY, {}),
    ],
)
def test_passing_faults_cost_a_retry(
    dummyjson: DummyJSONServer, sync: Sync, fault: Fault, options: dict[str, Any]
) -> None:
    dummyjson.faults.add(fault, times=2, **options)
    run = sync()
    assert (run.status, run.created, run.retries) == ("succeeded", 194, 2)


@pytest.mark.parametrize(
    ("fault", "options", "reason"),
    [
        (Fault.STATUS, {"code": 404}, "status_404"),
        (Fault.STATUS, {"code": 401}, "auth"),
        (Fault.HTML_200, {}, "not_json"),
        (Fault.REDIRECT, {}, "redirect"),
        (Fault.HUGE, {}, "too_large"),
        (Fault.GZIP_BOMB, {}, "too_large"),
    ],
)
def test_lasting_faults_fail_the_run_and_keep_what_there_is(
    dummyjson: DummyJSONServer, sync: Sync, fault: Fault, options: dict[str, Any], reason: str
) -> None:
    sync()
    dummyjson.faults.add(fault, from_request=2, **options)
    run = sync(full=True)
    assert (run.status, run.reason, run.withdrawn) == ("failed", reason, 0)
    assert Product.objects.current().count() == 194


def test_a_page_without_rows_fails_a_run_that_would_withdraw(dummyjson: DummyJSONServer, sync: Sync) -> None:
    dummyjson.faults.add(Fault.NO_ROWS)
    run = sync()
    assert (run.status, run.reason) == ("failed", "list_shifts")


def test_the_real_limit_of_requests_is_kept(dummyjson: DummyJSONServer, sync: Sync) -> None:
    dummyjson.rate_limited = True
    for _ in range(3):
        assert sync().status == "succeeded"


@pytest.mark.parametrize("document", [[], {"products": {}}, {"products": []}, {"products": [], "total": "194"}])
def test_an_answer_of_another_shape_fails_the_run(
    dummyjson: DummyJSONServer, sync: Sync, document: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dummyjson, "respond", lambda request, headers: Answer(document=document))
    run = sync()
    assert (run.status, run.reason) == ("failed", "unexpected_answer")


def test_an_address_with_a_slash_at_its_end_works_too(dummyjson: DummyJSONServer, sync: Sync, settings: Any) -> None:
    settings.EXTERNAL_API_URL += "/"
    assert sync().created == 194
