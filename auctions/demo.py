"""The auctions of the demo data: a dealer's cars, live, to come, sold and unsold, and listings on their way there. What
became of those that were sold is in `demo_sales`."""

from __future__ import annotations

import io
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.db.models import Q
from PIL import Image, ImageDraw

from accounts.models import SellerProfile, User
from auctions import demo_sales
from auctions.models import (
    Auction,
    AuctionEvent,
    AuctionLogEntry,
    Listing,
    Order,
    SavedSearch,
    Watch,
)
from auctions.services.auctions import create_auction
from auctions.services.bids import place_bid
from auctions.services.chances import make_offers
from auctions.services.closing import close_auction
from auctions.services.files import forget_files, promise_upload
from auctions.services.images import confirm_image, process_image
from auctions.services.listings import create_listing, submit_listing
from auctions.services.moderation import approve_listing
from auctions.services.orders import choose_self_pickup
from auctions.services.states import lock_auction, open_auction
from cars.models import Vehicle
from cars.services import VinAnswer
from cars.services.vin import check_vin
from common.uploads import store

BIDDERS = ("alice", "bob", "carol")
ACCORD, PICKUP, TESLA, BEETLE, BUS, GOLF, COROLLA, RAV4 = (
    "1HGCV1F30JA000017", "1FTFW1ET9DFC20399", "5YJSA1E20GF100018", "3VWRW31CX8M500012", "WV2ZZZ7061H000001",
    "WVWZZZ1JZXW000001", "JTDBR32E320000019", "2T3BFREV0DW080076",
)  # fmt: skip
ADDRESS = {
    "address_line1": "48 Congress St", "address_city": "Troy", "address_state": "NY", "address_zip": "12180",
    "address_country": "US",
}  # fmt: skip
COMMON = {
    "condition": "runs_drives", "title_type": "clean", "title_state": "NY", "location_address": "12 Harbour Road",
    "location_city": "Albany", "location_state": "NY", "location_zip": "12207",
}  # fmt: skip
CARS: dict[str, dict[str, Any]] = {
    ACCORD: {
        "year": 2018, "make": "Honda", "model": "Accord", "trim": "Sport 1.5T", "body_type": "sedan", "mileage": 61_800,
        "fuel_type": "gasoline", "transmission": "cvt", "exterior_color": "silver", "starting_price": "8000.00",
        "reserve_price": "12000.00", "description": "One owner, serviced on time, a scratch on the rear bumper.",
    },
    PICKUP: {
        "year": 2013, "make": "Ford", "model": "F-150", "trim": "Lariat", "body_type": "pickup", "mileage": 118_300,
        "fuel_type": "gasoline", "transmission": "automatic", "drivetrain": "4wd", "exterior_color": "firebrick",
        "starting_price": "9000.00", "description": "Tow package, new tyres.",
    },
    TESLA: {
        "year": 2016, "make": "Tesla", "model": "Model S", "trim": "75D", "body_type": "hatchback", "mileage": 74_100,
        "fuel_type": "electric", "drivetrain": "awd", "exterior_color": "midnightblue", "starting_price": "14000.00",
        "reserve_price": "17500.00", "buy_now_price": "24000.00", "description": "Battery at 91 % of its first day.",
    },
    BEETLE: {
        "year": 2008, "make": "Volkswagen", "model": "New Beetle", "body_type": "hatchback", "mileage": 99_000,
        "exterior_color": "gold", "starting_price": "4000.00", "description": "Runs, wants a new clutch.",
    },
    BUS: {
        "year": 2001, "make": "Volkswagen", "model": "Transporter", "body_type": "van", "mileage": 187_000,
        "fuel_type": "diesel", "exterior_color": "seagreen", "starting_price": "6000.00", "description": "Camper.",
    },
    GOLF: {
        "year": 1999, "make": "Volkswagen", "model": "Golf", "body_type": "hatchback", "mileage": 125_000,
        "exterior_color": "royalblue", "starting_price": "1000.00", "description": "An honest old car.",
    },
    COROLLA: {
        "year": 2002, "make": "Toyota", "model": "Corolla", "body_type": "sedan", "mileage": 143_000,
        "exterior_color": "gray", "starting_price": "1500.00", "description": "",
    },
    RAV4: {
        "year": 2013, "make": "Toyota", "model": "RAV4", "trim": "XLE", "body_type": "suv", "mileage": 92_700,
        "fuel_type": "gasoline", "drivetrain": "awd", "exterior_color": "steelblue", "starting_price": "8000.00",
        "reserve_price": "11500.00", "description": "New brakes all round.",
    },
    **demo_sales.CARS,
}  # fmt: skip


