"""/api/vehicles/{id}: reading, changing and removing listings."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import SellerProfile, User
from auctions.models import Listing, ListingEvent
from cars.models import Vehicle, VehicleEvent
from cars.services import record_event
from tests.answers import error, refused
from tests.auctions.factories import AuctionFactory, ListingFactory
from tests.auctions.listings import URL, VIN, add_photo, ids
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
PUBLIC = ["active", "in_auction", "pending_sale", "sold"]
HIDDEN = ["draft", "pending_review", "changes_requested", "rejected", "suspended", "archived"]
PRIVATE = {"vehicle", "reserve_price", "submitted_at"}


def listing_in(status: str, **fields: Any) -> Listing:
    if status != "in_auction":
        return ListingFactory(status=status, **fields)
    listing = ListingFactory(**fields)
    prices = {name: getattr(listing, name) for name in ("starting_price", "reserve_price", "buy_now_price")}
    AuctionFactory(listing=listing, **prices)
    listing.refresh_from_db()
    return listing


@pytest.fixture
def seller(as_user: Any, user: User) -> APIClient:
    return as_user(user)


@pytest.fixture
def stranger(as_user: Any, other_user: User) -> APIClient:
    return as_user(other_user)


@pytest.fixture
def moderator(as_user: Any, make_user: Any) -> APIClient:
    return as_user(make_user(roles=["moderator"]))


# --- Reading


@pytest.mark.parametrize("status", PUBLIC)
def test_what_is_or_was_for_sale_is_public(api: APIClient, stranger: APIClient, status: str) -> None:
    listing = listing_in(status, vehicle__vin=VIN)
    for client in (api, stranger):
        shown = client.get(f"{URL}/{listing.pk}").json()
        assert (shown["status"], shown["vin"], shown["make"]) == (status, VIN, "Honda")
        assert not PRIVATE & shown.keys()


@pytest.mark.parametrize("status", HIDDEN)
def test_everything_else_is_for_its_seller_and_staff(
    api: APIClient, stranger: APIClient, seller: APIClient, moderator: APIClient, user: User, status: str
) -> None:
    url = f"{URL}/{listing_in(status, seller=user).pk}"
    assert [client.get(url).status_code for client in (api, stranger, seller, moderator)] == [404, 404, 200, 200]
    assert seller.get(url).json().keys() >= PRIVATE
    assert moderator.get(url).json().keys() >= PRIVATE


def test_who_moderates_but_may_not_view_sees_no_reserve(as_user: Any, make_user: Any) -> None:
    client = as_user(make_user(perms=["auctions.moderate_listing"]))
    listing = ListingFactory(reserve_price=2000)
    assert "reserve_price" not in client.get(f"{URL}/{listing.pk}").json()
    assert client.get(f"{URL}/{ListingFactory(status='draft').pk}").status_code == 404


def test_a_changed_reserve_is_no_new_version_to_others(seller: APIClient, stranger: APIClient, user: User) -> None:
    listing = ListingFactory(seller=user, reserve_price=2000)
    url = f"{URL}/{listing.pk}"
    before, own = stranger.get(url)["ETag"], seller.get(url)["ETag"]
    assert seller.patch(url, {"reserve_price": "1500.00"}, format="json").status_code == 200
    assert stranger.get(url, HTTP_IF_NONE_MATCH=before).status_code == 304
    assert seller.get(url, HTTP_IF_NONE_MATCH=own).status_code == 200


def test_the_badge_is_an_approved_dealers(api: APIClient, user: User) -> None:
    url = f"{URL}/{ListingFactory(seller=user).pk}"
    profile = SellerProfile.objects.create(user=user, business_name="Cars", dealer_license_number="1", tax_id="2")
    assert api.get(url).json()["seller"] == {"id": user.pk, "business_name": None, "is_dealer": False}
    SellerProfile.objects.filter(pk=profile.pk).update(approved_at=timezone.now())
    assert api.get(url).json()["seller"] == {"id": user.pk, "business_name": "Cars", "is_dealer": True}


def test_the_auction_in_short(api: APIClient) -> None:
    auction = AuctionFactory(reserve_price=Decimal("3000.00"), buy_now_price=Decimal("4000.00"))
    shown = api.get(f"{URL}/{auction.listing_id}").json()["auction"]
    assert {**shown, "ends_at": ""} == {
        "id": auction.pk, "status": "live", "ends_at": "", "price": None, "bid_count": 0, "reserve_status": "not_met",
        "buy_now": "4000.00",
    }  # fmt: skip


def test_an_auction_of_the_past_is_not_shown(api: APIClient) -> None:
    auction = AuctionFactory()
    Listing.objects.filter(pk=auction.listing_id).update(status="active")
    assert api.get(f"{URL}/{auction.listing_id}").json()["auction"] is None


def test_only_photos_that_are_ready_are_shown_in_their_order(api: APIClient) -> None:
    listing = ListingFactory()
    second, first = add_photo(listing, 2), add_photo(listing, 1)
    add_photo(listing, 3, status="processing")
    shown = api.get(f"{URL}/{listing.pk}").json()["images"]
    assert [image["id"] for image in shown] == [str(first.pk), str(second.pk)]


def _serviced(vehicle: Vehicle) -> None:
    facts: dict[str, Any] = {"kind": VehicleEvent.Kind.SERVICED, "actor": None, "at": timezone.now()}
    record_event(vehicle=vehicle, public_summary="Oil changed.", private_summary="Paid late.", **facts)
    record_event(vehicle=vehicle, private_summary="Asked for a discount.", reference="ticket:1", **facts)


def test_a_shared_history_is_what_the_timeline_says_in_public(api: APIClient) -> None:
    listing = ListingFactory(shares_history=True)
    _serviced(listing.vehicle)
    (entry,) = api.get(f"{URL}/{listing.pk}").json()["service_history"]
    assert {**entry, "at": ""} == {"kind": "serviced", "at": "", "summary": "Oil changed."}


def test_nobody_shares_the_history_of_anothers_vehicle(api: APIClient) -> None:
    kept, sold = ListingFactory(), ListingFactory(status="sold", shares_history=True)
    Vehicle.objects.filter(pk=sold.vehicle_id).update(owner=UserFactory())
    for listing in (kept, sold):
        _serviced(listing.vehicle)
        assert api.get(f"{URL}/{listing.pk}").json()["service_history"] is None


def test_a_listing_is_read_by_a_constant_number_of_queries(api: APIClient, django_assert_num_queries: Any) -> None:
    listing = AuctionFactory(listing_fields={"shares_history": True}).listing
    for number in range(5):
        add_photo(listing, number)
        _serviced(listing.vehicle)
    with django_assert_num_queries(3):  # The listing with all that belongs to it, its photos, the timeline.
        assert api.get(f"{URL}/{listing.pk}").status_code == 200


# --- Changing


@pytest.mark.parametrize("status", ["draft", "changes_requested"])
def test_a_draft_changes_in_everything_but_its_vin(seller: APIClient, user: User, status: str) -> None:
    url = f"{URL}/{listing_in(status, seller=user).pk}"
    body = {"make": "Kia", "model": "Ceed", "year": 2019, "starting_price": "500.00", "mileage": None}
    shown = seller.patch(url, body, format="json").json()
    assert {name: shown[name] for name in body} == body
    answer = seller.patch(url, {"vin": VIN}, format="json")
    assert (answer.status_code, error(answer)["code"], error(answer)["attr"]) == (400, "unknown_field", "vin")


def test_a_replacement_keeps_what_it_leaves_out(seller: APIClient, user: User) -> None:
    listing = ListingFactory(seller=user, status="draft")
    shown = seller.put(f"{URL}/{listing.pk}", {"make": "Kia"}, format="json").json()
    assert (shown["make"], shown["model"]) == ("Kia", "Accord")
    assert Listing.objects.get().make_key == "kia"


def test_on_the_marketplace_only_the_text_changes_and_prices_fall(seller: APIClient, user: User) -> None:
    url = f"{URL}/{ListingFactory(seller=user, reserve_price=2000, buy_now_price=4000).pk}"
    body = {"description": "Now with new tyres.", "reserve_price": "1500.00", "buy_now_price": "3900.00"}
    assert seller.put(url, {**body, "make": "Honda"}, format="json").status_code == 200
    assert seller.patch(url, {"reserve_price": None}, format="json").json()["reserve_price"] is None


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"reserve_price": "2000.01"}, "reserve_only_down"),
        ({"buy_now_price": "4000.01"}, "buy_now_only_down"),
        ({"buy_now_price": None}, "buy_now_only_down"),
        ({"starting_price": "900.00"}, "listing_locked"),
        ({"mileage": 1}, "listing_locked"),
    ],
)
def test_on_the_marketplace_nothing_else_changes(
    seller: APIClient, user: User, change: dict[str, Any], code: str
) -> None:
    listing = ListingFactory(seller=user, reserve_price=2000, buy_now_price=4000)
    answer = seller.patch(f"{URL}/{listing.pk}", {"description": "New", **change}, format="json")
    assert refused(answer) == (409, code)
    assert error(answer)["attr"] == next(iter(change))
    assert Listing.objects.get().description == ""


@pytest.mark.parametrize("name", ["reserve_price", "buy_now_price"])
def test_a_price_that_was_not_there_cannot_be_added_on_the_marketplace(
    seller: APIClient, user: User, name: str
) -> None:
    url = f"{URL}/{ListingFactory(seller=user).pk}"
    assert seller.patch(url, {name: "5000.00"}, format="json").status_code == 409


def test_lowered_prices_must_not_contradict_each_other(seller: APIClient, user: User) -> None:
    url = f"{URL}/{ListingFactory(seller=user, reserve_price=2000, buy_now_price=4000).pk}"
    answer = seller.patch(url, {"buy_now_price": "2000.00"}, format="json")
    assert refused(answer) == (422, "buy_now_not_above_reserve")
    assert refused(seller.patch(url, {"reserve_price": "999.99"}, format="json")) == (422, "reserve_below_start")


@pytest.mark.parametrize("change", [{"reserve_price": "1500.00"}, {"buy_now_price": "3000.00"}, {"make": "Kia"}])
def test_in_an_auction_only_the_text_changes(seller: APIClient, user: User, change: dict[str, Any]) -> None:
    url = f"{URL}/{listing_in('in_auction', seller=user, reserve_price=2000, buy_now_price=4000).pk}"
    answer = seller.patch(url, change, format="json")
    assert refused(answer) == (409, "listing_locked")
    meta = {"status": "in_auction", "fields": list(change), "allowed": ["description"]}
    assert error(answer)["meta"] == meta
    assert seller.patch(url, {"description": "New tyres."}, format="json").status_code == 200


@pytest.mark.parametrize("status", ["pending_review", "rejected", "pending_sale", "sold", "suspended", "archived"])
def test_other_listings_do_not_change(seller: APIClient, user: User, status: str) -> None:
    url = f"{URL}/{listing_in(status, seller=user).pk}"
    for body in ({"description": "New"}, {"make": "Honda"}):
        assert refused(seller.patch(url, body, format="json")) == (409, "listing_locked")


def test_a_change_is_remembered_without_its_amounts(seller: APIClient, user: User) -> None:
    url = f"{URL}/{ListingFactory(seller=user, reserve_price=2000).pk}"
    seller.patch(url, {"reserve_price": "1500.00", "description": "New"}, format="json")
    event = ListingEvent.objects.get()
    assert (event.kind, event.reason, event.actor) == ("edited", "Changed: description, reserve_price.", user)


def test_of_two_who_hold_the_same_version_one_is_late(seller: APIClient, user: User) -> None:
    url = f"{URL}/{ListingFactory(seller=user).pk}"
    tag = seller.get(url)["ETag"]
    bodies = [{"description": "One"}, {"description": "Two"}]
    answers = [seller.patch(url, body, format="json", HTTP_IF_MATCH=tag).status_code for body in bodies]
    assert answers == [200, 412]
    assert seller.delete(url, HTTP_IF_MATCH=tag).status_code == 412


def test_only_the_seller_changes_and_removes(
    stranger: APIClient, moderator: APIClient, api: APIClient, user: User
) -> None:
    shown, hidden = ListingFactory(seller=user), ListingFactory(seller=user, status="draft")
    for client, statuses in ((api, (401, 401)), (stranger, (403, 404)), (moderator, (403, 403))):
        for listing, status in zip((shown, hidden), statuses, strict=True):
            url = f"{URL}/{listing.pk}"
            assert client.patch(url, {"description": "x"}, format="json").status_code == status
            assert client.put(url, {"description": "x"}, format="json").status_code == status
            assert client.delete(url).status_code == status


# --- Removing


def test_a_draft_is_gone_and_its_vehicle_stays(seller: APIClient, user: User) -> None:
    listing = ListingFactory(seller=user, status="draft")
    add_photo(listing)
    assert seller.delete(f"{URL}/{listing.pk}").status_code == 204
    assert not Listing.objects.exists()
    assert Vehicle.objects.live().filter(owner=user).exists()


def test_a_draft_that_was_on_the_marketplace_is_archived(seller: APIClient, user: User) -> None:
    listing = ListingFactory(seller=user, status="draft", published_at=timezone.now())
    assert seller.delete(f"{URL}/{listing.pk}").status_code == 204
    listing.refresh_from_db()
    assert listing.status == "archived"


@pytest.mark.parametrize("status", ["active", "changes_requested", "rejected", "pending_review"])
def test_other_listings_are_archived(seller: APIClient, user: User, status: str) -> None:
    listing = ListingFactory(seller=user, status=status)
    assert seller.delete(f"{URL}/{listing.pk}").status_code == 204
    listing.refresh_from_db()
    assert listing.status == "archived"


@pytest.mark.parametrize("status", ["in_auction", "pending_sale", "sold", "archived"])
def test_what_is_sold_or_in_an_auction_stays(seller: APIClient, user: User, status: str) -> None:
    listing = listing_in(status, seller=user)
    answer = seller.delete(f"{URL}/{listing.pk}")
    assert refused(answer) == (409, "invalid_transition")
    assert (error(answer)["meta"]["from"], error(answer)["meta"]["to"]) == (status, "archived")


# --- One's own, and the history


def test_ones_own_listings_are_found_in_every_status(seller: APIClient, user: User) -> None:
    own = [listing_in(status, seller=user).pk for status in (*PUBLIC, *HIDDEN)]
    ListingFactory()
    assert ids(seller.get(f"{URL}/mine")) == own[::-1]
    assert ids(seller.get(f"{URL}/mine?status=draft")) == [own[4]]
    assert refused(seller.get(f"{URL}/mine?status=gone")) == (400, "invalid")


def test_ones_own_listings_need_a_sign_in(api: APIClient) -> None:
    assert api.get(f"{URL}/mine").status_code == 401


def test_the_history_is_for_the_seller_and_staff(
    seller: APIClient, stranger: APIClient, moderator: APIClient, user: User
) -> None:
    listing = ListingFactory(seller=user)
    seller.patch(f"{URL}/{listing.pk}", {"description": "New"}, format="json")
    seller.post(f"{URL}/{listing.pk}/archive")
    url = f"{URL}/{listing.pk}/events"
    for client in (seller, moderator):
        assert [row["kind"] for row in client.get(url).json()["results"]] == ["status", "edited"]
    assert stranger.get(url).status_code == 404
    assert stranger.get(f"{URL}/{ListingFactory().pk}/events").status_code == 403
