"""Tickets whose jobs were authorised without all of their parts, and what is done for them when stock comes in.

Whoever brings stock in does it in one transaction and in this order, which is the lock order of docs/locking.md:

    tickets = lock_waiting(part_ids=ids)
    lock_parts(part_ids=ids, tickets=tickets)
    ...  # The stock itself.
    resume(tickets=tickets, actor=actor, now=now)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import groupby

import structlog
from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.db.models.functions import Round

from accounts.models import User
from common.doorbell import ring_on_commit
from workshop.models import Job, Part, PartLine, ServiceTicket
from workshop.services import stock
from workshop.services.states import Via, move_ticket

logger = structlog.get_logger(__name__)


def lacking_lines() -> QuerySet[PartLine]:
    """Lines that the customer agreed to and no stock is reserved for."""
    return PartLine.objects.filter(
        stock=PartLine.Stock.NONE, job__state__in=Job.OPEN, job__ticket__status__in=ServiceTicket.EDITABLE
    )


def lock_waiting(*, part_ids: Collection[int]) -> list[ServiceTicket]:
    """The tickets that lack some of these parts, locked by id. Most are on hold for parts; the others go on with what
    does not need them."""
    lacking = lacking_lines().filter(job__ticket=OuterRef("pk"), part_id__in=part_ids)
    tickets = ServiceTicket.objects.filter(Exists(lacking), status__in=ServiceTicket.EDITABLE)
    return list(tickets.select_for_update(of=("self",), no_key=True).order_by("pk"))


def lock_parts(*, part_ids: Collection[int], tickets: Sequence[ServiceTicket]) -> dict[int, Part]:
    """These parts and all that the locked `tickets` lack, locked by id before the first of them changes: what one
    ticket takes must not come after what the other took.

    A ticket that came to lack one of them after the tickets were locked is left to the sweep, which is rung for: a
    ticket is never locked after a part.
    """
    parts = stock.lock_parts(part_ids={*part_ids, *_lacked_by(tickets).values_list("part_id", flat=True)})
    if lacking_lines().filter(part_id__in=part_ids).exclude(job__ticket__in=tickets).exists():
        ring_on_commit("workshop.tasks.resume_waiting")
    return parts


def lacks_parts(job: Job) -> bool:
    """Whether the locked ticket of the job is on hold for parts and this job lacks some."""
    return _is_held_for_parts(job.ticket) and lacking_lines().filter(job=job).exists()


def resume(
    *, tickets: Sequence[ServiceTicket], actor: User | None, now: datetime, lacked: bool = False
) -> list[ServiceTicket]:
    """Reserve what locked tickets lack, the oldest promise first and each job all or nothing. A ticket that was on
    hold for parts and lacks none any more goes on; answers these. Twice is harmless.

    A ticket that lacked nothing before is held for a part that no line tells of, and stays so; `lacked` says that one
    lacked some until now.
    """
    parts = lock_parts(part_ids=(), tickets=tickets)
    available = {pk: part.available for pk, part in parts.items()}
    lacking: dict[int, list[PartLine]] = defaultdict(list)
    for line in _lacked_by(tickets).select_related("job").order_by("job_id", "pk"):
        lacking[line.job.ticket_id].append(line)
    resumed = []
    for ticket in sorted(tickets, key=_promise):
        satisfied = [
            _reserve_job(list(lines), available, actor=actor, now=now)
            for _, lines in groupby(lacking[ticket.pk], key=lambda line: line.job_id)
        ]
        if (satisfied or lacked) and all(satisfied) and _is_held_for_parts(ticket):
            note = "All parts are reserved."
            move_ticket(ticket, ticket.held_from, actor=actor, now=now, via=Via.SYSTEM, note=note)
            resumed.append(ticket)
    return resumed


def resume_waiting(*, now: datetime) -> int:
    """The sweep for stock that came free otherwise: counted, released, given back. Each ticket for which something is
    there is handled in its own transaction, the oldest promise first; one that somebody else holds has its turn next
    time. Answers how many resumed."""
    # Rounded, because SQLite adds decimals as floats.
    reserved_then = Round(F("part__reserved") + F("quantity"), precision=stock.PLACES)
    there_is_one = lacking_lines().alias(reserved_then=reserved_then).filter(part__on_hand__gte=F("reserved_then"))
    hopeful = ServiceTicket.objects.filter(
        Exists(there_is_one.filter(job__ticket=OuterRef("pk"))), status__in=ServiceTicket.EDITABLE
    )
    resumed = 0
    for pk in hopeful.order_by(F("promised_at").asc(nulls_last=True), "pk").values_list("pk", flat=True):
        try:
            with transaction.atomic():
                locked = hopeful.filter(pk=pk).select_for_update(of=("self",), no_key=True, skip_locked=True)
                resumed += len(resume(tickets=list(locked), actor=None, now=now))
        except Exception:
            logger.exception("resume_waiting_failed", ticket=pk)
    return resumed


def _lacked_by(tickets: Sequence[ServiceTicket]) -> QuerySet[PartLine]:
    return lacking_lines().filter(job__ticket__in=tickets)


def _promise(ticket: ServiceTicket) -> tuple[bool, float, int]:
    """Sorts the oldest promise first, those without one last."""
    promised = ticket.promised_at
    return promised is None, promised.timestamp() if promised else 0.0, ticket.pk


def _is_held_for_parts(ticket: ServiceTicket) -> bool:
    return (ticket.status, ticket.hold_reason) == (ServiceTicket.Status.ON_HOLD, ServiceTicket.HoldReason.PARTS)


def _reserve_job(lines: list[PartLine], available: dict[int, Decimal], *, actor: User | None, now: datetime) -> bool:
    """Reserve all lines of a job if its parts, which are locked, suffice; `available` is kept in step."""
    needed: dict[int, Decimal] = defaultdict(Decimal)
    for line in lines:
        needed[line.part_id] += line.quantity
    if any(available[part_id] < quantity for part_id, quantity in needed.items()):
        return False
    stock.reserve(lines=lines, actor=actor, now=now)
    for part_id, quantity in needed.items():
        available[part_id] -= quantity
    return True
