"""DELETE /api/garage/{id} of a vehicle that is being sold."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from auctions.models.listings import LIVE
from auctions.models.orders import DEAD_ORDER, PAID_ORDER, UNPAID_ORDER
from cars.models import Vehicle
from tests.auctions.factories import AuctionFactory, ListingFactory, OrderFactory
from tests.factories import UserFactory, VehicleFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def vehicle(user: User) -> Vehicle:
    made: Vehicle = VehicleFactory(owner=user)
    return made


@pytest.fixture
def client(as_user: Any, user: User) -> APIClient:
    signed_in: APIClient = as_user(user)
    return signed_in


def archive(client: APIClient, vehicle: Vehicle) -> Any:
    answer = client.delete(f"/api/garage/{vehicle.pk}")
    vehicle.refresh_from_db()
    assert (vehicle.archived_at is not None) == (answer.status_code == 204)
    return answer


def refusal(answer: Any) -> tuple[int, str, Any]:
    error = answer.json()["errors"][0]
    return answer.status_code, error["code"], error["meta"]


@pytest.mark.parametrize("status", [status for status in LIVE if status != "in_auction"])
def test_a_vehicle_with_a_live_listing_stays(client: APIClient, vehicle: Vehicle, user: User, status: str) -> None:
    listing = ListingFactory(vehicle=vehicle, seller=user, status=status)
    assert refusal(archive(client, vehicle)) == (409, "vehicle_in_sale", {"listing": listing.pk})


def test_a_vehicle_in_an_auction_stays(as_user: Any) -> None:
    listing = AuctionFactory().listing
    assert listing.status == "in_auction"
    answer = archive(as_user(listing.seller), listing.vehicle)
    assert refusal(answer) == (409, "vehicle_in_sale", {"listing": listing.pk})


@pytest.mark.parametrize("status", ["rejected", "archived"])
def test_a_vehicle_whose_listing_is_over_may_go(client: APIClient, vehicle: Vehicle, user: User, status: str) -> None:
    ListingFactory(vehicle=vehicle, seller=user, status=status)
    assert archive(client, vehicle).status_code == 204


@pytest.mark.parametrize("status", [*UNPAID_ORDER, *PAID_ORDER[:-1], "disputed"])
@pytest.mark.parametrize("owner", ["seller", "buyer"])
def test_a_vehicle_stays_until_its_sale_is_over(as_user: Any, vehicle: Vehicle, owner: str, status: str) -> None:
    """Whosever it is by now."""
    listing = ListingFactory(vehicle=vehicle, seller=vehicle.owner, status="sold")
    order = OrderFactory(listing=listing, status=status, disputed_from="paid" if status == "disputed" else "")
    Vehicle.objects.filter(pk=vehicle.pk).update(owner=getattr(order, owner))
    answer = archive(as_user(getattr(order, owner)), vehicle)
    assert refusal(answer) == (409, "vehicle_in_sale", {"order": order.pk})


@pytest.mark.parametrize("status", [*DEAD_ORDER, "completed"])
def test_a_vehicle_whose_sale_is_over_may_go(client: APIClient, vehicle: Vehicle, user: User, status: str) -> None:
    OrderFactory(listing=ListingFactory(vehicle=vehicle, seller=user, status="sold"), status=status)
    assert archive(client, vehicle).status_code == 204


def test_the_draft_of_somebody_else_holds_nobody(client: APIClient, vehicle: Vehicle) -> None:
    """Begun when the vehicle had no owner."""
    ListingFactory(vehicle=vehicle, seller=UserFactory(), status="draft")
    assert archive(client, vehicle).status_code == 204
