"""Tickets that wait for parts: who gets what comes in, and the sweep for what came free otherwise."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from rest_framework.test import APIClient

from tests.workshop.factories import JobFactory, PartFactory, PartLineFactory, TicketFactory
from workshop.models import Job, Part, PartLine, ServiceTicket, TicketEvent
from workshop.services import stock, waiting
from workshop.tasks import resume_waiting

pytestmark = pytest.mark.django_db
NOW = timezone.now()
HELD = {"status": "on_hold", "hold_reason": "parts", "held_from": "in_progress"}


def job_lacking(*parts: Part, quantity: int = 1, state: str = "authorised", **ticket: Any) -> Job:
    """A job of a ticket of its own that lacks some of the parts."""
    job = JobFactory(ticket=TicketFactory(**(HELD | ticket)), state=state)
    for part in parts:
        PartLineFactory(job=job, part=part, quantity=Decimal(quantity))
    return job


def sweep() -> int:
    return waiting.resume_waiting(now=NOW)


def status_of(job: Job) -> str:
    return ServiceTicket.objects.get(pk=job.ticket_id).status


def stocks_of(job: Job) -> list[str]:
    return list(PartLine.objects.filter(job=job).values_list("stock", flat=True))


def test_a_ticket_that_lacks_nothing_any_more_goes_on() -> None:
    part, other = PartFactory(on_hand=2), PartFactory(on_hand=1)
    job = job_lacking(part, other)
    assert sweep() == 1
    assert (status_of(job), stocks_of(job)) == ("in_progress", ["reserved", "reserved"])
    event = TicketEvent.objects.get(ticket=job.ticket_id)
    assert (event.old, event.new, event.via, event.actor) == ("on_hold", "in_progress", "system", None)
    part.refresh_from_db()
    assert (part.on_hand, part.reserved) == (2, 1)


def test_the_sweep_may_run_twice() -> None:
    part = PartFactory(on_hand=5)
    job = job_lacking(part)
    assert [sweep(), sweep()] == [1, 0]
    part.refresh_from_db()
    assert (status_of(job), part.reserved) == ("in_progress", 1)


def test_a_job_takes_all_of_its_parts_or_none() -> None:
    part, missing = PartFactory(on_hand=5), PartFactory()
    job = job_lacking(part, missing)
    assert sweep() == 0
    assert (status_of(job), stocks_of(job)) == ("on_hold", ["none", "none"])


def test_jobs_are_satisfied_one_by_one_and_the_ticket_waits_for_the_last() -> None:
    part, missing = PartFactory(on_hand=1), PartFactory()
    job = job_lacking(part)
    second = JobFactory(ticket=job.ticket, state="authorised")
    PartLineFactory(job=second, part=missing)
    assert sweep() == 0
    assert (status_of(job), stocks_of(job), stocks_of(second)) == ("on_hold", ["reserved"], ["none"])


def test_tenths_add_up() -> None:
    part = PartFactory(on_hand=Decimal("0.3"), reserved=Decimal("0.1"))
    job = JobFactory(ticket=TicketFactory(**HELD), state="authorised")
    PartLineFactory(job=job, part=part, quantity=Decimal("0.2"))
    assert sweep() == 1


def test_tickets_for_which_nothing_is_there_cost_nothing(django_assert_num_queries: Any) -> None:
    part = PartFactory()
    for _ in range(5):
        job_lacking(part)
    with django_assert_num_queries(1):
        assert sweep() == 0


def test_two_lines_of_one_part_need_both_quantities() -> None:
    part = PartFactory(on_hand=3)
    job = job_lacking(part, part, quantity=2)
    assert (sweep(), stocks_of(job)) == (0, ["none", "none"])


def test_the_oldest_promise_comes_first_and_no_promise_last() -> None:
    part = PartFactory(on_hand=2)
    unpromised = job_lacking(part)
    late = job_lacking(part, promised_at="2026-12-02T10:00Z")
    early = job_lacking(part, promised_at="2026-12-01T10:00Z")
    assert sweep() == 2
    assert [status_of(job) for job in (early, late, unpromised)] == ["in_progress", "in_progress", "on_hold"]


def test_who_cannot_be_satisfied_does_not_keep_others_waiting() -> None:
    part = PartFactory(on_hand=2)
    large = job_lacking(part, quantity=3, promised_at="2026-12-01T10:00Z")
    small = job_lacking(part, quantity=2, promised_at="2026-12-02T10:00Z")
    assert sweep() == 1
    assert (status_of(large), status_of(small)) == ("on_hold", "in_progress")


def test_work_that_goes_on_without_its_parts_gets_them_too() -> None:
    part = PartFactory(on_hand=1)
    job = job_lacking(part, status="in_progress", hold_reason="", held_from="")
    assert sweep() == 0
    assert (status_of(job), stocks_of(job)) == ("in_progress", ["reserved"])


def test_another_reason_to_hold_is_not_lifted() -> None:
    job = job_lacking(PartFactory(on_hand=1), hold_reason="customer")
    assert sweep() == 0
    assert (status_of(job), stocks_of(job)) == ("on_hold", ["reserved"])


@pytest.mark.parametrize("state", ["proposed", "authorisation_required", "declined", "cancelled"])
def test_nothing_is_reserved_for_what_nobody_authorised(state: str) -> None:
    part = PartFactory(on_hand=5)
    job_lacking(part, state=state)
    assert sweep() == 0
    part.refresh_from_db()
    assert part.reserved == 0


def test_a_hold_by_hand_is_not_lifted_by_the_sweep() -> None:
    """Somebody knows of a part that no line tells of."""
    ticket = TicketFactory(**HELD)
    assert sweep() == 0
    ticket.refresh_from_db()
    assert ticket.status == "on_hold"


# --- A hold by hand, and what becomes of it when a job changes ------------------------------------------------------


@pytest.fixture
def staff(as_user: Any, make_user: Any) -> APIClient:
    return as_user(make_user(roles=["service_advisor"]))


@pytest.fixture
def held(staff: APIClient) -> ServiceTicket:
    """On hold by hand, for a part that no line tells of: all lines of its one agreed job are reserved."""
    job = JobFactory(ticket=TicketFactory(status="draft"))
    PartLineFactory(job=job)
    assert staff.post(f"/api/workshop/jobs/{job.pk}/authorise").status_code == 200
    url = f"/api/workshop/service-tickets/{job.ticket_id}/hold"
    assert staff.post(url, {"reason": "parts", "note": "The seal is cracked."}).status_code == 200
    return ServiceTicket.objects.get()


def finish_the_agreed_job(staff: APIClient, ticket: ServiceTicket) -> Any:
    return staff.post(f"/api/workshop/jobs/{ticket.jobs.get().pk}/finish")


def drop_the_agreed_job(staff: APIClient, ticket: ServiceTicket) -> Any:
    return staff.delete(f"/api/workshop/jobs/{ticket.jobs.get().pk}")


def change_a_reserved_line(staff: APIClient, ticket: ServiceTicket) -> Any:
    line = PartLine.objects.get(job__ticket=ticket)
    return staff.patch(f"/api/workshop/jobs/{line.job_id}/part-lines/{line.pk}", {"quantity": "1"})


def add_a_line_to_a_job_that_waits_for_its_answer(staff: APIClient, ticket: ServiceTicket) -> Any:
    job = JobFactory(ticket=ticket, state="authorisation_required")
    PartLineFactory(job=job)  # Without a reservation, but nobody has agreed to it.
    return staff.post(f"/api/workshop/jobs/{job.pk}/fee-lines", {"title": "Disposal", "amount": "5.00"})


def decline_an_optional_job_by_the_link(staff: APIClient, ticket: ServiceTicket) -> Any:
    optional = PartLineFactory(job=JobFactory(ticket=ticket)).job
    token = staff.post(f"/api/workshop/service-tickets/{ticket.pk}/send").json()["estimate"]["token"]
    decision = {"decisions": [{"job": optional.pk, "decision": "decline"}]}
    return APIClient().post(f"/api/workshop/estimates/{token}", decision)


@pytest.mark.parametrize(
    "change",
    [
        finish_the_agreed_job,
        drop_the_agreed_job,
        change_a_reserved_line,
        add_a_line_to_a_job_that_waits_for_its_answer,
        decline_an_optional_job_by_the_link,
    ],
)
def test_a_hold_by_hand_is_not_lifted_by_a_change_of_a_job_that_lacked_nothing(
    staff: APIClient, held: ServiceTicket, change: Callable[[APIClient, ServiceTicket], Any]
) -> None:
    assert change(staff, held).status_code in (200, 201, 204)
    held.refresh_from_db()
    assert (held.status, held.hold_reason) == ("on_hold", "parts")


def test_a_job_that_lacks_parts_gets_what_another_one_frees_at_once(staff: APIClient) -> None:
    """Without the sweep, and the ticket goes on: lines told what was lacking."""
    part = PartFactory(on_hand=1)
    kept, waits = JobFactory(ticket=TicketFactory()), JobFactory(ticket=ServiceTicket.objects.get())
    for job in (kept, waits):
        PartLineFactory(job=job, part=part, quantity=1)
        staff.post(f"/api/workshop/jobs/{job.pk}/authorise", {"wait_for_parts": True})
    assert status_of(waits) == "on_hold"
    staff.post(f"/api/workshop/jobs/{kept.pk}/decline")
    assert (status_of(waits), stocks_of(waits)) == ("authorised", ["reserved"])


@pytest.mark.parametrize("verb", ["finish", "decline", "drop", "change"])
def test_a_ticket_goes_on_with_the_job_that_lacked_parts_out_of_the_way(staff: APIClient, verb: str) -> None:
    part = PartFactory()
    job = job_lacking(part)
    JobFactory(ticket=job.ticket, state="authorised")
    Part.objects.update(on_hand=1)  # So that it can be finished.
    url = f"/api/workshop/jobs/{job.pk}"
    line = f"{url}/part-lines/{job.part_lines.get().pk}"
    {
        "finish": lambda: staff.post(f"{url}/finish"),
        "decline": lambda: staff.post(f"{url}/decline"),
        "drop": lambda: staff.delete(url),
        "change": lambda: staff.delete(line),
    }[verb]()
    assert status_of(job) == "in_progress"


def test_only_tickets_that_lack_one_of_the_parts_are_locked() -> None:
    part, other = PartFactory(), PartFactory()
    second, first = job_lacking(part), job_lacking(part, other)
    job_lacking(other)
    job_lacking(part, status="cancelled", hold_reason="", held_from="")
    found = waiting.lock_waiting(part_ids=[part.pk])
    assert [ticket.pk for ticket in found] == sorted([second.ticket_id, first.ticket_id])


def test_a_ticket_that_comes_to_wait_meanwhile_rings_for_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    rings: list[str] = []
    monkeypatch.setattr(waiting, "ring_on_commit", rings.append)
    part = PartFactory()
    job_lacking(part)
    tickets = waiting.lock_waiting(part_ids=[part.pk])
    waiting.lock_parts(part_ids=[part.pk], tickets=tickets)
    assert rings == []
    job_lacking(part)
    waiting.lock_parts(part_ids=[part.pk], tickets=tickets)
    assert rings == ["workshop.tasks.resume_waiting"]


def test_one_ticket_that_fails_does_not_stop_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    part = PartFactory(on_hand=5)
    broken, sound = job_lacking(part, promised_at="2026-12-01T10:00Z"), job_lacking(part)
    reserve = stock.reserve

    def fail_for_one(*, lines: list[PartLine], **facts: Any) -> None:
        if lines[0].job_id == broken.pk:
            raise RuntimeError("a planted fault")
        reserve(lines=lines, **facts)

    monkeypatch.setattr(stock, "reserve", fail_for_one)
    assert sweep() == 1
    assert (status_of(broken), status_of(sound)) == ("on_hold", "in_progress")


def test_the_sweep_is_scheduled() -> None:
    job = job_lacking(PartFactory(on_hand=1))
    resume_waiting()
    assert status_of(job) == "in_progress"
    assert PeriodicTask.objects.get(task="workshop.tasks.resume_waiting").enabled
