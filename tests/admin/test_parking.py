"""What staff do in the pages of parking goes through the services."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from parking.models import Lot, Reservation, Spot
from parking.serializers.lots import LotRateSerializer, LotSerializer
from parking.services.lots import LotInUse
from tests.conftest import MakeUser
from tests.parking.factories import LotFactory, ReservationFactory

pytestmark = pytest.mark.django_db
FORM = {
    "name": "North", "address": "1 Road", "pin_code": "10115", "description": "", "is_active": "on", "timezone": "UTC",
    "opens_at": "", "closes_at": "", "default_stay_min": "120", "no_show_after_min": "15", "cancel_cutoff_min": "0",
    "capacity": "3", "price": "2.50", "increment_min": "60", "first_free_s": "0", "cap": "",
    "rates-TOTAL_FORMS": "0", "rates-INITIAL_FORMS": "0",
}  # fmt: skip


@pytest.fixture
def manager(client: Client, make_user: MakeUser) -> Client:
    client.force_login(make_user(roles=["parking_manager"]))
    return client


def test_a_new_lot_gets_its_spots_and_its_rate(manager: Client) -> None:
    assert manager.post(reverse("admin:parking_lot_add"), FORM).status_code == 302
    lot = Lot.objects.get()
    assert lot.spots.count() == 3
    assert lot.rates.get().price == Decimal("2.50")


@pytest.mark.parametrize(
    ("field", "least", "most"),
    [
        ("increment_min", 1, 10_080),
        ("first_free_s", 0, 86_400),
        ("default_stay_min", 1, 43_200),
        ("no_show_after_min", 0, 1440),
        ("cancel_cutoff_min", 0, 43_200),
        ("capacity", 1, 5000),
    ],
)
def test_a_lot_has_the_bounds_that_it_has_in_the_api(manager: Client, field: str, least: int, most: int) -> None:
    in_api = {**LotRateSerializer().fields, **LotSerializer().fields}[field]
    assert (in_api.min_value, in_api.max_value) == (least, most)
    add = reverse("admin:parking_lot_add")
    for outside in (least - 1, most + 1):
        answer = manager.post(add, FORM | {field: str(outside)})
        assert answer.status_code == 200
        assert list(answer.context["adminform"].form.errors) == [field]
    for inside in (least, most):
        assert manager.post(add, FORM | {field: str(inside)}).status_code == 302


def test_a_new_price_is_a_new_version(manager: Client) -> None:
    manager.post(reverse("admin:parking_lot_add"), FORM)
    lot = Lot.objects.get()
    manager.post(reverse("admin:parking_lot_change", args=[lot.pk]), FORM | {"price": "4.00", "capacity": "5"})
    assert [rate.price for rate in lot.rates.order_by("version")] == [Decimal("2.50"), Decimal("4.00")]
    assert lot.spots.count() == 5


def test_a_lot_with_vehicles_does_not_shrink_below_them(manager: Client) -> None:
    lot = LotFactory(spots=2)
    for spot in lot.spots.all():
        ReservationFactory(lot=lot, spot=spot)
    answer = manager.post(reverse("admin:parking_lot_change", args=[lot.pk]), FORM | {"capacity": "1"})
    assert answer.status_code == 200
    assert lot.spots.exclude(status=Spot.Status.RETIRED).count() == 2


def test_a_lot_that_is_deleted_is_archived_and_keeps_its_history(manager: Client) -> None:
    lot = LotFactory()
    delete = reverse("admin:parking_lot_delete", args=[lot.pk])
    asked = manager.get(delete)
    assert not asked.context["protected"]
    assert f"{lot}: archived, with its spots, rates and reservations kept" in asked.content.decode()
    assert manager.post(delete, {"post": "yes"}).status_code == 302
    lot.refresh_from_db()
    assert lot.archived_at is not None
    assert (lot.spots.count(), lot.rates.count()) == (2, 1)


def test_a_lot_with_vehicles_is_not_and_the_page_says_why(manager: Client) -> None:
    lot = LotFactory()
    ReservationFactory(lot=lot, status="active")
    answer = manager.post(reverse("admin:parking_lot_delete", args=[lot.pk]), {"post": "yes"}, follow=True)
    assert [str(message) for message in answer.context["messages"]] == [LotInUse.detail]
    assert not LogEntry.objects.exists()
    lot.refresh_from_db()
    assert lot.archived_at is None


def test_selected_lots_are_archived(manager: Client) -> None:
    first, second, other = LotFactory(), LotFactory(), LotFactory()
    chosen = {"action": "delete_selected", "_selected_action": [first.pk, second.pk]}
    changelist = reverse("admin:parking_lot_changelist")
    assert "Are you sure" in manager.post(changelist, chosen).content.decode()
    assert Lot.objects.live().count() == 3
    manager.post(changelist, chosen | {"post": "yes"})
    assert (list(Lot.objects.live()), Lot.objects.count()) == ([other], 3)


def test_selected_lots_with_vehicles_are_not_and_the_list_says_which(manager: Client) -> None:
    used, unused = LotFactory(), LotFactory()
    ReservationFactory(lot=used, status="active")
    chosen = {"action": "delete_selected", "_selected_action": [used.pk, unused.pk], "post": "yes"}
    answer = manager.post(reverse("admin:parking_lot_changelist"), chosen, follow=True)
    assert f"{used}: {LotInUse.detail}" in [str(message) for message in answer.context["messages"]]
    assert used in Lot.objects.live()


def test_a_stay_is_released_with_its_cost(client: Client, make_user: MakeUser) -> None:
    client.force_login(make_user(roles=["parking_attendant"]))
    stay = ReservationFactory(status="active")
    release = reverse("admin:parking_reservation_release", args=[stay.pk])
    assert f"Release: {stay}?" in client.get(release).content.decode()
    stay.refresh_from_db()
    assert stay.status == Reservation.Status.ACTIVE
    client.post(release)
    stay.refresh_from_db()
    assert (stay.status, stay.cost) == (Reservation.Status.COMPLETED, Decimal("3.00"))


def test_the_home_shows_the_lots_to_who_runs_them(manager: Client, user: User) -> None:
    ReservationFactory(status="active", is_overstay=True)
    home = manager.get(reverse("admin:index")).content.decode()
    for text in ("1 of 2", "Staying too long", "Parking occupancy per day"):
        assert text in home
    assert "Tickets by status" not in home


def test_a_lot_is_listed_with_its_spots_and_what_stands_on_them(manager: Client) -> None:
    """Each counted by itself, however many there are of the other."""
    lot = LotFactory(spots=3)
    lot.spots.filter(number=3).update(status=Spot.Status.RETIRED)
    for spot in lot.spots.filter(number__lt=3):
        ReservationFactory(lot=lot, spot=spot, status="active")
        ReservationFactory(lot=lot, spot=spot, starts_at=timezone.now() + timedelta(days=1))
    (listed,) = manager.get(reverse("admin:parking_lot_changelist")).context["cl"].result_list
    assert (listed.capacity, listed.occupied) == (2, 2)
