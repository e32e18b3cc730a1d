"""GET /api/workshop/service-tickets/{id}/events."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from tests.workshop.factories import CustomerFactory, MechanicFactory, PartFactory, TicketFactory
from workshop.models import ServiceTicket

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(as_user: Any, make_user: Any) -> APIClient:
    return as_user(make_user(roles=["service_advisor"]))


@pytest.fixture
def ticket(staff: APIClient, user: User) -> ServiceTicket:
    """With one job that is agreed on, one that is only proposed, and a hold."""
    ticket: ServiceTicket = TicketFactory(customer=CustomerFactory(user=user), mechanics=[MechanicFactory()])
    url = f"/api/workshop/service-tickets/{ticket.pk}"
    agreed = staff.post(f"{url}/jobs", {"title": "Brakes"}).json()["id"]
    staff.post(f"/api/workshop/jobs/{agreed}/part-lines", {"part": PartFactory(on_hand=5).pk, "quantity": 1})
    staff.post(f"/api/workshop/jobs/{agreed}/authorise")
    staff.post(f"{url}/jobs", {"title": "Gearbox"})
    staff.post(f"{url}/hold", {"reason": "customer", "note": "Does not pay."})
    return ticket


def history(client: APIClient, ticket: ServiceTicket) -> list[dict[str, Any]]:
    return client.get(f"/api/workshop/service-tickets/{ticket.pk}/events").json()["results"]


def test_staff_and_mechanics_read_everything(staff: APIClient, as_user: Any, ticket: ServiceTicket) -> None:
    events = history(staff, ticket)
    assert [(event["kind"], event["new"]) for event in events] == [
        ("status", "on_hold"),
        ("job_added", "proposed"),
        ("status", "authorised"),
        ("job_state", "authorised"),
        ("line_added", ""),
        ("job_added", "proposed"),
    ]
    assert (events[0]["note"], events[0]["actor"] is not None) == ("customer: Does not pay.", True)
    assert history(as_user(ticket.mechanics.get().user), ticket) == events


def test_the_customer_reads_what_concerns_the_customer(as_user: Any, user: User, ticket: ServiceTicket) -> None:
    events = history(as_user(user), ticket)
    assert [(event["kind"], event["new"]) for event in events] == [
        ("status", "on_hold"),
        ("status", "authorised"),
        ("job_state", "authorised"),
    ]
    assert {(event["note"], event["actor"]) for event in events} == {("", None)}


def test_the_history_is_read_in_pages(staff: APIClient, ticket: ServiceTicket) -> None:
    first = staff.get(f"/api/workshop/service-tickets/{ticket.pk}/events?limit=4").json()
    second = staff.get(first["next"]).json()
    assert (len(first["results"]), len(second["results"]), second["next"]) == (4, 2, None)
    assert staff.get(f"/api/workshop/service-tickets/{ticket.pk}/events?page=1").status_code == 400
