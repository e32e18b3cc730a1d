"""POST /api/workshop/purchase-orders/{id}/receive."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.answers import error
from tests.workshop.factories import JobFactory, PartFactory, PartLineFactory, SupplierFactory, TicketFactory
from workshop.models import Delivery, Part, PurchaseOrder, PurchaseOrderLine, ServiceTicket, StockMovement

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(as_user: Any, make_user: Any) -> APIClient:
    return as_user(make_user(roles=["service_advisor"]))


@pytest.fixture
def part() -> Part:
    return PartFactory()


@pytest.fixture
def order(part: Part) -> PurchaseOrder:
    """Six of the part and two of another one, sent."""
    order = PurchaseOrder.objects.create(supplier=SupplierFactory(), status="sent")
    PurchaseOrderLine.objects.create(order=order, part=part, quantity=6, unit_cost=6)
    PurchaseOrderLine.objects.create(order=order, part=PartFactory(), quantity=2, unit_cost=6)
    return order


def receive(client: APIClient, order: PurchaseOrder, note: str, *quantities: str, **headers: Any) -> Any:
    """Some of the first line, some of the second."""
    lines = [{"line": line.pk, "quantity": quantity} for line, quantity in zip(order.lines.all(), quantities)]  # noqa: B905
    return client.post(
        f"/api/workshop/purchase-orders/{order.pk}/receive", {"delivery_note": note, "lines": lines}, **headers
    )


def waiting_ticket(part: Part, quantity: int, **fields: Any) -> ServiceTicket:
    ticket = TicketFactory(status="on_hold", hold_reason="parts", held_from="authorised", **fields)
    PartLineFactory(job=JobFactory(ticket=ticket, state="authorised"), part=part, quantity=quantity)
    return ticket


def test_some_arrives_and_then_the_rest(client: APIClient, order: PurchaseOrder, part: Part) -> None:
    answer = receive(client, order, "DN-1", "4")
    assert answer.status_code == 200, answer.content
    shown = answer.json()
    assert (shown["status"], shown["resumed"]) == ("partially_received", [])
    assert [line["received"] for line in shown["lines"]] == ["4.000", "0.000"]
    rest = receive(client, order, "DN-2", "2", "2").json()
    assert rest["status"] == "received"
    assert [delivery["note"] for delivery in rest["deliveries"]] == ["DN-2", "DN-1"]
    assert rest["deliveries"][1]["lines"] == [{"line": order.lines.all()[0].pk, "quantity": "4.000"}]
    part.refresh_from_db()
    assert part.on_hand == 6
    assert [move.reference for move in StockMovement.objects.filter(part=part)] == ["DN-2", "DN-1"]


def test_a_delivery_note_is_booked_once_in_any_spelling(client: APIClient, order: PurchaseOrder, part: Part) -> None:
    receive(client, order, "DN-1", "2")
    again = receive(client, order, "dn-1", "2")
    assert (again.status_code, error(again)["code"]) == (409, "delivery_note_repeated")
    assert error(again)["meta"]["delivery"]["note"] == "DN-1"
    part.refresh_from_db()
    assert (part.on_hand, Delivery.objects.count()) == (2, 1)


def test_the_note_that_completed_an_order_is_repeated_rather_than_late(client: APIClient, order: PurchaseOrder) -> None:
    receive(client, order, "DN-1", "6", "2")
    assert error(receive(client, order, "DN-1", "6", "2"))["code"] == "delivery_note_repeated"
    assert error(receive(client, order, "DN-2", "1"))["code"] == "invalid_transition"


def test_the_same_key_is_answered_again(client: APIClient, order: PurchaseOrder, part: Part) -> None:
    answers = [receive(client, order, "DN-1", "2", headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    part.refresh_from_db()
    assert part.on_hand == 2


def test_more_than_ordered_is_refused_whole_and_names_every_line(
    client: APIClient, order: PurchaseOrder, part: Part
) -> None:
    receive(client, order, "DN-1", "4")
    answer = receive(client, order, "DN-2", "2.001", "3")
    assert (answer.status_code, error(answer)["code"]) == (409, "more_than_ordered")
    facts = [(line["received"], line["arrived"]) for line in error(answer)["meta"]["lines"]]
    assert facts == [("4.000", "2.001"), ("0.000", "3.000")]
    part.refresh_from_db()
    assert part.on_hand == 4


@pytest.mark.parametrize("status", ["draft", "cancelled", "received"])
def test_only_what_is_under_way_is_received(client: APIClient, order: PurchaseOrder, part: Part, status: str) -> None:
    PurchaseOrder.objects.update(status=status)
    answer = receive(client, order, "DN-1", "1")
    assert (answer.status_code, error(answer)["code"]) == (409, "invalid_transition")
    part.refresh_from_db()
    assert part.on_hand == 0


def test_lines_are_those_of_the_order_and_named_once(client: APIClient, order: PurchaseOrder, part: Part) -> None:
    path = f"/api/workshop/purchase-orders/{order.pk}/receive"
    own = {"line": order.lines.all()[0].pk, "quantity": "1"}
    elsewhere = PurchaseOrder.objects.create(supplier=order.supplier, status="sent")
    foreign = PurchaseOrderLine.objects.create(order=elsewhere, part=part, quantity=6, unit_cost=6)
    answer = client.post(path, {"delivery_note": "DN-1", "lines": [own, {"line": foreign.pk, "quantity": "1"}]})
    assert (answer.status_code, error(answer)["code"], error(answer)["attr"]) == (
        422, "does_not_exist", "lines.1.line",
    )  # fmt: skip
    answer = client.post(path, {"delivery_note": "DN-1", "lines": [own, own]})
    assert (answer.status_code, error(answer)["code"]) == (422, "duplicate_line")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"delivery_note": "DN-1"},
        {"delivery_note": "DN-1", "lines": []},
        {"delivery_note": "", "lines": [{"line": 1, "quantity": "1"}]},
        {"delivery_note": "N" * 65, "lines": [{"line": 1, "quantity": "1"}]},
        {"delivery_note": "DN-1", "lines": [{"line": 1, "quantity": 0}]},
        {"delivery_note": "DN-1", "lines": [{"line": 1, "quantity": "1", "part": 1}]},
        {"delivery_note": "DN-1", "lines": [{"line": 1, "quantity": "1"}], "received_by": 1},
    ],
)
def test_a_body_beside_the_schema_is_400(client: APIClient, order: PurchaseOrder, body: dict[str, Any]) -> None:
    assert client.post(f"/api/workshop/purchase-orders/{order.pk}/receive", body).status_code == 400


def test_the_oldest_promise_gets_what_arrived(client: APIClient, order: PurchaseOrder, part: Part) -> None:
    late = waiting_ticket(part, 4, promised_at="2026-12-03T10:00Z")
    unpromised = waiting_ticket(part, 2)
    early = waiting_ticket(part, 4, promised_at="2026-12-01T10:00Z")
    answer = receive(client, order, "DN-1", "6")
    assert answer.json()["resumed"] == [
        {"id": early.pk, "number": early.number},
        {"id": unpromised.pk, "number": unpromised.number},
    ]
    early.refresh_from_db()
    late.refresh_from_db()
    assert (early.status, early.hold_reason, early.held_from) == ("authorised", "", "")
    assert (late.status, late.hold_reason) == ("on_hold", "parts")
    part.refresh_from_db()
    assert (part.on_hand, part.reserved) == (Decimal(6), Decimal(6))


def test_only_those_who_may_move_stock_receive(as_user: Any, make_user: Any, order: PurchaseOrder, part: Part) -> None:
    buyer = make_user(perms=["workshop.view_purchaseorder", "workshop.change_purchaseorder"])
    assert receive(as_user(buyer), order, "DN-1", "1").status_code == 403
    part.refresh_from_db()
    assert part.on_hand == 0
