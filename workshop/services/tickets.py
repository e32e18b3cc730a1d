"""Service tickets: taking them in, who works on them, and their way through the workshop (services.states)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from accounts.models import User
from cars.models import Vehicle, VehicleEvent
from cars.services import check_vin, record_event, record_odometer, register_vehicle
from common.errors import Conflict, Forbidden, Unprocessable
from workshop import caches
from workshop.models import Customer, Job, Mechanic, PartLine, ServiceTicket
from workshop.services import messages, stock
from workshop.services.clocks import stop_clocks
from workshop.services.customers import customer_of, lock_customer
from workshop.services.states import (
    State,
    Status,
    Via,
    lock_ticket,
    move_job,
    move_ticket,
    record,
    require_editable,
    require_status,
    settle_ticket,
)

RETURN, WRITE_OFF = "return", "write_off"


class CustomerRequired(Unprocessable):
    """Staff say whose vehicle it is; only a customer's own request goes without."""

    code = "customer_required"
    detail = "Name the customer."


class VehicleRequired(Unprocessable):
    """A ticket is about a vehicle."""

    code = "vehicle_required"
    detail = "Name the vehicle, or its VIN."


class VehicleOfAnother(Unprocessable):
    """The vehicle belongs to somebody who is not this customer."""

    code = "vehicle_of_another"
    detail = "This vehicle belongs to somebody else."


class VinMismatch(Unprocessable):
    """The VIN that was sent is not that of the vehicle."""

    code = "vin_mismatch"
    detail = "The vehicle has another VIN."


class OdometerBackwards(Unprocessable):
    """It showed more when the vehicle came than when it left."""

    code = "odometer_backwards"
    detail = "odometer_out is below odometer_in."


class StaffOnly(Forbidden):
    """A customer's request does not promise anything on the workshop's behalf."""

    code = "staff_only"
    detail = "Only staff can set this."


class PriceNotAllowed(Forbidden):
    """Mechanics say what is needed; what it costs is staff's."""

    code = "price_not_allowed"
    detail = "Only service advisors set prices."


class AddedAndRemoved(Unprocessable):
    """One id in both lists."""

    code = "added_and_removed"
    detail = "A mechanic cannot be added and removed at once."


class NotReady(Conflict):
    """The ticket cannot be completed; `meta.reasons` lists everything that is missing."""

    code = "not_ready"
    detail = "This ticket is not ready to be completed."


class ConsumedParts(Conflict):
    """Parts were used already; whoever cancels says what became of them. `meta.lines` lists them."""

    code = "consumed_parts"
    detail = "Parts of this ticket were used. Say whether they are returned or written off."


def may_price(user: User) -> bool:
    """Whether the user sets prices: service advisors do, mechanics do not."""
    return user.has_perm("workshop.change_serviceticket")


@transaction.atomic
def create_ticket(*, data: Mapping[str, Any], actor: User, now: datetime) -> ServiceTicket:
    """Take in a vehicle, for `data["customer"]`. A VIN that the garage does not know is registered there.

    Raises CustomerRequired, VehicleRequired, VehicleOfAnother, VinMismatch, InvalidVin.
    """
    fields = dict(data)
    customer = fields.pop("customer", None)
    if customer is None:
        raise CustomerRequired(attr="customer")
    return _open(customer, fields, actor=actor, now=now, own_request=False)


@transaction.atomic
def request_ticket(*, data: Mapping[str, Any], user: User, now: datetime) -> ServiceTicket:
    """A customer asks for a service. The first time makes or finds the user's customer row.

    Raises StaffOnly, EmailNotVerified, CustomerEmailTaken, and what `create_ticket` raises of the vehicle.
    """
    fields = dict(data)
    fields.pop("customer", None)  # The caller's own: the body's field shows them no other.
    if fields.get("promised_at") is not None:
        raise StaffOnly(attr="promised_at")
    customer = customer_of(user=user)
    return _open(customer, fields, actor=user, now=now, own_request=True)


