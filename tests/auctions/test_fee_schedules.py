"""/api/fee-schedules: what staff lay down before it is in force, and nobody changes afterwards."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from auctions.fees import DEFAULT_SCHEDULE
from auctions.models import FeeSchedule
from auctions.services import fees
from auctions.services.snapshots import fee_snapshot
from tests.answers import error
from tests.auctions.factories import AuctionFactory

pytestmark = pytest.mark.django_db
URL = "/api/fee-schedules"
SOON = "2099-01-01T00:00:00Z"
BODY = {"name": "Next", "percent": "4.5", "minimum": "225", "maximum": 4500, "valid_from": SOON}
TIERS = [{"up_to": "1000.00", "percent": "15.00"}, {"up_to": None, "percent": "10.00"}]


@pytest.fixture
def client(as_user: Any, make_user: Any) -> APIClient:
    return as_user(make_user(roles=["finance"]))


@pytest.fixture
def present(db: None) -> FeeSchedule:
    """The only one that there is."""
    FeeSchedule.objects.all().delete()
    return FeeSchedule.objects.create(
        name="Standard", **DEFAULT_SCHEDULE, valid_from=timezone.now() - timedelta(days=30)
    )


@pytest.fixture
def coming(present: FeeSchedule) -> FeeSchedule:
    return FeeSchedule.objects.create(name="Next", **DEFAULT_SCHEDULE, valid_from=datetime(2099, 1, 1, tzinfo=UTC))


def test_finance_lays_down_a_schedule_and_changes_it_until_its_time(client: APIClient) -> None:
    taxes = {"tax_rates": {"NY": 8.875}, "taxable": ["transport", "hammer"]}
    answer = client.post(URL, BODY | taxes | {"seller_percent": "2.5"}, format="json")
    assert answer.status_code == 201, answer.content
    shown = answer.json()
    assert (shown["kind"], shown["percent"], shown["minimum"], shown["maximum"]) == (
        "percent", "4.50", "225.00", "4500.00",
    )  # fmt: skip
    assert (shown["tax_rates"], shown["taxable"], shown["valid_from"]) == (
        {"NY": "8.875"}, ["hammer", "transport"], SOON,
    )  # fmt: skip
    assert shown["seller_percent"] == "2.50"
    assert client.get(answer["Location"]).json() == shown
    body = {"kind": "marginal", "percent": None, "minimum": None, "maximum": None, "tiers": TIERS}
    changed = client.patch(answer["Location"], body, format="json").json()
    assert (changed["kind"], changed["percent"], changed["tiers"]) == ("marginal", None, TIERS)
    assert client.delete(answer["Location"]).status_code == 204
    assert client.get(answer["Location"]).status_code == 404


def test_a_schedule_without_a_beginning_is_in_force_at_once(client: APIClient, present: FeeSchedule) -> None:
    answer = client.post(URL, {"name": "Now", "percent": "1"}, format="json")
    assert answer.status_code == 201
    snapshot = fee_snapshot(now=timezone.now())
    assert (snapshot["percent"], snapshot["seller_percent"]) == ("1.00", "0.00")
    assert fee_snapshot(now=timezone.now() - timedelta(days=1))["percent"] == "5.00"


def test_what_is_or_was_in_force_does_not_change(client: APIClient, present: FeeSchedule) -> None:
    url = f"{URL}/{present.pk}"
    for answer in (
        client.patch(url, {"percent": "4"}, format="json"),
        client.put(url, BODY, format="json"),
        client.delete(url),
    ):
        assert (answer.status_code, error(answer)["code"]) == (409, "fee_schedule_in_force")
        assert "new one" in error(answer)["detail"]
    present.refresh_from_db()
    assert (present.name, present.percent) == ("Standard", Decimal("5.00"))


def test_the_moment_itself_is_too_late(coming: FeeSchedule) -> None:
    """To the microsecond: an auction that opens then takes it over."""
    before = coming.valid_from - timedelta(microseconds=1)
    fees.update_fee_schedule(schedule=coming, data={"percent": Decimal(4)}, clock=lambda: before)
    with pytest.raises(fees.FeeScheduleInForce):
        fees.update_fee_schedule(schedule=coming, data={"percent": Decimal(3)}, clock=lambda: coming.valid_from)
    with pytest.raises(fees.FeeScheduleInForce):
        fees.delete_fee_schedule(schedule=coming, clock=lambda: coming.valid_from)
    assert fee_snapshot(now=coming.valid_from)["percent"] == "4.00"


def test_no_schedule_begins_in_the_past(client: APIClient, coming: FeeSchedule) -> None:
    past = {"valid_from": "2026-01-02T00:00:00Z"}
    for answer in (
        client.post(URL, BODY | past | {"name": "Old"}, format="json"),
        client.patch(f"{URL}/{coming.pk}", past, format="json"),
    ):
        assert (answer.status_code, error(answer)["code"], error(answer)["attr"]) == (
            422, "valid_from_in_past", "valid_from",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("body", "code", "attr"),
    [
        ({"percent": None}, "percent_missing", "percent"),
        ({"minimum": "9", "maximum": "8"}, "minimum_above_maximum", "minimum"),
        ({"tiers": TIERS}, "not_of_this_kind", "tiers"),
        ({"kind": "marginal", "percent": None, "minimum": None, "maximum": None}, "no_tiers", "tiers"),
        ({"tax_rates": {"New York": "8"}}, "unknown_state", "tax_rates.New York"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_422_with_its_place(
    client: APIClient, coming: FeeSchedule, body: dict[str, Any], code: str, attr: str
) -> None:
    answer = client.patch(f"{URL}/{coming.pk}", body, format="json")
    assert (answer.status_code, error(answer)["code"], error(answer)["attr"]) == (422, code, attr)
    assert error(answer)["meta"]["findings"][0]["attr"] == attr
    assert client.post(URL, BODY | {"name": "Other"} | body, format="json").status_code == 422


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "flat"}, {"percent": 100.01}, {"percent": -1}, {"percent": "5.001"}, {"tax_rates": {"NY": 101}},
        {"tax_rates": []}, {"taxable": ["tax"]}, {"tiers": [{"up_to": None}]}, {"valid_from": "2099-01-01"},
        {"name": ""}, {"created_at": SOON}, {"seller_percent": 101}, {"seller_percent": None},
    ],
    ids=str,
)  # fmt: skip
def test_what_the_schema_does_not_allow_is_400(client: APIClient, body: dict[str, Any]) -> None:
    assert client.post(URL, BODY | body, format="json").status_code == 400


def test_a_name_is_that_of_one_schedule(client: APIClient, coming: FeeSchedule, present: FeeSchedule) -> None:
    for answer in (
        client.post(URL, BODY | {"name": "Standard"}, format="json"),
        client.patch(f"{URL}/{coming.pk}", {"name": "Standard"}, format="json"),
    ):
        assert (answer.status_code, error(answer)["code"], error(answer)["attr"]) == (
            409, "fee_schedule_exists", "name",
        )  # fmt: skip
        assert error(answer)["meta"] == {"existing_id": present.pk}


def test_the_list_is_the_latest_first_at_one_price(
    client: APIClient, coming: FeeSchedule, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(2):  # The user with permissions, the page.
        shown = client.get(URL).json()["results"]
    assert [row["name"] for row in shown] == ["Next", "Standard"]


def test_an_auction_keeps_the_fees_that_it_went_live_with(client: APIClient, present: FeeSchedule) -> None:
    auction = AuctionFactory()
    client.post(URL, {"name": "Now", "percent": "1"}, format="json")
    auction.refresh_from_db()
    assert auction.fee_schedule == DEFAULT_SCHEDULE


@pytest.mark.parametrize("role", ["moderator", "service_advisor", None])
def test_others_neither_read_nor_write(as_user: Any, make_user: Any, coming: FeeSchedule, role: str | None) -> None:
    client, url = as_user(make_user(roles=[role] if role else [])), f"{URL}/{coming.pk}"
    for answer in (
        client.get(URL), client.get(url), client.post(URL, {}), client.patch(url, {}), client.delete(url),
    ):  # fmt: skip
        assert answer.status_code == 403
    assert APIClient().get(URL).status_code == 401
