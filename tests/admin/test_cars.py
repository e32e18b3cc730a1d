"""What staff do in the registry's pages goes through the services."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import User
from cars.models import Car, SyncRun, SyncSource, SyncSuppression
from tests.factories import CarFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(client: Client, admin_user: User) -> Client:
    client.force_login(admin_user)
    return client


def test_an_edit_of_a_synced_car_locks_the_field(staff: Client) -> None:
    car = CarFactory(make="Audi", model="Q3", category="SUV", source="file", external_id="x1")
    form = {"make": "Audi", "model": "Q3", "year": 2020, "category": "Crossover"}
    assert staff.post(reverse("admin:cars_car_change", args=[car.pk]), form).status_code == 302
    car.refresh_from_db()
    assert (car.category, car.locked_fields) == ("Crossover", ["category"])


def test_a_duplicate_is_shown_as_an_error_of_the_form(staff: Client) -> None:
    CarFactory(make="Audi", model="Q3", year=2020)
    form = {"make": "AUDI", "model": " q3", "year": 2020, "category": ""}
    answer = staff.post(reverse("admin:cars_car_add"), form)
    assert answer.status_code == 200
    assert "already" in answer.content.decode()
    assert Car.objects.count() == 1


def test_a_new_car_is_a_manual_row_of_its_maker(staff: Client, admin_user: User) -> None:
    form = {"make": "Saab", "model": "96", "year": 1970, "category": ""}
    assert staff.post(reverse("admin:cars_car_add"), form).status_code == 302
    car = Car.objects.get()
    assert (car.source, car.created_by) == (Car.MANUAL, admin_user)


def test_deleting_a_synced_car_suppresses_it(staff: Client) -> None:
    car = CarFactory(source="file", external_id="x1")
    staff.post(reverse("admin:cars_car_delete", args=[car.pk]), {"post": "yes"})
    assert not Car.objects.exists()
    assert SyncSuppression.objects.get().external_id == "x1"


def _import(staff: Client, text: str) -> str:
    """Upload, look at the preview, confirm; answers the preview's page."""
    file = SimpleUploadedFile("cars.csv", text.encode(), content_type="text/csv")
    preview = staff.post(reverse("admin:cars_car_import"), {"import_file": file, "format": "0", "resource": ""})
    confirm = preview.context.get("confirm_form")
    if confirm is not None:
        staff.post(reverse("admin:cars_car_process_import"), confirm.initial)
    return preview.content.decode()


def test_a_csv_adds_new_cars_and_changes_those_that_are_there(staff: Client) -> None:
    known = CarFactory(make="Audi", model="Q3", year=2020, category="SUV")
    _import(staff, "make,model,year,category\nSaab,96,1970,Sedan\naudi,Q3,2020,Crossover\n")
    known.refresh_from_db()
    assert known.category == "Crossover"
    assert Car.objects.get(make="Saab").source == Car.MANUAL


def test_a_csv_with_a_bad_row_changes_nothing_and_says_why(staff: Client) -> None:
    page = _import(staff, "make,model,year,category\nSaab,96,1970,Sedan\nSaab,99,9999,Sedan\n")
    assert "9999" in page
    assert not Car.objects.exists()


def test_an_import_asks_for_the_rights_of_an_edit(client: Client, make_user: Any) -> None:
    """Whoever is staff for something else could rewrite the registry, past the API's refusal."""
    known = CarFactory(make="Audi", model="Q3", year=2020, category="SUV")
    client.force_login(make_user(roles=["parking_attendant"]))
    file = SimpleUploadedFile("cars.csv", b"make,model,year,category\nAudi,Q3,2020,Van\n", content_type="text/csv")
    for url, form in (
        ("admin:cars_car_import", {"import_file": file, "format": "0", "resource": ""}),
        ("admin:cars_car_process_import", {"import_file_name": "x", "original_file_name": "x", "format": "0"}),
        ("admin:cars_car_export", {"format": "0", "resource": "", "carresource_make": "on"}),
    ):
        assert client.post(reverse(url), form).status_code == 403
    known.refresh_from_db()
    assert known.category == "SUV"


def test_an_exported_cell_is_no_formula(staff: Client) -> None:
    CarFactory(make="=1+1", model="-2", category="@x")
    answer = staff.post(reverse("admin:cars_car_export"), {"format": "0", "resource": "", "carresource_make": "on"})
    text = answer.content.decode()
    assert "'=1+1" in text


def test_sync_now_queues_a_run_and_says_so(staff: Client) -> None:
    answer = staff.get(reverse("admin:cars_syncrun_sync_now"), follow=True)
    assert SyncRun.objects.get(source="cars").trigger == SyncRun.Trigger.USER
    assert "cars: queued." in answer.content.decode()


def test_an_open_breaker_is_closed_by_staff(staff: Client) -> None:
    later = datetime(2099, 1, 1, tzinfo=UTC)
    SyncSource.objects.update_or_create(name="cars", defaults={"breaker_open_until": later})
    staff.post(reverse("admin:cars_syncsource_changelist"), {"action": "reset_breaker", "_selected_action": ["cars"]})
    assert SyncSource.objects.get(name="cars").breaker_open_until is None
