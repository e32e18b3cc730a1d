"""Jobs of a ticket: writing them down, agreeing on them with the customer, finishing them.

Everything happens under the ticket's lock. `authorise` and `decline` expect it (`job.ticket` is the locked row); the
other functions take it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction

from accounts.models import User
from common.errors import Conflict, Unprocessable
from common.transitions import check_transition
from workshop import pricing
from workshop.models import Job, PartLine, ServiceTicket
from workshop.services import stock, waiting
from workshop.services.clocks import stop_clocks
from workshop.services.states import (
    JOB_MOVES,
    State,
    Status,
    Via,
    lock_job,
    lock_ticket,
    move_job,
    move_ticket,
    record,
    require_editable,
    settle_ticket,
    supersede_estimate,
)
from workshop.services.tickets import PriceNotAllowed, hold_for_parts, may_price

MAX_JOBS = 100
MAX_AMOUNT = Decimal("9999999999.99")  # What an invoice can hold.


class JobInProgress(Conflict):
    """Work on the job has begun, or is done: what was agreed stands."""

    code = "job_in_progress"
    detail = "Work on this job has begun."


class TooManyJobs(Conflict):
    """A ticket is read as a whole."""

    code = "too_many_jobs"
    detail = f"A ticket has at most {MAX_JOBS} jobs."


class AmountTooLarge(Unprocessable):
    """The jobs of the ticket would cost more than an invoice can hold."""

    code = "amount_too_large"
    detail = f"A ticket costs at most {MAX_AMOUNT}."


@transaction.atomic
def add_job(*, ticket: ServiceTicket, data: Mapping[str, Any], actor: User, now: datetime) -> Job:
    """Propose a job; without `tax_rate` it is that of the settings. Raises TicketClosed, TooManyJobs,
    PriceNotAllowed."""
    ticket = lock_ticket(ticket.pk)
    require_editable(ticket)
    if ticket.jobs.count() >= MAX_JOBS:
        raise TooManyJobs
    if "tax_rate" in data and not may_price(actor):
        raise PriceNotAllowed(attr="tax_rate")
    job = Job(ticket=ticket, tax_rate=Decimal(settings.WORKSHOP_TAX_RATE))
    for name, value in data.items():
        setattr(job, name, value)
    job.save()
    record(ticket, "job_added", job=job, new=job.state, note=job.title, actor=actor, now=now)
    return job


@transaction.atomic
def update_job(*, job: Job, data: Mapping[str, Any], actor: User, now: datetime) -> Job:
    """Change title or tax rate; the tax is a part of the price, so its change is like one of a line.

    Raises TicketClosed, JobInProgress, PriceNotAllowed, AmountTooLarge.
    """
    job = lock_editable_job(job)
    changed = {name: value for name, value in data.items() if getattr(job, name) != value}
    if not changed:
        return job
    if "tax_rate" in changed and not may_price(actor):
        raise PriceNotAllowed(attr="tax_rate")
    note = "; ".join(f"{name}: {getattr(job, name)} -> {value}" for name, value in changed.items())
    for name, value in changed.items():
        setattr(job, name, value)
    job.save(update_fields=[*changed, "updated_at"])
    record(job.ticket, "job_changed", job=job, note=note, actor=actor, now=now)
    if "tax_rate" in changed:
        check_amount(job.ticket)
        reopen_agreement(job, actor=actor, now=now)
    elif job.state != State.PROPOSED:
        supersede_estimate(job.ticket)
    return job


@transaction.atomic
def remove_job(*, job: Job, actor: User, now: datetime) -> None:
    """Delete a job that nobody was shown; cancel another one, which gives up its reservations. Cancelled ones stay.

    Raises TicketClosed, JobInProgress.
    """
    job = lock_job(job.pk)
    ticket = job.ticket
    require_editable(ticket)
    if job.state == State.PROPOSED:
        record(ticket, "job_removed", old=job.state, note=job.title, actor=actor, now=now)
        job.delete()
        settle_ticket(ticket, actor=actor, now=now)
        return
    if job.state not in Job.EDITABLE:
        if job.state == State.CANCELLED:
            return
        raise JobInProgress(meta={"state": job.state})
    lacked = waiting.lacks_parts(job)
    _release(job, actor=actor, now=now)
    move_job(job, State.CANCELLED, actor=actor, now=now)
    supersede_estimate(ticket)
    _settle(ticket, lacked=lacked, actor=actor, now=now, via=Via.STAFF)


@transaction.atomic
def authorise_job(*, job: Job, wait_for_parts: bool, actor: User, now: datetime) -> Job:
    """Staff's way: the customer agreed at the counter or on the phone. Raises what `authorise` raises."""
    job = lock_job(job.pk)
    authorise(job, actor=actor, now=now, via=Via.STAFF, wait_for_parts=wait_for_parts)
    return job


@transaction.atomic
def decline_job(*, job: Job, actor: User, now: datetime) -> Job:
    """Staff's way: the customer said no. Raises what `decline` raises."""
    job = lock_job(job.pk)
    decline(job, actor=actor, now=now, via=Via.STAFF)
    return job


