"""What moderators make of listings: the queue, approve, reject, request changes, suspend and unsuspend."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import Notification, User
from auctions.models import Auction, AuctionEvent, Listing
from cars.models import Vehicle, VehicleEvent
from tests.answers import error, refused
from tests.auctions.factories import AuctionFactory, ListingFactory
from tests.auctions.listings import URL, ids
from tests.auctions.test_listings import listing_in
from tests.factories import UserFactory, VehicleFactory

pytestmark = pytest.mark.django_db
REASON = {"reason": "Another vehicle."}
COMMANDS = {
    "approve": ({"pending_review"}, "active", None),
    "reject": ({"pending_review"}, "rejected", REASON),
    "request-changes": ({"pending_review"}, "changes_requested", REASON),
    "suspend": ({"active", "in_auction"}, "suspended", REASON),
    "unsuspend": ({"suspended"}, "active", None),
}


@pytest.fixture
def moderator(as_user: Any, make_user: Any) -> APIClient:
    return as_user(make_user(email="mo@example.com", roles=["moderator"]))


@pytest.mark.parametrize("status", Listing.Status.values)
@pytest.mark.parametrize("verb", COMMANDS)
def test_each_command_is_for_its_statuses(moderator: APIClient, verb: str, status: str) -> None:
    listing = listing_in(status)
    sources, to, body = COMMANDS[verb]
    answer = moderator.post(f"{URL}/{listing.pk}/{verb}", body, format="json")
    if status in sources:
        assert (answer.status_code, answer.json()["status"]) == (200, to)
        event = listing.events.get()
        assert (event.old, event.new, event.reason) == (status, to, body["reason"] if body else "")
    else:
        assert refused(answer) == (409, "invalid_transition")
        assert error(answer)["meta"]["from"] == status


@pytest.mark.parametrize("verb", COMMANDS)
def test_moderators_alone_decide(
    as_user: Any, make_user: Any, api: APIClient, user: User, other_user: User, verb: str
) -> None:
    sources, _, body = COMMANDS[verb]
    url = f"{URL}/{listing_in(sorted(sources)[0], seller=user).pk}/{verb}"
    for client in (as_user(user), as_user(other_user), as_user(make_user(roles=["finance"]))):
        assert client.post(url, body, format="json").status_code == 403
    assert api.post(url, body, format="json").status_code == 401


@pytest.mark.parametrize("verb", ["reject", "request-changes"])
def test_a_refusal_says_why(moderator: APIClient, verb: str) -> None:
    url = f"{URL}/{ListingFactory(status='pending_review').pk}/{verb}"
    assert refused(moderator.post(url)) == (400, "required")
    for reason in ("", " ", None, "x" * 501):
        assert moderator.post(url, {"reason": reason}, format="json").status_code == 400


@pytest.mark.parametrize(
    ("verb", "kind", "title"),
    [
        ("approve", "listing_approved", "Your listing 2018 Honda Accord is on the marketplace"),
        ("reject", "listing_rejected", "Your listing 2018 Honda Accord was rejected"),
        ("request-changes", "listing_changes_requested", "Your listing 2018 Honda Accord needs changes"),
        ("suspend", "listing_moved", "Your listing 2018 Honda Accord is now: suspended"),
        ("unsuspend", "listing_moved", "Your listing 2018 Honda Accord is now: active"),
    ],
)
def test_the_seller_is_told(moderator: APIClient, verb: str, kind: str, title: str) -> None:
    sources, _, body = COMMANDS[verb]
    listing = ListingFactory(status=sorted(sources)[0])
    moderator.post(f"{URL}/{listing.pk}/{verb}", body, format="json")
    told = Notification.objects.get()
    assert (told.user, told.kind, told.title, told.data) == (listing.seller, kind, title, {"listing": listing.pk})
    if body:
        assert told.body == body["reason"]


def test_an_approved_listing_is_new_and_on_the_timeline(moderator: APIClient) -> None:
    listing = ListingFactory(status="pending_review", matched_at=timezone.now())
    before = timezone.now()
    moderator.post(f"{URL}/{listing.pk}/approve")
    listing.refresh_from_db()
    assert listing.published_at >= before
    assert listing.matched_at is None
    event = VehicleEvent.objects.get(vehicle=listing.vehicle)
    assert (event.kind, event.public_summary, event.reference) == (
        "listed", "Offered for sale.", f"listing:{listing.pk}",
    )  # fmt: skip


def test_an_approval_rings_for_the_saved_searches(
    moderator: APIClient, monkeypatch: Any, django_capture_on_commit_callbacks: Any
) -> None:
    rung: list[str] = []
    monkeypatch.setattr("common.doorbell._ring", lambda task, *args, **more: rung.append(task))
    listing = ListingFactory(status="pending_review")
    with django_capture_on_commit_callbacks(execute=True):
        moderator.post(f"{URL}/{listing.pk}/approve")
    assert "auctions.tasks.match_searches" in rung


def test_a_vehicle_without_an_owner_becomes_the_sellers(moderator: APIClient) -> None:
    listing = ListingFactory(status="pending_review", vehicle=VehicleFactory(owner=None), shares_history=True)
    shown = moderator.post(f"{URL}/{listing.pk}/approve").json()
    assert [entry["kind"] for entry in shown["service_history"]] == ["listed", "title_transferred"]
    assert Vehicle.objects.get(pk=listing.vehicle_id).owner == listing.seller


def test_a_vehicle_that_is_anothers_by_now_is_not_approved(moderator: APIClient) -> None:
    listing = ListingFactory(status="pending_review")
    url = f"{URL}/{listing.pk}/approve"
    Vehicle.objects.update(owner=UserFactory())
    assert refused(moderator.post(url)) == (409, "vin_in_use")
    Vehicle.objects.update(owner=listing.seller, archived_at=timezone.now())
    assert refused(moderator.post(url)) == (409, "vehicle_archived")
    listing.refresh_from_db()
    assert (listing.status, listing.published_at) == ("pending_review", None)


@pytest.mark.parametrize("status", ["scheduled", "live"])
def test_suspending_cancels_an_open_auction(moderator: APIClient, status: str) -> None:
    auction = AuctionFactory(status=status)
    url = f"{URL}/{auction.listing_id}/suspend"
    shown = moderator.post(url, REASON, format="json").json()
    assert (shown["status"], shown["auction"]) == ("suspended", None)
    auction.refresh_from_db()
    assert (auction.status, AuctionEvent.objects.last().kind) == ("cancelled", "cancelled")


def test_an_auction_whose_end_has_come_is_not_suspended_away(moderator: APIClient) -> None:
    auction = AuctionFactory(ends_at=timezone.now() - timedelta(seconds=1))
    answer = moderator.post(f"{URL}/{auction.listing_id}/suspend", REASON, format="json")
    assert refused(answer) == (409, "auction_ended")
    assert Listing.objects.get().status == "in_auction"
    assert Auction.objects.get().status == "live"


def test_a_suspension_may_go_without_a_reason(moderator: APIClient) -> None:
    auction = AuctionFactory(reserve_price=Decimal("2000.00"))
    assert moderator.post(f"{URL}/{auction.listing_id}/suspend").status_code == 200


def test_a_lifted_suspension_leaves_the_listing_where_it_was(moderator: APIClient) -> None:
    published_at = timezone.now() - timedelta(days=3)
    listing = ListingFactory(status="suspended", published_at=published_at, matched_at=published_at)
    moderator.post(f"{URL}/{listing.pk}/unsuspend")
    listing.refresh_from_db()
    assert (listing.status, listing.published_at, listing.matched_at) == ("active", published_at, published_at)


def test_the_queue_begins_with_who_waits_longest(moderator: APIClient) -> None:
    now = timezone.now()
    waiting = [
        ListingFactory(status="pending_review", submitted_at=now - timedelta(hours=hours)).pk for hours in (1, 3, 2)
    ]
    ListingFactory(status="draft", submitted_at=now)
    assert ids(moderator.get(f"{URL}/queue")) == [waiting[1], waiting[2], waiting[0]]


def test_the_queue_is_for_moderators(as_user: Any, make_user: Any, user: User, api: APIClient) -> None:
    for client in (as_user(user), as_user(make_user(roles=["finance"]))):
        assert client.get(f"{URL}/queue").status_code == 403
    assert api.get(f"{URL}/queue").status_code == 401
