"""/api/garage/{id}/passport: what it says, and to whom."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from cars import services
from cars.models import OdometerReading, Vehicle, VehicleEvent, VinDecode
from cars.services import passport as passports
from tests.answers import error, pages
from tests.factories import CarFactory, VehicleFactory
from tests.workshop.factories import CustomerFactory, JobFactory, MechanicFactory, TicketFactory

pytestmark = pytest.mark.django_db

VIN = "1HGCM82633A004352"
NOW = timezone.now()
Kind = VehicleEvent.Kind


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


@pytest.fixture
def advisor(make_user: Any) -> User:
    return make_user(roles=["service_advisor"])


@pytest.fixture
def vehicle(user: User) -> Vehicle:
    """A car with four years of history in its owner's hands."""
    car = CarFactory(make="Honda", model="Accord", year=2003, source="file")
    data = {"vin": VIN, "plate": "FC 2003", "car": car, "color": "silver", "mileage": 100_000, "mileage_unit": "km"}
    return services.register_vehicle(owner=user, actor=user, data=data, now=ago(1461))


def happened(vehicle: Vehicle, kind: Kind, days: float, **more: Any) -> VehicleEvent:
    return services.record_event(vehicle=vehicle, kind=kind, at=ago(days), **({"actor": None} | more))


def read(vehicle: Vehicle, days: float, value: int, unit: str = "km", **more: Any) -> OdometerReading:
    facts = {"actor": None, "source": "workshop"} | more
    return services.record_odometer(vehicle=vehicle, value=value, unit=unit, now=ago(days), **facts)


def serviced(vehicle: Vehicle, days: float, value: int, details: str) -> None:
    read(vehicle, days, value)
    summary = f"Serviced at {value:,} km."
    happened(vehicle, Kind.SERVICED, days, public_summary=summary, private_summary=details, reference=f"ticket:{value}")


def path(vehicle: Vehicle, ending: str = "") -> str:
    return f"/api/garage/{vehicle.pk}/passport{ending}"


def passport(client: APIClient, vehicle: Vehicle) -> dict[str, Any]:
    answer = client.get(path(vehicle))
    assert answer.status_code == 200, answer.content
    shown: dict[str, Any] = answer.json()
    return shown


def give(vehicle: Vehicle, new_owner: User, days: float = 0) -> Vehicle:
    return services.transfer_vehicle(
        vehicle=vehicle, new_owner=new_owner, actor=None, now=ago(days), reference="order:9"
    )


def test_it_says_what_the_vehicle_is_and_who_says_so(as_user: Any, user: User, vehicle: Vehicle) -> None:
    shown = passport(as_user(user), vehicle)
    facts = {"vin": VIN, "plate": "FC 2003", "year": 2003, "make": "Honda", "model": "Accord", "color": "silver"}
    assert facts.items() <= shown["vehicle"].items()
    assert {"source": "file", "current": True, "model": "Accord"}.items() <= shown["registry"].items()
    decode = shown["vin_decode"]
    assert (decode["source"], decode["verified"], decode["model_year"]) == ("vininfo", False, 2003)
    assert decode["disagrees"] == []


def test_it_says_where_the_vin_disagrees(as_user: Any, user: User) -> None:
    shown = passport(as_user(user), VehicleFactory(owner=user, vin=VIN, make="Honda", year=2008))
    assert shown["vin_decode"]["disagrees"] == ["year"]


def test_a_vehicle_without_vin_and_history_has_a_passport_too(as_user: Any, user: User) -> None:
    shown = passport(as_user(user), VehicleFactory(owner=user, mileage=None))
    assert (shown["registry"], shown["vin_decode"], shown["history"]["truncated"]) == (None, None, False)
    assert shown["history"]["odometer"] == {
        "verdict": "not_enough_readings",
        "reasons": [],
        "unit": "km",
        "readings": [],
    }
    assert shown["history"]["summary"]["counts"] == []


