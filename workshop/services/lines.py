"""The lines of a job: labour, parts and fees. Writing one is a change of what the customer agreed to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from django.db import transaction

from accounts.models import User
from common.errors import Conflict, NotFound
from workshop.models import FeeLine, Job, LabourLine, PartLine
from workshop.services.jobs import check_amount, lock_editable_job, reopen_agreement
from workshop.services.states import record
from workshop.services.tickets import PriceNotAllowed, may_price

MAX_LINES = 100

Line = TypeVar("Line", LabourLine, PartLine, FeeLine)


class TooManyLines(Conflict):
    """A job is read as a whole."""

    code = "too_many_lines"
    detail = f"A job has at most {MAX_LINES} lines of a kind."


@transaction.atomic
def add_labour_line(*, job: Job, data: Mapping[str, Any], actor: User, now: datetime) -> LabourLine:
    """Hours of a mechanic, at the mechanic's rate of today. Raises what `lock_editable_job` raises, TooManyLines,
    AmountTooLarge."""
    line = LabourLine(job=job, rate=data["mechanic"].hourly_rate, **data)
    return _add(line, actor=actor, now=now)


@transaction.atomic
def add_part_line(*, job: Job, data: Mapping[str, Any], actor: User, now: datetime) -> PartLine:
    """Some of a part, with its name and prices of today; staff may name a price of their own.

    Raises PriceNotAllowed and what `add_labour_line` raises.
    """
    if "price" in data and not may_price(actor):
        raise PriceNotAllowed(attr="price")
    part = data["part"]
    snapshot = {"name": part.name, "sku": part.sku, "unit": part.unit, "price": part.price, "cost": part.cost}
    return _add(PartLine(job=job, **{**snapshot, **data}), actor=actor, now=now)


@transaction.atomic
def add_fee_line(*, job: Job, data: Mapping[str, Any], actor: User, now: datetime) -> FeeLine:
    """A charge, which is a price and therefore staff's. Raises what `add_part_line` raises."""
    if not may_price(actor):
        raise PriceNotAllowed(attr="amount")
    return _add(FeeLine(job=job, **data), actor=actor, now=now)


@transaction.atomic
def update_line(*, line: Line, data: Mapping[str, Any], actor: User, now: datetime) -> Line:
    """Change the named fields. Another mechanic's hours cost that mechanic's rate of today.

    Raises PriceNotAllowed, TicketClosed, JobInProgress, AmountTooLarge, NotFound.
    """
    job = lock_editable_job(line.job)
    line = _locked(line, job)
    changed: dict[str, Any] = {name: value for name, value in data.items() if getattr(line, name) != value}
    if not changed:
        return line
    _check_price(line, changed, actor)
    note = "; ".join(f"{name}: {getattr(line, name)} -> {value}" for name, value in changed.items())
    if isinstance(line, LabourLine) and "mechanic" in changed:
        changed["rate"] = changed["mechanic"].hourly_rate
    reopen_agreement(job, actor=actor, now=now)  # Before: what is released is the old quantity.
    line = _locked(line, job)
    for name, value in changed.items():
        setattr(line, name, value)
    line.save(update_fields=[*changed, "updated_at"])
    check_amount(job.ticket)
    record(job.ticket, "line_changed", job=job, note=f"{_text(line)}: {note}", actor=actor, now=now)
    return line


@transaction.atomic
def remove_line(*, line: Line, actor: User, now: datetime) -> None:
    """Take a line off its job. Raises TicketClosed, JobInProgress, NotFound, and PriceNotAllowed for fees."""
    job = lock_editable_job(line.job)
    line = _locked(line, job)
    if isinstance(line, FeeLine):
        _check_price(line, {"amount": None}, actor)
    reopen_agreement(job, actor=actor, now=now)
    record(job.ticket, "line_removed", job=job, note=_text(line), actor=actor, now=now)
    line.delete()


def _add(line: Line, *, actor: User, now: datetime) -> Line:
    line.job = job = lock_editable_job(line.job)
    if type(line)._default_manager.filter(job=job).count() >= MAX_LINES:
        raise TooManyLines
    reopen_agreement(job, actor=actor, now=now)
    line.save()
    check_amount(job.ticket)
    record(job.ticket, "line_added", job=job, note=_text(line), actor=actor, now=now)
    return line


def _locked(line: Line, job: Job) -> Line:
    """The line as it is under the ticket's lock. Raises NotFound when it was deleted meanwhile."""
    found = type(line)._default_manager.filter(pk=line.pk).first()
    if found is None:
        raise NotFound
    found.job = job
    return found


def _check_price(line: LabourLine | PartLine | FeeLine, changed: Mapping[str, Any], actor: User) -> None:
    prices = {"price", "amount"} & changed.keys()
    if (prices or isinstance(line, FeeLine)) and not may_price(actor):
        raise PriceNotAllowed(attr=min(prices, default=None))


def _text(line: LabourLine | PartLine | FeeLine) -> str:
    if isinstance(line, LabourLine):
        return f"{line.hours} h {line.mechanic.display_name} at {line.rate}"
    if isinstance(line, PartLine):
        return f"{line.quantity} {line.unit} {line.sku} at {line.price}"
    return f"{line.title} {line.amount}"