@transaction.atomic
def seed(*, now: datetime, restore: bool) -> None:  # noqa: ARG001 - `clear` has made room for a restore
    """Create the listings and what became of them, unless they are there."""
    people = {name: User.objects.get(email=f"{name}@example.com") for name in ("dora", "moderator", *BIDDERS)}
    if Listing.objects.filter(seller=people["dora"]).exists():
        return
    _make_business(people, now - timedelta(days=30))
    demo_sales.Sales(people, now, lambda vin, when: _on_sale(people, "dora", vin, when)).tell()
    _sold(people, now)
    _below_the_reserve(people, now)
    _unsold(people, now)
    _live(people, now)
    tesla = _on_sale(people, "dora", TESLA, now - timedelta(hours=5))
    _auction(tesla, now - timedelta(hours=4), now + timedelta(hours=20), now + timedelta(days=4))
    words = "I would come and fetch it on Saturday."
    demo_sales.offer_for(tesla, people["carol"], "16800.00", now - timedelta(hours=2), message=words)
    waiting = _listed(people["carol"], COROLLA, now - timedelta(hours=3))
    submit_listing(listing=waiting, actor=people["carol"], now=now - timedelta(hours=2))
    _listed(people["dora"], BUS, now - timedelta(minutes=40))
    SavedSearch.objects.create(user=people["bob"], name="Electric cars", filters={"fuel_type": "electric"})


def _make_business(people: dict[str, User], when: datetime) -> None:
    """Dora is an approved dealer; the others may bid."""
    profile = {"business_name": "Dora's Motors", "dealer_license_number": "NY-7204", "tax_id": "98-7654321"}
    approved = {"approved_at": when, "approved_by": people["moderator"]}
    SellerProfile.objects.update_or_create(user=people["dora"], defaults=profile | approved)
    for name in BIDDERS:
        means = {"payment_provider": "sandbox", "payment_reference": f"pm_{name}", "payment_last4": "4242"}
        User.objects.filter(pk=people[name].pk).update(identity_verified_at=when, **means, **ADDRESS)


def _live(people: dict[str, User], now: datetime) -> None:
    """One with a lively history and the reserve met; one that ends soon, so that its close can be watched."""
    accord = _on_sale(people, "dora", ACCORD, now - timedelta(days=2))
    begin = now - timedelta(days=1)
    auction = _auction(accord, begin, begin, now + timedelta(hours=3))
    bids = (("alice", "8500"), ("bob", "9500"), ("alice", "11000"), ("carol", "12600"), ("bob", "12850"))
    _bid(people, auction, bids, begin + timedelta(hours=1), timedelta(hours=4))
    Watch.objects.create(user=people["alice"], auction=auction)
    pickup = _on_sale(people, "dora", PICKUP, now - timedelta(days=2))
    auction = _auction(pickup, begin, begin, now + timedelta(minutes=12))
    _bid(people, auction, (("carol", "9800"), ("alice", "10500")), begin + timedelta(hours=2), timedelta(hours=3))


def _sold(people: dict[str, User], now: datetime) -> None:
    golf = _on_sale(people, "alice", GOLF, now - timedelta(days=9))
    begin, end = now - timedelta(days=8), now - timedelta(days=5)
    auction = _auction(golf, begin, begin, end)
    _bid(people, auction, (("bob", "1400"), ("carol", "1750"), ("bob", "2100")), begin, timedelta(hours=9))
    close_auction(auction_id=auction.pk, clock=lambda: end)
    order = Order.objects.get(auction=auction)
    choose_self_pickup(order_id=order.pk, actor=order.buyer, now=end + timedelta(hours=1))


def _below_the_reserve(people: dict[str, User], now: datetime) -> None:
    """The highest bid waits for the seller's answer."""
    rav4 = _on_sale(people, "dora", RAV4, now - timedelta(days=4))
    begin, end = now - timedelta(days=3), now - timedelta(hours=3)
    auction = _auction(rav4, begin, begin, end)
    _bid(people, auction, (("alice", "9000"), ("carol", "10400")), begin, timedelta(hours=9))
    close_auction(auction_id=auction.pk, clock=lambda: end)
    make_offers(now=end + timedelta(minutes=1))