def authorise(job: Job, *, actor: User | None, now: datetime, via: str, wait_for_parts: bool) -> None:
    """The customer agreed: reserve the job's parts, all or none. When they do not suffice and it may wait for them, it
    is agreed on without a reservation and the ticket goes on hold.

    Raises TicketClosed, InvalidTransition, InsufficientStock.
    """
    ticket = job.ticket
    require_editable(ticket)
    check_transition(current=job.state, to=State.AUTHORISED, allowed=JOB_MOVES)
    _lock_parts(ticket)
    short = False
    try:
        stock.reserve(lines=list(job.part_lines.all()), actor=actor, now=now)
    except stock.InsufficientStock:
        if not wait_for_parts:
            raise
        short = True
    move_job(job, State.AUTHORISED, actor=actor, now=now, via=via)
    settle_ticket(ticket, actor=actor, now=now, via=via)
    if short:
        hold_for_parts(ticket, actor=actor, now=now, via=via)


def decline(job: Job, *, actor: User | None, now: datetime, via: str) -> None:
    """The customer said no: what was reserved is free again. Raises TicketClosed, InvalidTransition."""
    require_editable(job.ticket)
    check_transition(current=job.state, to=State.DECLINED, allowed=JOB_MOVES)
    lacked = waiting.lacks_parts(job)
    _release(job, actor=actor, now=now)
    move_job(job, State.DECLINED, actor=actor, now=now, via=via)
    _settle(job.ticket, lacked=lacked, actor=actor, now=now, via=via)


@transaction.atomic
def finish_job(*, job: Job, actor: User, now: datetime) -> Job:
    """The work is done: its parts are consumed, those without a reservation are reserved first, and its clocks stop.

    Raises TicketClosed, InvalidTransition, InsufficientStock.
    """
    job = lock_job(job.pk)
    ticket = job.ticket
    require_editable(ticket)
    check_transition(current=job.state, to=State.FINISHED, allowed=JOB_MOVES)
    _lock_parts(ticket)
    lacked = waiting.lacks_parts(job)
    lines = list(job.part_lines.all())
    stock.reserve(lines=lines, actor=actor, now=now)
    stock.consume(lines=lines, actor=actor, now=now)
    stop_clocks(ticket=ticket, job=job, now=now)
    move_job(job, State.FINISHED, actor=actor, now=now)
    if ticket.status == Status.AUTHORISED:
        move_ticket(ticket, Status.IN_PROGRESS, actor=actor, now=now)
    _settle(ticket, lacked=lacked, actor=actor, now=now, via=Via.STAFF)
    return job


def lock_editable_job(job: Job) -> Job:
    """The job under its ticket's lock, when its lines may change. Raises TicketClosed, JobInProgress, NotFound."""
    locked = lock_job(job.pk)
    require_editable(locked.ticket)
    if locked.state not in Job.EDITABLE:
        raise JobInProgress(meta={"state": locked.state})
    return locked


def reopen_agreement(job: Job, *, actor: User, now: datetime) -> None:
    """What a locked job costs has changed, or is about to: a customer who agreed has to be asked again and what is
    reserved is free again; links that show the old state are void."""
    if job.state == State.PROPOSED:
        return
    lacked = waiting.lacks_parts(job)
    _release(job, actor=actor, now=now)
    if job.state == State.AUTHORISED:
        move_job(job, State.AUTHORISATION_REQUIRED, actor=actor, now=now, note="Its lines have changed.")
    elif job.state == State.DECLINED:
        move_job(job, State.PROPOSED, actor=actor, now=now, note="Its lines have changed.")
    supersede_estimate(job.ticket)
    _settle(job.ticket, lacked=lacked, actor=actor, now=now, via=Via.STAFF)


def check_amount(ticket: ServiceTicket) -> None:
    """After a change of lines. Raises AmountTooLarge."""
    whole = ticket.jobs.prefetch_related("labour_lines", "part_lines", "fee_lines")
    if pricing.amounts_of_jobs(whole).gross > MAX_AMOUNT:
        raise AmountTooLarge


def _release(job: Job, *, actor: User | None, now: datetime) -> None:
    _lock_parts(job.ticket)
    stock.release(lines=list(job.part_lines.all()), actor=actor, now=now)


def _settle(ticket: ServiceTicket, *, lacked: bool, actor: User | None, now: datetime, via: str) -> None:
    """A ticket on hold for parts may lack none any more: what the changed job freed may be what another one lacks, and
    if it `lacked` some itself, it is out of the way."""
    if ticket.status == Status.ON_HOLD:
        waiting.resume(tickets=[ticket], lacked=lacked, actor=actor, now=now)
    settle_ticket(ticket, actor=actor, now=now, via=via)


def _lock_parts(ticket: ServiceTicket) -> None:
    """All of the ticket's, by id: several jobs decided in one transaction, or a release before a reservation, would
    else take them in an order of their own."""
    stock.lock_parts(part_ids=PartLine.objects.filter(job__ticket=ticket).values_list("part_id", flat=True))
