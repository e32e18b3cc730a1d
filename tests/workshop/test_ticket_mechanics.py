"""PUT /api/workshop/service-tickets/{id}/edit: who works on a ticket."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.answers import error
from tests.workshop.factories import JobFactory, MechanicFactory, TicketFactory
from workshop.models import Job, Mechanic, ServiceTicket, TimeEntry

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(as_user: Any, make_user: Any) -> APIClient:
    return as_user(make_user(roles=["service_advisor"]))


def edit(client: APIClient, ticket: ServiceTicket, **body: Any) -> Any:
    return client.put(f"/api/workshop/service-tickets/{ticket.pk}/edit", body)


def test_one_comes_and_one_goes(staff: APIClient) -> None:
    here, new = MechanicFactory(), MechanicFactory()
    ticket = TicketFactory(mechanics=[here])
    answer = edit(staff, ticket, add_ids=[new.pk], remove_ids=[here.pk])
    assert answer.status_code == 200, answer.content
    assert answer.json() == {"id": ticket.pk, "mechanics": [{"id": new.pk, "display_name": new.display_name}]}
    assert ticket.events.get(kind="mechanics").note == f"+{new.display_name}, -{here.display_name}"


def test_what_is_so_already_changes_nothing(staff: APIClient) -> None:
    here, absent = MechanicFactory(), MechanicFactory()
    ticket = TicketFactory(mechanics=[here])
    assert [
        row["id"] for row in edit(staff, ticket, add_ids=[here.pk], remove_ids=[absent.pk]).json()["mechanics"]
    ] == [here.pk]
    assert edit(staff, ticket).status_code == 200
    assert not ticket.events.exists()


def test_an_unknown_id_is_422_names_it_and_changes_nothing(staff: APIClient) -> None:
    mechanic, gone = MechanicFactory(), MechanicFactory(active=False)
    ticket = TicketFactory()
    answer = edit(staff, ticket, add_ids=[mechanic.pk, 999999])
    assert (answer.status_code, error(answer)["attr"]) == (422, "add_ids.1")
    assert "999999" in error(answer)["detail"]
    assert error(edit(staff, ticket, add_ids=[mechanic.pk], remove_ids=[999999]))["attr"] == "remove_ids.0"
    assert edit(staff, ticket, add_ids=[mechanic.pk, gone.pk]).status_code == 422
    assert not ticket.mechanics.exists()


def test_an_id_in_both_lists_is_422(staff: APIClient) -> None:
    one, two = MechanicFactory(), MechanicFactory()
    ticket = TicketFactory(mechanics=[one])
    answer = edit(staff, ticket, add_ids=[one.pk, two.pk], remove_ids=[two.pk])
    assert (answer.status_code, error(answer)["code"]) == (422, "added_and_removed")
    assert error(answer)["meta"] == {"ids": [two.pk]}
    assert list(ticket.mechanics.all()) == [one]


@pytest.mark.parametrize("status", ["completed", "invoiced", "paid", "cancelled"])
def test_a_closed_ticket_keeps_its_mechanics(staff: APIClient, status: str) -> None:
    ticket = TicketFactory(status=status, odometer_out=5)
    answer = edit(staff, ticket, add_ids=[MechanicFactory().pk])
    assert (answer.status_code, error(answer)["code"]) == (409, "ticket_closed")


@pytest.mark.parametrize(
    "body", [{"add": [1]}, {"add_ids": 1}, {"add_ids": ["1"]}, {"add_ids": [0]}, {"add_ids": None}]
)
def test_a_bad_body_is_400(staff: APIClient, body: dict[str, Any]) -> None:
    assert edit(staff, TicketFactory(), **body).status_code == 400


def test_the_clock_of_who_leaves_stops(staff: APIClient) -> None:
    leaves, stays = MechanicFactory(), MechanicFactory()
    ticket = TicketFactory(status="in_progress", mechanics=[leaves, stays])
    job = JobFactory(ticket=ticket, state=Job.State.IN_PROGRESS)
    for mechanic in (leaves, stays):
        TimeEntry.objects.create(job=job, mechanic=mechanic, started_at=ticket.created_at)
    assert edit(staff, ticket, remove_ids=[leaves.pk]).status_code == 200
    assert TimeEntry.objects.get(ended_at=None).mechanic == stays


def test_a_mechanic_who_left_can_be_taken_off(staff: APIClient) -> None:
    ticket = TicketFactory(mechanics=[MechanicFactory()])
    Mechanic.objects.update(active=False)
    assert edit(staff, ticket, remove_ids=[Mechanic.objects.get().pk]).json()["mechanics"] == []
