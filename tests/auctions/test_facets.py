"""GET /api/vehicles/facets: what there is, counted."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from auctions.models import Listing
from auctions.services.facets import MOST_MAKES
from tests.auctions.factories import ListingFactory
from tests.auctions.listings import URL
from tests.auctions.test_listing_search import in_auction

pytestmark = pytest.mark.django_db
FACETS = f"{URL}/facets"


@pytest.fixture
def stock() -> None:
    ListingFactory(make="Honda", body_type="sedan", title_type="clean", starting_price=4999)
    ListingFactory(make="HONDA", body_type="suv", title_type="salvage", starting_price=5000)
    ListingFactory(make="Kia", body_type="suv", title_type="clean", starting_price=250_000)
    ListingFactory(make="Ford", status="draft")
    in_auction(price=12_000, bids=1, listing_fields={"make": "Kia", "title_type": ""})


def counts(rows: list[dict[str, Any]], key: str = "value") -> dict[str, int]:
    return {row[key]: row["count"] for row in rows}


@pytest.mark.usefixtures("stock")
def test_the_whole_marketplace(api: APIClient) -> None:
    shown = api.get(FACETS).json()
    assert shown["count"] == 4
    assert shown["make"] == [
        {"value": "honda", "name": shown["make"][0]["name"], "count": 2},
        {"value": "kia", "name": "Kia", "count": 2},
    ]
    assert counts(shown["body_type"]) == {"suv": 2, "sedan": 1}
    assert counts(shown["title_type"]) == {"clean": 2, "salvage": 1}
    prices = counts(shown["price"], "from")
    assert prices == {
        "0.00": 1, "5000.00": 1, "10000.00": 1, "20000.00": 0, "30000.00": 0, "50000.00": 0, "100000.00": 1,
    }  # fmt: skip
    assert [band["to"] for band in shown["price"]] == [*list(prices)[1:], None]


@pytest.mark.usefixtures("stock")
@pytest.mark.parametrize(
    ("query", "count"), [("make=kia", 2), ("body_type=suv&title_type=clean", 1), ("min_price=12000", 2), ("make=x", 0)]
)
def test_counts_are_of_what_the_filters_leave(api: APIClient, query: str, count: int) -> None:
    shown = api.get(f"{FACETS}?{query}").json()
    assert (
        shown["count"] == count == sum(counts(shown["make"]).values()) == sum(counts(shown["price"], "from").values())
    )
    assert count == api.get(f"{URL}?{query}").json()["count"]


def test_only_the_most_frequent_makes_are_named(api: APIClient) -> None:
    for number in range(MOST_MAKES + 1):
        ListingFactory(make=f"Make {number:02}")
    ListingFactory(make="Make 50")
    makes = api.get(FACETS).json()["make"]
    assert (len(makes), makes[0]) == (MOST_MAKES, {"value": "make 50", "name": "Make 50", "count": 2})


def test_they_cost_four_queries(api: APIClient, django_assert_num_queries: Any) -> None:
    for _ in range(3):
        in_auction(reserve_price=Decimal(2000))
    with django_assert_num_queries(4):
        assert api.get(f"{FACETS}?no_reserve=false&buy_now=false&search=honda").json()["count"] == 3


def test_they_take_no_order(api: APIClient) -> None:
    assert api.get(f"{FACETS}?ordering=price").status_code == 400


def test_they_have_a_tag(api: APIClient) -> None:
    tag = api.get(FACETS)["ETag"]
    assert api.get(FACETS, HTTP_IF_NONE_MATCH=tag).status_code == 304
    ListingFactory()
    assert api.get(FACETS, HTTP_IF_NONE_MATCH=tag).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_they_are_cached_until_a_listing_changes(
    api: APIClient, as_user: Any, user: User, django_assert_num_queries: Any
) -> None:
    listing = ListingFactory(seller=user)
    assert api.get(FACETS).json()["count"] == 1
    ListingFactory()
    assert api.get(FACETS).json()["count"] == 1  # The factory tells nobody.
    as_user(user).post(f"{URL}/{listing.pk}/archive")
    assert Listing.objects.public().count() == api.get(FACETS).json()["count"] == 1
    assert api.get(f"{FACETS}?make=kia").json()["count"] == 0
