"""A ticket's way through the workshop: start, hold, resume, review, complete, cancel, reopen."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import Notification, User
from cars.models import Vehicle
from tests.answers import error
from tests.factories import VehicleFactory
from tests.workshop.factories import (
    CustomerFactory,
    JobFactory,
    MechanicFactory,
    PartFactory,
    PartLineFactory,
    TicketFactory,
)
from workshop.models import Job, Mechanic, PartLine, ServiceTicket, StockMovement, TimeEntry

pytestmark = pytest.mark.django_db

URL = "/api/workshop/service-tickets"
Status = ServiceTicket.Status


@pytest.fixture
def staff(as_user: Any, make_user: Any) -> APIClient:
    return as_user(make_user(roles=["service_advisor"]))


@pytest.fixture
def boss(as_user: Any, admin_user: User) -> APIClient:
    return as_user(admin_user)


@pytest.fixture
def mechanic() -> Mechanic:
    return MechanicFactory()


def in_status(status: str, **fields: Any) -> ServiceTicket:
    if status == Status.ON_HOLD:
        fields |= {"hold_reason": "other", "held_from": "in_progress"}
    return TicketFactory(status=status, odometer_out=1000, **fields)


# Command -> status it leads to, statuses it starts from.
COMMANDS = {
    "start": ("in_progress", {"authorised", "review"}),
    "hold": ("on_hold", {"authorised", "in_progress"}),
    "resume": ("in_progress", {"on_hold"}),
    "review": ("review", {"in_progress"}),
    "complete": ("completed", {"review"}),
    "cancel": ("cancelled", set(ServiceTicket.EDITABLE)),
    "reopen": ("in_progress", {"completed"}),
}
BODIES = {"hold": {"reason": "customer", "note": "Calls back."}}


@pytest.mark.parametrize("status", Status.values)
@pytest.mark.parametrize("verb", COMMANDS)
def test_a_command_moves_a_ticket_from_the_right_statuses_only(boss: APIClient, verb: str, status: str) -> None:
    to, sources = COMMANDS[verb]
    ticket = in_status(status, mechanics=[MechanicFactory()])
    answer = boss.post(f"{URL}/{ticket.pk}/{verb}", BODIES.get(verb))
    ticket.refresh_from_db()
    if status in sources:
        assert (answer.status_code, answer.json()["status"], ticket.status) == (200, to, to)
        assert ticket.events.filter(kind="status", old=status, new=to, actor__isnull=False).count() == 1
    else:
        assert (answer.status_code, ticket.status) == (409, status)
        assert error(answer)["code"] in ("invalid_transition", "not_ready")
        assert not ticket.events.exists()


def test_a_mechanic_of_the_ticket_starts_holds_resumes_and_hands_over(as_user: Any, mechanic: Mechanic) -> None:
    client = as_user(mechanic.user)
    ticket = in_status("authorised", mechanics=[mechanic])
    JobFactory(ticket=ticket, state=Job.State.AUTHORISED)
    url = f"{URL}/{ticket.pk}"
    held = client.post(f"{url}/hold", {"reason": "sublet"}).json()
    assert (held["status"], held["hold_reason"]) == ("on_hold", "sublet")
    resumed = client.post(f"{url}/resume").json()
    assert (resumed["status"], resumed["hold_reason"]) == ("authorised", "")
    assert client.post(f"{url}/start").json()["status"] == "in_progress"
    assert client.post(f"{url}/review").json()["status"] == "review"
    assert client.post(f"{url}/complete").status_code == 403


def test_a_hold_says_why_and_stops_the_clocks(staff: APIClient, mechanic: Mechanic) -> None:
    ticket = in_status("in_progress", mechanics=[mechanic])
    job = JobFactory(ticket=ticket, state=Job.State.IN_PROGRESS)
    entry = TimeEntry.objects.create(job=job, mechanic=mechanic, started_at=ticket.created_at)
    assert staff.post(f"{URL}/{ticket.pk}/hold").status_code == 400
    assert staff.post(f"{URL}/{ticket.pk}/hold", {"reason": "weather"}).status_code == 400
    assert staff.post(f"{URL}/{ticket.pk}/hold", {"reason": "customer", "note": "Calls back."}).status_code == 200
    entry.refresh_from_db()
    assert entry.ended_at is not None
    assert ticket.events.get().note == "customer: Calls back."


def test_a_ticket_that_lost_its_last_agreed_job_on_hold_resumes_as_a_draft(staff: APIClient) -> None:
    ticket = TicketFactory(status=Status.ON_HOLD, hold_reason="customer", held_from="authorised")
    job = JobFactory(ticket=ticket, state=Job.State.AUTHORISED)
    assert staff.delete(f"/api/workshop/jobs/{job.pk}").status_code == 204
    assert staff.post(f"{URL}/{ticket.pk}/resume").json()["status"] == "draft"


def test_what_is_missing_is_said_all_at_once(staff: APIClient) -> None:
    ticket = TicketFactory(status=Status.REVIEW)
    job = JobFactory(ticket=ticket, state=Job.State.AUTHORISED)
    answer = staff.post(f"{URL}/{ticket.pk}/complete")
    assert (answer.status_code, error(answer)["code"]) == (409, "not_ready")
    assert error(answer)["meta"]["reasons"] == [
        {"code": "open_jobs", "jobs": [job.pk]},
        {"code": "odometer_out_missing"},
        {"code": "no_mechanic"},
    ]


def test_a_ticket_that_is_not_reviewed_says_so_among_the_rest(staff: APIClient) -> None:
    for status, reason in (("in_progress", "not_reviewed"), ("on_hold", "on_hold")):
        answer = staff.post(f"{URL}/{in_status(status).pk}/complete")
        assert [reason["code"] for reason in error(answer)["meta"]["reasons"]] == ["no_mechanic", reason]


def test_completion_is_written_to_the_vehicle_and_told_to_the_customer(
    staff: APIClient, user: User, mechanic: Mechanic
) -> None:
    vehicle = VehicleFactory(owner=user, mileage=900)
    ticket = in_status(
        "review", customer=CustomerFactory(user=user), vehicle=vehicle, mechanics=[mechanic], odometer_in=950
    )
    JobFactory(ticket=ticket, title="Oil change", state=Job.State.FINISHED)
    assert staff.post(f"{URL}/{ticket.pk}/complete").json()["status"] == "completed"
    vehicle.refresh_from_db()
    reading = vehicle.odometer_readings.get()
    assert (vehicle.mileage, reading.value, reading.source) == (1000, 1000, "workshop")
    event = vehicle.events.get(kind="serviced")
    assert (event.reference, event.public_summary) == (f"ticket:{ticket.pk}", "Serviced at 1,000 km.")
    assert event.private_summary == f"{ticket.number}: Oil change"
    told = Notification.objects.get(user=user)
    assert (told.kind, told.data) == ("ticket_completed", {"ticket": ticket.pk})
    ticket.refresh_from_db()
    assert ticket.completed_at is not None


def test_an_odometer_that_runs_backwards_stops_the_completion(staff: APIClient, mechanic: Mechanic) -> None:
    vehicle = VehicleFactory()
    vehicle.odometer_readings.create(value=2000, unit="km", at=vehicle.created_at, source="owner")
    ticket = in_status("review", vehicle=vehicle, mechanics=[mechanic])
    answer = staff.post(f"{URL}/{ticket.pk}/complete")
    assert (answer.status_code, error(answer)["code"]) == (409, "odometer_rollback")
    ticket.refresh_from_db()
    assert (ticket.status, Notification.objects.count()) == ("review", 0)


def test_a_vehicle_that_left_the_garage_does_not_keep_its_ticket_open(staff: APIClient, mechanic: Mechanic) -> None:
    vehicle = VehicleFactory()
    ticket = in_status("review", vehicle=vehicle, mechanics=[mechanic])
    Vehicle.objects.update(archived_at=ticket.created_at)
    assert staff.post(f"{URL}/{ticket.pk}/complete").status_code == 200
    assert (vehicle.events.get().kind, vehicle.odometer_readings.count()) == ("serviced", 0)


def used_ticket(**fields: Any) -> tuple[ServiceTicket, PartLine, PartLine]:
    """In progress, with two pieces of one part consumed and three of another reserved."""
    ticket = in_status("in_progress", **fields)
    used = PartLineFactory(job=JobFactory(ticket=ticket, state=Job.State.FINISHED), stock="consumed")
    part = PartFactory(on_hand=10)
    part.reserved = 3
    part.save()
    kept = PartLineFactory(
        job=JobFactory(ticket=ticket, state=Job.State.AUTHORISED), part=part, quantity=3, stock="reserved"
    )
    return ticket, used, kept


def test_cancelling_says_what_became_of_used_parts(staff: APIClient) -> None:
    ticket, used, kept = used_ticket()
    answer = staff.post(f"{URL}/{ticket.pk}/cancel", {"reason": "Sold."})
    assert (answer.status_code, error(answer)["code"]) == (409, "consumed_parts")
    (line,) = error(answer)["meta"]["lines"]
    assert (line["line"], line["part"], line["quantity"]) == (used.pk, used.part_id, "2.000")
    ticket.refresh_from_db()
    assert (ticket.status, StockMovement.objects.filter(line=kept).count()) == ("in_progress", 0)


@pytest.mark.parametrize(
    ("what", "stock", "kinds", "on_hand"),
    [("return", "returned", ["return"], 12), ("write_off", "written_off", ["return", "scrap"], 10)],
)
def test_cancelling_frees_what_is_reserved_and_settles_what_was_used(
    staff: APIClient, mechanic: Mechanic, what: str, stock: str, kinds: list[str], on_hand: int
) -> None:
    ticket, used, kept = used_ticket(mechanics=[mechanic])
    declined = JobFactory(ticket=ticket, state=Job.State.DECLINED)
    entry = TimeEntry.objects.create(job=kept.job, mechanic=mechanic, started_at=ticket.created_at)
    answer = staff.post(f"{URL}/{ticket.pk}/cancel", {"reason": "Sold.", "consumed_parts": what})
    assert answer.status_code == 200, answer.content
    for line in (used, kept):
        line.refresh_from_db()
        line.part.refresh_from_db()
        line.job.refresh_from_db()
    assert (used.stock, used.part.on_hand, used.job.state) == (stock, on_hand, "cancelled")
    assert [row.kind for row in StockMovement.objects.filter(line=used).order_by("id")] == kinds
    assert (kept.stock, kept.part.reserved, kept.job.state) == ("none", 0, "cancelled")
    entry.refresh_from_db()
    declined.refresh_from_db()
    assert (entry.ended_at is not None, declined.state) == (True, "declined")
    assert ticket.events.get(kind="status").note == "Sold."


@pytest.fixture
def cancelled(staff: APIClient, user: User, mechanic: Mechanic) -> ServiceTicket:
    """Called off with one job that the customer was asked about and one that nobody put before the customer."""
    ticket = in_status("awaiting_authorisation", customer=CustomerFactory(user=user), mechanics=[mechanic])
    for title, state in (("Brakes", Job.State.AUTHORISATION_REQUIRED), ("Only thought of", Job.State.PROPOSED)):
        PartLineFactory(job=JobFactory(ticket=ticket, title=title, state=state))
    assert staff.post(f"{URL}/{ticket.pk}/cancel").status_code == 200
    return ticket


def test_cancelling_shows_the_customer_no_job_that_was_only_proposed(
    as_user: Any, user: User, cancelled: ServiceTicket
) -> None:
    client, (shown, hidden) = as_user(user), cancelled.jobs.order_by("id")
    url = f"{URL}/{cancelled.pk}"
    listed = client.get(f"{url}/jobs").json()["results"]
    assert [(row["id"], row["state"]) for row in listed] == [(shown.pk, "cancelled")]
    assert client.get(f"/api/workshop/jobs/{hidden.pk}").status_code == 404
    events = client.get(f"{url}/events").json()["results"]
    assert {(event["kind"], event["job"]) for event in events} == {("status", None), ("job_state", shown.pk)}
    assert [row["id"] for row in client.get(url).json()["jobs"]] == [shown.pk]
    for read in (url, URL, "/api/auth/me/export"):
        assert "Only thought of" not in client.get(read).content.decode()


def test_a_proposed_job_of_a_cancelled_ticket_stays_for_those_inside_and_costs_nothing(
    staff: APIClient, as_user: Any, mechanic: Mechanic, cancelled: ServiceTicket
) -> None:
    for client in (staff, as_user(mechanic.user)):
        read = client.get(f"{URL}/{cancelled.pk}").json()
        assert [job["state"] for job in read["jobs"]] == ["cancelled", "proposed"]
        assert (read["subtotal"], read["total"]) == ("0.00", "0.00")
    job = cancelled.jobs.get(state="proposed")
    for verb in ("authorise", "decline", "finish"):
        assert error(staff.post(f"/api/workshop/jobs/{job.pk}/{verb}"))["code"] == "ticket_closed"
    assert error(staff.delete(f"/api/workshop/jobs/{job.pk}"))["code"] == "ticket_closed"


def test_a_second_cancel_is_409_and_frees_nothing_twice(staff: APIClient) -> None:
    ticket, _, kept = used_ticket()
    body = {"consumed_parts": "return"}
    assert staff.post(f"{URL}/{ticket.pk}/cancel", body).status_code == 200
    assert error(staff.post(f"{URL}/{ticket.pk}/cancel", body))["code"] == "invalid_transition"
    assert StockMovement.objects.filter(line=kept).count() == 1


def test_only_administrators_reopen(staff: APIClient, boss: APIClient) -> None:
    ticket = in_status("completed", completed_at="2026-11-25T10:00:00Z")
    assert staff.post(f"{URL}/{ticket.pk}/reopen").status_code == 403
    assert boss.post(f"{URL}/{ticket.pk}/reopen").json()["status"] == "in_progress"
    ticket.refresh_from_db()
    assert ticket.completed_at is None


def test_a_command_takes_no_unknown_members_and_is_repeated_by_its_key(staff: APIClient) -> None:
    url = f"{URL}/{in_status('authorised').pk}/start"
    assert staff.post(url, {"status": "paid"}).status_code == 400
    answers = [staff.post(url, HTTP_IDEMPOTENCY_KEY="k") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[1]["Idempotency-Replayed"] == "true"
