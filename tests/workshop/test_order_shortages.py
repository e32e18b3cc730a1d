"""POST /api/workshop/purchase-orders/from-shortages."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from tests.workshop.factories import JobFactory, PartFactory, PartLineFactory, SupplierFactory, TicketFactory
from workshop.models import Part, PurchaseOrder, PurchaseOrderLine, Supplier

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(as_user: Any, make_user: Any) -> APIClient:
    return as_user(make_user(roles=["service_advisor"]))


@pytest.fixture
def supplier() -> Supplier:
    return SupplierFactory()


def collect(client: APIClient) -> dict[str, Any]:
    answer = client.post("/api/workshop/purchase-orders/from-shortages")
    assert answer.status_code == 200, answer.content
    return answer.json()


def quantities(answer: dict[str, Any]) -> dict[int, str]:
    return {line["part"]: line["quantity"] for order in answer["orders"] for line in order["lines"]}


def lacking(part: Part, quantity: str, *, state: str = "authorised", status: str = "authorised", **line: Any) -> None:
    job = JobFactory(ticket=TicketFactory(status=status), state=state)
    PartLineFactory(job=job, part=part, quantity=Decimal(quantity), **line)


def test_shortages_are_grouped_by_supplier(client: APIClient, supplier: Supplier) -> None:
    other = SupplierFactory()
    filter_, belt = PartFactory(supplier=supplier, on_hand=1, cost="6.00"), PartFactory(supplier=supplier)
    bulb, unknown = PartFactory(supplier=other), PartFactory(sku="NO-1")
    lacking(filter_, "2.5")
    lacking(filter_, "2")
    for part in (belt, bulb, unknown):
        lacking(part, "1")
    answer = collect(client)
    assert [order["supplier"] for order in answer["orders"]] == [supplier.pk, other.pk]
    assert quantities(answer) == {filter_.pk: "3.500", belt.pk: "1.000", bulb.pk: "1.000"}
    assert answer["without_supplier"] == [{"part": unknown.pk, "sku": "NO-1", "quantity": "1.000"}]
    assert answer["orders"][0]["lines"][0]["unit_cost"] == "6.00"


def test_a_second_call_adds_nothing(client: APIClient, supplier: Supplier) -> None:
    lacking(PartFactory(supplier=supplier), "2")
    first = collect(client)
    assert collect(client) == first
    PurchaseOrder.objects.update(status="sent")
    assert collect(client)["orders"] == []


def test_later_shortages_join_the_draft(client: APIClient, supplier: Supplier) -> None:
    part, other = PartFactory(supplier=supplier), PartFactory(supplier=supplier)
    lacking(part, "2")
    first = collect(client)["orders"][0]
    lacking(part, "1")
    lacking(other, "4")
    second = collect(client)
    assert [order["id"] for order in second["orders"]] == [first["id"]]
    assert quantities(second) == {part.pk: "3.000", other.pk: "4.000"}


def test_what_is_expected_is_not_ordered_again(client: APIClient, supplier: Supplier) -> None:
    part = PartFactory(supplier=supplier)
    under_way = PurchaseOrder.objects.create(supplier=supplier, status="partially_received")
    PurchaseOrderLine.objects.create(order=under_way, part=part, quantity=5, received=2, unit_cost=6)
    cancelled = PurchaseOrder.objects.create(supplier=supplier, status="cancelled")
    PurchaseOrderLine.objects.create(order=cancelled, part=part, quantity=50, unit_cost=6)
    lacking(part, "4")
    assert quantities(collect(client)) == {part.pk: "1.000"}


def test_parts_are_kept_at_their_thresholds(client: APIClient, supplier: Supplier) -> None:
    low = PartFactory(supplier=supplier, on_hand=3, low_stock_threshold=10)
    PartFactory(supplier=supplier, on_hand=10, low_stock_threshold=10)
    PartFactory(supplier=supplier, low_stock_threshold=10, archived_at=timezone.now())
    both = PartFactory(supplier=supplier, on_hand=1, low_stock_threshold=2)
    lacking(both, "4")
    assert quantities(collect(client)) == {low.pk: "7.000", both.pk: "5.000"}


def test_a_line_is_filled_as_far_as_it_can_hold(client: APIClient, supplier: Supplier) -> None:
    most = "999999999.999"
    part, unknown = PartFactory(supplier=supplier), PartFactory()
    for short in (part, part, unknown, unknown):
        lacking(short, most)
    assert quantities(collect(client)) == {part.pk: most}
    answer = collect(client)
    assert quantities(answer) == {part.pk: most}
    assert answer["without_supplier"][0]["quantity"] == most


@pytest.mark.parametrize(
    "facts",
    [
        {"state": "proposed", "status": "draft"},
        {"state": "authorisation_required", "status": "awaiting_authorisation"},
        {"state": "declined", "status": "declined"},
        {"state": "cancelled", "status": "cancelled"},
        {"state": "authorised", "status": "cancelled"},
        {"stock": "reserved"},
        {"stock": "consumed"},
    ],
)
def test_only_what_was_authorised_and_has_no_stock_is_short(
    client: APIClient, supplier: Supplier, facts: dict[str, Any]
) -> None:
    lacking(PartFactory(supplier=supplier), "2", **facts)
    assert collect(client) == {"orders": [], "without_supplier": []}


def test_many_shortages_cost_no_more_than_few(client: APIClient, supplier: Supplier) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            collect(client)
        return len(captured)

    PurchaseOrder.objects.create(supplier=supplier)
    lacking(PartFactory(supplier=supplier), "1")
    few = queries()
    for _ in range(9):
        lacking(PartFactory(supplier=supplier), "1")
    assert queries() == few
