"""One vehicle on the marketplace, many hands: sellers at once, moderators against sellers, and against bidders."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from auctions.models import Auction, Listing, ListingEvent
from auctions.services import auctions, bids, listings, moderation
from auctions.services.listings import VehicleListed, create_listing
from cars.models import Vehicle
from cars.services import VinInUse, decode_vin
from common.errors import DomainError, InvalidTransition
from tests.auctions.factories import AuctionFactory, BidderFactory, ListingFactory
from tests.auctions.listings import URL, VIN
from tests.concurrency.race import race
from tests.factories import UserFactory, VehicleFactory

pytestmark = pytest.mark.django_db(transaction=True)
AT_ONCE = 6


def drafts(sellers: list[User]) -> list[Listing | Exception]:
    now = timezone.now()
    decoded = decode_vin(vin=VIN, now=now)
    return race([partial(create_listing, seller=seller, data={}, decoded=decoded, now=now) for seller in sellers])


def test_two_posts_of_one_vin_make_one_listing(as_user: Callable[[User], APIClient]) -> None:
    seller = UserFactory()
    clients = [as_user(seller) for _ in range(AT_ONCE)]
    answers: list[Any] = race([partial(client.post, URL, {"vin": VIN}, format="json") for client in clients])
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * (AT_ONCE - 1)
    assert {answer.json()["errors"][0]["code"] for answer in answers if answer.status_code == 409} == {"vehicle_listed"}
    assert (Listing.objects.count(), Vehicle.objects.count()) == (1, 1)


def test_of_two_sellers_one_has_the_vehicle() -> None:
    results = drafts(UserFactory.create_batch(AT_ONCE))
    assert sum(isinstance(result, VinInUse) for result in results) == AT_ONCE - 1
    assert Listing.objects.get().vehicle.owner == Listing.objects.get().seller


def test_a_vehicle_without_an_owner_is_listed_by_one() -> None:
    VehicleFactory(owner=None, vin=VIN)
    results = drafts(UserFactory.create_batch(AT_ONCE))
    assert sum(isinstance(result, VehicleListed) for result in results) == AT_ONCE - 1


def _all_find_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The naive way: everybody looks before anybody writes, and nobody holds a lock."""
    all_looked = threading.Barrier(AT_ONCE)
    vehicle = VehicleFactory(owner=None, vin=VIN)
    monkeypatch.setattr("auctions.services.listings._vehicle_for", lambda *_, **__: vehicle)
    monkeypatch.setattr("auctions.services.listings._refuse_if_listed", lambda _: all_looked.wait(timeout=30))


@pytest.mark.postgres
def test_who_looks_too_early_meets_the_constraint(monkeypatch: pytest.MonkeyPatch) -> None:
    _all_find_nothing(monkeypatch)
    results = drafts(UserFactory.create_batch(AT_ONCE))
    assert sum(isinstance(result, VehicleListed) for result in results) == AT_ONCE - 1
    assert Listing.objects.count() == 1


@pytest.mark.postgres
def test_without_locks_and_constraints_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""
    names = ("listing_live_vehicle", "listing_live_vin")
    constraints = [one for one in Listing._meta.constraints if one.name in names]
    _all_find_nothing(monkeypatch)
    with connection.schema_editor() as editor:
        for constraint in constraints:
            editor.remove_constraint(Listing, constraint)
    try:
        drafts(UserFactory.create_batch(AT_ONCE))
        assert Listing.objects.count() > 1
    finally:
        Listing.objects.all().delete()
        with connection.schema_editor() as editor:
            for constraint in constraints:
                editor.add_constraint(Listing, constraint)


def approve_and_withdraw() -> tuple[Listing, list[Any]]:
    listing, moderator = ListingFactory(status="pending_review"), UserFactory()
    now = timezone.now()
    results = race(
        [
            partial(moderation.approve_listing, listing=listing, actor=moderator, now=now),
            partial(listings.withdraw_listing, listing=listing, actor=listing.seller, now=now),
        ]
    )
    listing.refresh_from_db()
    return listing, results


def test_an_approval_and_a_withdrawal_exclude_each_other() -> None:
    listing, (approved, withdrawn) = approve_and_withdraw()
    assert isinstance(approved, InvalidTransition) != isinstance(withdrawn, InvalidTransition)
    assert listing.status == ("draft" if isinstance(approved, InvalidTransition) else "active")
    assert ListingEvent.objects.get().new == listing.status


@pytest.mark.postgres
def test_without_the_lock_both_succeed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: both read the listing before one of them writes it."""
    both_read = threading.Barrier(2)

    def only_read(pk: int) -> Listing:
        listing = Listing.objects.get(pk=pk)
        both_read.wait(timeout=30)
        return listing

    for module in (moderation, listings):
        monkeypatch.setattr(module, "lock_listing", only_read)
    _, results = approve_and_withdraw()
    assert not any(isinstance(result, Exception) for result in results)
    assert ListingEvent.objects.count() == 2


def suspend_and_schedule() -> tuple[Listing, list[Any]]:
    listing, moderator = ListingFactory(), UserFactory()
    now = timezone.now()
    window = {"starts_at": now + timedelta(hours=1), "ends_at": now + timedelta(days=1)}
    seller = listing.seller
    results = race(
        [
            partial(moderation.suspend_listing, listing=listing, actor=moderator, now=now),
            partial(auctions.create_auction, listing_id=listing.pk, actor=seller, data=window, now=now),
        ]
    )
    listing.refresh_from_db()
    return listing, results


def test_a_suspended_listing_is_in_no_auction_whoever_was_first() -> None:
    listing, (suspended, scheduled) = suspend_and_schedule()
    assert not isinstance(suspended, Exception), suspended
    assert isinstance(scheduled, Auction | InvalidTransition)
    assert listing.status == "suspended"
    assert not Auction.objects.exclude(status="cancelled").exists()


@pytest.mark.postgres
def test_without_the_lock_the_listing_is_suspended_and_in_an_auction(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: both read an active listing."""
    both_read = threading.Barrier(2)

    def only_read(pk: int) -> Listing:
        listing = Listing.objects.get(pk=pk)
        both_read.wait(timeout=30)
        return listing

    for module in (moderation, auctions):
        monkeypatch.setattr(module, "lock_listing", only_read)
    suspend_and_schedule()
    assert list(ListingEvent.objects.values_list("old", flat=True)) == ["active", "active"]


def test_a_suspension_and_bids_leave_a_cancelled_auction_whose_log_is_whole() -> None:
    auction = AuctionFactory()
    bidders = BidderFactory.create_batch(AT_ONCE)
    now, moderator = timezone.now(), UserFactory()
    actions: list[Callable[[], Any]] = [
        partial(bids.place_bid, auction_id=auction.pk, user_id=bidder.pk, amount=Decimal(1000 + 500 * number))
        for number, bidder in enumerate(bidders)
    ]
    actions.append(partial(moderation.suspend_listing, listing=auction.listing, actor=moderator, now=now))
    results = race(actions)
    assert not isinstance(results[-1], Exception), results[-1]
    assert all(isinstance(result, DomainError) for result in results if isinstance(result, Exception)), results
    auction = Auction.objects.select_related("listing").get()
    assert (auction.status, auction.listing.status) == ("cancelled", "suspended")
    kinds = list(auction.log.order_by("seq").values_list("kind", flat=True))
    assert kinds == ["opened", *["bid"] * (len(kinds) - 2), "cancelled"]