@transaction.atomic
def update_ticket(*, ticket: ServiceTicket, data: Mapping[str, Any], actor: User, now: datetime) -> ServiceTicket:
    """Change the named fields. Raises TicketClosed, OdometerBackwards, and what `create_ticket` raises of the
    vehicle."""
    ticket = lock_ticket(ticket.pk)
    require_editable(ticket)
    changes = dict(data)
    if "vehicle" in changes or "vin" in changes:
        changes["vehicle"], changes["vin"] = _identify(
            ticket.customer,
            changes.get("vehicle"),
            changes.get("vin", ""),
            actor=actor,
            now=now,
            own_request=False,
        )
    for name, value in changes.items():
        setattr(ticket, name, value)
    came, left = ticket.odometer_in, ticket.odometer_out
    if came is not None and left is not None and left < came:
        raise OdometerBackwards(attr="odometer_out" if "odometer_out" in changes else "odometer_in")
    ticket.save(update_fields=[*changes, "updated_at"])
    caches.leaderboard.bump_on_commit()
    return ticket


@transaction.atomic
def edit_mechanics(
    *,
    ticket: ServiceTicket,
    add: Collection[Mechanic],
    remove: Collection[Mechanic],
    actor: User,
    now: datetime,
) -> ServiceTicket:
    """Assign mechanics and take others off, all or nothing; one that is there already, or is not, is no error. The
    clocks of those who leave stop. Raises AddedAndRemoved, TicketClosed."""
    both = sorted({mechanic.pk for mechanic in add} & {mechanic.pk for mechanic in remove})
    if both:
        raise AddedAndRemoved(attr="remove_ids", meta={"ids": both})
    ticket = lock_ticket(ticket.pk)
    require_editable(ticket)
    present = set(ticket.mechanics.all())
    new, gone = [row for row in add if row not in present], [row for row in remove if row in present]
    ticket.mechanics.add(*new)
    ticket.mechanics.remove(*gone)
    if gone:
        stop_clocks(ticket=ticket, mechanics=gone, now=now)
    if new or gone:
        changes = [f"+{row.display_name}" for row in new] + [f"-{row.display_name}" for row in gone]
        record(ticket, "mechanics", note=", ".join(changes), actor=actor, now=now)
        caches.leaderboard.bump_on_commit()
    return ticket


@transaction.atomic
def start_ticket(*, ticket: ServiceTicket, actor: User, now: datetime) -> ServiceTicket:
    """Begin the work, or go back to it from the review. Raises InvalidTransition."""
    ticket = lock_ticket(ticket.pk)
    require_status(ticket, Status.AUTHORISED, Status.REVIEW, to=Status.IN_PROGRESS)
    move_ticket(ticket, Status.IN_PROGRESS, actor=actor, now=now)
    return ticket


@transaction.atomic
def hold_ticket(*, ticket: ServiceTicket, reason: str, note: str, actor: User, now: datetime) -> ServiceTicket:
    """Let the work rest; clocks stop. Raises InvalidTransition."""
    ticket = lock_ticket(ticket.pk)
    _hold(ticket, reason, actor=actor, now=now, via=Via.STAFF, note=note)
    stop_clocks(ticket=ticket, now=now)
    return ticket


def hold_for_parts(ticket: ServiceTicket, *, actor: User | None, now: datetime, via: str) -> None:
    """A job of a locked ticket lacks parts: it rests until they come, but clocks on its other jobs run on. A ticket
    that rests already, or was not authorised, stays as it is."""
    if ticket.status == Status.REVIEW:
        move_ticket(ticket, Status.IN_PROGRESS, actor=actor, now=now, via=via)
    if ticket.status in (Status.AUTHORISED, Status.IN_PROGRESS):
        _hold(ticket, ServiceTicket.HoldReason.PARTS, actor=actor, now=now, via=via)


@transaction.atomic
def resume_ticket(*, ticket: ServiceTicket, actor: User, now: datetime) -> ServiceTicket:
    """Go on where it was put on hold, whatever the reason was. Raises InvalidTransition."""
    ticket = lock_ticket(ticket.pk)
    require_status(ticket, Status.ON_HOLD, to=ticket.held_from or Status.IN_PROGRESS)
    move_ticket(ticket, ticket.held_from, actor=actor, now=now)
    settle_ticket(ticket, actor=actor, now=now)
    return ticket


