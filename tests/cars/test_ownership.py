"""Who owns a vehicle, and what the next owner sees of its past."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from cars import services
from cars.models import Vehicle, VehicleEvent
from cars.services.vehicles import OwnerChanged
from common.errors import NotFound
from tests.factories import VehicleFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def vehicle(user: User) -> Vehicle:
    return VehicleFactory(owner=user)


@pytest.fixture
def advisor(make_user: Any) -> User:
    return make_user(roles=["service_advisor"])


def serviced(vehicle: Vehicle, actor: User, **summaries: str) -> VehicleEvent:
    return services.record_event(
        vehicle=vehicle,
        kind=VehicleEvent.Kind.SERVICED,
        actor=actor,
        at=timezone.now(),
        reference="ticket:12",
        **summaries,
    )


def timeline(client: APIClient, vehicle: Vehicle) -> list[dict[str, Any]]:
    answer = client.get(f"/api/garage/{vehicle.pk}/timeline")
    assert answer.status_code == 200
    return answer.json()["results"]


def transfer(vehicle: Vehicle, new_owner: User) -> Vehicle:
    return services.transfer_vehicle(
        vehicle=vehicle, new_owner=new_owner, actor=None, now=timezone.now(), reference="order:1"
    )


def test_staff_give_a_vehicle_to_another_owner(
    as_user: Any, user: User, other_user: User, advisor: User, vehicle: Vehicle
) -> None:
    answer = as_user(advisor).post(f"/api/garage/{vehicle.pk}/reassign", {"owner": other_user.pk})
    assert (answer.status_code, answer.json()["owner"]) == (200, other_user.pk)
    assert as_user(other_user).get(f"/api/garage/{vehicle.pk}").status_code == 200
    assert as_user(user).get(f"/api/garage/{vehicle.pk}").status_code == 404
    event = vehicle.events.get()
    assert (event.kind, event.actor, event.owner) == ("title_transferred", advisor, other_user)


def test_others_may_not_not_even_the_owner(
    api: APIClient, as_user: Any, user: User, other_user: User, vehicle: Vehicle
) -> None:
    url, body = f"/api/garage/{vehicle.pk}/reassign", {"owner": other_user.pk}
    assert api.post(url, body).status_code == 401
    assert as_user(user).post(url, body).status_code == 403
    assert as_user(other_user).post(url, body).status_code == 403
    assert as_user(other_user).post("/api/garage/999999/reassign", body).status_code == 403


def test_the_new_owner_must_exist_and_be_active(as_user: Any, advisor: User, make_user: Any, vehicle: Vehicle) -> None:
    client, url = as_user(advisor), f"/api/garage/{vehicle.pk}/reassign"
    for owner in (999999, make_user(is_active=False).pk):
        assert client.post(url, {"owner": owner}).status_code == 422
    assert client.post(url, {}).status_code == 400
    assert client.post("/api/garage/999999/reassign", {"owner": advisor.pk}).status_code == 404


def test_the_present_owner_gets_it_without_an_event(user: User, vehicle: Vehicle) -> None:
    assert transfer(vehicle, user).owner == user
    assert not vehicle.events.exists()


def test_a_walk_in_gets_an_owner(user: User) -> None:
    assert transfer(VehicleFactory(owner=None), user).owner == user


def test_a_vehicle_that_went_elsewhere_is_not_transferred(user: User, other_user: User, make_user: Any) -> None:
    vehicle = VehicleFactory(owner=user)
    transfer(Vehicle.objects.get(pk=vehicle.pk), other_user)
    with pytest.raises(OwnerChanged):
        transfer(vehicle, make_user())


def test_an_archived_vehicle_is_not_transferred(vehicle: Vehicle, other_user: User) -> None:
    services.archive_vehicle(vehicle=vehicle, now=timezone.now())
    with pytest.raises(NotFound):
        transfer(vehicle, other_user)


def test_the_owner_reads_everything_of_their_own_time(
    as_user: Any, user: User, advisor: User, vehicle: Vehicle
) -> None:
    serviced(vehicle, advisor, public_summary="Serviced.", private_summary="Paid late.")
    (entry,) = timeline(as_user(user), vehicle)
    assert (entry["kind"], entry["summary"], entry["private_summary"]) == ("serviced", "Serviced.", "Paid late.")
    assert (entry["reference"], entry["actor"]) == ("ticket:12", None)


def test_the_next_owner_reads_what_is_public(
    as_user: Any, user: User, other_user: User, advisor: User, vehicle: Vehicle
) -> None:
    serviced(vehicle, user, public_summary="Serviced.", private_summary="Paid late.")
    serviced(vehicle, user, private_summary="Estimate refused.")
    transfer(vehicle, other_user)
    moved, entry = timeline(as_user(other_user), vehicle)
    assert moved["kind"] == "title_transferred"
    assert (entry["summary"], entry["private_summary"]) == ("Serviced.", "")
    assert (entry["reference"], entry["actor"]) == ("", None)
    staff_view = timeline(as_user(advisor), vehicle)
    assert [row["private_summary"] for row in staff_view] == ["", "Estimate refused.", "Paid late."]
    assert staff_view[1]["actor"] == user.pk


def test_what_happened_to_a_walk_in_is_private_to_nobody(as_user: Any, user: User, advisor: User) -> None:
    vehicle = VehicleFactory(owner=None)
    serviced(vehicle, advisor, private_summary="Somebody else's.")
    transfer(vehicle, user)
    assert [entry["kind"] for entry in timeline(as_user(user), vehicle)] == ["title_transferred"]


def test_the_timeline_goes_by_cursor_in_a_constant_number_of_queries(
    as_user: Any, user: User, vehicle: Vehicle, django_assert_num_queries: Any, django_assert_max_num_queries: Any
) -> None:
    client = as_user(user)
    serviced(vehicle, user, public_summary="1")
    with django_assert_max_num_queries(5) as few:
        timeline(client, vehicle)
    for number in range(25):
        serviced(vehicle, user, public_summary=str(number))
    with django_assert_num_queries(len(few)):
        timeline(client, vehicle)
    page = client.get(f"/api/garage/{vehicle.pk}/timeline?limit=20").json()
    assert (page["count"], len(client.get(page["next"]).json()["results"])) == (None, 6)
