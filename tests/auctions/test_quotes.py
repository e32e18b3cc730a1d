"""GET /api/auctions/{id}/quote: the all-in price, for everybody."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from auctions.fees import DEFAULT_SCHEDULE
from auctions.models import Auction, FeeSchedule, Listing
from tests.auctions.factories import AuctionFactory

pytestmark = pytest.mark.django_db
TAXED = DEFAULT_SCHEDULE | {"tax_rates": {"NY": "8.875"}, "taxable": ["hammer", "buyer_premium"]}


def quote_of(auction: Auction, query: str = "", client: APIClient | None = None) -> Any:
    return (client or APIClient()).get(f"/api/auctions/{auction.pk}/quote?{query}")


def test_everybody_is_quoted_the_next_bid_unless_they_name_an_amount() -> None:
    auction = AuctionFactory()
    assert quote_of(auction).json() == {
        "currency": "USD",
        "lines": [
            {"kind": "hammer", "amount": "1000.00"},
            {"kind": "buyer_premium", "amount": "250.00"},
            {"kind": "title_processing", "amount": "75.00"},
        ],
        "total": "1325.00",
    }
    assert quote_of(auction, "amount=15000").json()["total"] == "15825.00"
    assert quote_of(auction, "amount=5000.10").json()["lines"][1]["amount"] == "250.01"


def test_the_tax_is_that_of_the_buyers_state() -> None:
    auction = AuctionFactory()
    Auction.objects.filter(pk=auction.pk).update(fee_schedule=TAXED)
    assert quote_of(auction, "amount=1000&state=NY").json()["lines"][-1] == {"kind": "tax", "amount": "110.94"}
    for query in ("amount=1000", "amount=1000&state=CA"):
        assert quote_of(auction, query).json()["total"] == "1325.00"


def test_a_scheduled_auction_is_quoted_by_the_schedule_in_force_and_a_live_one_by_its_own() -> None:
    live, scheduled = AuctionFactory(), AuctionFactory(status="scheduled")
    FeeSchedule.objects.create(name="Dear", kind="percent", percent=Decimal(50), title_processing=0)
    assert quote_of(scheduled).json()["total"] == "1500.00"
    assert quote_of(live).json()["total"] == "1325.00"


def test_what_is_over_is_quoted_at_its_last_price(make_user: Any) -> None:
    auction, now = AuctionFactory(), timezone.now()
    Auction.objects.filter(pk=auction.pk).update(
        status="sold", closed_at=now, price=Decimal(6000), leader=make_user(), leader_number=1, leader_max=Decimal(9000)
    )
    assert quote_of(auction).json()["lines"][0]["amount"] == "6000.00"


def test_the_largest_amount_has_a_quote() -> None:
    auction = AuctionFactory()
    dear = TAXED | {"percent": "100", "minimum": None, "maximum": None, "tax_rates": {"NY": "100"}}
    Auction.objects.filter(pk=auction.pk).update(fee_schedule=dear)
    answer = quote_of(auction, "amount=9999999999.99&state=NY")
    assert (answer.status_code, answer.json()["total"]) == (200, "40000000074.96")


@pytest.mark.parametrize(
    "query",
    ["amount=0", "amount=0.00", "amount=-1", "amount=1e3", "amount=1.001", "amount=10000000000", "amount=", "amount=01",
     "amount=1&amount=2", "state=ny", "state=NYC", "state=%00%00", "page=1", "status=live"],
)  # fmt: skip
def test_what_is_no_amount_and_no_state_is_400(query: str) -> None:
    assert quote_of(AuctionFactory(), query).status_code == 400


def test_an_auction_that_may_not_be_seen_has_no_quote(as_user: Any, user: Any, other_user: Any) -> None:
    auction = AuctionFactory(listing_fields={"seller": user})
    Listing.objects.filter(pk=auction.listing_id).update(status="suspended")
    assert quote_of(auction).status_code == quote_of(auction, client=as_user(other_user)).status_code == 404
    assert quote_of(auction, client=as_user(user)).status_code == 200
    assert APIClient().get("/api/auctions/999999/quote").status_code == 404


def test_the_reserve_and_the_maxima_leave_no_trace_in_a_quote(make_user: Any) -> None:
    """Two auctions that differ in their secrets alone are quoted alike."""
    shown = []
    for reserve, maximum in ((1500, 2000), (9000, 7777)):
        auction = AuctionFactory(reserve_price=Decimal(reserve), ends_at=timezone.now() + timedelta(hours=3))
        Auction.objects.filter(pk=auction.pk).update(
            price=Decimal(1000), leader=make_user(), leader_number=1, leader_max=Decimal(maximum), bid_count=1
        )
        shown.append(quote_of(auction).content)
    assert shown[0] == shown[1]


def test_a_quote_is_two_statements(django_assert_num_queries: Any) -> None:
    scheduled = AuctionFactory(status="scheduled")
    with django_assert_num_queries(2):  # The auction, the schedule in force.
        quote_of(scheduled)
