"""The two state machines, tickets and jobs: which moves there are, and the one function that makes each. Callers hold
the ticket's lock (`lock_ticket`), which stands for all of its jobs and lines (docs/locking.md)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from accounts.models import User
from common.errors import Conflict, NotFound
from common.transitions import check_transition
from workshop import caches
from workshop.models import Job, ServiceTicket, TicketEvent

Status = ServiceTicket.Status
State = Job.State
Via = TicketEvent.Via

TICKET_MOVES: Mapping[str, tuple[str, ...]] = {
    Status.DRAFT: (Status.AWAITING_AUTHORISATION, Status.AUTHORISED, Status.DECLINED, Status.CANCELLED),
    Status.AWAITING_AUTHORISATION: (Status.AUTHORISED, Status.DECLINED, Status.DRAFT, Status.CANCELLED),
    Status.AUTHORISED: (
        Status.IN_PROGRESS, Status.ON_HOLD, Status.AWAITING_AUTHORISATION, Status.DECLINED, Status.DRAFT,
        Status.CANCELLED,
    ),
    Status.IN_PROGRESS: (Status.REVIEW, Status.ON_HOLD, Status.CANCELLED),
    Status.ON_HOLD: (Status.AUTHORISED, Status.IN_PROGRESS, Status.CANCELLED),
    Status.REVIEW: (Status.COMPLETED, Status.IN_PROGRESS, Status.CANCELLED),
    Status.COMPLETED: (Status.INVOICED, Status.IN_PROGRESS),
    Status.INVOICED: (Status.PAID, Status.COMPLETED),
    Status.PAID: (Status.INVOICED, Status.COMPLETED),
    Status.DECLINED: (Status.AWAITING_AUTHORISATION, Status.AUTHORISED, Status.CANCELLED),
}  # fmt: skip
JOB_MOVES: Mapping[str, tuple[str, ...]] = {
    State.PROPOSED: (State.AUTHORISATION_REQUIRED, State.AUTHORISED, State.DECLINED),
    State.AUTHORISATION_REQUIRED: (State.AUTHORISED, State.DECLINED, State.PROPOSED, State.CANCELLED),
    State.AUTHORISED: (
        State.IN_PROGRESS, State.FINISHED, State.AUTHORISATION_REQUIRED, State.DECLINED, State.CANCELLED,
    ),
    State.DECLINED: (State.AUTHORISED, State.PROPOSED, State.AUTHORISATION_REQUIRED, State.CANCELLED),
    State.IN_PROGRESS: (State.FINISHED, State.CANCELLED),
    State.FINISHED: (State.CANCELLED,),
}  # fmt: skip


class TicketClosed(Conflict):
    """The ticket is finished, invoiced or cancelled: nothing about its jobs changes any more."""

    code = "ticket_closed"
    detail = "This ticket is closed."


def lock_ticket(ticket_id: int) -> ServiceTicket:
    """The ticket's row, locked before its jobs, lines and parts. Raises NotFound."""
    ticket = ServiceTicket.objects.select_for_update(of=("self",), no_key=True).filter(pk=ticket_id).first()
    if ticket is None:
        raise NotFound
    return ticket


def lock_job(job_id: int) -> Job:
    """The job, under the lock of its ticket: `job.ticket` is the locked row. Raises NotFound."""
    ticket_id = Job.objects.filter(pk=job_id).values_list("ticket_id", flat=True).first()
    if ticket_id is None:
        raise NotFound
    ticket = lock_ticket(ticket_id)
    job = Job.objects.filter(pk=job_id).first()
    if job is None:  # Deleted while we waited.
        raise NotFound
    job.ticket = ticket
    return job


def require_status(ticket: ServiceTicket, *statuses: str, to: str) -> None:
    """For a command that starts from fewer statuses than the machine has moves to `to`. Raises InvalidTransition."""
    check_transition(current=ticket.status, to=to, allowed=dict.fromkeys(statuses, (to,)))


def require_editable(ticket: ServiceTicket) -> None:
    """Raises TicketClosed unless jobs, lines and mechanics may change."""
    if ticket.status not in ServiceTicket.EDITABLE:
        raise TicketClosed(meta={"status": ticket.status})


def supersede_estimate(ticket: ServiceTicket) -> None:
    """Something that the customer was shown has changed on a locked ticket: links to the present estimate are void."""
    ticket.estimate_version += 1
    ticket.save(update_fields=["estimate_version", "updated_at"])


def move_ticket(
    ticket: ServiceTicket,
    to: str,
    *,
    actor: User | None,
    now: datetime,
    via: str = Via.STAFF,
    note: str = "",
    **changes: Any,
) -> None:
    """Change a locked ticket's status, with `changes` to other fields, and write its event. Raises
    InvalidTransition."""
    check_transition(current=ticket.status, to=to, allowed=TICKET_MOVES)
    old, ticket.status = ticket.status, to
    if to != Status.ON_HOLD:
        changes = {"hold_reason": "", "held_from": ""} | changes
    for name, value in changes.items():
        setattr(ticket, name, value)
    ticket.save(update_fields=["status", "updated_at", *changes])
    record(ticket, "status", old=old, new=to, actor=actor, now=now, via=via, note=note)
    caches.leaderboard.bump_on_commit()


def move_job(
    job: Job,
    to: str,
    *,
    actor: User | None,
    now: datetime,
    via: str = Via.STAFF,
    note: str = "",
) -> None:
    """Change the state of a job whose ticket is locked, and write its event. Raises InvalidTransition."""
    check_transition(current=job.state, to=to, allowed=JOB_MOVES)
    old, job.state = job.state, to
    if to == State.AUTHORISED:
        job.authorised_at = now
    elif to == State.FINISHED:
        job.finished_at = now
    job.save(update_fields=["state", "authorised_at", "finished_at", "updated_at"])
    record(job.ticket, "job_state", job=job, old=old, new=to, actor=actor, now=now, via=via, note=note)


def settle_ticket(ticket: ServiceTicket, *, actor: User | None, now: datetime, via: str = Via.STAFF) -> None:
    """Bring a locked ticket's status in line with its jobs, after one of them was authorised, declined or reset.

    Work that has begun goes on whatever happens to other jobs: only tickets before it are settled.
    """
    if ticket.status not in (Status.DRAFT, Status.AWAITING_AUTHORISATION, Status.AUTHORISED, Status.DECLINED):
        return
    states = set(ticket.jobs.exclude(state=State.CANCELLED).values_list("state", flat=True))
    if states & set(Job.AGREED):
        target = Status.AUTHORISED
    elif states == {State.DECLINED}:
        target = Status.DECLINED
    elif states & {State.AUTHORISATION_REQUIRED}:
        target = Status.AWAITING_AUTHORISATION
    elif ticket.status in (Status.AWAITING_AUTHORISATION, Status.AUTHORISED):
        target = Status.DRAFT  # Nothing is agreed on any more, and nothing waits for an answer.
    else:
        return
    if ticket.status != target:
        move_ticket(ticket, target, actor=actor, now=now, via=via)


def record(
    ticket: ServiceTicket,
    kind: str,
    *,
    actor: User | None,
    now: datetime,
    job: Job | None = None,
    old: str = "",
    new: str = "",
    note: str = "",
    via: str = Via.STAFF,
) -> TicketEvent:
    """Append to the ticket's history, in the caller's transaction. Notes are cut at 300 characters."""
    return TicketEvent.objects.create(
        ticket=ticket, job=job, kind=kind, old=old, new=new, note=note[:300], via=via, actor=actor, at=now
    )
