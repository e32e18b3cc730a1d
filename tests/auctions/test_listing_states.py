"""What sellers make of their listings: submit, withdraw, archive, relist."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import Notification, User
from auctions.models import Listing
from auctions.services.states import LISTING_MOVES
from cars.models import Vehicle
from tests.answers import error, refused
from tests.auctions.factories import ListingFactory
from tests.auctions.listings import URL, VIN, add_photo, complete_listing
from tests.auctions.test_listings import listing_in
from tests.factories import UserFactory, VehicleFactory

pytestmark = pytest.mark.django_db
# Command -> the status it is for and the one it leads to.
COMMANDS = {
    "submit": ({"draft", "changes_requested"}, "pending_review"),
    "withdraw": ({"pending_review"}, "draft"),
    "archive": ({"draft", "active", "changes_requested", "rejected"}, "archived"),
    "relist": ({"archived"}, "draft"),
}


@pytest.fixture
def seller(as_user: Any, user: User) -> APIClient:
    return as_user(user)


# A seller who archives a suspended listing is refused otherwise, see below.
CASES = [(verb, status) for verb in COMMANDS for status in Listing.Status.values]
CASES.remove(("archive", "suspended"))


@pytest.mark.parametrize(("verb", "status"), CASES)
def test_each_command_is_for_its_statuses(seller: APIClient, user: User, verb: str, status: str) -> None:
    listing = listing_in(status, seller=user)
    add_photo(listing)
    sources, to = COMMANDS[verb]
    answer = seller.post(f"{URL}/{listing.pk}/{verb}")
    if status in sources:
        assert (answer.status_code, answer.json()["status"]) == (200, to)
        event = listing.events.get()
        assert (event.kind, event.old, event.new, event.actor) == ("status", status, to, user)
    else:
        assert refused(answer) == (409, "invalid_transition")
        meta = error(answer)["meta"]
        assert (meta["from"], meta["to"]) == (status, to)
        assert set(meta["allowed"]) <= {str(move) for move in LISTING_MOVES.get(status, ())} - {to}


def test_everything_that_is_missing_is_named_at_once(seller: APIClient) -> None:
    listing = seller.post(URL, {"vin": VIN}, format="json").json()
    Listing.objects.update(year=None, make="")
    answer = seller.post(f"{URL}/{listing['id']}/submit")
    assert (answer.status_code, answer.json()["type"]) == (422, "validation_error")
    errors = answer.json()["errors"]
    assert {entry["code"] for entry in errors} == {"missing"}
    assert [entry["attr"] for entry in errors] == [
        "year", "make", "model", "mileage", "starting_price", "location_city", "location_state", "title_type", "images",
    ]  # fmt: skip
    assert Listing.objects.get().status == "draft"


def test_a_mileage_of_zero_is_one(seller: APIClient, user: User) -> None:
    assert seller.post(f"{URL}/{complete_listing(seller=user, mileage=0).pk}/submit").status_code == 200


@pytest.mark.parametrize("status", ["processing", "failed"])
def test_a_photo_counts_when_it_is_ready(seller: APIClient, user: User, status: str) -> None:
    listing = ListingFactory(seller=user, status="draft")
    add_photo(listing, status=status)
    answer = seller.post(f"{URL}/{listing.pk}/submit")
    assert [entry["attr"] for entry in answer.json()["errors"]] == ["images"]


def test_a_submitted_listing_waits(seller: APIClient, user: User) -> None:
    listing = complete_listing(seller=user)
    shown = seller.post(f"{URL}/{listing.pk}/submit").json()
    assert (shown["status"], shown["published_at"]) == ("pending_review", None)
    assert shown["submitted_at"] is not None
    assert not Notification.objects.exists()


def test_a_deployment_may_do_without_reviews(seller: APIClient, user: User, settings: Any) -> None:
    settings.LISTING_AUTO_APPROVE = True
    listing = complete_listing(seller=user)
    shown = seller.post(f"{URL}/{listing.pk}/submit").json()
    assert shown["status"] == "active"
    assert shown["published_at"] is not None
    moves = [(event.new, event.actor) for event in listing.events.order_by("id")]
    assert moves == [("pending_review", user), ("active", None)]


@pytest.mark.parametrize("verb", ["submit", "relist"])
def test_a_vehicle_that_is_anothers_by_now_is_not_listed(seller: APIClient, user: User, verb: str) -> None:
    listing = complete_listing(seller=user, status="draft" if verb == "submit" else "archived")
    Vehicle.objects.update(owner=UserFactory())
    assert refused(seller.post(f"{URL}/{listing.pk}/{verb}")) == (409, "vin_in_use")
    Vehicle.objects.update(owner=user, archived_at=timezone.now())
    assert refused(seller.post(f"{URL}/{listing.pk}/{verb}")) == (409, "vehicle_archived")


def test_a_vehicle_that_is_listed_anew_is_not_relisted(seller: APIClient, user: User) -> None:
    vehicle = VehicleFactory(owner=user, vin=VIN)
    old = ListingFactory(seller=user, vehicle=vehicle, status="archived")
    new = ListingFactory(seller=user, vehicle=vehicle, status="active")
    answer = seller.post(f"{URL}/{old.pk}/relist")
    assert refused(answer) == (409, "vehicle_listed")
    assert error(answer)["meta"] == {"listing": new.pk}


def test_a_suspended_listing_is_archived_by_moderators_alone(
    seller: APIClient, user: User, as_user: Any, make_user: Any
) -> None:
    url = f"{URL}/{ListingFactory(seller=user, status='suspended').pk}/archive"
    assert refused(seller.post(url)) == (403, "permission_denied")
    assert as_user(make_user(roles=["moderator"])).post(url).json()["status"] == "archived"
    told = Notification.objects.get()
    assert (told.user, told.kind, told.title) == (
        user, "listing_moved", "Your listing 2018 Honda Accord is now: archived",
    )  # fmt: skip


@pytest.mark.parametrize(("verb", "status"), [("withdraw", "pending_review"), ("archive", "active")])
def test_staff_may_and_strangers_may_not(
    as_user: Any, make_user: Any, other_user: User, user: User, verb: str, status: str
) -> None:
    url = f"{URL}/{ListingFactory(seller=user, status=status).pk}/{verb}"
    finance, moderator = make_user(roles=["finance"]), make_user(roles=["moderator"])
    stranger = as_user(other_user).post(url).status_code
    assert stranger == (403 if status == "active" else 404)
    assert as_user(finance).post(url).status_code == 403
    assert as_user(moderator).post(url).status_code == 200


def test_only_the_seller_submits(as_user: Any, make_user: Any, other_user: User, user: User) -> None:
    url = f"{URL}/{complete_listing(seller=user).pk}/submit"
    assert as_user(other_user).post(url).status_code == 404
    assert as_user(make_user(roles=["moderator"])).post(url).status_code == 403


@pytest.mark.parametrize("verb", [*COMMANDS, "approve", "unsuspend"])
def test_a_command_takes_no_members(seller: APIClient, admin_user: User, as_user: Any, user: User, verb: str) -> None:
    client = seller if verb in COMMANDS else as_user(admin_user)
    answer = client.post(f"{URL}/{ListingFactory(seller=user).pk}/{verb}", {"status": "active"}, format="json")
    assert refused(answer) == (400, "unknown_field")