@transaction.atomic
def review_ticket(*, ticket: ServiceTicket, actor: User, now: datetime) -> ServiceTicket:
    """The work is looked over. Raises InvalidTransition."""
    ticket = lock_ticket(ticket.pk)
    move_ticket(ticket, Status.REVIEW, actor=actor, now=now)
    return ticket


@transaction.atomic
def complete_ticket(*, ticket: ServiceTicket, actor: User, now: datetime) -> ServiceTicket:
    """The vehicle can leave: its timeline and odometer are written and the customer is told.

    Raises NotReady with all reasons, InvalidTransition, OdometerRollback.
    """
    ticket = lock_ticket(ticket.pk)
    if ticket.status in (Status.AUTHORISED, Status.IN_PROGRESS, Status.ON_HOLD, Status.REVIEW):
        reasons = _what_is_missing(ticket)
        if reasons:
            raise NotReady(meta={"reasons": reasons})
    require_status(ticket, Status.REVIEW, to=Status.COMPLETED)
    move_ticket(ticket, Status.COMPLETED, actor=actor, now=now, completed_at=now)
    _write_to_vehicle(ticket, actor=actor, now=now)
    messages.tell_customer(
        customer=ticket.customer,
        kind=messages.TICKET_COMPLETED,
        title=f"{ticket.number}: your vehicle is ready",
        body="The work on your vehicle is done and it can be collected.",
        data={"ticket": ticket.pk},
        now=now,
    )
    return ticket


@transaction.atomic
def cancel_ticket(
    *, ticket: ServiceTicket, reason: str, consumed_parts: str | None, actor: User, now: datetime
) -> ServiceTicket:
    """Call it off, before it is completed. Reservations are free again, clocks stop; parts that were used are returned
    or written off as `consumed_parts` says (`return`, `write_off`).

    Raises ConsumedParts, InvalidTransition.
    """
    ticket = lock_ticket(ticket.pk)
    lines = list(PartLine.objects.filter(job__ticket=ticket))
    consumed = [line for line in lines if line.stock == PartLine.Stock.CONSUMED]
    move_ticket(ticket, Status.CANCELLED, actor=actor, now=now, note=reason)
    if consumed and consumed_parts is None:
        raise ConsumedParts(meta={"lines": [_facts(line) for line in consumed]})
    stock.lock_parts(part_ids={line.part_id for line in lines})
    stock.release(lines=lines, actor=actor, now=now)
    if consumed_parts == RETURN:
        stock.give_back(lines=consumed, actor=actor, now=now, reason=f"{ticket.number} was cancelled.")
    elif consumed_parts == WRITE_OFF:
        stock.write_off(lines=consumed, actor=actor, now=now, reason=f"{ticket.number} was cancelled.")
    stop_clocks(ticket=ticket, now=now)
    # What is only proposed stays so: nothing is kept for it, and cancelled jobs are among those that customers see.
    for job in ticket.jobs.exclude(state__in=[State.PROPOSED, State.CANCELLED, State.DECLINED]):
        job.ticket = ticket
        move_job(job, State.CANCELLED, actor=actor, now=now)
    return ticket


@transaction.atomic
def reopen_ticket(*, ticket: ServiceTicket, actor: User, now: datetime) -> ServiceTicket:
    """Take a completed ticket, which is not invoiced, back into work. Raises InvalidTransition."""
    ticket = lock_ticket(ticket.pk)
    require_status(ticket, Status.COMPLETED, to=Status.IN_PROGRESS)
    move_ticket(ticket, Status.IN_PROGRESS, actor=actor, now=now, completed_at=None)
    return ticket


def _open(
    customer: Customer, fields: dict[str, Any], *, actor: User, now: datetime, own_request: bool
) -> ServiceTicket:
    customer = lock_customer(customer.pk)  # Against an erasure meanwhile.
    vehicle, vin = _identify(
        customer,
        fields.pop("vehicle", None),
        fields.pop("vin", ""),
        actor=actor,
        now=now,
        own_request=own_request,
    )
    ticket = ServiceTicket.objects.create(customer=customer, vehicle=vehicle, vin=vin, created_by=actor, **fields)
    note = "Requested by the customer." if own_request else ""
    record(ticket, "status", new=ticket.status, note=note, actor=actor, now=now)
    return ticket


