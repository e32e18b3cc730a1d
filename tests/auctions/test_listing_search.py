"""GET /api/vehicles: what the marketplace shows, what finds it, and in which order."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.http import QueryDict
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from auctions.filters.listings import ListingFilter
from auctions.models import Auction, Listing
from auctions.services.search import ordered
from tests.answers import refused
from tests.auctions.factories import AuctionFactory, BidderFactory, ListingFactory
from tests.auctions.listings import URL, add_photo, ids
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


def in_auction(**fields: Any) -> int:
    """The id of a listing; `price` is what its live auction has come to, and `bids` how many there were."""
    price, bids = fields.pop("price", None), fields.pop("bids", 0)
    auction = AuctionFactory(**fields)
    if price is not None:
        lead = {"leader": BidderFactory(), "leader_number": 1, "leader_max": 100_000}
        Auction.objects.filter(pk=auction.pk).update(price=price, bid_count=bids, **lead)
    return auction.listing_id


def found(api: APIClient, query: str) -> set[int]:
    return set(ids(api.get(f"{URL}?{query}")))


def test_the_marketplace_is_what_is_active_or_in_an_auction(api: APIClient) -> None:
    shown = [ListingFactory().pk, in_auction()]
    for status in set(Listing.Status.values) - {"active", "in_auction"}:
        ListingFactory(status=status)
    assert ids(api.get(URL)) == shown[::-1]


def test_a_seller_finds_no_more_than_others_do(as_user: Any, user: User) -> None:
    ListingFactory(seller=user, status="draft")
    assert ids(as_user(user).get(URL)) == []


@pytest.mark.parametrize(
    ("fields", "hit", "miss"),
    [
        ({"make": "Land  Rover"}, "make=LAND%20rover", "make=land"),
        ({"model": "Civic Si"}, "model=civic%20SI", "model=civic"),
        ({"trim": "EX-L"}, "trim=ex-l", "trim=ex"),
        ({"year": 2012}, "year_min=2012&year_max=2012", "year_max=2011"),
        ({"starting_price": 700}, "max_price=700", "max_price=699.99"),
        ({"starting_price": 9000}, "min_price=9000", "min_price=9000.01"),
        ({"mileage": 9}, "mileage_max=9", "mileage_max=8"),
        ({"body_type": "pickup"}, "body_type=pickup", "body_type=van"),
        ({"fuel_type": "diesel"}, "fuel_type=diesel", "fuel_type=lpg"),
        ({"transmission": "cvt"}, "transmission=cvt", "transmission=manual"),
        ({"drivetrain": "4wd"}, "drivetrain=4wd", "drivetrain=fwd"),
        ({"condition": "parts_only"}, "condition=parts_only", "condition=does_not_start"),
        ({"title_type": "flood"}, "title_type=flood", "title_type=lemon"),
        ({"location_state": "CA"}, "state=ca", "state=c"),
        ({"has_keys": False}, "has_keys=false", "has_keys=false&make=honda&year_min=2100"),
        ({"buy_now_price": 5000}, "buy_now=true", "buy_now=true&year_min=2100"),
        ({"description": "New tyres, one owner."}, "search=ONE%20accord", "search=two%20owner"),
        ({"vehicle__vin": "1HGCM82633A004352"}, "search=82633a", "search=82634"),
    ],
)
def test_each_filter_finds_what_it_says(api: APIClient, fields: dict[str, Any], hit: str, miss: str) -> None:
    ListingFactory()
    listing = ListingFactory(**fields)
    assert found(api, hit) == {listing.pk}
    assert found(api, miss) == set()


@pytest.mark.parametrize(
    "query",
    [
        "make=", "year_min=1885", "year_min=2020&year_max=2019", "min_price=2&max_price=1", "min_price=-1",
        "body_type=boat", "has_keys=1", "auction_status=over", "no_reserve=yes", "ends_before=2026-01-01",
        "ordering=-newest", "ordering=reserve_price", "ordering=newest,price", "reserve_price=1", "search=",
        f"search={'x' * 51}", "status=draft", "matched_at=1", "make=a&make=b",
    ],
)  # fmt: skip
def test_what_is_no_filter_is_400(api: APIClient, query: str) -> None:
    assert api.get(f"{URL}?{query}").status_code == 400
    if "ordering" not in query:
        assert api.get(f"{URL}/facets?{query}").status_code == 400


def test_prices_are_those_of_the_auction(api: APIClient) -> None:
    bid_on, fresh = in_auction(price=3000, bids=2), in_auction()
    past = in_auction(price=9000, bids=3)
    Listing.objects.filter(pk=past).update(status="active")
    assert found(api, "min_price=3000") == {bid_on}
    assert found(api, "max_price=1000") == {fresh, past}


def test_the_state_of_an_auction(api: APIClient) -> None:
    live, scheduled = in_auction(), in_auction(status="scheduled")
    past = in_auction()
    Listing.objects.filter(pk=past).update(status="active")
    assert found(api, "auction_status=live") == {live}
    assert found(api, "auction_status=scheduled") == {scheduled}


def test_auctions_that_end_before_a_moment(api: APIClient) -> None:
    now = timezone.now()
    soon = in_auction(ends_at=now + timedelta(minutes=5))
    in_auction()
    ListingFactory()
    assert found(api, f"ends_before={(now + timedelta(minutes=6)).strftime('%Y-%m-%dT%H:%M:%SZ')}") == {soon}


def test_the_reserve_as_far_as_everybody_knows_it(api: APIClient) -> None:
    without = in_auction(price=2000, bids=1)
    met = in_auction(price=2000, bids=1, reserve_price=Decimal(2000))
    not_met = in_auction(price=1999, bids=1, reserve_price=Decimal(2000))
    unbid = in_auction(reserve_price=Decimal(2000))
    assert found(api, "no_reserve=true") == {without}
    assert found(api, "no_reserve=false") == {met, not_met, unbid}
    assert found(api, "reserve_met=true") == {met}
    assert found(api, "reserve_met=false") == {not_met, unbid}
    for listing in Listing.objects.select_related("auction"):
        assert api.get(f"{URL}/{listing.pk}").json()["auction"]["reserve_status"] == listing.auction.reserve_status


def test_a_purchase_at_once_is_offered_until_it_is_gone(api: APIClient) -> None:
    offers = {"reserve_price": Decimal(2000), "buy_now_price": Decimal(3000)}
    unbid, below = in_auction(**offers), in_auction(price=1500, bids=1, **offers)
    met = in_auction(price=2000, bids=1, **offers)
    no_reserve = in_auction(price=1000, bids=1, buy_now_price=Decimal(3000))
    offered, plain = ListingFactory(buy_now_price=3000).pk, ListingFactory().pk
    assert found(api, "buy_now=true") == {unbid, below, offered}
    assert found(api, "buy_now=false") == {met, no_reserve, plain}
    for pk in (unbid, below, met, no_reserve):
        gone = api.get(f"{URL}/{pk}").json()["auction"]["buy_now"] is None
        assert gone == (pk in (met, no_reserve))


# --- Secrets

EVERY_QUERY = [
    "", "no_reserve=true", "no_reserve=false", "reserve_met=true", "reserve_met=false", "buy_now=true", "buy_now=false",
    "min_price=1500", "max_price=1500", *(f"ordering={name}" for name in ("price", "-price", "bids", "ending_soon")),
]  # fmt: skip


def _everything(api: APIClient) -> list[Any]:
    answers = [api.get(f"{URL}?{query}").json() for query in EVERY_QUERY]
    return answers + [api.get(f"{URL}/facets?{query}").json() for query in EVERY_QUERY if "ordering" not in query]


def test_a_reserve_without_an_auction_changes_no_answer(api: APIClient) -> None:
    listing = ListingFactory(buy_now_price=9000)
    past = in_auction(reserve_price=Decimal(2000))
    Listing.objects.filter(pk=past).update(status="active")
    before = _everything(api)
    Listing.objects.filter(pk=listing.pk).update(reserve_price=1500)
    Auction.objects.update(reserve_price=None)
    assert _everything(api) == before


def test_how_high_a_reserve_or_a_maximum_is_changes_no_answer(api: APIClient) -> None:
    in_auction(price=1200, bids=2, reserve_price=Decimal(5000), buy_now_price=Decimal(9000))
    before = _everything(api)
    Auction.objects.update(reserve_price=Decimal("1200.01"), leader_max=Decimal("1200.00"), runner_up_max=1100)
    Listing.objects.update(reserve_price=Decimal(8000))
    assert _everything(api) == before


# --- Order and paging


def test_the_orders(api: APIClient) -> None:
    now = timezone.now()
    dear = ListingFactory(starting_price=9000, mileage=5, published_at=now - timedelta(days=3)).pk
    ends_late = in_auction(price=4000, bids=2, ends_at=now + timedelta(days=2))
    ends_soon = in_auction(price=2000, bids=7, ends_at=now + timedelta(hours=2))
    Listing.objects.filter(pk=ends_soon).update(mileage=3)
    assert ids(api.get(URL)) == ids(api.get(f"{URL}?ordering=newest")) == [ends_soon, ends_late, dear]
    assert ids(api.get(f"{URL}?ordering=ending_soon")) == [ends_soon, ends_late, dear]
    assert ids(api.get(f"{URL}?ordering=price")) == [ends_soon, ends_late, dear]
    assert ids(api.get(f"{URL}?ordering=-price")) == [dear, ends_late, ends_soon]
    assert ids(api.get(f"{URL}?ordering=mileage")) == [ends_soon, dear, ends_late]
    assert ids(api.get(f"{URL}?ordering=bids")) == [ends_soon, ends_late, dear]


@pytest.mark.parametrize("order", ["newest", "ending_soon", "price", "-price", "mileage", "bids"])
def test_a_walk_meets_every_listing_once_both_ways(api: APIClient, order: str) -> None:
    at = timezone.now()
    every = [in_auction(ends_at=at + timedelta(hours=1 + number // 2)) for number in range(4)]
    every += [ListingFactory(published_at=at, mileage=number % 2).pk for number in range(3)]
    pages = []
    page = api.get(f"{URL}?ordering={order}&limit=2&cursor=*").json()
    while True:
        pages.append([row["id"] for row in page["results"]])
        if page["next"] is None:
            break
        page = api.get(page["next"]).json()
    walked = [pk for rows in pages for pk in rows]
    assert sorted(walked) == sorted(every)
    assert walked == ids(api.get(f"{URL}?ordering={order}"))
    assert [row["id"] for row in api.get(page["previous"]).json()["results"]] == pages[-2]


@pytest.mark.parametrize("cursor", ["n@1", "n1.2.3", "n~.5", "p@", "nabc.1"])
def test_a_made_up_cursor_is_400(api: APIClient, cursor: str) -> None:
    ListingFactory()
    for order in ("price", "ending_soon", "newest"):
        answer = api.get(f"{URL}?ordering={order}&cursor={cursor}")
        assert answer.status_code in (200, 400), answer.content
    assert refused(api.get(f"{URL}?ordering=price&cursor=n@1")) == (400, "invalid_cursor")


def test_a_page_costs_the_same_number_of_queries_whatever_its_length(
    api: APIClient, django_assert_num_queries: Any
) -> None:
    query = f"{URL}?search=honda&buy_now=false&no_reserve=true&ordering=price"
    for _ in range(2):
        for _ in range(5):
            add_photo(Listing.objects.get(pk=in_auction(listing_fields={"seller": UserFactory()})))
        with django_assert_num_queries(1):
            assert api.get(query).json()["count"] in (5, 10)


def test_a_query_can_be_kept_and_asked_again(db: None) -> None:
    """As saved searches do."""
    values = ListingFilter.read(QueryDict("make=HONDA&max_price=1000&ordering=price"))
    hit, _ = ListingFactory(), ListingFactory(make="Kia")
    assert list(ListingFilter().apply(Listing.objects.public(), values)) == [hit]


# --- Plans


@pytest.fixture
def _many(db: None) -> None:
    """Enough that the plans differ."""
    first = ListingFactory()
    now = timezone.now()
    vehicles = [first.vehicle.__class__(owner=first.seller) for _ in range(3000)]
    first.vehicle.__class__.objects.bulk_create(vehicles)
    Listing.objects.bulk_create(
        Listing(
            seller_id=first.seller_id, vehicle=vehicle, status="active" if number % 2 else "archived", year=2000,
            make=f"Make {number % 500}", make_key=f"make {number % 500}", model="M", model_key="m", mileage=number,
            starting_price=1 + number, currency="USD", published_at=now - timedelta(minutes=number),
            submitted_at=now,
        )
        for number, vehicle in enumerate(vehicles)
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE auctions_listing")
        cursor.execute("SET LOCAL enable_seqscan = off")


@pytest.mark.postgres
@pytest.mark.usefixtures("_many")
@pytest.mark.parametrize(("order", "index"), [("newest", "listing_newest"), ("mileage", "listing_mileage")])
def test_an_unfiltered_page_comes_from_an_index_in_its_order(order: str, index: str) -> None:
    rows = ordered(Listing.objects.public(), order)
    tie = "-id" if order == "newest" else "id"
    plan = rows.order_by(*rows.query.order_by, tie)[:20].explain()
    assert index in plan
    assert "Sort" not in plan


@pytest.mark.postgres
@pytest.mark.usefixtures("_many")
@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({"make_key": "make 3"}, "listing_make"),
        ({"vin": "1HGCM82633A004352", "status__in": ["draft", "active"]}, "listing_live_vin"),
    ],
)
def test_the_selective_questions_have_an_index(filters: dict[str, Any], index: str) -> None:
    assert index in Listing.objects.filter(**{"status__in": ["active", "in_auction"]} | filters).explain()


@pytest.mark.postgres
@pytest.mark.usefixtures("_many")
def test_ones_own_listings_and_the_queue_have_their_indexes() -> None:
    own = Listing.objects.filter(seller=UserFactory()).order_by("-id")[:20]
    assert "listing_seller" in own.explain()
    queue = Listing.objects.filter(status="pending_review").order_by("submitted_at")[:20]
    assert "listing_queue" in queue.explain()
