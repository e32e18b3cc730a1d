"""What comes in, is counted and thrown away by hand, the archive, and the ledger as JSON."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from tests.answers import error
from tests.workshop.factories import JobFactory, PartFactory, PartLineFactory, TicketFactory
from workshop.models import Part
from workshop.services import stock

pytestmark = pytest.mark.django_db

URL = "/api/workshop/inventory"


@pytest.fixture
def staff(make_user: Any) -> User:
    return make_user(roles=["service_advisor"])


@pytest.fixture
def advisor(as_user: Any, staff: User) -> APIClient:
    return as_user(staff)


@pytest.fixture
def part() -> Part:
    return PartFactory(on_hand=5)


def test_receiving_adds_to_the_shelf(advisor: APIClient, staff: User, part: Part) -> None:
    answer = advisor.post(f"{URL}/{part.pk}/receive", {"quantity": "2.5", "reference": "DN-1"})
    assert (answer.status_code, answer.json()["on_hand"], answer.json()["available"]) == (200, "7.500", "7.500")
    assert answer["ETag"] == advisor.get(f"{URL}/{part.pk}")["ETag"]
    (row, _) = advisor.get(f"{URL}/{part.pk}/movements").json()["results"]
    assert {**row, "id": 0, "at": ""} == {
        "id": 0, "kind": "receive", "quantity": "2.500", "on_hand_delta": "2.500", "reserved_delta": "0.000",
        "before": "5.000", "after": "7.500", "reason": "", "reference": "DN-1", "line": None, "actor": staff.pk,
        "at": "",
    }  # fmt: skip


def test_a_delivery_that_is_sent_twice_is_booked_once(advisor: APIClient, part: Part) -> None:
    for _ in range(2):
        advisor.post(f"{URL}/{part.pk}/receive", {"quantity": 1}, HTTP_IDEMPOTENCY_KEY="k")
    assert advisor.get(f"{URL}/{part.pk}").json()["on_hand"] == "6.000"


@pytest.mark.parametrize(("command", "body"), [("receive", {"quantity": 3}), ("adjust", {"counted": 8, "reason": "x"})])
def test_tickets_that_wait_go_on_when_stock_comes_in(
    advisor: APIClient, part: Part, command: str, body: dict[str, Any]
) -> None:
    """The oldest promise first; what it leaves is not enough for the other."""
    now = timezone.now()
    held: dict[str, Any] = {"status": "on_hold", "hold_reason": "parts", "held_from": "authorised"}
    later, sooner = TicketFactory(**held), TicketFactory(**held, promised_at=now)
    lines = [
        PartLineFactory(part=part, quantity=7, job=JobFactory(ticket=ticket, state="authorised"))
        for ticket in (later, sooner)
    ]
    shown = advisor.post(f"{URL}/{part.pk}/{command}", body).json()
    assert (shown["on_hand"], shown["reserved"], shown["available"]) == ("8.000", "7.000", "1.000")
    for row in (later, sooner, *lines):
        row.refresh_from_db()
    assert (sooner.status, later.status) == ("authorised", "on_hold")
    assert [row.stock for row in lines] == ["none", "reserved"]


def test_a_count_becomes_what_is_on_hand(advisor: APIClient, part: Part) -> None:
    answer = advisor.post(f"{URL}/{part.pk}/adjust", {"counted": "4", "reason": "Stocktake."})
    assert answer.json()["on_hand"] == "4.000"
    row = advisor.get(f"{URL}/{part.pk}/movements").json()["results"][0]
    assert (row["quantity"], row["on_hand_delta"], row["reason"]) == ("1.000", "-1.000", "Stocktake.")


def test_promised_parts_are_not_counted_away_or_scrapped(advisor: APIClient, part: Part) -> None:
    stock.reserve(lines=[PartLineFactory(part=part, quantity=4)], actor=None, now=timezone.now())
    answer = advisor.post(f"{URL}/{part.pk}/adjust", {"counted": 3, "reason": "Stocktake."})
    assert (answer.status_code, error(answer)["code"]) == (409, "counted_below_reserved")
    assert error(answer)["meta"] == {"reserved": "4.000", "on_hand": "5.000"}
    answer = advisor.post(f"{URL}/{part.pk}/scrap", {"quantity": 2, "reason": "Rusty."})
    assert (answer.status_code, error(answer)["code"], error(answer)["attr"]) == (409, "insufficient_stock", "quantity")
    assert error(answer)["meta"]["shortages"][0]["available"] == "1.000"
    assert advisor.post(f"{URL}/{part.pk}/scrap", {"quantity": 1, "reason": "Rusty."}).json()["on_hand"] == "4.000"


def test_more_than_the_ledger_holds_is_409(advisor: APIClient, part: Part) -> None:
    answer = advisor.post(f"{URL}/{part.pk}/receive", {"quantity": "999999999.999"})
    assert (answer.status_code, error(answer)["code"]) == (409, "stock_limit")


@pytest.mark.parametrize("command", ["receive", "scrap"])
def test_a_movement_of_nothing_is_422(advisor: APIClient, part: Part, command: str) -> None:
    body = {"quantity": 0} | ({"reason": "x"} if command == "scrap" else {})
    answer = advisor.post(f"{URL}/{part.pk}/{command}", body)
    assert (answer.status_code, error(answer)["code"], error(answer)["attr"]) == (
        422, "quantity_not_positive", "quantity",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("command", "body"),
    [
        ("receive", {}),
        ("receive", {"quantity": "-1"}),
        ("receive", {"quantity": "0.0001"}),
        ("receive", {"quantity": 1, "reason": "x"}),
        ("receive", {"quantity": 1, "reference": "x" * 65}),
        ("adjust", {"counted": 1}),
        ("adjust", {"counted": -1, "reason": "x"}),
        ("adjust", {"counted": 1, "reason": ""}),
        ("scrap", {"quantity": 1}),
        ("scrap", {"quantity": True, "reason": "x"}),
        ("archive", {"archived_at": "2020-01-01T00:00:00Z"}),
        ("unarchive", {"x": 1}),
    ],
)
def test_what_the_schema_does_not_allow_is_400(
    advisor: APIClient, part: Part, command: str, body: dict[str, Any]
) -> None:
    assert advisor.post(f"{URL}/{part.pk}/{command}", body).status_code == 400
    assert part.movements.count() == 1


def test_an_archived_part_leaves_the_list_and_can_come_back(advisor: APIClient, part: Part) -> None:
    for _ in range(2):
        first = advisor.post(f"{URL}/{part.pk}/archive")
        assert (first.status_code, first.json()["on_hand"]) == (200, "5.000")
    assert advisor.get(URL).json()["count"] == 0
    assert advisor.get(f"{URL}/{part.pk}").json()["archived_at"] == first.json()["archived_at"] is not None
    for _ in range(2):
        assert advisor.post(f"{URL}/{part.pk}/unarchive").json()["archived_at"] is None
    assert advisor.get(URL).json()["count"] == 1


def test_an_archived_part_is_not_missed(advisor: APIClient) -> None:
    part = PartFactory(on_hand=1, low_stock_threshold=1)
    advisor.post(f"{URL}/{part.pk}/scrap", {"quantity": 1, "reason": "x"})
    advisor.post(f"{URL}/{part.pk}/archive")
    assert part.low_stock_alerts.filter(closed_at=None).count() == 0
    advisor.post(f"{URL}/{part.pk}/unarchive")
    assert part.low_stock_alerts.filter(closed_at=None).count() == 1


@pytest.mark.parametrize(
    ("command", "body"),
    [
        ("archive", {}),
        ("unarchive", {}),
        ("receive", {"quantity": 1}),
        ("adjust", {"counted": 1, "reason": "x"}),
        ("scrap", {"quantity": 1, "reason": "x"}),
    ],
)
def test_moving_stock_is_the_advisors(
    as_user: Any, api: APIClient, user: User, make_user: Any, part: Part, command: str, body: dict[str, Any]
) -> None:
    url = f"{URL}/{part.pk}/{command}"
    assert api.post(url, body).status_code == 401
    for who in (user, make_user(roles=["mechanic"]), make_user(roles=["finance"])):
        assert as_user(who).post(url, body).status_code == 403
    assert as_user(make_user(roles=["service_advisor"])).post(f"{URL}/999999/{command}", body).status_code == 404
    part.refresh_from_db()
    assert (part.on_hand, part.archived_at) == (5, None)


def test_the_ledger_is_for_staff_and_walks_by_cursor(
    as_user: Any, advisor: APIClient, user: User, part: Part, django_assert_num_queries: Any
) -> None:
    assert as_user(user).get(f"{URL}/{part.pk}/movements").status_code == 403
    for number in range(4):
        stock.receive(part_id=part.pk, quantity=Decimal(number + 1), actor=user, now=timezone.now())
    first = advisor.get(f"{URL}/{part.pk}/movements?limit=3").json()
    assert ([row["after"] for row in first["results"]], first["count"]) == (["15.000", "11.000", "8.000"], None)
    assert [row["after"] for row in advisor.get(first["next"]).json()["results"]] == ["6.000", "5.000"]
    assert advisor.get(f"{URL}/{part.pk}/movements?kind=scrap").status_code == 400
    with django_assert_num_queries(3):
        advisor.get(f"{URL}/{part.pk}/movements")