def _identify(
    customer: Customer,
    vehicle: Vehicle | None,
    vin: str,
    *,
    actor: User,
    now: datetime,
    own_request: bool,
) -> tuple[Vehicle | None, str]:
    """Vehicle and VIN of a ticket, from what was sent of the two."""
    if vehicle is None and not vin:
        raise VehicleRequired(attr="vehicle")
    if vin:
        vin = check_vin(vin=vin, exempt_reason=vehicle.vin_exempt_reason if vehicle else "", now=now).vin
    if vehicle is None:
        return _vehicle_by_vin(customer, vin, actor=actor, now=now, own_request=own_request), vin
    if vehicle.owner_id and customer.user_id and vehicle.owner_id != customer.user_id:
        raise VehicleOfAnother(attr="vehicle")
    if vin and vehicle.vin and vin != vehicle.vin:
        raise VinMismatch(attr="vin")
    return vehicle, vehicle.vin or vin


def _vehicle_by_vin(customer: Customer, vin: str, *, actor: User, now: datetime, own_request: bool) -> Vehicle | None:
    """The customer's vehicle of that VIN, or a new one when nobody has it. Staff may take one without an owner too;
    to a customer it would open another's timeline. None: the ticket has the VIN only, and says nothing of whose the
    vehicle is."""
    vehicle = Vehicle.objects.live().filter(vin=vin).first()
    if vehicle is None:
        return register_vehicle(owner=customer.user, actor=actor, data={"vin": vin}, now=now)
    is_own = vehicle.owner_id is not None and vehicle.owner_id == customer.user_id
    return vehicle if is_own or (vehicle.owner_id is None and not own_request) else None


def _hold(ticket: ServiceTicket, reason: str, *, actor: User | None, now: datetime, via: str, note: str = "") -> None:
    move_ticket(
        ticket,
        Status.ON_HOLD,
        actor=actor,
        now=now,
        via=via,
        note=": ".join(filter(None, (reason, note))),
        hold_reason=reason,
        held_from=ticket.status,
    )


def _what_is_missing(ticket: ServiceTicket) -> list[dict[str, Any]]:
    reasons: list[dict[str, Any]] = []
    open_jobs = list(ticket.jobs.filter(state__in=Job.OPEN).values_list("pk", flat=True))
    if open_jobs:
        reasons.append({"code": "open_jobs", "jobs": open_jobs})
    if ticket.odometer_out is None:
        reasons.append({"code": "odometer_out_missing"})
    if not ticket.mechanics.exists():
        reasons.append({"code": "no_mechanic"})
    if ticket.status == Status.ON_HOLD:
        reasons.append({"code": "on_hold", "hold_reason": ticket.hold_reason})
    elif ticket.status != Status.REVIEW:
        reasons.append({"code": "not_reviewed"})
    return reasons


def _write_to_vehicle(ticket: ServiceTicket, *, actor: User, now: datetime) -> None:
    """Archived vehicles get the event alone: they have no odometer to write any more."""
    if ticket.vehicle is None or ticket.odometer_out is None:
        return
    live = Vehicle.objects.live().select_for_update(of=("self",)).filter(pk=ticket.vehicle.pk).first()
    if live is not None:
        record_odometer(
            vehicle=live,
            value=ticket.odometer_out,
            unit=live.mileage_unit,
            source="workshop",
            actor=actor,
            now=now,
        )
    record_event(
        vehicle=live or ticket.vehicle,
        kind=VehicleEvent.Kind.SERVICED,
        actor=actor,
        at=now,
        reference=f"ticket:{ticket.pk}",
        public_summary=f"Serviced at {ticket.odometer_out:,} {ticket.vehicle.mileage_unit}.",
        private_summary=f"{ticket.number}: {_work_done(ticket)}",
    )


def _work_done(ticket: ServiceTicket) -> str:
    return "; ".join(ticket.jobs.filter(state=State.FINISHED).values_list("title", flat=True)) or "nothing to do"


def _facts(line: PartLine) -> dict[str, Any]:
    return {"line": line.pk, "job": line.job_id, "part": line.part_id, "sku": line.sku, "quantity": line.quantity}
