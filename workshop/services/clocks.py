"""The mechanics' clocks on jobs."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.db.models.functions import Greatest

from accounts.models import User
from common.errors import Conflict, Forbidden
from workshop.models import Job, Mechanic, ServiceTicket, TimeEntry
from workshop.services.mechanics import lock_mechanic, mechanic_of
from workshop.services.states import State, Status, lock_job, move_job, move_ticket, require_editable


class NotOnTheTicket(Forbidden):
    """Only mechanics who are assigned to the ticket have a clock on its jobs."""

    code = "not_assigned"
    detail = "You are not one of this ticket's mechanics."


class ClockRunning(Conflict):
    """A mechanic works on one job at a time; `meta.job` is the one whose clock runs."""

    code = "clock_running"
    detail = "Your clock is running already."


class ClockNotRunning(Conflict):
    """There is nothing to stop."""

    code = "clock_not_running"
    detail = "Your clock is not running on this job."


class JobNotAuthorised(Conflict):
    """Nobody works on what the customer has not agreed to, nor on what is done."""

    code = "job_not_authorised"
    detail = "This job is not one to work on."


class TicketOnHold(Conflict):
    """Work rests until the ticket is resumed."""

    code = "ticket_on_hold"
    detail = "This ticket is on hold."


@transaction.atomic
def clock_in(*, job: Job, actor: User, now: datetime) -> TimeEntry:
    """Start the caller's clock. The job is in progress from then on, and so is its ticket.

    Raises NotOnTheTicket, TicketClosed, TicketOnHold, JobNotAuthorised, ClockRunning.
    """
    job = lock_job(job.pk)
    ticket = job.ticket
    mechanic = _assigned_mechanic(ticket, actor)
    require_editable(ticket)
    if ticket.status == Status.ON_HOLD:
        raise TicketOnHold(meta={"hold_reason": ticket.hold_reason})
    if job.state not in Job.OPEN:
        raise JobNotAuthorised(meta={"state": job.state})
    entry = _start(mechanic, job, now=now)
    if job.state == State.AUTHORISED:
        move_job(job, State.IN_PROGRESS, actor=actor, now=now)
    if ticket.status != Status.IN_PROGRESS:
        move_ticket(ticket, Status.IN_PROGRESS, actor=actor, now=now)
    return entry


@transaction.atomic
def clock_out(*, job: Job, actor: User, now: datetime) -> TimeEntry:
    """Stop the caller's clock. Raises NotOnTheTicket, ClockNotRunning."""
    job = lock_job(job.pk)
    mechanic = _assigned_mechanic(job.ticket, actor)
    entry = TimeEntry.objects.filter(job=job, mechanic=mechanic, ended_at=None).first()
    if entry is None:
        raise ClockNotRunning
    entry.ended_at = max(now, entry.started_at)
    entry.save(update_fields=["ended_at"])
    return entry


def stop_clocks(
    *, ticket: ServiceTicket, now: datetime, job: Job | None = None, mechanics: list[Mechanic] | None = None
) -> None:
    """Stop what runs on a locked ticket, or only on one job, or only of some mechanics."""
    running = Q(job__ticket=ticket, ended_at=None)
    if job is not None:
        running &= Q(job=job)
    if mechanics is not None:
        running &= Q(mechanic__in=mechanics)
    entries = TimeEntry.objects.filter(pk__in=TimeEntry.objects.filter(running).values("pk"))
    entries.update(ended_at=Greatest(now, "started_at"))


def _start(mechanic: Mechanic, job: Job, *, now: datetime) -> TimeEntry:
    """Under the mechanic's lock: who is made inactive meanwhile could not stop the clock any more. That there is one
    clock is decided by the constraint."""
    if lock_mechanic(mechanic.pk) is None:
        raise NotOnTheTicket
    try:
        with transaction.atomic():
            return TimeEntry.objects.create(mechanic=mechanic, job=job, started_at=now)
    except IntegrityError:
        running = TimeEntry.objects.filter(mechanic=mechanic, ended_at=None).first()
        if running is None:
            raise
        raise ClockRunning(meta={"job": running.job_id, "started_at": running.started_at}) from None


def _assigned_mechanic(ticket: ServiceTicket, user: User) -> Mechanic:
    mechanic = mechanic_of(user)
    if mechanic is None or not ticket.mechanics.filter(pk=mechanic.pk).exists():
        raise NotOnTheTicket
    return mechanic
