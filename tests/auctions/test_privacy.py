"""A person's right to a copy of what they sold, bid and bought, and to be forgotten."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from auctions.models import AuctionBidder, Listing, ListingDocument, ListingImage, Order, SavedSearch, Upload, Watch
from auctions.services.bids import place_bid
from auctions.services.closing import close_auction
from auctions.services.files import sweep_uploads
from auctions.services.watching import watch_auction
from common.uploads import store
from tests.auctions.factories import AuctionFactory, BidderFactory, ListingFactory, OrderFactory
from tests.auctions.uploading import added_document, added_image, photo, stored, uploaded

pytestmark = pytest.mark.django_db
ME = "/api/auth/me"


@pytest.fixture
def bidder():
    return BidderFactory()


def bid(auction, user, amount):
    return place_bid(user_id=user.pk, auction_id=auction.pk, amount=Decimal(amount))


def copy_of(client):
    return client.get(f"{ME}/export").json()["apps"]["auctions"]


def refusal(client):
    answer = client.delete(ME)
    assert answer.status_code == 409
    error = answer.json()["errors"][0]
    return error["code"], error["meta"]


def test_the_copy_holds_own_bids_with_their_maxima_and_nobody_elses(bidder, as_user):
    auction = AuctionFactory(reserve_price=Decimal("1432.00"))
    bid(auction, BidderFactory(), "4711.00")
    bid(auction, bidder, "2000.00")
    told = copy_of(as_user(bidder))
    (row,) = told["bids"]
    assert (row["auction"], row["amount"], row["currency"], row["alias"]) == (auction.pk, "2000.00", "USD", "Bidder 2")
    assert not [secret for secret in ("4711", "1432") if secret in str(told)]


def test_the_copy_holds_own_listings_with_the_reserve_and_orders_from_both_sides(bidder, as_user):
    order = OrderFactory(buyer=bidder, listing__reserve_price=Decimal("1432.00"))
    sold, bought = copy_of(as_user(order.seller)), copy_of(as_user(bidder))
    assert sold["listings"][0]["reserve_price"] == "1432.00"
    assert sold["sales"][0]["order_number"] == bought["purchases"][0]["order_number"] == order.order_number
    assert bought["listings"] == bought["sales"] == []
    assert "1432" not in str(bought)


def test_the_copy_holds_watches_and_searches(user, as_user):
    auction = AuctionFactory()
    watch_auction(auction=auction, user=user, now=timezone.now())
    SavedSearch.objects.create(user=user, name="Hondas", filters={"make": "Honda"})
    told = copy_of(as_user(user))
    assert told["watched"][0]["auction"] == auction.pk
    assert told["saved_searches"][0]["filters"] == {"make": "Honda"}


def test_nobody_is_forgotten_while_leading_an_open_auction(bidder, as_user):
    auction = AuctionFactory()
    bid(auction, bidder, 2000)
    assert refusal(as_user(bidder)) == ("auctions_open", {"auctions": [auction.pk]})
    bid(auction, BidderFactory(), 3000)
    assert as_user(bidder).delete(ME).status_code == 204
    assert AuctionBidder.objects.filter(user=bidder).exists()


@pytest.mark.parametrize("status", ["scheduled", "live"])
def test_nobody_is_forgotten_while_selling_in_an_open_auction(status, as_user):
    auction = AuctionFactory(status=status)
    assert refusal(as_user(auction.seller)) == ("auctions_open", {"auctions": [auction.pk]})


def test_nobody_is_forgotten_before_the_seller_has_decided_below_the_reserve(bidder, as_user):
    auction = AuctionFactory(reserve_price=Decimal("5000.00"))
    bid(auction, bidder, 2000)
    close_auction(auction_id=auction.pk, clock=lambda: auction.ends_at + timedelta(seconds=1))
    assert refusal(as_user(bidder))[0] == refusal(as_user(auction.seller))[0] == "auctions_open"


@pytest.mark.parametrize(("status", "refused"), [("awaiting_payment", True), ("disputed", True), ("completed", False)])
def test_nobody_is_forgotten_with_an_open_order(status, refused, as_user):
    fields = {"disputed_from": "paid"} if status == "disputed" else {}
    order = OrderFactory(status=status, listing__status="pending_sale" if refused else "sold", **fields)
    for person in (order.buyer, order.seller):
        if refused:
            assert refusal(as_user(person)) == ("orders_open", {"orders": [order.order_number]})
        else:
            assert as_user(person).delete(ME).status_code == 204
    assert Order.objects.filter(pk=order.pk).exists()


def test_drafts_watches_and_searches_are_deleted(user, as_user):
    ListingFactory(seller=user, status="draft")
    watch_auction(auction=AuctionFactory(), user=user, now=timezone.now())
    SavedSearch.objects.create(user=user, name="Hondas")
    assert as_user(user).delete(ME).status_code == 204
    assert not Listing.objects.filter(seller=user.pk).exists()
    assert not Watch.objects.exists()
    assert not SavedSearch.objects.exists()
    assert not type(user).objects.filter(pk=user.pk).exists()


@pytest.mark.parametrize("status", ["active", "suspended", "pending_review", "changes_requested", "rejected"])
def test_other_listings_leave_the_marketplace_without_what_tells_of_the_person(user, as_user, status):
    listing = ListingFactory(
        seller=user, status=status, location_address="1 Elm St", description="Call 555", latitude=1
    )
    assert as_user(user).delete(ME).status_code == 204
    listing.refresh_from_db()
    assert listing.status == ("rejected" if status == "rejected" else "archived")
    assert (listing.location_address, listing.description, listing.latitude) == ("", "", None)
    user.refresh_from_db()
    assert user.anonymised_at is not None


def test_what_was_said_of_a_sold_vehicle_stays_for_its_buyer(as_user):
    fields = {"listing__location_address": "1 Elm St", "listing__description": "New tyres.", "listing__status": "sold"}
    order = OrderFactory(status="completed", **fields)
    assert as_user(order.seller).delete(ME).status_code == 204
    order.listing.refresh_from_db()
    assert (order.listing.description, order.listing.location_address) == ("New tyres.", "")
    assert order.listing.status == "sold"


def with_files(**fields):
    """A listing with a photo, one that waits to be processed, a paper, and a file that was never confirmed."""
    listing = ListingFactory(**fields)
    added_image(listing), added_image(listing, ready=False), added_document(listing), uploaded(listing, photo())
    return listing


@pytest.mark.parametrize(
    "status", ["draft", "active", "suspended", "pending_review", "changes_requested", "rejected", "archived"]
)
def test_photos_and_papers_of_what_was_not_sold_go(user, as_user, folder, status, django_capture_on_commit_callbacks):
    listing = with_files(seller=user)  # Published once, so its row stays.
    Listing.objects.filter(pk=listing.pk).update(status=status)
    if status == "archived":  # Somebody had bought it and did not pay.
        OrderFactory(listing=listing, status="defaulted")
    assert len(stored(folder)) > 5
    with django_capture_on_commit_callbacks(execute=True):
        assert as_user(user).delete(ME).status_code == 204
    assert stored(folder) == set()
    assert not ListingDocument.objects.exists()
    assert not ListingImage.objects.exists()
    assert Listing.objects.filter(pk=listing.pk).exists()
    sweep_uploads(now=timezone.now() + timedelta(hours=1))
    assert not Upload.objects.exists()


def test_what_is_posted_by_a_form_of_before_is_swept(user, as_user, folder, django_capture_on_commit_callbacks):
    listing = ListingFactory(seller=user)
    late = uploaded(listing, photo())
    with django_capture_on_commit_callbacks(execute=True):
        as_user(user).delete(ME)
    store().save(late.key, photo(), "image/jpeg")
    sweep_uploads(now=timezone.now() + timedelta(hours=1))
    assert stored(folder) == set()


def test_photos_and_papers_of_what_was_sold_stay_for_its_buyer(as_user, folder, django_capture_on_commit_callbacks):
    listing = with_files()
    Listing.objects.filter(pk=listing.pk).update(status="sold")
    OrderFactory(listing=listing, seller=listing.seller, status="completed")
    before = stored(folder)
    with django_capture_on_commit_callbacks(execute=True):
        assert as_user(listing.seller).delete(ME).status_code == 204
    assert stored(folder) == before
    assert (listing.documents.count(), listing.images.count()) == (1, 2)
