"""Cancel, pause and resume: who may, what happens, what is refused."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from auctions.models import Auction, Listing, Order
from auctions.services import auctions
from auctions.services.bids import AuctionEnded, place_bid
from auctions.services.states import lock_listing
from tests.answers import refused
from tests.auctions.factories import AuctionFactory, BidderFactory, ListingFactory

pytestmark = pytest.mark.django_db

URL = "/api/auctions"
HOUR = timedelta(hours=1)


@pytest.fixture
def auction(user: User) -> Auction:
    return AuctionFactory(listing=ListingFactory(seller=user))


@pytest.fixture
def client(as_user: Any, user: User) -> APIClient:
    """The seller's."""
    return as_user(user)


@pytest.fixture
def moderator(as_user: Any, make_user: Any) -> APIClient:
    return as_user(make_user(roles=["moderator"]))


def post(client: APIClient, auction: Auction, verb: str, **body: Any) -> Any:
    answer = client.post(f"{URL}/{auction.pk}/{verb}", body)
    auction.refresh_from_db()
    return answer


def bid(auction: Auction, amount: int = 1500) -> None:
    place_bid(user_id=BidderFactory().pk, auction_id=auction.pk, amount=Decimal(amount))


def end(auction: Auction) -> None:
    """Its end has come, and the closer has not."""
    times = {"ends_at": timezone.now(), "original_ends_at": timezone.now() - HOUR}
    Auction.objects.filter(pk=auction.pk).update(**times)


def kinds(auction: Auction) -> tuple[list[str], list[str]]:
    """Of the public events and of the private log."""
    events, log = (list(rows.order_by("seq").values_list("kind", flat=True)) for rows in (auction.events, auction.log))
    return events, log


# --- Cancel


@pytest.mark.parametrize("status", ["scheduled", "live"])
def test_a_seller_cancels_while_nobody_has_bid(client: APIClient, user: User, status: str) -> None:
    auction = AuctionFactory(listing=ListingFactory(seller=user), status=status)
    answer = post(client, auction, "cancel")
    assert (answer.status_code, answer.json()["status"], answer.json()["is_open"]) == (200, "cancelled", False)
    assert auction.closed_at is not None
    assert Listing.objects.get(pk=auction.listing_id).status == "active"
    assert [found[-1] for found in kinds(auction)] == ["cancelled", "cancelled"]
    assert client.post(URL, {"listing": auction.listing_id, **_later()}).status_code == 201


def _later() -> dict[str, str]:
    return {"starts_at": timezone.now().isoformat(), "ends_at": (timezone.now() + HOUR).isoformat()}


def test_a_seller_cannot_cancel_once_somebody_has_bid(client: APIClient, auction: Auction) -> None:
    bid(auction)
    assert refused(post(client, auction, "cancel", reason="Changed my mind.")) == (409, "has_bids")
    assert auction.status == "live"


def test_a_moderator_cancels_at_any_time_with_a_reason(moderator: APIClient, auction: Auction) -> None:
    bid(auction)
    assert refused(post(moderator, auction, "cancel")) == (422, "reason_required")
    assert refused(post(moderator, auction, "cancel", reason="")) == (422, "reason_required")
    assert post(moderator, auction, "cancel", reason="Stolen.").status_code == 200
    entry = auction.log.last()
    assert (entry.kind, entry.reason, entry.actor_id is not None) == ("cancelled", "Stolen.", True)
    assert Order.objects.count() == 0


def test_the_reason_of_a_cancellation_is_not_public(api: APIClient, moderator: APIClient, auction: Auction) -> None:
    post(moderator, auction, "cancel", reason="Stolen.")
    assert b"Stolen" not in api.get(f"{URL}/{auction.pk}").content
    assert Listing.objects.get(pk=auction.listing_id).events.first().reason == "Stolen."


def test_a_paused_auction_can_be_cancelled(client: APIClient, moderator: APIClient, auction: Auction) -> None:
    post(moderator, auction, "pause", reason="Wait.")
    assert post(client, auction, "cancel").status_code == 200


def test_what_is_over_is_not_cancelled(client: APIClient, moderator: APIClient, auction: Auction) -> None:
    post(client, auction, "cancel")
    answer = post(client, auction, "cancel")
    assert refused(answer) == (409, "invalid_transition")
    assert answer.json()["errors"][0]["meta"] == {"from": "cancelled", "to": "cancelled", "allowed": []}
    assert refused(post(moderator, auction, "pause", reason="Too late.")) == (409, "invalid_transition")


def test_a_late_closer_lets_nobody_take_the_sale_back(
    client: APIClient, moderator: APIClient, auction: Auction
) -> None:
    bid(auction)
    end(auction)
    assert refused(post(moderator, auction, "cancel", reason="Too late.")) == (409, "auction_ended")
    assert refused(post(client, auction, "cancel")) == (409, "auction_ended")
    assert auction.status == "live"