def test_it_has_services_sales_titles_and_parking(as_user: Any, user: User, vehicle: Vehicle) -> None:
    serviced(vehicle, 700, 130_000, "RO-1: Brake pads")
    happened(vehicle, Kind.ESTIMATE_AUTHORISED, 650, private_summary="RO-2: Clutch")
    happened(vehicle, Kind.PARKED, 500, private_summary="Parked at North.")
    happened(vehicle, Kind.RELEASED, 499, private_summary="Left North.")
    happened(vehicle, Kind.PARKED, 400, private_summary="Parked at South.")
    happened(vehicle, Kind.LISTED, 300, public_summary="Offered for sale.")
    happened(vehicle, Kind.BID_WON, 290, private_summary="Sold at auction for 5000.00 USD.")
    history = passport(as_user(user), vehicle)["history"]
    estimate, service = history["services"]
    assert (estimate["kind"], estimate["details"], estimate["mileage"]) == ("estimate_authorised", "RO-2: Clutch", None)
    assert (service["mileage"], service["mileage_unit"]) == (130_000, "km")
    assert (service["details"], service["reference"]) == ("RO-1: Brake pads", "ticket:130000")
    assert [entry["kind"] for entry in history["market"]] == ["bid_won", "listed"]
    assert (history["parking"]["stays"], history["parking"]["last"]["details"]) == (2, "Parked at South.")
    assert history["title_events"] == []
    counts = {row["kind"]: row["count"] for row in history["summary"]["counts"]}
    assert counts == {
        "registered": 1, "odometer": 2, "serviced": 1, "estimate_authorised": 1, "parked": 2, "released": 1,
        "listed": 1, "bid_won": 1,
    }  # fmt: skip


def test_what_the_workshop_completes_is_in_it_with_jobs_and_mileage(
    as_user: Any, user: User, advisor: User, vehicle: Vehicle
) -> None:
    ticket = TicketFactory(
        customer=CustomerFactory(user=user), vehicle=vehicle, status="review", odometer_in=130_000,
        odometer_out=130_005, mechanics=[MechanicFactory()],
    )  # fmt: skip
    JobFactory(ticket=ticket, title="Oil change", state="finished")
    assert as_user(advisor).post(f"/api/workshop/service-tickets/{ticket.pk}/complete").status_code == 200
    (service,) = passport(as_user(user), vehicle)["history"]["services"]
    assert (service["details"], service["reference"]) == (f"{ticket.number}: Oil change", f"ticket:{ticket.pk}")
    assert (service["mileage"], service["mileage_unit"]) == (130_005, "km")


def test_it_sums_up(as_user: Any, user: User, vehicle: Vehicle) -> None:
    read(vehicle, 730.5, 120_000)
    read(vehicle, 0.5, 75_000, "mi")
    summary = passport(as_user(user), vehicle)["history"]["summary"]
    assert (summary["latest_mileage"], summary["mileage_unit"]) == (75_000, "mi")
    # From 100,000 km to 75,000 mi = 120,700.8 km in 1460.5 days, told in miles.
    assert summary["distance_per_year"] == round(20_700.8 / 1.609344 / 1460.5 * 365.25)
    assert summary["first_seen"] == ago(1461).isoformat().replace("+00:00", "Z")


def test_it_judges_the_odometer(as_user: Any, user: User, vehicle: Vehicle) -> None:
    high = read(vehicle, 500, 140_000)
    read(vehicle, 400, 90_000, actor=user, force=True, reason="Cluster replaced.")
    OdometerReading.objects.create(vehicle=vehicle, value=80_000, unit="km", at=ago(300), source="import")
    shown = passport(as_user(user), vehicle)["history"]
    odometer = shown["odometer"]
    assert odometer["verdict"] == "questionable"
    assert odometer["reasons"] == [{"code": "rollback", "count": 1}, {"code": "corrected", "count": 1}]
    verdicts = [(entry["value"], entry["verdict"]) for entry in odometer["readings"]]
    assert verdicts == [
        (100_000, "plausible"), (140_000, "plausible"), (90_000, "corrected"), (80_000, "rollback"),
    ]  # fmt: skip
    corrected = odometer["readings"][2]
    assert (corrected["against"]["value"], corrected["forced_reason"]) == (high.value, "Cluster replaced.")
    assert shown["summary"]["distance_per_year"] is None


