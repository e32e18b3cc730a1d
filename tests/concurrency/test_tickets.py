"""One ticket, many hands; and many tickets that want the same parts."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.utils import timezone

from accounts.models import Notification, User
from accounts.tokens import issue_tokens
from common.errors import InvalidTransition
from tests.concurrency.race import race
from tests.concurrency.served import served
from tests.factories import UserFactory, VehicleFactory
from tests.workshop.factories import (
    CustomerFactory,
    JobFactory,
    MechanicFactory,
    PartFactory,
    PartLineFactory,
    TicketFactory,
)
from workshop.models import Job, Part, ServiceTicket, StockMovement, TimeEntry
from workshop.services import jobs, stock, tickets
from workshop.services.states import TicketClosed

pytestmark = pytest.mark.django_db(transaction=True)

AT_ONCE = 8
TICKETS, PARTS, ON_HAND = 40, 6, 25
ROUNDS = 5


@pytest.fixture
def actor() -> User:
    return UserFactory(is_superuser=True)


def unlocked(monkeypatch: pytest.MonkeyPatch, parties: int) -> None:
    """The naive way: everybody reads ticket and job, and nobody has their lock."""
    all_have_read = threading.Barrier(parties)

    def read_ticket(pk: int) -> ServiceTicket:
        found = ServiceTicket.objects.get(pk=pk)
        all_have_read.wait(timeout=30)
        return found

    def read_job(pk: int) -> Job:
        found = Job.objects.select_related("ticket").get(pk=pk)
        all_have_read.wait(timeout=30)
        return found

    monkeypatch.setattr("workshop.services.tickets.lock_ticket", read_ticket)
    monkeypatch.setattr("workshop.services.jobs.lock_job", read_job)


# --- Authorise against cancel -------------------------------------------------------------------------------


def authorise_and_cancel(actor: User) -> tuple[list[Any], Job]:
    job = JobFactory()
    PartLineFactory(job=job)
    facts = {"actor": actor, "now": timezone.now()}
    results = race(
        [
            partial(jobs.authorise_job, job=job, wait_for_parts=False, **facts),
            partial(tickets.cancel_ticket, ticket=job.ticket, reason="", consumed_parts=None, **facts),
        ]
    )
    job.refresh_from_db()
    job.ticket.refresh_from_db()
    return results, job


def is_called_off(results: list[Any], job: Job) -> bool:
    """Whatever came first, the ticket is cancelled and nothing is kept for it; a job that nobody agreed to by then is
    still a proposal."""
    part = Part.objects.get(lines__job=job)
    authorised, cancelled = results
    left_as = "cancelled" if isinstance(authorised, Job) else "proposed"
    return (
        isinstance(authorised, Job | TicketClosed)
        and isinstance(cancelled, ServiceTicket)
        and (job.ticket.status, job.state, part.reserved) == ("cancelled", left_as, 0)
    )


def test_a_cancelled_ticket_keeps_no_parts_whoever_comes_first(actor: User) -> None:
    assert all(is_called_off(*authorise_and_cancel(actor)) for _ in range(ROUNDS))


@pytest.mark.postgres
def test_without_the_lock_a_cancelled_ticket_keeps_parts_or_fails(monkeypatch: pytest.MonkeyPatch, actor: User) -> None:
    """The control."""
    unlocked(monkeypatch, 2)
    assert not all(is_called_off(*authorise_and_cancel(actor)) for _ in range(ROUNDS))


# --- Twice the same -----------------------------------------------------------------------------------------


def complete_at_once(actor: User) -> tuple[list[Any], ServiceTicket]:
    owner = UserFactory()
    ticket: ServiceTicket = TicketFactory(
        customer=CustomerFactory(user=owner),
        vehicle=VehicleFactory(owner=owner),
        status="review",
        odometer_out=1000,
        mechanics=[MechanicFactory()],
    )
    complete = partial(tickets.complete_ticket, ticket=ticket, actor=actor, now=timezone.now())
    return race([complete] * AT_ONCE), ticket


def test_a_ticket_is_completed_once(actor: User) -> None:
    results, ticket = complete_at_once(actor)
    assert Counter(type(result) for result in results) == {ServiceTicket: 1, InvalidTransition: AT_ONCE - 1}
    assert ticket.vehicle is not None
    assert ticket.vehicle.events.filter(kind="serviced").count() == ticket.vehicle.odometer_readings.count() == 1
    assert Notification.objects.filter(kind="ticket_completed").count() == 1


@pytest.mark.postgres
def test_without_the_lock_it_is_completed_more_often(monkeypatch: pytest.MonkeyPatch, actor: User) -> None:
    """The control."""
    unlocked(monkeypatch, AT_ONCE)
    complete_at_once(actor)
    assert Notification.objects.filter(kind="ticket_completed").count() > 1


def finish_at_once(actor: User) -> tuple[list[Any], Job]:
    job: Job = JobFactory(ticket=TicketFactory(status="in_progress"), state=Job.State.AUTHORISED)
    return race([partial(jobs.finish_job, job=job, actor=actor, now=timezone.now())] * AT_ONCE), job


def test_a_job_is_finished_once_and_consumes_once(actor: User) -> None:
    job = JobFactory()
    line = PartLineFactory(job=job)
    jobs.authorise_job(job=job, wait_for_parts=False, actor=actor, now=timezone.now())
    results = race([partial(jobs.finish_job, job=job, actor=actor, now=timezone.now())] * AT_ONCE)
    assert Counter(type(result) for result in results) == {Job: 1, InvalidTransition: AT_ONCE - 1}
    part = Part.objects.get()
    assert (part.on_hand, part.reserved) == (8, 0)
    assert StockMovement.objects.filter(line=line, kind="consume").count() == 1


def test_of_several_who_finish_a_job_one_does(actor: User) -> None:
    results, job = finish_at_once(actor)
    assert Counter(type(result) for result in results) == {Job: 1, InvalidTransition: AT_ONCE - 1}
    assert job.events.filter(new="finished").count() == 1


@pytest.mark.postgres
def test_without_the_lock_several_finish_it(monkeypatch: pytest.MonkeyPatch, actor: User) -> None:
    """The control."""
    unlocked(monkeypatch, AT_ONCE)
    _, job = finish_at_once(actor)
    assert job.events.filter(new="finished").count() > 1


# --- Edits --------------------------------------------------------------------------------------------------


def edit_at_once(actor: User) -> ServiceTicket:
    """Everybody assigns the same mechanic."""
    ticket: ServiceTicket = TicketFactory()
    edit = partial(tickets.edit_mechanics, ticket=ticket, add=[MechanicFactory()], remove=[])
    results = race([partial(edit, actor=actor, now=timezone.now())] * AT_ONCE)
    assert not [result for result in results if isinstance(result, Exception)]
    return ticket


def test_a_mechanic_is_assigned_once(actor: User) -> None:
    assert edit_at_once(actor).events.count() == 1


@pytest.mark.postgres
def test_without_the_lock_the_history_tells_of_it_several_times(monkeypatch: pytest.MonkeyPatch, actor: User) -> None:
    """The control."""
    unlocked(monkeypatch, AT_ONCE)
    assert edit_at_once(actor).events.count() > 1


def take_off_and_complete(actor: User) -> ServiceTicket:
    mechanic = MechanicFactory()
    ticket: ServiceTicket = TicketFactory(status="review", odometer_out=5, mechanics=[mechanic])
    facts = {"ticket": ticket, "actor": actor, "now": timezone.now()}
    race(
        [
            partial(tickets.edit_mechanics, add=[], remove=[mechanic], **facts),
            partial(tickets.complete_ticket, **facts),
        ]
    )
    ticket.refresh_from_db()
    return ticket


def is_completed_without_anybody(ticket: ServiceTicket) -> bool:
    return ticket.status == "completed" and not ticket.mechanics.exists()


def test_a_ticket_is_not_completed_while_its_mechanic_is_taken_off(actor: User) -> None:
    assert not any(is_completed_without_anybody(take_off_and_complete(actor)) for _ in range(ROUNDS))


@pytest.mark.postgres
def test_without_the_lock_it_is(monkeypatch: pytest.MonkeyPatch, actor: User) -> None:
    """The control."""
    unlocked(monkeypatch, 2)
    assert any(is_completed_without_anybody(take_off_and_complete(actor)) for _ in range(ROUNDS))


# --- Clocks -------------------------------------------------------------------------------------------------


def clock_in_everywhere() -> Counter[int]:
    """One mechanic, a job of each of several tickets, over HTTP."""
    mechanic = MechanicFactory()
    chosen = [
        JobFactory(ticket=TicketFactory(status="authorised", mechanics=[mechanic]), state=Job.State.AUTHORISED)
        for _ in range(AT_ONCE)
    ]
    token = issue_tokens(user=mechanic.user, now=timezone.now()).access

    def clock_in(base: str, job: Job) -> int:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{base}/api/workshop/jobs/{job.pk}/clock-in", b"{}", headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as refused:
            with refused:
                code = json.load(refused)["errors"][0]["code"]
            return refused.code if code == "clock_running" else 500

    with served() as base:
        results = race([partial(clock_in, base, job) for job in chosen])
    return Counter(result for result in results if isinstance(result, int))


def test_a_mechanic_has_one_clock() -> None:
    assert clock_in_everywhere() == {200: 1, 409: AT_ONCE - 1}
    entry = TimeEntry.objects.get()
    assert list(Job.objects.filter(state="in_progress")) == [entry.job]
    assert list(ServiceTicket.objects.filter(status="in_progress")) == [entry.job.ticket]


@pytest.mark.postgres
def test_without_the_constraint_a_mechanic_has_many() -> None:
    """The control: nothing else asks, though they wait for each other at the mechanic's row."""
    (constraint,) = [each for each in TimeEntry._meta.constraints if each.name == "time_entry_one_open"]
    with connection.schema_editor() as editor:
        editor.remove_constraint(TimeEntry, constraint)
    try:
        assert clock_in_everywhere()[200] > 1
    finally:
        TimeEntry.objects.all().delete()
        with connection.schema_editor() as editor:
            editor.add_constraint(TimeEntry, constraint)


