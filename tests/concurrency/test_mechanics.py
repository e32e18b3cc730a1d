"""A mechanic who leaves while clocking in: nobody is gone with a clock that runs, which only its owner could stop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.privacy import delete_account
from tests.concurrency.race import race
from tests.concurrency.test_parking_sweeps import wait_until_somebody_waits
from tests.workshop.factories import JobFactory, MechanicFactory, TicketFactory
from workshop.models import Job, Mechanic, TimeEntry
from workshop.services.clocks import NotOnTheTicket, clock_in
from workshop.services.mechanics import MechanicAtWork, update_mechanic

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 10
Leave = Callable[[Mechanic], Any]


def deactivate(mechanic: Mechanic) -> None:
    update_mechanic(mechanic=mechanic, data={"active": False})


def erase(mechanic: Mechanic) -> None:
    delete_account(user=mechanic.user, now=timezone.now())


LEAVE = pytest.mark.parametrize("leave", [deactivate, erase])


def agreed_job() -> tuple[Job, Mechanic]:
    """A job of a ticket that its one mechanic is assigned to."""
    mechanic: Mechanic = MechanicFactory()
    ticket = TicketFactory(status="authorised", mechanics=[mechanic])
    return JobFactory(ticket=ticket, state=Job.State.AUTHORISED), mechanic


def is_stranded(mechanic: Mechanic) -> bool:
    """Gone, with a clock that runs."""
    mechanic.refresh_from_db()
    return not mechanic.active and mechanic.time_entries.filter(ended_at=None).exists()


def wait_until_done_or_waiting(done: threading.Event) -> None:
    """Until the other side is through, or stands before a lock of this transaction."""
    for _ in range(1500):
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))")
            if cursor.fetchone()[0] or done.wait(timeout=0.02):
                return
    raise TimeoutError


def clock_in_while_leaving(leave: Leave) -> tuple[Any, Mechanic]:
    """The clock starts between the decision to let the mechanic go and its commit."""
    job, mechanic = agreed_job()
    left, tried = threading.Event(), threading.Event()

    def go() -> None:
        with transaction.atomic():
            leave(mechanic)
            left.set()
            wait_until_done_or_waiting(tried)

    def start() -> TimeEntry:
        assert left.wait(timeout=30)
        try:
            return clock_in(job=job, actor=mechanic.user, now=timezone.now())
        finally:
            tried.set()

    _, started = race([go, start])
    return started, mechanic


@LEAVE
def test_whoever_comes_first_nobody_leaves_with_a_clock_that_runs(leave: Leave) -> None:
    for _ in range(ROUNDS):
        job, mechanic = agreed_job()
        left, started = race(
            [partial(leave, mechanic), partial(clock_in, job=job, actor=mechanic.user, now=timezone.now())]
        )
        assert not is_stranded(mechanic)
        assert isinstance(left, MechanicAtWork) is isinstance(started, TimeEntry)
        assert left is None or isinstance(left, MechanicAtWork)
        assert isinstance(started, TimeEntry | NotOnTheTicket)


@pytest.mark.postgres
@LEAVE
def test_who_has_left_meanwhile_has_no_clock(leave: Leave) -> None:
    started, mechanic = clock_in_while_leaving(leave)
    assert isinstance(started, NotOnTheTicket)
    assert not is_stranded(mechanic)


@pytest.mark.postgres
@LEAVE
def test_without_the_lock_the_clock_of_who_has_left_runs(leave: Leave, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the mechanic is only read."""
    monkeypatch.setattr("workshop.services.clocks.lock_mechanic", lambda pk: Mechanic.objects.get(pk=pk))
    started, mechanic = clock_in_while_leaving(leave)
    assert isinstance(started, TimeEntry)
    assert is_stranded(mechanic)


@pytest.mark.postgres
@LEAVE
def test_who_clocks_in_first_does_not_leave(leave: Leave) -> None:
    job, mechanic = agreed_job()
    runs = threading.Event()

    def start() -> TimeEntry:
        with transaction.atomic():
            entry = clock_in(job=job, actor=mechanic.user, now=timezone.now())
            runs.set()
            wait_until_somebody_waits()
        return entry

    def go() -> None:
        assert runs.wait(timeout=30)
        leave(mechanic)

    started, left = race([start, go])
    assert isinstance(started, TimeEntry)
    assert isinstance(left, MechanicAtWork)
    assert not is_stranded(mechanic)
