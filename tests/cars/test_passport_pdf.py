"""/api/garage/{id}/passport.pdf: the bytes, and what a reader finds in them."""

from __future__ import annotations

import socket
from datetime import datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
from django.utils import timezone
from pypdf import PdfReader
from rest_framework.test import APIClient

from accounts.models import User
from cars import services
from cars.models import OdometerReading, Vehicle, VehicleEvent
from cars.odometer_chart import distance_ticks, time_ticks
from tests.answers import pages
from tests.factories import VehicleFactory

pytestmark = pytest.mark.django_db

NOW = timezone.now()
Kind = VehicleEvent.Kind


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def serviced(vehicle: Vehicle, days: float, value: int, details: str) -> None:
    services.record_odometer(
        vehicle=vehicle, value=value, unit="km", source="workshop", actor=None, now=ago(days), at=ago(days)
    )
    services.record_event(
        vehicle=vehicle,
        kind=Kind.SERVICED,
        actor=None,
        at=ago(days),
        public_summary=f"Serviced at {value:,} km.",
        private_summary=details,
    )


@pytest.fixture
def vehicle(user: User) -> Vehicle:
    vehicle: Vehicle = VehicleFactory(owner=user, vin="1HGCM82633A004352", plate="FC 2003", make="Honda", year=2003)
    serviced(vehicle, 900, 120_000, "RO-1: Brake pads")
    serviced(vehicle, 500, 131_000, "RO-2: Клапан, <b>Zoë</b> & Παπαδοπούλου")
    return vehicle


@pytest.fixture
def client(as_user: Any, user: User) -> APIClient:
    return as_user(user)


def path(vehicle: Vehicle) -> str:
    return f"/api/garage/{vehicle.pk}/passport.pdf"


def text_of(client: APIClient, vehicle: Vehicle) -> str:
    return " ".join(pages(client.get(path(vehicle)).content))


def test_it_is_sent_as_bytes_under_its_number(client: APIClient, vehicle: Vehicle) -> None:
    answer = client.get(path(vehicle))
    number = client.get(f"/api/garage/{vehicle.pk}/passport").json()["number"]
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/pdf")
    assert answer["Content-Disposition"] == f'attachment; filename="{number}.pdf"'
    assert answer["Cache-Control"] == "no-store"
    assert PdfReader(BytesIO(answer.content)).metadata.title == f"Vehicle passport {number}"


def test_it_says_what_the_passport_says(client: APIClient, vehicle: Vehicle) -> None:
    shown = client.get(f"/api/garage/{vehicle.pk}/passport").json()
    text = text_of(client, vehicle)
    for part in (
        f"Vehicle passport {shown['number']}", "2003 Honda Corolla", "VIN 1HGCM82633A004352", "Plate FC 2003",
        "Odometer consistent", "Honda (vininfo, not verified)", "United States, 2003", "RO-1: Brake pads",
        "RO-2: Клапан, <b>Zoë</b> & Παπαδοπούλου", "120,000 km", "workshop plausible",
        f"http://testserver/api/garage/{vehicle.pk}/passport", f"SHA-256 {shown['fingerprint']}",
    ):  # fmt: skip
        assert part in text, text


def test_whoever_has_it_needs_no_other_until_something_happens(client: APIClient, vehicle: Vehicle) -> None:
    first = client.get(path(vehicle))
    again = client.get(path(vehicle), HTTP_IF_NONE_MATCH=first["ETag"])
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    serviced(vehicle, 1, 140_000, "RO-3")
    assert client.get(path(vehicle), HTTP_IF_NONE_MATCH=first["ETag"]).status_code == 200


def test_it_names_what_is_questionable(client: APIClient, vehicle: Vehicle, user: User) -> None:
    services.record_odometer(
        vehicle=vehicle, value=90, unit="km", actor=user, now=ago(100), force=True, reason="New cluster."
    )
    text = text_of(client, vehicle)
    assert "Odometer questionable 1 reading was forced, with a reason." in text
    assert "forced, with a reason: New cluster. (against 131,000 km on" in text


def test_an_empty_one_can_be_printed(client: APIClient, user: User) -> None:
    blank = VehicleFactory(owner=user, make="", model="", year=None, plate="", vin=None)
    text = text_of(client, blank)
    assert "Vehicle without a name No VIN on record" in text
    assert "Not enough readings" in text


def test_readings_of_one_moment_and_of_one_value_are_drawn(client: APIClient, user: User) -> None:
    for values in ((0, 0), (5, 5), (7,)):
        car = VehicleFactory(owner=user)
        for value in values:
            services.record_odometer(vehicle=car, value=value, unit="km", actor=user, now=ago(9))
        assert client.get(path(car)).status_code == 200
    services.record_odometer(vehicle=car, value=7, unit="km", actor=user, now=ago(8.99))
    assert "Odometer consistent" not in text_of(client, car)


def test_a_long_one_goes_over_pages_with_titles(client: APIClient, user: User) -> None:
    car = VehicleFactory(owner=user, mileage=None)
    for number in range(205):
        serviced(car, 800 - number, 10_000 + number, f"RO-{number}.")
    OdometerReading.objects.filter(value=10_000).update(value=20_000)
    found = pages(client.get(path(car)).content)
    assert len(found) > 5
    text = " ".join(found)
    assert "more entries than are printed here" in text
    assert ("RO-5." in text, "RO-4." in text) == (True, False)
    assert ("10,001 km workshop rollback" in text, "workshop plausible" in text) == (True, False)  # Doubts are kept.
    assert f"Page 2 of {len(found)}" in found[1]
    assert sum("Date What Mileage" in page for page in found) > 2


def test_it_is_made_without_the_network(
    client: APIClient, vehicle: Vehicle, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.update_vehicle(vehicle=vehicle, actor=user, data={"color": '<img src="http://x.test/a.png"/>'}, now=NOW)

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("it looked for a host")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert '<img src="http://x.test/a.png"/>' in text_of(client, vehicle)


@pytest.mark.parametrize(
    ("highest", "ticks"),
    [
        (0, [0, 1, 2]),
        (7, [0, 2, 4, 6, 8]),
        (182_400, [0, 50_000, 100_000, 150_000, 200_000]),
        (200_000, [0, 50_000, 100_000, 150_000, 200_000]),
        (200_001, [0, 50_000, 100_000, 150_000, 200_000, 250_000]),
        (9_999_999, [0, 2_000_000, 4_000_000, 6_000_000, 8_000_000, 10_000_000]),
    ],
)
def test_the_scale_is_round_and_reaches_the_highest(highest: int, ticks: list[int]) -> None:
    assert distance_ticks(highest) == ticks


@pytest.mark.parametrize(
    ("days", "least", "most"), [(0.5, 2, 2), (40, 2, 2), (300, 2, 7), (1500, 3, 8), (20_000, 3, 8)]
)
def test_the_time_has_a_handful_of_ticks(days: float, least: int, most: int) -> None:
    start = datetime(2020, 1, 20, tzinfo=NOW.tzinfo)
    assert least <= len(time_ticks(start, start + timedelta(days=days))) <= most