def test_a_reading_in_miles_has_its_distance_in_the_unit_of_the_series(
    as_user: Any, user: User, vehicle: Vehicle
) -> None:
    read(vehicle, 500, 75_000, "mi")
    read(vehicle, 400, 130_000, "km")
    first, second, third = passport(as_user(user), vehicle)["history"]["odometer"]["readings"]
    assert [entry["distance"] for entry in (first, second, third)] == [100_000, 120_701, 130_000]


# --- Who reads what

SECRETS = ("RO-SECRET-1", "parked-secret", "price-secret", "reason-secret", "ticket:130000", "bob@", "alice@", "Sam")


def full_of_secrets(vehicle: Vehicle) -> None:
    serviced(vehicle, 700, 130_000, "RO-SECRET-1: Brakes")
    happened(vehicle, Kind.PARKED, 500, private_summary="parked-secret")
    happened(vehicle, Kind.BID_WON, 290, private_summary="price-secret")
    owner = vehicle.owner
    read(vehicle, 200, 90_000, actor=owner, force=True, reason="reason-secret")


def found_in(answer: Any) -> set[str]:
    body = answer.content.decode()
    return {secret for secret in SECRETS if secret in body}


def test_the_owner_reads_all_of_their_time_and_no_names(as_user: Any, user: User, vehicle: Vehicle) -> None:
    full_of_secrets(vehicle)
    found = found_in(as_user(user).get(path(vehicle)))
    assert found == {"RO-SECRET-1", "parked-secret", "price-secret", "reason-secret", "ticket:130000"}


def test_staff_read_everything(as_user: Any, advisor: User, other_user: User, vehicle: Vehicle) -> None:
    full_of_secrets(vehicle)
    give(vehicle, other_user)
    found = found_in(as_user(advisor).get(path(vehicle)))
    assert found == {"RO-SECRET-1", "parked-secret", "price-secret", "reason-secret", "ticket:130000"}


def test_the_new_owner_reads_what_is_public_of_the_time_before(
    as_user: Any, other_user: User, vehicle: Vehicle
) -> None:
    full_of_secrets(vehicle)
    vehicle = give(vehicle, other_user, days=100)
    answer = as_user(other_user).get(path(vehicle))
    assert (answer.status_code, found_in(answer)) == (200, set())
    history = answer.json()["history"]
    assert history["parking"] == {"stays": 0, "last": None}
    assert [entry["summary"] for entry in history["services"]] == ["Serviced at 130,000 km."]
    assert history["ownership"]["owners"] == 2
    assert history["ownership"]["since"] == ago(100).isoformat().replace("+00:00", "Z")
    assert [entry["reference"] for entry in history["title_events"]] == ["order:9"]  # It is of their own time.
    serviced(vehicle, 50, 131_000, "RO-OWN")
    assert "RO-OWN" in as_user(other_user).get(path(vehicle)).content.decode()


@pytest.mark.parametrize("ending", ["", ".pdf"])
def test_to_the_former_owner_it_is_not_there(
    as_user: Any, user: User, other_user: User, vehicle: Vehicle, ending: str
) -> None:
    give(vehicle, other_user)
    client = as_user(user)
    hidden, absent = client.get(path(vehicle, ending)), client.get(f"/api/garage/999999/passport{ending}")
    assert (hidden.status_code, hidden.content) == (404, absent.content)


@pytest.mark.parametrize("ending", ["", ".pdf"])
def test_to_a_stranger_it_is_not_there_and_anonymous_callers_sign_in(
    api: APIClient, as_user: Any, other_user: User, vehicle: Vehicle, ending: str
) -> None:
    client = as_user(other_user)
    hidden, absent = client.get(path(vehicle, ending)), client.get(f"/api/garage/999999/passport{ending}")
    assert (hidden.status_code, hidden.content) == (404, absent.content)
    assert api.get(path(vehicle, ending)).status_code == 401