def test_with_the_listing_its_open_auction_is_cancelled(auction: Auction) -> None:
    bid(auction)
    with transaction.atomic():
        listing = lock_listing(auction.listing_id)
        cancelled = auctions.cancel_open_auction(listing=listing, actor=None, reason="Suspended.")
        assert auctions.cancel_open_auction(listing=listing, actor=None, reason="Suspended.") is None
    assert cancelled is not None
    assert (cancelled.status, listing.status) == ("cancelled", "in_auction")
    assert kinds(auction)[0][-1] == "cancelled"


def test_with_the_listing_an_auction_that_has_ended_is_not_cancelled(auction: Auction) -> None:
    end(auction)
    with transaction.atomic(), pytest.raises(AuctionEnded):
        auctions.cancel_open_auction(listing=lock_listing(auction.listing_id), actor=None, reason="Suspended.")


# --- Pause and resume


def test_a_pause_moves_both_ends_by_its_length(user: User) -> None:
    auction = AuctionFactory(listing=ListingFactory(seller=user))
    ends_at = auction.ends_at
    Auction.objects.filter(pk=auction.pk).update(hard_end=ends_at + HOUR)
    now = timezone.now()
    paused = auctions.pause_auction(auction_id=auction.pk, actor=user, reason="Photos.", clock=lambda: now)
    assert (paused.status, paused.paused_at, paused.ends_at) == ("paused", now, ends_at)
    resumed = auctions.resume_auction(auction_id=auction.pk, actor=user, clock=lambda: now + 5 * HOUR)
    assert (resumed.status, resumed.paused_at) == ("live", None)
    assert (resumed.ends_at, resumed.hard_end) == (ends_at + 5 * HOUR, ends_at + 6 * HOUR)
    assert resumed.original_ends_at == ends_at
    assert kinds(auction) == (["opened", "paused", "resumed"], ["opened", "paused", "resumed"])
    assert auction.log.get(kind="paused").reason == "Photos."


def test_a_moderator_pauses_and_resumes(moderator: APIClient, auction: Auction) -> None:
    answer = post(moderator, auction, "pause", reason="Photos.")
    assert (answer.json()["status"], answer.json()["is_open"], answer.json()["event_seq"]) == ("paused", False, 2)
    assert b"Photos" not in answer.content
    answer = post(moderator, auction, "resume")
    assert (answer.json()["status"], answer.json()["is_open"]) == ("live", True)


def test_a_pause_needs_a_reason(moderator: APIClient, auction: Auction) -> None:
    assert refused(post(moderator, auction, "pause")) == (400, "required")
    assert refused(post(moderator, auction, "pause", reason="")) == (400, "blank")
    assert refused(post(moderator, auction, "resume", reason="x")) == (400, "unknown_field")


def test_whose_end_has_come_is_not_paused(moderator: APIClient, auction: Auction) -> None:
    end(auction)
    answer = post(moderator, auction, "pause", reason="Too late.")
    assert refused(answer) == (409, "auction_ended")
    assert set(answer.json()["errors"][0]["meta"]) == {"status", "ends_at", "server_time"}


def test_only_live_auctions_are_paused_and_only_paused_ones_resumed(moderator: APIClient) -> None:
    live, scheduled = AuctionFactory(), AuctionFactory(status="scheduled")
    assert refused(post(moderator, scheduled, "pause", reason="No.")) == (409, "invalid_transition")
    for auction, allowed in ((live, "paused"), (scheduled, "cancelled")):
        answer = post(moderator, auction, "resume")
        assert refused(answer) == (409, "invalid_transition")
        meta = answer.json()["errors"][0]["meta"]
        assert (meta["from"], meta["to"], allowed in meta["allowed"]) == (auction.status, "live", True)
        assert "live" not in meta["allowed"]


# --- Who may


@pytest.mark.parametrize(
    ("verb", "body", "seller"),
    [
        ("cancel", {}, 200),
        ("pause", {"reason": "x"}, 403),
        ("resume", {}, 403),
        ("reserve", {"reserve_price": None}, 409),
    ],
)
def test_strangers_and_other_staff_may_nothing(
    api: APIClient, as_user: Any, make_user: Any, other_user: User, auction: Auction, verb: str, body: Any, seller: int
) -> None:
    assert api.post(f"{URL}/{auction.pk}/{verb}", body).status_code == 401
    for insider in (other_user, make_user(roles=["finance"])):
        assert post(as_user(insider), auction, verb, **body).status_code == 403
    assert as_user(other_user).post(f"{URL}/{2**62}/{verb}", body).status_code in (403, 404)
    assert post(as_user(auction.seller), auction, verb, **body).status_code == seller


def test_the_same_key_pauses_once(moderator: APIClient, auction: Auction) -> None:
    path, body, key = f"{URL}/{auction.pk}/pause", {"reason": "Photos."}, {"Idempotency-Key": "k"}
    first, second = (moderator.post(path, body, headers=key) for _ in range(2))
    assert first.json() == second.json()
    assert auction.events.filter(kind="paused").count() == 1