# --- Many tickets, the same parts ---------------------------------------------------------------------------


def wanted_in_opposite_orders(work: Callable[[Job], Any], *, tickets: int = TICKETS) -> list[Any]:
    """Jobs that want one of each of six parts, of which there are twenty-five; every other one names them from the last
    to the first."""
    parts: list[Part] = PartFactory.create_batch(PARTS, on_hand=ON_HAND)
    wanted: list[Job] = []
    for number in range(tickets):
        job = JobFactory()
        for part in parts if number % 2 else reversed(parts):
            PartLineFactory(job=job, part=part, quantity=1)
        wanted.append(job)

    def run(job: Job) -> Any:
        try:
            return work(job)
        except Exception as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(run, wanted))


def test_parts_that_are_wanted_in_opposite_orders_deadlock_nobody(actor: User) -> None:
    """Nor does a retry hide it: there is none here."""
    results = wanted_in_opposite_orders(
        lambda job: jobs.authorise_job(job=job, wait_for_parts=False, actor=actor, now=timezone.now())
    )
    assert Counter(type(result) for result in results) == {
        Job: ON_HAND,
        stock.InsufficientStock: TICKETS - ON_HAND,
    }
    assert set(Part.objects.values_list("on_hand", "reserved")) == {(ON_HAND, ON_HAND)}
    assert StockMovement.objects.filter(kind="reserve").count() == ON_HAND * PARTS
    assert Job.objects.filter(state="authorised").count() == ON_HAND


@pytest.mark.postgres
def test_taken_in_the_order_of_the_lines_they_deadlock(actor: User) -> None:
    """The control: each part is taken as the job names it."""
    both_hold_one = threading.Barrier(2)

    def reserve_line_by_line(job: Job) -> None:
        with transaction.atomic():
            for number, line in enumerate(job.part_lines.order_by("pk")):
                stock.reserve(lines=[line], actor=actor, now=timezone.now())
                if number == 0:
                    both_hold_one.wait(timeout=30)

    results = wanted_in_opposite_orders(reserve_line_by_line, tickets=2)
    assert sum(isinstance(result, OperationalError) for result in results) == 1