def test_an_assigned_mechanic_reads_what_is_public(as_user: Any, make_user: Any, vehicle: Vehicle) -> None:
    full_of_secrets(vehicle)
    mechanic = MechanicFactory(user=make_user(roles=["mechanic"]))
    client = as_user(mechanic.user)
    assert client.get(path(vehicle)).status_code == 404
    TicketFactory(vehicle=vehicle, mechanics=[mechanic])
    answer = client.get(path(vehicle))
    assert (answer.status_code, found_in(answer)) == (200, set())


def test_an_archived_vehicle_has_none(as_user: Any, user: User, vehicle: Vehicle) -> None:
    services.archive_vehicle(vehicle=vehicle, now=NOW)
    assert as_user(user).get(path(vehicle)).status_code == 404


def test_unknown_parameters_are_refused(as_user: Any, user: User, vehicle: Vehicle) -> None:
    for ending in ("?x=1", ".pdf?x=1"):
        answer = as_user(user).get(path(vehicle, ending))
        assert (answer.status_code, error(answer)["attr"]) == (400, "x")


# --- Owners


def test_owners_are_counted_by_hands(as_user: Any, user: User, other_user: User, advisor: User) -> None:
    vehicle = VehicleFactory(owner=None)
    client = as_user(advisor)
    assert passport(client, vehicle)["history"]["ownership"] == {"owners": 0, "since": None, "earlier_records": 0}
    vehicle = give(vehicle, user, days=30)
    assert passport(client, vehicle)["history"]["ownership"]["owners"] == 1
    vehicle = give(give(vehicle, other_user, days=20), user, days=10)
    happened(vehicle, Kind.TITLE_TRANSFERRED, 5, public_summary="The title was transferred to the owner.")
    owned = passport(client, vehicle)["history"]["ownership"]
    since = ago(10).isoformat().replace("+00:00", "Z")
    assert owned == {"owners": 3, "since": since, "earlier_records": 0}


def test_who_registers_a_vehicle_anew_leaves_a_trace(as_user: Any, user: User, vehicle: Vehicle) -> None:
    client = as_user(user)
    assert passport(client, vehicle)["history"]["ownership"]["earlier_records"] == 0
    assert client.delete(f"/api/garage/{vehicle.pk}").status_code == 204
    anew = client.post("/api/garage", {"vin": VIN, "mileage": 90_000, "mileage_unit": "km"}).json()["id"]
    again = Vehicle.objects.get(pk=anew)
    assert passport(client, again)["history"]["ownership"]["earlier_records"] == 1
    assert "archived before this one, and are not in it: 1." in " ".join(pages(client.get(path(again, ".pdf")).content))
    without_vin = [VehicleFactory(owner=user, archived_at=archived_at) for archived_at in (NOW, None)]
    assert passport(client, without_vin[1])["history"]["ownership"]["earlier_records"] == 0


# --- The document


def test_its_fingerprint_can_be_reckoned_again_and_lasts_until_something_happens(
    as_user: Any, user: User, vehicle: Vehicle
) -> None:
    client = as_user(user)
    first = client.get(path(vehicle))
    content = first.json()
    sealed = {name: content.pop(name) for name in ("number", "fingerprint", "issued_at")}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    assert hashlib.sha256(text.encode()).hexdigest() == sealed["fingerprint"]
    assert sealed["number"] == f"VP-{vehicle.pk}-{sealed['fingerprint'][:8].upper()}"
    again = client.get(path(vehicle))
    assert (again.json()["number"], again["ETag"]) == (sealed["number"], first["ETag"])
    assert client.get(path(vehicle), HTTP_IF_NONE_MATCH=first["ETag"]).status_code == 304
    read(vehicle, 1, 110_000)
    assert client.get(path(vehicle)).json()["number"] != sealed["number"]


