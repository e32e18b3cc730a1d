"""/api/increment-tables: the steps that staff keep, one table of them the default."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from rest_framework.test import APIClient

from auctions.increments import DEFAULT_TIERS, EBAY_TIERS
from auctions.models import IncrementTable
from auctions.services import increments
from auctions.services.snapshots import default_tiers
from tests.answers import error
from tests.auctions.factories import AuctionFactory
from tests.concurrency.race import race

pytestmark = pytest.mark.django_db
URL = "/api/increment-tables"
TIERS = [{"up_to": "999.99", "step": "10.00"}, {"up_to": None, "step": "25.00"}]


@pytest.fixture
def client(as_user: Any, make_user: Any) -> APIClient:
    return as_user(make_user(roles=["moderator"]))


@pytest.fixture
def default(db: None) -> IncrementTable:
    """The only table that there is."""
    IncrementTable.objects.all().delete()
    return IncrementTable.objects.create(name="Vehicles", tiers=DEFAULT_TIERS, is_default=True)


def test_a_moderator_adds_and_changes_a_table(client: APIClient) -> None:
    answer = client.post(URL, {"name": "Trucks", "tiers": [{"up_to": 999.99, "step": 10}, TIERS[1]]}, format="json")
    assert answer.status_code == 201, answer.content
    shown = answer.json()
    assert (shown["tiers"], shown["is_default"]) == (TIERS, False)
    assert client.get(answer["Location"]).json() == shown
    changed = client.patch(answer["Location"], {"tiers": EBAY_TIERS}, format="json").json()
    assert (changed["name"], changed["tiers"]) == ("Trucks", EBAY_TIERS)
    assert client.delete(answer["Location"]).status_code == 204
    assert client.get(answer["Location"]).status_code == 404


def test_the_list_is_by_name_at_one_price(
    client: APIClient, default: IncrementTable, django_assert_num_queries: Any
) -> None:
    for name in ("Boats", "Anything"):
        IncrementTable.objects.create(name=name, tiers=TIERS)
    with django_assert_num_queries(2):  # The user with permissions, the page.
        shown = client.get(URL).json()["results"]
    assert [row["name"] for row in shown] == ["Anything", "Boats", "Vehicles"]


@pytest.mark.parametrize(
    ("tiers", "code", "attr"),
    [
        ([{"up_to": "9", "step": "1"}], "last_tier_not_open", "tiers.0.up_to"),
        ([{"up_to": "9", "step": "2"}, {"up_to": None, "step": "1"}], "steps_falling", "tiers.1.step"),
        ([{"up_to": None, "step": "1"}, {"up_to": None, "step": "1"}], "open_tier_not_last", "tiers.0.up_to"),
        ([*TIERS[:1], *TIERS], "tiers_not_rising", "tiers.1.up_to"),
        ([{"up_to": None, "step": "9999999999.99"}], "step_too_large", "tiers.0.step"),
        ([TIERS[0], {"up_to": None, "step": 1000000.01}], "step_too_large", "tiers.1.step"),
    ],
)
def test_steps_that_no_auction_may_use_are_422_with_their_place(
    client: APIClient, default: IncrementTable, tiers: Any, code: str, attr: str
) -> None:
    for answer in (
        client.post(URL, {"name": "Trucks", "tiers": tiers}, format="json"),
        client.patch(f"{URL}/{default.pk}", {"tiers": tiers}, format="json"),
    ):
        assert (answer.status_code, error(answer)["code"], error(answer)["attr"]) == (422, code, attr)
        assert {"code": code, "attr": attr}.items() <= error(answer)["meta"]["findings"][0].items()
    default.refresh_from_db()
    assert default.tiers == DEFAULT_TIERS


@pytest.mark.parametrize(
    "body",
    [
        {"tiers": []}, {"tiers": None}, {"tiers": [{"step": "1"}]}, {"tiers": [{"up_to": "0", "step": "1"}]},
        {"tiers": [{"up_to": None, "step": "0.001"}]}, {"tiers": TIERS * 26}, {"name": ""}, {"name": "x" * 65},
        {"is_default": True}, {"id": 1},
    ],
    ids=str,
)  # fmt: skip
def test_what_the_schema_does_not_allow_is_400_or_out_of_range(client: APIClient, body: dict[str, Any]) -> None:
    answer = client.post(URL, {"name": "Trucks", "tiers": TIERS} | body, format="json")
    assert (answer.status_code, error(answer)["code"]) == (422, "out_of_range") or answer.status_code == 400


def test_a_name_is_that_of_one_table(client: APIClient, default: IncrementTable) -> None:
    other = IncrementTable.objects.create(name="Boats", tiers=TIERS)
    for answer in (
        client.post(URL, {"name": "Vehicles", "tiers": TIERS}, format="json"),
        client.patch(f"{URL}/{other.pk}", {"name": "Vehicles"}, format="json"),
    ):
        assert (answer.status_code, error(answer)["code"], error(answer)["attr"]) == (
            409, "increment_table_exists", "name",
        )  # fmt: skip
        assert error(answer)["meta"] == {"existing_id": default.pk}


def test_another_table_becomes_the_default(client: APIClient, default: IncrementTable) -> None:
    other = IncrementTable.objects.create(name="Boats", tiers=TIERS)
    for _ in range(2):
        assert client.post(f"{URL}/{other.pk}/make-default").json()["is_default"] is True
        assert list(IncrementTable.objects.filter(is_default=True)) == [other]
    assert default_tiers() == TIERS


def test_the_default_table_stays(client: APIClient, default: IncrementTable) -> None:
    answer = client.delete(f"{URL}/{default.pk}")
    assert (answer.status_code, error(answer)["code"]) == (409, "default_increment_table")
    assert IncrementTable.objects.get() == default


def test_an_auction_keeps_the_steps_that_it_went_live_with(client: APIClient, default: IncrementTable) -> None:
    auction = AuctionFactory()
    client.patch(f"{URL}/{default.pk}", {"tiers": TIERS}, format="json")
    auction.refresh_from_db()
    assert auction.increments == DEFAULT_TIERS
    assert AuctionFactory().increments == TIERS


@pytest.mark.parametrize(
    ("role", "reads", "writes"), [("finance", 200, 403), ("parking_manager", 403, 403), (None, 403, 403)]
)
def test_others_read_at_most(
    as_user: Any, make_user: Any, default: IncrementTable, role: str | None, reads: int, writes: int
) -> None:
    client, url = as_user(make_user(roles=[role] if role else [])), f"{URL}/{default.pk}"
    assert client.get(URL).status_code == client.get(url).status_code == reads
    for answer in (
        client.post(URL, {}), client.patch(url, {}), client.delete(url), client.post(f"{url}/make-default"),
    ):  # fmt: skip
        assert answer.status_code == writes
    assert APIClient().get(URL).status_code == 401


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_of_many_who_choose_a_default_at_once_one_is_the_last(default: IncrementTable) -> None:
    tables = [IncrementTable.objects.create(name=f"T{number}", tiers=TIERS) for number in range(6)]
    done = race([partial(increments.make_default, table=table) for table in tables])
    assert [type(result) for result in done] == [IncrementTable] * 6
    assert IncrementTable.objects.filter(is_default=True).count() == 1


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_without_the_lock_the_constraint_turns_some_away(
    default: IncrementTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: all read the same default, all put it down, and one only may put up another."""
    manager = type(IncrementTable.objects)
    monkeypatch.setattr(manager, "select_for_update", lambda self, **_: self.get_queryset())
    tables = [IncrementTable.objects.create(name=f"T{number}", tiers=TIERS) for number in range(6)]
    done = race([partial(increments.make_default, table=table) for table in tables])
    assert any(isinstance(result, Exception) for result in done)
