"""Jobs: /api/workshop/service-tickets/{id}/jobs and /api/workshop/jobs."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.test.utils import override_settings
from rest_framework.test import APIClient

from accounts.models import User
from tests.answers import error
from tests.workshop.factories import (
    CustomerFactory,
    JobFactory,
    LabourLineFactory,
    MechanicFactory,
    PartFactory,
    PartLineFactory,
    TicketFactory,
)
from workshop.models import Customer, EstimateLink, FeeLine, Job, Mechanic, Part, PartLine, ServiceTicket
from workshop.services.jobs import MAX_JOBS
from workshop.services.lines import MAX_LINES

pytestmark = pytest.mark.django_db

JOBS = "/api/workshop/jobs"
State = Job.State


@pytest.fixture
def staff(as_user: Any, make_user: Any) -> APIClient:
    return as_user(make_user(roles=["service_advisor"]))


@pytest.fixture
def customer(user: User) -> Customer:
    return CustomerFactory(user=user)


@pytest.fixture
def mechanic() -> Mechanic:
    return MechanicFactory()


@pytest.fixture
def ticket(customer: Customer, mechanic: Mechanic) -> ServiceTicket:
    return TicketFactory(customer=customer, mechanics=[mechanic])


def job_with_parts(ticket: ServiceTicket, *quantities: int, on_hand: int = 5, **fields: Any) -> tuple[Job, list[Part]]:
    """A job that needs so much of a part each."""
    job = JobFactory(ticket=ticket, **fields)
    parts = [PartFactory(on_hand=on_hand) for _ in quantities]
    for part, quantity in zip(parts, quantities, strict=True):
        PartLineFactory(job=job, part=part, quantity=quantity)
    return job, parts


def stocks(job: Job) -> set[str]:
    return set(job.part_lines.values_list("stock", flat=True))


def reserved(parts: list[Part]) -> list[Decimal]:
    for part in parts:
        part.refresh_from_db()
    return [part.reserved for part in parts]


@override_settings(WORKSHOP_TAX_RATE="19.00")
def test_staff_and_mechanics_propose_jobs(staff: APIClient, as_user: Any, ticket: ServiceTicket) -> None:
    url = f"/api/workshop/service-tickets/{ticket.pk}/jobs"
    answer = staff.post(url, {"title": "Brakes", "tax_rate": "7"})
    assert answer.status_code == 201, answer.content
    assert (answer.json()["state"], answer.json()["tax_rate"], answer.json()["ticket"]) == (
        "proposed",
        "7.00",
        ticket.pk,
    )
    assert staff.get(answer["Location"]).json() == answer.json()
    works = as_user(ticket.mechanics.get().user)
    assert works.post(url, {"title": "Oil"}).json()["tax_rate"] == "19.00"
    refused = works.post(url, {"title": "Oil", "tax_rate": 0})
    assert (refused.status_code, error(refused)["code"]) == (403, "price_not_allowed")
    assert [row["title"] for row in staff.get(url).json()["results"]] == ["Brakes", "Oil"]


@pytest.mark.parametrize(
    "body", [{}, {"title": ""}, {"title": "x", "state": "authorised"}, {"title": "x", "tax_rate": 101}, {"title": 5}]
)
def test_what_the_schema_does_not_allow_is_400(staff: APIClient, ticket: ServiceTicket, body: dict[str, Any]) -> None:
    assert staff.post(f"/api/workshop/service-tickets/{ticket.pk}/jobs", body).status_code == 400
    assert not Job.objects.exists()


def test_a_closed_ticket_takes_no_jobs(staff: APIClient) -> None:
    closed = TicketFactory(status="cancelled")
    answer = staff.post(f"/api/workshop/service-tickets/{closed.pk}/jobs", {"title": "x"})
    assert (answer.status_code, error(answer)["code"]) == (409, "ticket_closed")
    job = JobFactory(ticket=closed)
    assert {
        staff.patch(f"{JOBS}/{job.pk}", {"title": "y"}).status_code,
        staff.delete(f"{JOBS}/{job.pk}").status_code,
        staff.post(f"{JOBS}/{job.pk}/authorise").status_code,
        staff.post(f"{JOBS}/{job.pk}/decline").status_code,
        staff.post(f"{JOBS}/{job.pk}/finish").status_code,
    } == {409}


def test_a_customer_reads_what_was_put_before_the_customer(as_user: Any, user: User, ticket: ServiceTicket) -> None:
    proposed, asked = JobFactory(ticket=ticket), JobFactory(ticket=ticket, state=State.AUTHORISATION_REQUIRED)
    client = as_user(user)
    listed = client.get(f"/api/workshop/service-tickets/{ticket.pk}/jobs").json()["results"]
    assert [row["id"] for row in listed] == [asked.pk]
    assert client.get(f"{JOBS}/{asked.pk}").status_code == 200
    assert client.get(f"{JOBS}/{proposed.pk}").status_code == 404
    assert client.post(f"{JOBS}/{asked.pk}/authorise").status_code == 403
    assert client.get(f"{JOBS}/{asked.pk}/time-entries").status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("get", "", None),
        ("patch", "", {"title": "x"}),
        ("delete", "", None),
        ("post", "/authorise", None),
        ("post", "/decline", None),
        ("post", "/finish", None),
        ("post", "/clock-in", None),
        ("post", "/clock-out", None),
        ("get", "/time-entries", None),
    ],
)
def test_anothers_job_is_like_one_that_does_not_exist(
    as_user: Any, api: APIClient, other_user: User, ticket: ServiceTicket, method: str, path: str, body: Any
) -> None:
    job = JobFactory(ticket=ticket, state=State.AUTHORISED)
    call = getattr(as_user(other_user), method)
    hidden, missing = call(f"{JOBS}/{job.pk}{path}", body), call(f"{JOBS}/999999{path}", body)
    assert (hidden.status_code, hidden.content) == (404, missing.content)
    assert getattr(api, method)(f"{JOBS}/{job.pk}{path}", body).status_code == 401


def test_authorising_reserves_the_parts(staff: APIClient, ticket: ServiceTicket) -> None:
    job, parts = job_with_parts(ticket, 2, 5)
    shown = staff.post(f"{JOBS}/{job.pk}/authorise").json()
    assert (shown["state"], shown["authorised_at"] is not None) == ("authorised", True)
    assert (reserved(parts), stocks(job)) == ([2, 5], {"reserved"})
    ticket.refresh_from_db()
    assert ticket.status == "authorised"


def test_a_shortage_refuses_all_and_names_every_part(staff: APIClient, ticket: ServiceTicket) -> None:
    job, parts = job_with_parts(ticket, 2, 6, 7)
    answer = staff.post(f"{JOBS}/{job.pk}/authorise")
    assert (answer.status_code, error(answer)["code"]) == (409, "insufficient_stock")
    short = error(answer)["meta"]["shortages"]
    assert [(row["part"], row["needed"], row["available"]) for row in short] == [
        (parts[1].pk, "6.000", "5.000"),
        (parts[2].pk, "7.000", "5.000"),
    ]
    job.refresh_from_db()
    assert (job.state, reserved(parts), ticket.events.count()) == ("proposed", [0, 0, 0], 0)


def test_a_job_can_wait_for_its_parts(staff: APIClient, ticket: ServiceTicket) -> None:
    job, parts = job_with_parts(ticket, 2, 6)
    assert staff.post(f"{JOBS}/{job.pk}/authorise", {"wait_for_parts": True}).json()["state"] == "authorised"
    ticket.refresh_from_db()
    assert (ticket.status, ticket.hold_reason, ticket.held_from) == ("on_hold", "parts", "authorised")
    assert (reserved(parts), stocks(job)) == ([0, 0], {"none"})
    short = staff.post(f"{JOBS}/{job.pk}/finish")
    assert (short.status_code, error(short)["code"]) == (409, "insufficient_stock")


def test_work_under_review_goes_on_hold_for_a_job_that_lacks_parts(staff: APIClient, ticket: ServiceTicket) -> None:
    ServiceTicket.objects.update(status="review")
    job, _ = job_with_parts(ticket, 6)
    staff.post(f"{JOBS}/{job.pk}/authorise", {"wait_for_parts": True})
    ticket.refresh_from_db()
    assert (ticket.status, ticket.held_from) == ("on_hold", "in_progress")


def test_a_ticket_goes_on_when_the_job_that_lacks_parts_is_declined(staff: APIClient, ticket: ServiceTicket) -> None:
    ready, _ = job_with_parts(ticket, 1)
    short, _ = job_with_parts(ticket, 6)
    for job in (ready, short):
        staff.post(f"{JOBS}/{job.pk}/authorise", {"wait_for_parts": True})
    assert staff.post(f"{JOBS}/{short.pk}/decline").json()["state"] == "declined"
    ticket.refresh_from_db()
    assert (ticket.status, ticket.hold_reason) == ("authorised", "")


def test_declining_frees_the_parts_once(staff: APIClient, ticket: ServiceTicket) -> None:
    job, parts = job_with_parts(ticket, 2)
    staff.post(f"{JOBS}/{job.pk}/authorise")
    assert staff.post(f"{JOBS}/{job.pk}/decline").status_code == 200
    assert error(staff.post(f"{JOBS}/{job.pk}/decline"))["code"] == "invalid_transition"
    ticket.refresh_from_db()
    assert (reserved(parts), stocks(job), ticket.status) == ([0], {"none"}, "declined")
    assert staff.post(f"{JOBS}/{job.pk}/authorise").json()["state"] == "authorised"
    ticket.refresh_from_db()
    assert (reserved(parts), ticket.status) == ([2], "authorised")


def test_finishing_consumes_once(staff: APIClient, as_user: Any, mechanic: Mechanic, ticket: ServiceTicket) -> None:
    job, parts = job_with_parts(ticket, 2, 5)
    staff.post(f"{JOBS}/{job.pk}/authorise")
    works = as_user(mechanic.user)
    shown = works.post(f"{JOBS}/{job.pk}/finish").json()
    assert (shown["state"], shown["finished_at"] is not None) == ("finished", True)
    again = works.post(f"{JOBS}/{job.pk}/finish")
    assert (again.status_code, error(again)["code"]) == (409, "invalid_transition")
    assert (reserved(parts), [part.on_hand for part in parts], stocks(job)) == ([0, 0], [3, 0], {"consumed"})
    ticket.refresh_from_db()
    assert ticket.status == "in_progress"


def test_finishing_takes_what_was_not_reserved(staff: APIClient, ticket: ServiceTicket) -> None:
    job, parts = job_with_parts(ticket, 6)
    staff.post(f"{JOBS}/{job.pk}/authorise", {"wait_for_parts": True})
    Part.objects.update(on_hand=6)
    assert staff.post(f"{JOBS}/{job.pk}/finish").status_code == 200
    ticket.refresh_from_db()
    assert (reserved(parts), parts[0].on_hand, ticket.status) == ([0], 0, "authorised")


@pytest.mark.parametrize("state", ["proposed", "authorisation_required", "declined", "cancelled"])
def test_only_what_is_agreed_is_finished(staff: APIClient, ticket: ServiceTicket, state: str) -> None:
    job = JobFactory(ticket=ticket, state=state)
    assert error(staff.post(f"{JOBS}/{job.pk}/finish"))["code"] == "invalid_transition"


def test_a_tax_rate_is_a_price_and_asks_the_customer_again(
    staff: APIClient, as_user: Any, mechanic: Mechanic, ticket: ServiceTicket
) -> None:
    job, parts = job_with_parts(ticket, 2)
    staff.post(f"{JOBS}/{job.pk}/authorise")
    assert as_user(mechanic.user).patch(f"{JOBS}/{job.pk}", {"tax_rate": "7.00"}).status_code == 403
    assert staff.patch(f"{JOBS}/{job.pk}", {"tax_rate": "7.00"}).json()["state"] == "authorisation_required"
    ticket.refresh_from_db()
    assert (reserved(parts), ticket.status, ticket.estimate_version) == ([0], "awaiting_authorisation", 1)


def test_another_title_voids_the_estimate_but_not_the_agreement(staff: APIClient, ticket: ServiceTicket) -> None:
    job, parts = job_with_parts(ticket, 2)
    url = f"{JOBS}/{job.pk}"
    assert staff.patch(url, {"title": "First"}).status_code == 200
    staff.post(f"{url}/authorise")
    assert staff.patch(url, {"title": "Second"}).json()["state"] == "authorised"
    assert staff.patch(url, {"title": "Second"}).status_code == 200
    ticket.refresh_from_db()
    assert (reserved(parts), ticket.estimate_version) == ([2], 1)


def test_of_two_edits_of_one_version_the_second_is_412(staff: APIClient, ticket: ServiceTicket) -> None:
    url = f"{JOBS}/{JobFactory(ticket=ticket).pk}"
    tag = staff.get(url)["ETag"]
    assert staff.patch(url, {"title": "First"}, HTTP_IF_MATCH=tag).status_code == 200
    assert staff.patch(url, {"title": "Second"}, HTTP_IF_MATCH=tag).status_code == 412
    assert staff.delete(url, HTTP_IF_MATCH=tag).status_code == 412


def test_a_job_that_nobody_was_shown_is_deleted(staff: APIClient, ticket: ServiceTicket) -> None:
    job, _ = job_with_parts(ticket, 2)
    assert staff.delete(f"{JOBS}/{job.pk}").status_code == 204
    assert (Job.objects.exists(), PartLine.objects.exists()) == (False, False)
    assert ticket.events.get(kind="job_removed").note == job.title


def test_a_job_that_was_shown_is_cancelled(staff: APIClient, ticket: ServiceTicket) -> None:
    job, parts = job_with_parts(ticket, 2)
    staff.post(f"{JOBS}/{job.pk}/authorise")
    for _ in range(2):
        assert staff.delete(f"{JOBS}/{job.pk}").status_code == 204
    job.refresh_from_db()
    ticket.refresh_from_db()
    assert (job.state, reserved(parts), ticket.estimate_version) == ("cancelled", [0], 1)
    assert not EstimateLink.objects.exists()


@pytest.mark.parametrize("state", ["in_progress", "finished"])
def test_work_that_has_begun_stays_as_agreed(staff: APIClient, ticket: ServiceTicket, state: str) -> None:
    line = LabourLineFactory(job=JobFactory(ticket=ticket, state=state))
    url = f"{JOBS}/{line.job_id}"
    answers = [
        staff.patch(url, {"title": "x"}),
        staff.delete(url),
        staff.post(f"{url}/fee-lines", {"title": "x", "amount": 1}),
        staff.patch(f"{url}/labour-lines/{line.pk}", {"hours": "9.00"}),
        staff.delete(f"{url}/labour-lines/{line.pk}"),
    ]
    assert {(answer.status_code, error(answer)["code"]) for answer in answers} == {(409, "job_in_progress")}
    assert error(staff.post(f"{url}/decline"))["code"] == "invalid_transition"


def test_a_ticket_and_a_job_are_read_as_a_whole_and_have_their_bounds(staff: APIClient, ticket: ServiceTicket) -> None:
    job = JobFactory(ticket=ticket)
    Job.objects.bulk_create([Job(ticket=ticket, title="x", tax_rate=0) for _ in range(MAX_JOBS - 1)])
    answer = staff.post(f"/api/workshop/service-tickets/{ticket.pk}/jobs", {"title": "x"})
    assert (answer.status_code, error(answer)["code"]) == (409, "too_many_jobs")
    FeeLine.objects.bulk_create([FeeLine(job=job, title="x", amount=1) for _ in range(MAX_LINES)])
    answer = staff.post(f"{JOBS}/{job.pk}/fee-lines", {"title": "x", "amount": 1})
    assert (answer.status_code, error(answer)["code"]) == (409, "too_many_lines")


def test_the_number_of_queries_does_not_grow_with_the_jobs(
    staff: APIClient, ticket: ServiceTicket, django_assert_num_queries: Any
) -> None:
    url = f"/api/workshop/service-tickets/{ticket.pk}/jobs"
    LabourLineFactory(job=JobFactory(ticket=ticket))
    with django_assert_num_queries(7) as one:
        staff.get(url)
    for _ in range(9):
        LabourLineFactory.create_batch(2, job=JobFactory(ticket=ticket))
    with django_assert_num_queries(len(one)):
        assert len(staff.get(url).json()["results"]) == 10