def test_it_holds_the_newest_and_says_that_there_are_more(
    as_user: Any, user: User, vehicle: Vehicle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passports, "MOST_EVENTS", 3)
    monkeypatch.setattr(passports, "MOST_READINGS", 2)
    for number in range(3):
        serviced(vehicle, 100 - number, 110_000 + number, f"RO-{number}")
    history = passport(as_user(user), vehicle)["history"]
    assert history["truncated"]
    assert [entry["details"] for entry in history["services"]] == ["RO-2", "RO-1"]
    assert [entry["value"] for entry in history["odometer"]["readings"]] == [110_001, 110_002]
    assert {"kind": "serviced", "count": 3} in history["summary"]["counts"]


def test_readings_that_came_later_do_not_hide_a_forced_one(
    as_user: Any, user: User, vehicle: Vehicle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passports, "MOST_READINGS", 2)
    read(vehicle, 900, 60_000, force=True, reason="Another instrument.")
    for number in range(3):
        read(vehicle, 100 - number, 61_000 + number)
    odometer = passport(as_user(user), vehicle)["history"]["odometer"]
    assert [entry["verdict"] for entry in odometer["readings"]] == ["plausible", "plausible"]
    assert (odometer["verdict"], odometer["reasons"]) == ("questionable", [{"code": "corrected", "count": 1}])


def test_its_statements_are_as_few_however_long_the_history(
    as_user: Any, user: User, vehicle: Vehicle, django_assert_num_queries: Any, django_assert_max_num_queries: Any
) -> None:
    client = as_user(user)
    with django_assert_max_num_queries(7) as few:
        passport(client, vehicle)
    for number in range(30):
        serviced(vehicle, 100 - number, 110_000 + number, f"RO-{number}")
    with django_assert_num_queries(len(few)):
        passport(client, vehicle)


def test_a_session_reads_it_in_the_browser(client: Any, user: User, vehicle: Vehicle) -> None:
    client.force_login(user)
    page = client.get(path(vehicle), HTTP_ACCEPT="text/html")
    assert (page.status_code, page["Content-Type"].split(";")[0]) == (200, "text/html")
    assert "VP-" in page.content.decode()


def test_whoever_deletes_their_account_leaves_a_correction_and_no_reason(
    as_user: Any, user: User, advisor: User, vehicle: Vehicle
) -> None:
    read(vehicle, 200, 90_000, actor=user, force=True, reason="reason-secret")
    services.erase_vehicles(user, now=NOW)
    reading = vehicle.odometer_readings.first()
    assert reading is not None
    assert reading.forced_reason not in ("", "reason-secret")


def test_the_staff_page_of_a_vehicle_leads_to_its_paper(client: Any, advisor: User, vehicle: Vehicle) -> None:
    client.force_login(advisor)
    page = client.get(f"/admin/cars/vehicle/{vehicle.pk}/change/").content.decode()
    link = f"/admin/cars/vehicle/{vehicle.pk}/passport/"
    assert link in page
    paper = client.get(link, follow=True)
    assert (paper.status_code, paper["Content-Type"]) == (200, "application/pdf")


def test_a_verified_answer_that_is_remembered_speaks_about_the_make(
    as_user: Any, user: User, vehicle: Vehicle, settings: Any
) -> None:
    settings.VIN_PROVIDER = "vpic"
    client = as_user(user)
    assert passport(client, vehicle)["vin_decode"]["source"] == "vininfo"  # Nobody outside is asked.
    attributes = {"make": "Acura", "year": "2003"}
    remembered = {"vin": VIN, "provider": "vpic", "found": True, "attributes": attributes, "fetched_at": NOW}
    VinDecode.objects.create(**remembered, expires_at=NOW + timedelta(days=1))
    decode = passport(client, vehicle)["vin_decode"]
    assert (decode["source"], decode["verified"], decode["disagrees"]) == ("vpic", True, ["make"])
