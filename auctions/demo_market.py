"""How the demo's people trade: cars are listed with a drawn photo, approved, bid on and sold, at any moment."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache

from PIL import Image, ImageDraw

from accounts.demo import PEOPLE
from accounts.models import User
from auctions.demo_cars import CARS
from auctions.models import Auction, Listing, Offer
from auctions.services.auctions import create_auction
from auctions.services.bids import place_bid
from auctions.services.closing import close_auction
from auctions.services.files import promise_upload
from auctions.services.images import confirm_image, process_image
from auctions.services.listings import create_listing, submit_listing
from auctions.services.moderation import approve_listing
from auctions.services.offers import create_offer
from auctions.services.settlement_telling import tell_settlements
from auctions.services.states import lock_auction, open_auction
from auctions.services.telling import tell_events
from cars.services import VinAnswer
from cars.services.vin import check_vin
from common.uploads import store

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
Bids = Sequence[tuple[str, str]]


class Market:
    """The people by name, and what they do there; each step at the moment that its caller says."""

    def __init__(self, now: datetime) -> None:
        emails = [person.email for person in PEOPLE]
        self.now = now
        self.people = {user.username: user for user in User.objects.filter(email__in=emails)}

    def listed(self, seller: str, vin: str, when: datetime) -> Listing:
        """A draft with a photo."""
        actor, data = self.people[seller], CARS[vin] | {"vin": vin}
        decoded = VinAnswer(check_vin(vin=vin, now=when), "demo", False, {}, ())
        listing = create_listing(seller=actor, data=data, decoded=decoded, now=when)
        Listing.objects.filter(pk=listing.pk).update(created_at=when)
        place = promise_upload(
            listing_id=listing.pk, actor=actor, filename="front.jpg", content_type="image/jpeg", clock=at(when)
        )
        store().save(place.upload.key, _picture(data["exterior_color"]), "image/jpeg")
        image = confirm_image(listing_id=listing.pk, key=place.upload.key, actor=actor, clock=at(when))
        process_image(image_id=image.pk, now=when)
        return listing

    def submitted(self, seller: str, vin: str, when: datetime) -> Listing:
        return submit_listing(listing=self.listed(seller, vin, when), actor=self.people[seller], now=when)

    def put_up(self, seller: str, vin: str, when: datetime) -> Listing:
        """On the marketplace."""
        return approve_listing(
            listing=self.submitted(seller, vin, when), actor=self.people["moderator"], now=when + HOUR
        )

    def auction(self, listing: Listing, starts_at: datetime, ends_at: datetime) -> Auction:
        """Live from its start on, if that is over."""
        made_at = min(starts_at, self.now)
        data = {"starts_at": starts_at, "ends_at": ends_at}
        auction = create_auction(listing_id=listing.pk, actor=listing.seller, data=data, now=made_at)
        if starts_at < self.now:
            open_auction(lock_auction(auction.pk), at=starts_at)
        return auction

    def bid(self, auction: Auction, bids: Bids, begin: datetime, every: timedelta) -> None:
        """One after the other, the first one `every` after `begin`."""
        for number, (name, amount) in enumerate(bids, start=1):
            place_bid(
                user_id=self.people[name].pk,
                auction_id=auction.pk,
                amount=Decimal(amount),
                clock=at(begin + number * every),
            )

    def held(self, seller: str, vin: str, begin: datetime, end: datetime, bids: Bids) -> Auction:
        """From the listing to the hammer."""
        auction = self.auction(self.put_up(seller, vin, begin - DAY), begin, end)
        self.bid(auction, bids, begin, (end - begin) / (len(bids) + 1))
        return close_auction(auction_id=auction.pk, clock=at(end))

    def offer(self, listing: Listing, buyer: str, amount: str, when: datetime, *, message: str = "") -> Offer:
        return create_offer(
            listing_id=listing.pk,
            buyer_id=self.people[buyer].pk,
            amount=Decimal(amount),
            message=message,
            clock=at(when),
        )

    def tell(self, when: datetime) -> None:
        """Everybody of what has happened by then."""
        tell_events(now=when)
        tell_settlements(now=when)


def at(when: datetime) -> Callable[[], datetime]:
    """A clock that has stopped."""
    return lambda: when


@cache
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
