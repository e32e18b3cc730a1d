"""/api/workshop/purchase-orders: drafting, listing, reading, changing, sending and cancelling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from tests.answers import error
from tests.workshop.factories import PartFactory, SupplierFactory
from workshop.models import Part, PurchaseOrder, PurchaseOrderLine, Supplier

pytestmark = pytest.mark.django_db
PATH = "/api/workshop/purchase-orders"


@pytest.fixture
def client(as_user: Any, make_user: Any) -> APIClient:
    return as_user(make_user(roles=["service_advisor"]))


@pytest.fixture
def supplier() -> Supplier:
    return SupplierFactory(name="Filter House")


@pytest.fixture
def part(supplier: Supplier) -> Part:
    return PartFactory(supplier=supplier, sku="FH-1", cost="6.00")


def draft_of(supplier: Supplier, *parts: Part, **fields: Any) -> PurchaseOrder:
    order = PurchaseOrder.objects.create(supplier=supplier, **fields)
    for part in parts:
        PurchaseOrderLine.objects.create(order=order, part=part, quantity=6, unit_cost=part.cost)
    return order


def test_a_draft_takes_the_costs_of_its_parts(client: APIClient, supplier: Supplier, part: Part) -> None:
    other = PartFactory(cost="2.50")
    lines = [{"part": part.pk, "quantity": "6"}, {"part": other.pk, "quantity": "0.333", "unit_cost": "3.00"}]
    answer = client.post(PATH, {"supplier": supplier.pk, "lines": lines})
    assert answer.status_code == 201, answer.content
    shown = answer.json()
    assert (shown["status"], shown["supplier_name"], shown["total"]) == ("draft", "Filter House", "37.00")
    assert [(line["sku"], line["quantity"], line["unit_cost"], line["received"]) for line in shown["lines"]] == [
        ("FH-1", "6.000", "6.00", "0.000"),
        (other.sku, "0.333", "3.00", "0.000"),
    ]
    assert client.get(answer["Location"]).json() == shown
    assert shown["number"] == f"PO-{shown['id']:06d}"


def test_a_supplier_has_one_draft_at_a_time(client: APIClient, supplier: Supplier, part: Part) -> None:
    body = {"supplier": supplier.pk, "lines": [{"part": part.pk, "quantity": "1"}]}
    first = client.post(PATH, body).json()
    refused = client.post(PATH, body)
    assert (refused.status_code, error(refused)["code"]) == (409, "draft_exists")
    assert error(refused)["meta"] == {"existing_id": first["id"]}
    client.post(f"{PATH}/{first['id']}/send")
    assert client.post(PATH, body).status_code == 201


def test_the_same_key_drafts_once(client: APIClient, supplier: Supplier, part: Part) -> None:
    body = {"supplier": supplier.pk, "lines": [{"part": part.pk, "quantity": "1"}]}
    answers = [client.post(PATH, body, headers={"Idempotency-Key": "one"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert PurchaseOrder.objects.count() == 1


def test_a_part_is_ordered_by_one_line(client: APIClient, supplier: Supplier, part: Part) -> None:
    lines = [{"part": part.pk, "quantity": "1"}, {"part": part.pk, "quantity": "2"}]
    answer = client.post(PATH, {"supplier": supplier.pk, "lines": lines})
    assert (answer.status_code, error(answer)["code"]) == (422, "duplicate_part")
    assert error(answer)["attr"] == "lines.1.part"
    assert not PurchaseOrder.objects.exists()


def test_an_archived_part_is_not_ordered(client: APIClient, supplier: Supplier) -> None:
    gone = PartFactory(archived_at=timezone.now())
    answer = client.post(PATH, {"supplier": supplier.pk, "lines": [{"part": gone.pk, "quantity": "1"}]})
    assert (answer.status_code, error(answer)["code"]) == (422, "part_archived")


def test_unknown_ids_are_422_and_named(client: APIClient, supplier: Supplier, part: Part) -> None:
    lines = [{"part": part.pk, "quantity": "1"}, {"part": 999999, "quantity": "1"}]
    answer = client.post(PATH, {"supplier": supplier.pk, "lines": lines})
    assert (answer.status_code, error(answer)["attr"]) == (422, "lines.1.part")
    answer = client.post(PATH, {"supplier": 999999, "lines": lines[:1]})
    assert (answer.status_code, error(answer)["attr"]) == (422, "supplier")


@pytest.mark.parametrize(
    "change",
    [
        {"lines": []},
        {"lines": [{"part": 1}]},
        {"lines": [{"part": 1, "quantity": 0}]},
        {"lines": [{"part": 1, "quantity": "0.0001"}]},
        {"lines": [{"part": 1, "quantity": "-1"}]},
        {"lines": [{"part": 1, "quantity": "1", "unit_cost": "-0.01"}]},
        {"lines": [{"part": 1, "quantity": "1", "received": "1"}]},
        {"lines": [{"part": 1, "quantity": "1"}] * 201},
        {"status": "sent"},
        {"number": "PO-1"},
        {"supplier": "1"},
    ],
)
def test_a_body_beside_the_schema_is_400(
    client: APIClient, supplier: Supplier, part: Part, change: dict[str, Any]
) -> None:
    body = {"supplier": supplier.pk, "lines": [{"part": part.pk, "quantity": "1"}]} | change
    assert client.post(PATH, body).status_code == 400


@pytest.mark.parametrize("lines", [[{"part": 1}], [{"quantity": "1"}], [{}]])
def test_a_line_is_whole_also_in_a_patch(client: APIClient, part: Part, lines: list[dict[str, Any]]) -> None:
    order = PurchaseOrder.objects.create(supplier=SupplierFactory())
    answer = client.patch(f"{PATH}/{order.pk}", {"lines": lines})
    assert (answer.status_code, error(answer)["code"]) == (400, "required")


def test_new_lines_replace_those_of_a_draft(client: APIClient, supplier: Supplier, part: Part) -> None:
    dropped, added = PartFactory(), PartFactory(cost="1.00")
    order = draft_of(supplier, part, dropped)
    kept = order.lines.get(part=part)
    PurchaseOrderLine.objects.filter(pk=kept.pk).update(unit_cost="5.50")
    lines = [{"part": added.pk, "quantity": "4"}, {"part": part.pk, "quantity": "8"}]
    answer = client.patch(f"{PATH}/{order.pk}", {"lines": lines})
    assert answer.status_code == 200, answer.content
    shown = [(line["part"], line["quantity"], line["unit_cost"]) for line in answer.json()["lines"]]
    assert shown == [(part.pk, "8.000", "5.50"), (added.pk, "4.000", "1.00")]
    assert answer.json()["lines"][0]["id"] == kept.pk


def test_of_two_who_hold_the_same_tag_one_changes_the_draft(client: APIClient, supplier: Supplier, part: Part) -> None:
    order = draft_of(supplier, part)
    tag = client.get(f"{PATH}/{order.pk}")["ETag"]
    body = {"lines": [{"part": part.pk, "quantity": "8"}]}
    codes = [client.patch(f"{PATH}/{order.pk}", body, headers={"If-Match": tag}).status_code for _ in range(2)]
    assert codes == [200, 412]
    assert client.get(f"{PATH}/{order.pk}", headers={"If-None-Match": tag}).status_code == 200


def test_what_was_sent_stays_as_it_is(client: APIClient, supplier: Supplier, part: Part) -> None:
    order = draft_of(supplier, part, status="sent")
    answer = client.patch(f"{PATH}/{order.pk}", {"lines": [{"part": part.pk, "quantity": "8"}]})
    assert (answer.status_code, error(answer)["code"]) == (409, "order_not_draft")
    assert client.put(f"{PATH}/{order.pk}", {}).status_code == 405


def test_a_draft_is_sent_once(client: APIClient, supplier: Supplier, part: Part) -> None:
    order = draft_of(supplier, part)
    answer = client.post(f"{PATH}/{order.pk}/send")
    assert (answer.status_code, answer.json()["status"]) == (200, "sent")
    assert answer.json()["sent_at"] is not None
    again = client.post(f"{PATH}/{order.pk}/send")
    assert (again.status_code, error(again)["code"]) == (409, "invalid_transition")


@pytest.mark.parametrize(
    ("status", "code"),
    [("draft", 200), ("sent", 200), ("partially_received", 200), ("received", 409), ("cancelled", 409)],
)
def test_what_is_still_to_come_can_be_cancelled(
    client: APIClient, supplier: Supplier, part: Part, status: str, code: int
) -> None:
    order = draft_of(supplier, part, status=status)
    assert client.post(f"{PATH}/{order.pk}/cancel").status_code == code
    order.refresh_from_db()
    assert order.status == ("cancelled" if code == 200 else status)


def test_the_list_is_filtered_and_newest_first(client: APIClient, supplier: Supplier, part: Part) -> None:
    sent, draft = draft_of(supplier, part, status="sent"), draft_of(supplier, part)
    other = draft_of(SupplierFactory(), part)

    def ids(query: str) -> list[int]:
        return [row["id"] for row in client.get(f"{PATH}{query}").json()["results"]]

    assert ids("") == [other.pk, draft.pk, sent.pk]
    assert ids("?status=sent") == [sent.pk]
    assert ids(f"?supplier={supplier.pk}&ordering=id") == [sent.pk, draft.pk]
    assert client.get(f"{PATH}?status=lost").status_code == 400
    row = client.get(f"{PATH}?status=sent").json()["results"][0]
    assert (row["total"], "lines" in row) == ("36.00", False)


def test_the_list_costs_the_same_for_many(client: APIClient, part: Part) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(f"{PATH}?limit=50").status_code == 200
        return len(captured)

    draft_of(SupplierFactory(), part)
    one = queries()
    for _ in range(8):
        draft_of(SupplierFactory(), part, PartFactory(), PartFactory())
    assert queries() == one


def test_reading_costs_the_same_for_many_lines(client: APIClient, supplier: Supplier, part: Part) -> None:
    def queries(order: PurchaseOrder) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(f"{PATH}/{order.pk}").status_code == 200
        return len(captured)

    few, many = draft_of(supplier, part), draft_of(SupplierFactory(), *PartFactory.create_batch(9))
    assert queries(few) == queries(many)


@pytest.mark.parametrize("roles", [(), ("mechanic",), ("finance",)])
def test_others_have_no_business_here(
    as_user: Callable[[User], APIClient], make_user: Any, supplier: Supplier, part: Part, roles: tuple[str, ...]
) -> None:
    order = draft_of(supplier, part)
    client = as_user(make_user(roles=roles))
    calls = [client.get(PATH), client.get(f"{PATH}/{order.pk}"), client.post(PATH, {})]
    calls += [client.post(f"{PATH}/{order.pk}/{verb}") for verb in ("send", "cancel", "receive")]
    calls += [client.post(f"{PATH}/from-shortages"), client.patch(f"{PATH}/{order.pk}", {})]
    assert {answer.status_code for answer in calls} == {403}
    order.refresh_from_db()
    assert order.status == "draft"


def test_nobody_is_asked_to_sign_in(api: APIClient) -> None:
    assert api.get(PATH).status_code == 401
