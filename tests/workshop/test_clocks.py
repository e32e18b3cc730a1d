"""POST /api/workshop/jobs/{id}/clock-in and clock-out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone
from rest_framework.test import APIClient

from tests.answers import error
from tests.workshop.factories import JobFactory, MechanicFactory, TicketFactory
from workshop.models import Job, Mechanic, TimeEntry

pytestmark = pytest.mark.django_db


@pytest.fixture
def mechanic() -> Mechanic:
    return MechanicFactory()


@pytest.fixture
def client(as_user: Any, mechanic: Mechanic) -> APIClient:
    return as_user(mechanic.user)


@pytest.fixture
def job(mechanic: Mechanic) -> Job:
    return JobFactory(ticket=TicketFactory(status="authorised", mechanics=[mechanic]), state=Job.State.AUTHORISED)


def url(job: Job, verb: str) -> str:
    return f"/api/workshop/jobs/{job.pk}/{verb}"


def test_a_clock_measures_the_work(client: APIClient, job: Job, mechanic: Mechanic) -> None:
    began = timezone.now()
    with time_machine.travel(began, tick=False):
        entry = client.post(url(job, "clock-in")).json()
    assert (entry["job"], entry["mechanic"], entry["ended_at"]) == (job.pk, mechanic.pk, None)
    job.refresh_from_db()
    job.ticket.refresh_from_db()
    assert (job.state, job.ticket.status) == ("in_progress", "in_progress")
    with time_machine.travel(began + timedelta(minutes=5), tick=False):
        assert client.post(url(job, "clock-out")).json()["id"] == entry["id"]
    kept = TimeEntry.objects.get()
    assert kept.ended_at is not None
    assert kept.ended_at - kept.started_at == timedelta(minutes=5)
    (listed,) = client.get(url(job, "time-entries")).json()["results"]
    assert listed["mechanic_name"] == mechanic.display_name
    assert error(client.post(url(job, "clock-out")))["code"] == "clock_not_running"


def test_a_mechanic_works_on_one_job_at_a_time(client: APIClient, job: Job, mechanic: Mechanic) -> None:
    other = JobFactory(ticket=TicketFactory(status="authorised", mechanics=[mechanic]), state=Job.State.AUTHORISED)
    client.post(url(job, "clock-in"))
    for again in (job, other):
        answer = client.post(url(again, "clock-in"))
        assert (answer.status_code, error(answer)["code"]) == (409, "clock_running")
        assert error(answer)["meta"]["job"] == job.pk
    other.refresh_from_db()
    assert other.state == "authorised"
    client.post(url(job, "clock-out"))
    assert client.post(url(other, "clock-in")).status_code == 200


def test_two_mechanics_work_on_one_job(client: APIClient, as_user: Any, job: Job) -> None:
    second = MechanicFactory()
    job.ticket.mechanics.add(second)
    assert client.post(url(job, "clock-in")).status_code == 200
    assert as_user(second.user).post(url(job, "clock-in")).status_code == 200


@pytest.mark.parametrize("state", ["proposed", "authorisation_required", "declined", "finished", "cancelled"])
def test_only_agreed_jobs_are_worked_on(client: APIClient, job: Job, state: str) -> None:
    Job.objects.update(state=state)
    answer = client.post(url(job, "clock-in"))
    assert (answer.status_code, error(answer)["code"]) == (409, "job_not_authorised")
    assert not TimeEntry.objects.exists()


def test_nobody_works_on_a_ticket_on_hold_or_closed(client: APIClient, job: Job) -> None:
    ticket = job.ticket
    ticket.status, ticket.hold_reason, ticket.held_from = "on_hold", "parts", "authorised"
    ticket.save()
    assert error(client.post(url(job, "clock-in")))["code"] == "ticket_on_hold"
    ticket.status, ticket.hold_reason, ticket.held_from = "cancelled", "", ""
    ticket.save()
    assert error(client.post(url(job, "clock-in")))["code"] == "ticket_closed"


def test_staff_without_a_place_on_the_ticket_have_no_clock(as_user: Any, make_user: Any, job: Job) -> None:
    advisor = make_user(roles=["service_advisor"])
    for _ in range(2):  # Not even one who is a mechanic too.
        answer = as_user(advisor).post(url(job, "clock-in"))
        assert (answer.status_code, error(answer)["code"]) == (403, "not_assigned")
        MechanicFactory(user=advisor) if not Mechanic.objects.filter(user=advisor).exists() else None
    assert as_user(MechanicFactory().user).post(url(job, "clock-in")).status_code == 404


def test_finishing_stops_every_clock_of_the_job(client: APIClient, job: Job) -> None:
    client.post(url(job, "clock-in"))
    assert client.post(url(job, "finish")).status_code == 200
    assert TimeEntry.objects.get().ended_at is not None


def test_work_on_a_ticket_under_review_takes_it_back(client: APIClient, job: Job) -> None:
    job.ticket.status = "review"
    job.ticket.save()
    client.post(url(job, "clock-in"))
    job.ticket.refresh_from_db()
    assert job.ticket.status == "in_progress"


def test_who_may_read_the_times(client: APIClient, as_user: Any, make_user: Any, job: Job) -> None:
    client.post(url(job, "clock-in"))
    assert as_user(make_user(roles=["service_advisor"])).get(url(job, "time-entries")).json()["count"] == 1
    assert as_user(make_user(roles=["finance"])).get(url(job, "time-entries")).status_code == 403
