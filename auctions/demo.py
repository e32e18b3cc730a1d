"""The auctions of the demo data: a dealer's cars, live, to come, sold and unsold, listings on their way there, and who
watches. What became of those that were sold is in `demo_sales`."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Q

from accounts.demo import Look, look_back
from auctions import demo_cars as cars
from auctions.demo_market import DAY, HOUR, Market
from auctions.demo_sales import Sales, clear_sales
from auctions.models import Auction, AuctionEvent, AuctionLogEntry, Listing, SavedSearch
from auctions.services.chances import make_offers
from auctions.services.files import forget_files
from auctions.services.moderation import reject_listing, request_changes
from auctions.services.searches import create_search
from auctions.services.watching import watch_auction
from cars.demo import ACCORD_SPORT, VEHICLES
from cars.models import Vehicle

MINUTE = timedelta(minutes=1)
SEARCHES = (
    ("bob", "Electric cars", {"fuel_type": "electric"}, "instant"),
    ("alice", "SUVs for the family", {"body_type": "suv", "max_price": "10000.00"}, "daily"),
    ("henry", "Hondas", {"make": "Honda"}, "instant"),
)
LOOKS = (
    Look("", "/", "the auctions that are open now; the first one ends within minutes"),
    Look("alice", "/", "open an auction and bid: she leads on the F-150, and was outbid on the Accord"),
    Look(
        "dora", "/api/offers?status=pending", "Carol offers for the Tesla, and the RAV4's highest bid wants an answer"
    ),
    Look("henry", "/api/offers?status=pending", "the Silverado is his, if he wants it: its buyer never paid"),
    Look("moderator", "/{admin}/auctions/listing/?status__exact=pending_review", "a listing waits for review"),
    Look("finance", "/{admin}/auctions/refund/?status__exact=requested", "a refund waits for your second approval"),
    Look("finance", "/{admin}/auctions/order/", "an order in every state, from unpaid to delivered and disputed"),
)


@transaction.atomic
def seed(*, now: datetime, restore: bool) -> None:  # noqa: ARG001 - `clear` has made room for a restore
    """Create the listings and what became of them, unless they are there."""
    if Listing.objects.filter(seller__email="dora@example.com").exists():
        return
    market = Market(now)
    for name, title, filters, cadence in SEARCHES:
        create_search(user=market.people[name], name=title, filters=filters, cadence=cadence, now=now - 30 * DAY)
    Sales(market).tell()
    _over(market)
    market.tell(now - 2 * HOUR)
    look_back(now=now - HOUR)
    _live(market)
    _to_come(market)
    _on_their_way(market)
    market.tell(now)


def _over(market: Market) -> None:
    """One that nobody wanted; one whose highest bid is below the reserve and waits for the seller's answer."""
    now = market.now
    market.held("dora", cars.BEETLE, now - 6 * DAY, now - 3 * DAY, ())
    end = now - 3 * HOUR
    market.held("dora", cars.RAV4, now - 3 * DAY, end, (("alice", "9000"), ("henry", "9600"), ("carol", "10400")))
    make_offers(now=end + MINUTE)


def _live(market: Market) -> None:
    """One ends soon, so that its close can be watched; the others run for longer and longer."""
    now, begin = market.now, market.now - DAY
    accord = (
        ("alice", "8500"), ("bob", "9500"), ("henry", "10200"), ("alice", "11000"), ("carol", "12600"),
        ("grace", "12700"), ("bob", "13400"),
    )  # fmt: skip
    for vin, left, bids in (
        (cars.PICKUP, 7 * MINUTE, (("carol", "9800"), ("henry", "10100"), ("alice", "10500"))),
        (cars.JEEP, 45 * MINUTE, (("henry", "13000"), ("grace", "13800"), ("bob", "14400"))),
        (ACCORD_SPORT, 3 * HOUR, accord),
        (cars.MUSTANG, 26 * HOUR, (("grace", "12000"), ("carol", "13500"), ("alice", "14000"), ("grace", "15500"))),
    ):
        auction = market.auction(market.put_up("dora", vin, now - 2 * DAY), begin, now + left)
        market.bid(auction, bids, begin, timedelta(hours=20) / len(bids))
        for name in {"alice", "henry", bids[0][0]}:
            watch_auction(auction=auction, user=market.people[name], now=begin + HOUR)


def _to_come(market: Market) -> None:
    """For one of them there is an offer already."""
    now = market.now
    tesla = market.put_up("dora", cars.TESLA, now - 5 * HOUR)
    auction = market.auction(tesla, now + 20 * HOUR, now + 4 * DAY)
    watch_auction(auction=auction, user=market.people["bob"], now=now - HOUR)
    market.offer(tesla, "carol", "16800.00", now - 2 * HOUR, message="I would come and fetch it on Saturday.")
    market.auction(market.put_up("dora", cars.PRIUS, now - 4 * HOUR), now + 3 * DAY, now + 6 * DAY)
    market.put_up("dora", cars.OUTLANDER, now - 6 * HOUR)


def _on_their_way(market: Market) -> None:
    """A draft, one that waits for its review, and two that did not pass theirs."""
    now, moderator = market.now, market.people["moderator"]
    reason = "The photo shows another vehicle than the VIN says, and we do not trade in cash."
    ranger = market.submitted("erin", cars.RANGER, now - 4 * DAY)
    reject_listing(listing=ranger, actor=moderator, reason=reason, now=now - 3 * DAY)
    sienna = market.submitted("erin", cars.SIENNA, now - 2 * DAY)
    request_changes(listing=sienna, actor=moderator, reason="Please say which seats are torn.", now=now - DAY)
    market.submitted("carol", cars.COROLLA, now - 3 * HOUR)
    market.listed("dora", cars.BUS, now - 40 * MINUTE)


@transaction.atomic
def clear() -> None:
    """Remove what `seed` made, and what was done with it since."""
    kept = [vehicle.data["vin"] for vehicle in VEHICLES]  # In a garage, which is put back with the others.
    dealers = Q(seller__email="dora@example.com") | Q(seller__email="erin@example.com")
    listings = Listing.objects.filter(Q(vin__in=cars.CARS) | dealers)
    auctions = Auction.objects.filter(listing__in=listings)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:  # What the log is guarded by; nothing but a demo takes rows out of it.
            cursor.execute("SET LOCAL forecourt.rewrite_log = 'on'")
    clear_sales(listings)
    AuctionEvent.objects.filter(auction__in=auctions).delete()
    AuctionLogEntry.objects.filter(auction__in=auctions).delete()
    Listing.objects.filter(pk__in=listings).update(auction=None, status=Listing.Status.ARCHIVED)
    auctions.delete()
    for listing in listings:
        forget_files(listing)
    vehicles = list(listings.exclude(vin__in=kept).values_list("vehicle_id", flat=True))
    listings.delete()
    Vehicle.objects.filter(pk__in=vehicles).delete()
    for name, title, _, _ in SEARCHES:
        SavedSearch.objects.filter(user__email=f"{name}@example.com", name=title).delete()
