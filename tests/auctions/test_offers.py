"""/api/offers: who may offer what to whom, what accepting does, and how an offer ends without a sale."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from auctions.models import Auction, FeeSchedule, Listing, Offer, Order, SettlementEvent
from auctions.models.offers import MOST_ROUNDS
from auctions.services.auctions import create_auction
from auctions.services.moderation import suspend_listing
from auctions.services.offers import expire_offers, exposure_of
from auctions.tasks import expire_offers as expire_offers_task
from cars.models import VehicleEvent
from common.sweeps import SweepResult
from tests.answers import refused
from tests.auctions.factories import AuctionFactory, BidderFactory, ListingFactory, OfferFactory, OrderFactory
from tests.auctions.trust import bid

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], APIClient]
OFFERS = "/api/offers"


@pytest.fixture
def listing(db: None) -> Listing:
    return ListingFactory()


@pytest.fixture
def buyer(db: None) -> User:
    return BidderFactory()


@pytest.fixture
def client(as_user: SignIn, buyer: User) -> APIClient:
    return as_user(buyer)


@pytest.fixture
def seller(as_user: SignIn, listing: Listing) -> APIClient:
    return as_user(listing.seller)


@pytest.fixture
def offer(listing: Listing, buyer: User) -> Offer:
    return OfferFactory(listing=listing, buyer=buyer)


def path(offer: Offer, verb: str = "") -> str:
    return f"{OFFERS}/{offer.pk}" + (f"/{verb}" if verb else "")


def make(client: APIClient, listing: Listing, amount: Any = "900.00", **more: Any) -> Any:
    return client.post(OFFERS, {"listing": listing.pk, "amount": amount, **more}, format="json")


def history(offer: Offer) -> list[tuple[str, str, int | None]]:
    events = SettlementEvent.objects.filter(subject="offer", subject_id=offer.pk)
    return list(events.values_list("old", "new", "actor"))


def status_of(row: Any) -> str:
    return type(row).objects.values_list("status", flat=True).get(pk=row.pk)


# --- Making ---------------------------------------------------------------------------------------------------------


def test_an_offer_waits_a_day_for_the_seller(client: APIClient, buyer: User, listing: Listing) -> None:
    answer = make(client, listing, message="I could fetch it tomorrow.")
    assert answer.status_code == 201, answer.content
    offer = Offer.objects.get()
    body = answer.json()
    assert {name: body[name] for name in ("id", "listing", "buyer", "seller")} == {
        "id": offer.pk, "listing": listing.pk, "buyer": buyer.pk, "seller": listing.seller_id,
    }  # fmt: skip
    assert {name: body[name] for name in ("kind", "status", "made_by", "amount", "currency", "message", "round")} == {
        "kind": "pre_auction", "status": "pending", "made_by": "buyer", "amount": "900.00", "currency": "USD",
        "message": "I could fetch it tomorrow.", "round": 0,
    }  # fmt: skip
    assert {body[name] for name in ("auction", "parent", "counter", "order", "decided_at")} == {None}
    assert answer["Location"].endswith(f"/api/offers/{offer.pk}")
    assert offer.expires_at - offer.created_at == timedelta(seconds=settings.OFFER_TTL_S)
    assert history(offer) == [("", "pending", buyer.pk)]
    assert SettlementEvent.objects.get().details == {
        "kind": "pre_auction", "amount": "900.00", "currency": "USD", "made_by": "buyer",
        "expires_at": offer.expires_at.isoformat(),
    }  # fmt: skip


def test_the_same_key_makes_one_offer(client: APIClient, listing: Listing) -> None:
    body = {"listing": listing.pk, "amount": "900.00"}
    answers = [client.post(OFFERS, body, format="json", HTTP_IDEMPOTENCY_KEY="once") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert Offer.objects.count() == 1


def test_before_the_bidding_one_may_offer_and_then_not(client: APIClient, as_user: SignIn) -> None:
    scheduled = AuctionFactory(status="scheduled")
    assert make(client, scheduled.listing).status_code == 201
    other = as_user(BidderFactory())
    Auction.objects.filter(pk=scheduled.pk).update(starts_at=timezone.now())  # Begun, though no sweep has opened it.
    assert refused(make(other, scheduled.listing)) == (409, "not_for_sale")
    answer = make(client, AuctionFactory().listing)
    assert refused(answer) == (409, "not_for_sale")
    assert answer.json()["errors"][0]["meta"] == {"listing": "in_auction"}


@pytest.mark.parametrize("status", ["pending_sale", "sold"])
def test_what_is_sold_takes_no_offers(client: APIClient, status: str) -> None:
    assert refused(make(client, ListingFactory(status=status))) == (409, "not_for_sale")


@pytest.mark.parametrize("status", ["draft", "pending_review", "suspended", "archived"])
def test_what_is_not_public_is_not_there(client: APIClient, status: str) -> None:
    listing = ListingFactory(status=status)
    assert refused(make(client, listing)) == (422, "does_not_exist")
    listing.pk = 10**9
    assert refused(make(client, listing)) == (422, "does_not_exist")


def test_nobody_offers_to_themselves_or_without_what_a_bid_needs(
    seller: APIClient, user: User, as_user: SignIn
) -> None:
    assert refused(make(seller, Listing.objects.get())) == (403, "seller_cannot_offer")
    answer = make(as_user(user), Listing.objects.get())
    assert refused(answer) == (403, "not_eligible")
    assert "identity_verified" in answer.json()["errors"][0]["meta"]["missing"]


def test_one_offer_at_a_time(client: APIClient, listing: Listing, offer: Offer) -> None:
    answer = make(client, listing)
    assert refused(answer) == (409, "offer_exists")
    assert answer.json()["errors"][0]["meta"] == {"offer": offer.pk}
    assert client.post(path(offer, "withdraw")).status_code == 200
    assert make(client, listing).status_code == 201


def test_an_offer_beyond_the_limit_is_refused(client: APIClient, buyer: User, listing: Listing) -> None:
    User.objects.filter(pk=buyer.pk).update(bid_limit=Decimal(3000))
    bid(AuctionFactory(), buyer, "1500")
    OrderFactory(buyer=buyer, hammer_price=Decimal(700))
    OrderFactory(buyer=buyer, hammer_price=Decimal(9000), status="paid")
    assert exposure_of(buyer) == Decimal(2200)
    assert refused(make(client, listing, "800.01")) == (409, "bid_limit_exceeded")
    assert make(client, listing, "800.00").status_code == 201


@pytest.mark.parametrize(
    "body",
    [
        {}, {"amount": "1.00"}, {"amount": "0.00", "listing": 1}, {"amount": "-1", "listing": 1},
        {"amount": "1.001", "listing": 1}, {"amount": "x", "listing": 1}, {"amount": None, "listing": 1},
        {"amount": "1.00", "listing": "x"}, {"amount": "1.00", "listing": 1, "kind": "if_bid"},
        {"amount": "1.00", "listing": 1, "message": "x" * 501}, {"amount": "99999999999.00", "listing": 1},
    ],
)  # fmt: skip
def test_a_body_that_is_none_is_refused(client: APIClient, body: dict[str, Any]) -> None:
    assert client.post(OFFERS, body, format="json").status_code == 400


# --- Who sees and decides -------------------------------------------------------------------------------------------


def test_both_sides_and_staff_see_it_and_nobody_else(
    client: APIClient, seller: APIClient, offer: Offer, as_user: SignIn, make_user: Any, api: APIClient
) -> None:
    staff = [as_user(make_user(roles=[role])) for role in ("moderator", "finance")]
    for viewer in (client, seller, *staff):
        assert viewer.get(path(offer)).json()["id"] == offer.pk
        assert viewer.get(OFFERS).json()["count"] == 1
    others = [as_user(BidderFactory()), as_user(make_user(roles=["parking_manager"]))]
    for viewer in others:
        assert viewer.get(path(offer)).status_code == viewer.post(path(offer, "accept")).status_code == 404
        assert viewer.get(OFFERS).json()["count"] == 0
    assert (api.get(path(offer)).status_code, api.get(OFFERS).status_code) == (401, 401)


def test_only_the_recipient_decides_and_only_the_proposer_withdraws(
    client: APIClient, seller: APIClient, offer: Offer, as_user: SignIn, make_user: Any
) -> None:
    finance = as_user(make_user(roles=["finance"]))
    for verb, body in (("accept", {}), ("decline", {}), ("counter", {"amount": "950.00"})):
        for somebody in (client, finance):
            answer = somebody.post(path(offer, verb), body, format="json")
            assert refused(answer) == (403, "not_your_turn")
    for somebody in (seller, finance):
        assert refused(somebody.post(path(offer, "withdraw"))) == (403, "not_your_turn")
    assert status_of(offer) == "pending"


def test_the_list_is_filtered_and_costs_the_same_for_many(
    client: APIClient, buyer: User, django_assert_max_num_queries: Any
) -> None:
    own = OfferFactory(buyer=buyer)
    sold = OfferFactory(seller=buyer, listing=ListingFactory(seller=buyer), status="accepted")
    OfferFactory.create_batch(5, buyer=buyer, status="declined")
    OfferFactory()

    def found(**query: Any) -> list[int]:
        answer = client.get(OFFERS, query)
        assert answer.status_code == 200, answer.content
        return [row["id"] for row in answer.json()["results"]]

    assert len(found()) == 7
    assert found() == sorted(found(), reverse=True)
    assert found(status="pending") == [own.pk]
    assert found(role="seller") == [sold.pk]
    assert len(found(role="buyer")) == 6
    assert found(listing=own.listing_id) == [own.pk]
    assert found(kind="second_chance") == found(auction=1) == []
    for query in ({"role": "both"}, {"status": "new"}, {"colour": "red"}, {"listing": "x"}):
        assert client.get(OFFERS, query).status_code == 400
    with django_assert_max_num_queries(6):
        found()


def test_reading_again_is_304_until_it_changes(client: APIClient, offer: Offer) -> None:
    tag = client.get(path(offer))["ETag"]
    assert client.get(path(offer), HTTP_IF_NONE_MATCH=tag).status_code == 304
    client.post(path(offer, "withdraw"))
    assert client.get(path(offer), HTTP_IF_NONE_MATCH=tag).status_code == 200


# --- Accepting ------------------------------------------------------------------------------------------------------


def test_accepting_sells_at_the_amount_on_the_fees_in_force(seller: APIClient, offer: Offer) -> None:
    FeeSchedule.objects.create(name="Now", percent=Decimal("4.50"))
    other = OfferFactory(listing=offer.listing)
    answer = seller.post(path(offer, "accept"))
    assert answer.status_code == 200, answer.content
    order = Order.objects.get()
    assert (answer.json()["status"], answer.json()["order"]) == ("accepted", order.pk)
    assert answer.json()["decided_at"] is not None
    assert (order.hammer_price, order.currency, order.status) == (Decimal(900), "USD", "awaiting_payment")
    assert (order.buyer, order.seller, order.auction, order.offer) == (offer.buyer, offer.seller, None, offer)
    assert order.fee_schedule["percent"] == "4.50"
    assert (status_of(offer.listing), status_of(other)) == ("pending_sale", "superseded")
    seller_id = offer.seller_id
    assert history(offer)[-1] == ("pending", "accepted", seller_id)
    assert history(other)[-1] == ("pending", "superseded", seller_id)
    assert VehicleEvent.objects.filter(reference=f"order:{order.pk}", kind="sold").count() == 1


def test_accepting_cancels_the_auction_that_has_not_begun(as_user: SignIn) -> None:
    auction = AuctionFactory(status="scheduled")
    offer = OfferFactory(listing=auction.listing)
    assert as_user(auction.seller).post(path(offer, "accept")).status_code == 200
    assert (status_of(auction), status_of(auction.listing)) == ("cancelled", "pending_sale")
    assert auction.log.last().kind == "cancelled"


def test_once_the_auction_has_begun_nothing_is_accepted(as_user: SignIn) -> None:
    auction = AuctionFactory(status="scheduled")
    offer = OfferFactory(listing=auction.listing)
    Auction.objects.filter(pk=auction.pk).update(starts_at=timezone.now())
    seller = as_user(auction.seller)
    assert refused(seller.post(path(offer, "accept"))) == (409, "not_for_sale")
    assert refused(seller.post(path(offer, "counter"), {"amount": "950.00"}, format="json")) == (409, "not_for_sale")
    assert seller.post(path(offer, "decline")).status_code == 200
    assert (status_of(auction), Order.objects.count()) == ("scheduled", 0)


def test_what_is_sold_is_not_sold_twice(seller: APIClient, offer: Offer) -> None:
    other = OfferFactory(listing=offer.listing)
    assert seller.post(path(offer, "accept")).status_code == 200
    assert refused(seller.post(path(other, "accept"))) == (409, "invalid_transition")
    Offer.objects.filter(pk=other.pk).update(status="pending", decided_at=None)
    assert refused(seller.post(path(other, "accept"))) == (409, "not_for_sale")
    assert Order.objects.count() == 1


@pytest.mark.parametrize("verb", ["accept", "decline", "counter", "withdraw"])
@pytest.mark.parametrize("status", [status for status in Offer.Status if status != "pending"])
def test_what_is_decided_stays_so(verb: str, status: str, offer: Offer, client: APIClient, seller: APIClient) -> None:
    Offer.objects.filter(pk=offer.pk).update(status=status, decided_at=timezone.now())
    whose = client if verb == "withdraw" else seller
    body = {"amount": "950.00"} if verb == "counter" else {}
    assert refused(whose.post(path(offer, verb), body, format="json")) == (409, "invalid_transition")


@pytest.mark.parametrize("verb", ["accept", "decline", "counter", "withdraw"])
def test_what_has_expired_is_not_decided_though_no_sweep_has_come(
    verb: str, offer: Offer, client: APIClient, seller: APIClient
) -> None:
    Offer.objects.filter(pk=offer.pk).update(expires_at=timezone.now())
    body = {"amount": "950.00"} if verb == "counter" else {}
    whose = client if verb == "withdraw" else seller
    assert refused(whose.post(path(offer, verb), body, format="json")) == (409, "offer_expired")


def test_the_limit_holds_when_it_binds_and_its_amount_is_not_told(seller: APIClient, buyer: User, offer: Offer) -> None:
    User.objects.filter(pk=buyer.pk).update(bid_limit=Decimal(1000))
    OrderFactory(buyer=buyer, hammer_price=Decimal("100.01"))
    answer = seller.post(path(offer, "accept"))
    assert refused(answer) == (409, "bid_limit_exceeded")
    assert "meta" not in answer.json()["errors"][0]
    assert "Your" not in answer.json()["errors"][0]["detail"]
    User.objects.filter(pk=buyer.pk).update(bid_limit=Decimal("1000.01"))
    assert seller.post(path(offer, "accept")).status_code == 200


def test_a_buyer_who_may_not_buy_any_more_is_not_sold_to(seller: APIClient, buyer: User, offer: Offer) -> None:
    User.objects.filter(pk=buyer.pk).update(identity_verified_at=None)
    answer = seller.post(path(offer, "accept"))
    assert refused(answer) == (409, "buyer_not_eligible")
    assert "meta" not in answer.json()["errors"][0]


def test_accepting_again_with_the_same_key_changes_nothing(seller: APIClient, offer: Offer) -> None:
    answers = [seller.post(path(offer, "accept"), HTTP_IDEMPOTENCY_KEY="yes") for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert (answers[1].status_code, Order.objects.count(), len(history(offer))) == (200, 1, 1)


def test_commands_take_no_body(seller: APIClient, offer: Offer) -> None:
    for verb in ("accept", "decline"):
        assert seller.post(path(offer, verb), {"amount": "1.00"}, format="json").status_code == 400
    assert seller.post(path(offer, "counter"), {}, format="json").status_code == 400


# --- Countering -----------------------------------------------------------------------------------------------------


def test_counter_offers_swap_the_roles_three_times(client: APIClient, seller: APIClient, offer: Offer) -> None:
    amounts = ["1000.00", "950.00", "975.00"]
    turns = [seller, client, seller]
    for number, (whose, amount) in enumerate(zip(turns, amounts, strict=True), start=1):
        answer = whose.post(path(offer, "counter"), {"amount": amount}, format="json")
        assert answer.status_code == 201, answer.content
        counter = Offer.objects.get(parent=offer)
        body = answer.json()
        assert answer["Location"].endswith(path(counter))
        assert (body["id"], body["parent"], body["round"], body["amount"]) == (counter.pk, offer.pk, number, amount)
        assert body["made_by"] == ("seller" if number % 2 else "buyer")
        assert client.get(path(offer)).json()["counter"] == counter.pk
        assert status_of(offer) == "countered"
        offer = counter
    assert offer.round == MOST_ROUNDS
    assert refused(client.post(path(offer, "counter"), {"amount": "960.00"}, format="json")) == (409, "too_many_rounds")
    assert client.post(path(offer, "accept")).status_code == 200
    order = Order.objects.get()
    assert (order.hammer_price, order.buyer, order.seller) == (Decimal("975.00"), offer.buyer, offer.seller)


def test_a_buyer_counters_within_the_limit(client: APIClient, buyer: User, listing: Listing) -> None:
    offer = OfferFactory(listing=listing, buyer=buyer, made_by="seller")
    User.objects.filter(pk=buyer.pk).update(bid_limit=Decimal(950))
    answer = client.post(path(offer, "counter"), {"amount": "950.01"}, format="json")
    assert refused(answer) == (409, "bid_limit_exceeded")
    assert status_of(offer) == "pending"
    assert client.post(path(offer, "counter"), {"amount": "950.00"}, format="json").status_code == 201
    own = OfferFactory(listing=ListingFactory(), buyer=buyer, made_by="seller", amount=Decimal(951))
    answer = client.post(path(own, "accept"))
    assert refused(answer) == (409, "bid_limit_exceeded")
    assert "your bid limit" in answer.json()["errors"][0]["detail"]


def test_the_proposer_withdraws_a_counter_offer(client: APIClient, seller: APIClient, offer: Offer) -> None:
    counter = seller.post(path(offer, "counter"), {"amount": "990.00"}, format="json").json()["id"]
    assert refused(client.post(f"{OFFERS}/{counter}/withdraw")) == (403, "not_your_turn")
    assert seller.post(f"{OFFERS}/{counter}/withdraw").json()["status"] == "withdrawn"
    assert status_of(offer.listing) == "active"


def test_declining_leaves_the_listing_as_it_is(seller: APIClient, offer: Offer) -> None:
    assert seller.post(path(offer, "decline")).json()["status"] == "declined"
    assert (status_of(offer.listing), history(offer)) == ("active", [("pending", "declined", offer.seller_id)])


# --- By the clock ---------------------------------------------------------------------------------------------------


def test_the_sweep_ends_what_nobody_decided_on(offer: Offer) -> None:
    other = OfferFactory(expires_at=offer.expires_at + timedelta(seconds=1))
    assert expire_offers(now=offer.expires_at - timedelta(seconds=1)) == SweepResult(0, 0)
    assert expire_offers(now=offer.expires_at) == SweepResult(1, 0)
    assert expire_offers(now=offer.expires_at) == SweepResult(0, 0)
    assert (status_of(offer), status_of(other)) == ("expired", "pending")
    assert history(offer) == [("pending", "expired", None)]


def test_the_job_ends_what_has_expired(offer: Offer) -> None:
    Offer.objects.update(expires_at=timezone.now())
    expire_offers_task()
    assert status_of(offer) == "expired"


def test_offers_fall_when_the_auction_begins_and_not_before(listing: Listing, offer: Offer) -> None:
    now = timezone.now()
    data = {"starts_at": now + timedelta(hours=1), "ends_at": now + timedelta(hours=9)}
    create_auction(listing_id=listing.pk, actor=listing.seller, data=data, now=now)
    assert expire_offers(now=now) == SweepResult(0, 0)
    assert expire_offers(now=data["starts_at"]) == SweepResult(1, 0)
    assert status_of(offer) == "superseded"


def test_offers_fall_with_a_listing_that_is_taken_off(offer: Offer, admin_user: User) -> None:
    suspend_listing(listing=offer.listing, actor=admin_user, reason="Stolen.", now=timezone.now())
    assert expire_offers(now=timezone.now()) == SweepResult(1, 0)
    assert status_of(offer) == "superseded"
