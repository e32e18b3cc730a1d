"""Deleting in the staff pages asks the service of each row, and a refusal is told, not raised."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django_celery_beat.models import IntervalSchedule

from accounts.models import Notification
from accounts.notifications import notify_address
from cars.models import SyncSuppression
from common.errors import Conflict
from tests.conftest import MakeUser
from tests.workshop.factories import (
    CustomerFactory,
    MechanicFactory,
    PartFactory,
    ProductFactory,
    SupplierFactory,
    TicketFactory,
)
from workshop import caches
from workshop.admin.people import SupplierAdmin
from workshop.models import Customer, Mechanic, Part, Supplier
from workshop.services import messages

pytestmark = pytest.mark.django_db

IN_USE = "There is work of this mechanic. Make the mechanic inactive instead."


@pytest.fixture
def boss(client: Client, make_user: MakeUser) -> Client:
    client.force_login(make_user(is_superuser=True))
    return client


@pytest.fixture
def assigned() -> Mechanic:
    """On a ticket, with neither lines nor clocks: what the database alone would let go."""
    mechanic: Mechanic = MechanicFactory(display_name="Mia")
    TicketFactory(mechanics=[mechanic])
    return mechanic


def page(row: Model, name: str) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_{name}", args=[row.pk])


def delete_selected(client: Client, *rows: Model, confirmed: bool = True) -> Any:
    form: dict[str, Any] = {"action": "delete_selected", "_selected_action": [row.pk for row in rows]}
    kind = rows[0]._meta
    return client.post(
        reverse(f"admin:{kind.app_label}_{kind.model_name}_changelist"), form | ({"post": "yes"} if confirmed else {})
    )


def told(answer: Any) -> list[tuple[str, str]]:
    return [(message.level_tag, str(message)) for message in get_messages(answer.wsgi_request)]


# --- One ------------------------------------------------------------------------------------------------------------


def test_a_refused_deletion_goes_back_to_the_page_and_says_why(boss: Client, assigned: Mechanic) -> None:
    answer = boss.post(page(assigned, "delete"), {"post": "yes"})
    assert (answer.status_code, answer["Location"]) == (302, page(assigned, "change"))
    assert told(answer) == [("error", IN_USE)]
    assert assigned.tickets.exists()
    assert not LogEntry.objects.exists()


def test_the_way_back_keeps_the_filters_of_the_list(boss: Client, assigned: Mechanic) -> None:
    filters = "?_changelist_filters=active__exact%3D1"
    answer = boss.post(page(assigned, "delete") + filters, {"post": "yes"})
    assert answer["Location"] == page(assigned, "change") + filters


def test_a_popup_stays_one(boss: Client, assigned: Mechanic) -> None:
    answer = boss.post(page(assigned, "delete"), {"post": "yes", "_popup": "1"})
    assert answer["Location"] == page(assigned, "change") + "?_popup=1"


def test_what_nobody_refuses_is_deleted(boss: Client) -> None:
    mechanic = MechanicFactory()
    assert told(boss.post(page(mechanic, "delete"), {"post": "yes"}))[0][0] == "success"
    assert not Mechanic.objects.exists()


# --- Several --------------------------------------------------------------------------------------------------------


def test_several_are_deleted_all_or_none(boss: Client, assigned: Mechanic) -> None:
    idle = MechanicFactory()
    answer = delete_selected(boss, idle, assigned)
    assert answer.status_code == 302
    assert told(answer) == [("error", f"Mia: {IN_USE}"), ("error", "Nothing was deleted.")]
    assert set(Mechanic.objects.all()) == {idle, assigned}
    assert assigned.tickets.exists()
    assert not LogEntry.objects.exists()


def test_a_refusal_is_told_of_each_row(boss: Client, assigned: Mechanic) -> None:
    other = MechanicFactory(display_name="Noor")
    TicketFactory(mechanics=[other])
    texts = [text for _, text in told(delete_selected(boss, assigned, other))]
    assert texts == [f"Mia: {IN_USE}", f"Noor: {IN_USE}", "Nothing was deleted."]


def test_many_refusals_are_counted_and_not_all_listed(boss: Client) -> None:
    everybody = MechanicFactory.create_batch(13)
    TicketFactory(mechanics=everybody)
    texts = [text for _, text in told(delete_selected(boss, *everybody))]
    assert texts[-2:] == [f"{everybody[9].display_name}: {IN_USE}", "Nothing was deleted. 3 more were refused."]
    assert len(texts) == 11


def test_mechanics_whom_nobody_needs_are_deleted_and_the_leaderboard_is_read_anew(
    boss: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    bumps: list[bool] = []
    monkeypatch.setattr(caches.leaderboard, "bump_on_commit", lambda: bumps.append(True))
    answer = delete_selected(boss, *MechanicFactory.create_batch(2))
    assert told(answer) == [("success", "Successfully deleted 2 mechanics.")]
    assert (Mechanic.objects.count(), LogEntry.objects.count(), len(bumps)) == (0, 2, 2)


def test_customers_are_forgotten_with_their_mail(boss: Client) -> None:
    customers = CustomerFactory.create_batch(2)
    for row in customers:
        notify_address(address=row.email, kind=messages.INVOICE_ISSUED, title="Your invoice")
    assert told(delete_selected(boss, *customers))[0][0] == "success"
    assert (Customer.objects.count(), Notification.objects.count()) == (0, 0)


@pytest.mark.parametrize(
    ("factory", "service"),
    [
        (SupplierFactory, "suppliers.delete_supplier"),
        (PartFactory, "inventory.delete_part"),
        (ProductFactory, "products.delete_product"),
    ],
)
def test_each_row_passes_its_service(boss: Client, monkeypatch: pytest.MonkeyPatch, factory: Any, service: str) -> None:
    passed: list[Model] = []
    monkeypatch.setattr(f"workshop.services.{service}", lambda **facts: passed.append(next(iter(facts.values()))))
    rows = factory.create_batch(2)
    delete_selected(boss, *rows)
    assert passed == rows


def test_suppliers_and_parts_are_deleted(boss: Client) -> None:
    for factory in (SupplierFactory, PartFactory):
        assert told(delete_selected(boss, *factory.create_batch(2)))[0][0] == "success"
    assert (Supplier.objects.count(), Part.objects.count()) == (0, 0)


def test_deleted_products_of_the_sync_do_not_come_back(boss: Client) -> None:
    synced = [ProductFactory(provider="file", external_id=name) for name in ("p1", "p2")]
    delete_selected(boss, *synced)
    assert set(SyncSuppression.objects.values_list("external_id", flat=True)) == {"p1", "p2"}


@pytest.mark.postgres
def test_rows_are_locked_in_the_order_of_their_ids(boss: Client) -> None:
    """Whatever the list is sorted by."""
    last, first = MechanicFactory(display_name="Z"), MechanicFactory(display_name="A")
    with CaptureQueriesContext(connection) as queries:
        boss.post(
            reverse("admin:workshop_mechanic_changelist") + "?o=1",
            {"action": "delete_selected", "_selected_action": [first.pk, last.pk], "post": "yes"},
        )
    locking = [row["sql"] for row in queries if row["sql"].endswith('FOR UPDATE OF "workshop_mechanic"')]
    assert [f" = {row.pk} " in sql for row, sql in zip((last, first), locking, strict=True)] == [True, True]


def test_pages_without_a_service_delete_their_rows(boss: Client) -> None:
    rows = [IntervalSchedule.objects.create(every=every, period="days") for every in (171, 172)]
    assert told(delete_selected(boss, *rows)) == [("success", "Successfully deleted 2 intervals.")]
    assert not IntervalSchedule.objects.filter(pk__in=[row.pk for row in rows]).exists()


def test_a_refusal_of_a_page_with_a_way_of_its_own_is_told_too(boss: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise Conflict("Not today.")

    monkeypatch.setattr(SupplierAdmin, "delete_queryset", refuse)
    assert told(delete_selected(boss, SupplierFactory())) == [("error", "Not today.")]


def test_it_is_asked_first_and_only_of_those_who_may(client: Client, boss: Client, make_user: MakeUser) -> None:
    mechanic = MechanicFactory()
    assert "Are you sure" in delete_selected(boss, mechanic, confirmed=False).content.decode()
    client.force_login(make_user(roles=["mechanic"]))
    delete_selected(client, mechanic)
    assert Mechanic.objects.exists()