def _unsold(people: dict[str, User], now: datetime) -> None:
    beetle = _on_sale(people, "dora", BEETLE, now - timedelta(days=7))
    begin, end = now - timedelta(days=6), now - timedelta(days=3)
    auction = _auction(beetle, begin, begin, end)
    close_auction(auction_id=auction.pk, clock=lambda: end)


def _bid(
    people: dict[str, User],
    auction: Auction,
    bids: tuple[tuple[str, str], ...],
    begin: datetime,
    every: timedelta,
) -> None:
    for number, (name, amount) in enumerate(bids, start=1):
        when = begin + number * every
        place_bid(
            user_id=people[name].pk,
            auction_id=auction.pk,
            amount=Decimal(amount),
            clock=lambda when=when: when,  # type: ignore[misc]
        )


def _auction(listing: Listing, now: datetime, starts_at: datetime, ends_at: datetime) -> Auction:
    data = {"starts_at": starts_at, "ends_at": ends_at}
    auction = create_auction(listing_id=listing.pk, actor=listing.seller, data=data, now=now)
    if starts_at <= now:
        open_auction(lock_auction(auction.pk), at=starts_at)
    return auction


def _on_sale(people: dict[str, User], seller: str, vin: str, when: datetime) -> Listing:
    listing = submit_listing(listing=_listed(people[seller], vin, when), actor=people[seller], now=when)
    return approve_listing(listing=listing, actor=people["moderator"], now=when)


def _listed(seller: User, vin: str, when: datetime) -> Listing:
    """A draft with a photo."""
    data = COMMON | CARS[vin] | {"vin": vin}
    for name in ("starting_price", "reserve_price", "buy_now_price"):
        if name in data:
            data[name] = Decimal(data[name])
    decoded = VinAnswer(check_vin(vin=vin, now=when), "demo", False, {}, ())
    listing = create_listing(seller=seller, data=data, decoded=decoded, now=when)
    place = promise_upload(
        listing_id=listing.pk, actor=seller, filename="front.jpg", content_type="image/jpeg", clock=lambda: when
    )
    store().save(place.upload.key, _picture(data["exterior_color"]), "image/jpeg")
    image = confirm_image(listing_id=listing.pk, key=place.upload.key, actor=seller, clock=lambda: when)
    process_image(image_id=image.pk, now=when)
    return listing


def _picture(color: str) -> bytes:
    """A car on a road, drawn: nobody's photo has to be asked for."""
    image = Image.new("RGB", (960, 600), "lightsteelblue")
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 400, 960, 600), fill="dimgray")
    for left in range(20, 960, 160):
        pen.rectangle((left, 500, left + 90, 510), fill="white")
    pen.polygon([(250, 300), (340, 200), (590, 200), (700, 300)], fill=color, outline="black")
    pen.polygon([(285, 295), (352, 218), (455, 218), (455, 295)], fill="aliceblue")
    pen.polygon([(470, 295), (470, 218), (580, 218), (660, 295)], fill="aliceblue")
    pen.rounded_rectangle((150, 290, 810, 410), radius=40, fill=color, outline="black")
    for middle in (280, 680):
        pen.ellipse((middle - 62, 348, middle + 62, 472), fill="black")
        pen.ellipse((middle - 30, 380, middle + 30, 440), fill="silver")
    written = io.BytesIO()
    image.save(written, "JPEG", quality=85)
    return written.getvalue()


@transaction.atomic
def clear() -> None:
    """Remove what `seed` made, and what was done with it since."""
    listings = Listing.objects.filter(Q(vin__in=CARS) | Q(seller__email="dora@example.com"))
    auctions = Auction.objects.filter(listing__in=listings)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:  # What the log is guarded by; nothing but a demo takes rows out of it.
            cursor.execute("SET LOCAL forecourt.rewrite_log = 'on'")
    demo_sales.clear_sales(listings)
    AuctionEvent.objects.filter(auction__in=auctions).delete()
    AuctionLogEntry.objects.filter(auction__in=auctions).delete()
    Listing.objects.filter(pk__in=listings).update(auction=None, status=Listing.Status.ARCHIVED)
    auctions.delete()
    for listing in listings:
        forget_files(listing)
    vehicles = list(listings.exclude(vin=GOLF).values_list("vehicle_id", flat=True))
    listings.delete()
    Vehicle.objects.filter(pk__in=vehicles).delete()
    SavedSearch.objects.filter(user__email="bob@example.com", name="Electric cars").delete()
