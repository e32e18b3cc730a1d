"""Estimates: what a customer is asked, the signed link to it, and what becomes of the answer.

The token is the signed id of an EstimateLink, so it can be made again whenever it is needed and is stored nowhere. A
link shows the ticket's estimate in one version; whatever changes a job that the customer was shown, and every new
sending, raises the version (`states.supersede_estimate`), and the link is void."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core import signing
from django.db import models, transaction
from django.db.models import Prefetch, QuerySet
from django.urls import reverse

from accounts.models import Notification, User
from accounts.registry import MailContent
from cars.models import VehicleEvent
from cars.services import record_event
from common import clock
from common.errors import Conflict, NotFound, Unprocessable
from common.money import Amounts, total_of
from workshop.models import EstimateLink, InvoiceLine, Job, LabourLine, PartLine, ServiceTicket
from workshop.pricing import Line, amounts_of_line, lines_of
from workshop.services import jobs as job_service
from workshop.services import messages
from workshop.services.states import (
    State,
    Status,
    TicketClosed,
    Via,
    lock_ticket,
    move_job,
    move_ticket,
    record,
    require_editable,
    supersede_estimate,
)

GOOD_FOR = timedelta(days=14)
STAFF = "workshop.change_serviceticket"  # Whose holders are told what customers decide.
HIDDEN = (State.PROPOSED, State.CANCELLED)  # Never put before the customer, or not any more.
_SALT = "workshop.estimates.link"
_LINES = (
    Prefetch("labour_lines", LabourLine.objects.select_related("mechanic")),
    "part_lines",
    "fee_lines",
)


class Decision(models.TextChoices):
    """What a customer says to one job."""

    AUTHORISE = "authorise"
    DECLINE = "decline"


class NothingToAuthorise(Conflict):
    """No job of the ticket waits for the customer or could be put before them."""

    code = "nothing_to_authorise"
    detail = "This ticket has no job to decide on."


class JobWithoutLines(Conflict):
    """A job that costs nothing is a slip; `meta.jobs` has the ids."""

    code = "job_without_lines"
    detail = "A job has no lines yet."


class NoEstimate(Conflict):
    """There is no link that could be revoked."""

    code = "no_estimate"
    detail = "No estimate of this ticket is out."


class EstimateSuperseded(Conflict):
    """What the link shows has changed since, or a newer one was sent."""

    code = "estimate_superseded"
    detail = "This estimate has been replaced by a newer one."


class UnknownJob(Unprocessable):
    """The estimate has no such job."""

    code = "does_not_exist"
    detail = "This estimate has no such job."


class DecidedTwice(Unprocessable):
    """The same job twice in one answer."""

    code = "duplicate_job"
    detail = "This job is in the list twice."


class JobNotOpen(Conflict):
    """The job does not wait for a decision; `meta` has its id and its state."""

    code = "job_not_open"
    detail = "This job does not wait for a decision."


# --- What the customer sees --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EstimateLine:
    """One line as the customer reads it; what a part cost the workshop is not in it."""

    kind: str
    description: str
    quantity: Decimal
    unit: str
    unit_price: Decimal
    amounts: Amounts


@dataclass(frozen=True, slots=True)
class EstimateJob:
    id: int
    title: str
    state: str
    tax_rate: Decimal
    lines: list[EstimateLine]
    amounts: Amounts

    @property
    def is_open(self) -> bool:
        return self.state == State.AUTHORISATION_REQUIRED


@dataclass(frozen=True, slots=True)
class Estimate:
    """A ticket as its customer sees it through a link."""

    link: EstimateLink
    ticket: ServiceTicket
    jobs: list[EstimateJob]

    @property
    def vehicle(self) -> str:
        """As its owner would say it: year, make and model, else the plate, else the VIN."""
        vehicle = self.ticket.vehicle
        if vehicle is None:
            return self.ticket.vin
        name = " ".join(str(part) for part in (vehicle.year, vehicle.make, vehicle.model) if part)
        return name or vehicle.plate or self.ticket.vin

    @property
    def currency(self) -> str:
        return str(settings.DEFAULT_CURRENCY)

    @property
    def plate(self) -> str:
        return self.ticket.vehicle.plate if self.ticket.vehicle else ""

    @property
    def can_decide(self) -> bool:
        return self.ticket.status in ServiceTicket.EDITABLE and any(job.is_open for job in self.jobs)

    @property
    def open_amounts(self) -> Amounts:
        """Of what waits for a decision."""
        return total_of(job.amounts for job in self.jobs if job.is_open)

    @property
    def agreed_amounts(self) -> Amounts:
        """Of what is authorised, done or not."""
        return total_of(job.amounts for job in self.jobs if job.state in Job.AGREED)

    @property
    def amounts(self) -> Amounts:
        """Of all that is authorised or still can be: what is declined costs nothing."""
        return total_of([self.open_amounts, self.agreed_amounts])


def describe_line(line: Line, tax_rate: Decimal) -> EstimateLine:
    amounts = amounts_of_line(line, tax_rate)
    if isinstance(line, LabourLine):
        who = f"Labour, {line.mechanic.display_name}"
        return EstimateLine(InvoiceLine.Kind.LABOUR, who, line.hours, "h", line.rate, amounts)
    if isinstance(line, PartLine):
        return EstimateLine(InvoiceLine.Kind.PART, line.name, line.quantity, line.unit, line.price, amounts)
    return EstimateLine(InvoiceLine.Kind.FEE, line.title, Decimal(1), "", line.amount, amounts)


def describe_job(job: Job) -> EstimateJob:
    lines = [describe_line(line, job.tax_rate) for line in lines_of(job)]
    amounts = total_of(line.amounts for line in lines)
    return EstimateJob(job.pk, job.title, job.state, job.tax_rate, lines, amounts)


def _describe(link: EstimateLink, ticket: ServiceTicket) -> Estimate:
    jobs = ticket.jobs.exclude(state__in=HIDDEN).prefetch_related(*_LINES)
    return Estimate(link, ticket, [describe_job(job) for job in jobs])


# --- Links -------------------------------------------------------------------------------------------------------


def token_of(link: EstimateLink) -> str:
    """The same for the same link, every time."""
    return signing.Signer(salt=_SALT, sep=".").sign(str(link.pk))


def url_of(link: EstimateLink) -> str:
    """The customer's page."""
    return settings.BACKEND_URL + reverse("estimate-page", args=[token_of(link)])


def _link_of(token: str, now: datetime) -> EstimateLink:
    """With ticket, customer and vehicle. Raises NotFound for a token that we did not sign, and for a link that has run
    out or was revoked."""
    try:
        link_id = int(signing.Signer(salt=_SALT, sep=".").unsign(token))
    except (signing.BadSignature, ValueError):
        raise NotFound from None
    link = (
        EstimateLink.objects.select_related("ticket__customer__user", "ticket__vehicle")
        .filter(pk=link_id, revoked_at__isnull=True, expires_at__gt=now)
        .first()
    )
    if link is None:
        raise NotFound
    return link


def _require_current(link: EstimateLink, ticket: ServiceTicket) -> None:
    if link.version != ticket.estimate_version:
        raise EstimateSuperseded


def build_mail(notification: Notification) -> MailContent | None:
    """The mail with the link; None when the link is void by the time it is sent."""
    link = EstimateLink.objects.select_related("ticket").filter(pk=notification.data.get("estimate")).first()
    if (
        link is None
        or link.revoked_at
        or link.expires_at <= clock.now()
        or link.version != link.ticket.estimate_version
    ):
        return None
    return MailContent(
        subject=notification.title,
        body=f"{notification.body}\n\nThe link is good until {link.expires_at:%d %B %Y}. Whoever has it can decide for "
        "you, so keep it to yourself.",
        link=url_of(link),
        link_label="See the estimate and decide",
    )


# --- Sending -----------------------------------------------------------------------------------------------------


@transaction.atomic
def send_estimate(*, ticket: ServiceTicket, actor: User, now: datetime) -> EstimateLink:
    """Put every job that is proposed or still undecided before the customer, by a new link; links sent before are
    void. Raises TicketClosed, NothingToAuthorise, JobWithoutLines."""
    ticket = lock_ticket(ticket.pk)
    require_editable(ticket)
    jobs = list(ticket.jobs.filter(state__in=(State.PROPOSED, State.AUTHORISATION_REQUIRED)).prefetch_related(*_LINES))
    if not jobs:
        raise NothingToAuthorise
    if empty := [job.pk for job in jobs if not lines_of(job)]:
        raise JobWithoutLines(meta={"jobs": empty})
    for job in jobs:
        if job.state == State.PROPOSED:
            move_job(job, State.AUTHORISATION_REQUIRED, actor=actor, now=now)
    supersede_estimate(ticket)
    if ticket.status in (Status.DRAFT, Status.DECLINED):
        move_ticket(ticket, Status.AWAITING_AUTHORISATION, actor=actor, now=now)
    link = EstimateLink.objects.create(
        ticket=ticket, version=ticket.estimate_version, created_at=now, created_by=actor, expires_at=now + GOOD_FOR
    )
    record(ticket, "estimate_sent", new=str(link.version), actor=actor, now=now)
    messages.tell_customer(
        customer=ticket.customer,
        kind=messages.ESTIMATE_READY,
        title=f"Your estimate {ticket.number} is ready",
        body=f"Please look at the estimate {ticket.number} and tell us job by job what we may do.",
        data={"ticket": ticket.pk, "estimate": link.pk},
        dedupe_key=f"estimate:{link.pk}",
        now=now,
    )
    return link


@transaction.atomic
def revoke_estimate(*, ticket: ServiceTicket, actor: User, now: datetime) -> ServiceTicket:
    """Void the link that is out; its jobs go on waiting. Raises NoEstimate."""
    ticket = lock_ticket(ticket.pk)
    links = ticket.estimate_links.filter(version=ticket.estimate_version, expires_at__gt=now, revoked_at__isnull=True)
    if not links.update(revoked_at=now):
        raise NoEstimate
    record(ticket, "estimate_revoked", old=str(ticket.estimate_version), actor=actor, now=now)
    return ticket


# --- Reading and deciding ----------------------------------------------------------------------------------------


def open_estimate(*, token: str, now: datetime) -> Estimate:
    """The estimate behind a token, also of a closed ticket. The first opening is noted in the ticket's history (mail
    scanners open links too). Raises NotFound, EstimateSuperseded."""
    link = _link_of(token, now)
    _require_current(link, link.ticket)
    if link.first_opened_at is None:
        _note_opening(link, now)
    return _describe(link, link.ticket)


@transaction.atomic
def _note_opening(link: EstimateLink, now: datetime) -> None:
    if EstimateLink.objects.filter(pk=link.pk, first_opened_at__isnull=True).update(first_opened_at=now):
        record(link.ticket, "estimate_opened", new=str(link.version), actor=None, now=now, via=Via.LINK)


@transaction.atomic
def decide_estimate(*, token: str, decisions: Sequence[Mapping[str, Any]], now: datetime) -> Estimate:
    """Carry out a customer's `decisions` (`{"job": id, "decision": Decision}`), all or none. A shortage of parts
    refuses nothing here: the ticket then waits for them.

    Raises NotFound, EstimateSuperseded, TicketClosed, UnknownJob, DecidedTwice, JobNotOpen."""
    ticket = lock_ticket(_link_of(token, now).ticket_id)
    link = _link_of(token, now)  # Again: it may have been revoked before the lock.
    _require_current(link, ticket)
    if ticket.status not in ServiceTicket.EDITABLE:
        raise TicketClosed(meta={"status": ticket.status})
    chosen = _chosen_jobs(ticket, decisions)
    authorised = [job for job, decision in chosen if decision == Decision.AUTHORISE]
    declined = [job for job, decision in chosen if decision == Decision.DECLINE]
    for job in authorised:
        job_service.authorise(job, actor=None, now=now, via=Via.LINK, wait_for_parts=True)
    for job in declined:
        job_service.decline(job, actor=None, now=now, via=Via.LINK)
    _tell_of_decision(link, ticket, authorised, declined, now)
    ticket = ServiceTicket.objects.select_related("customer__user", "vehicle").get(pk=ticket.pk)
    return _describe(link, ticket)


def _chosen_jobs(ticket: ServiceTicket, decisions: Sequence[Mapping[str, Any]]) -> list[tuple[Job, str]]:
    shown = {job.pk: job for job in ticket.jobs.exclude(state__in=HIDDEN)}
    chosen: dict[int, tuple[Job, str]] = {}
    for index, entry in enumerate(decisions):
        job = shown.get(entry["job"])
        if job is None:
            raise UnknownJob(attr=f"decisions.{index}.job")
        if job.pk in chosen:
            raise DecidedTwice(attr=f"decisions.{index}.job")
        if job.state != State.AUTHORISATION_REQUIRED:
            raise JobNotOpen(meta={"job": job.pk, "state": job.state}, attr=f"decisions.{index}.job")
        chosen[job.pk] = (job, entry["decision"])
    return list(chosen.values())


def _tell_of_decision(
    link: EstimateLink, ticket: ServiceTicket, authorised: list[Job], declined: list[Job], now: datetime
) -> None:
    """Write down what was answered: in the ticket's history, on the vehicle's timeline, and to the staff."""
    says = [(word, ", ".join(job.title for job in group)) for word, group in _said(authorised, declined)]
    text = "; ".join(f"{word}: {titles}" for word, titles in says)
    record(ticket, "estimate_decided", new=str(link.version), note=text, actor=None, now=now, via=Via.LINK)
    if authorised and link.ticket.vehicle is not None:
        record_event(
            vehicle=link.ticket.vehicle,
            kind=VehicleEvent.Kind.ESTIMATE_AUTHORISED,
            actor=None,
            at=now,
            reference=f"ticket:{ticket.pk}",
            private_summary=f"{ticket.number}: {', '.join(job.title for job in authorised)}",
        )
    messages.tell_staff(
        permission=STAFF,
        kind=messages.ESTIMATE_DECIDED,
        title=f"{ticket.number}: {len(authorised)} authorised, {len(declined)} declined",
        body="\n\n".join(f"{word}: {titles}." for word, titles in says),
        data={"ticket": ticket.pk},
        now=now,
    )


def _said(authorised: list[Job], declined: list[Job]) -> list[tuple[str, list[Job]]]:
    return [(word, group) for word, group in (("Authorised", authorised), ("Declined", declined)) if group]


# --- Running out -------------------------------------------------------------------------------------------------


def tickets_with_expired_links(*, now: datetime) -> QuerySet[ServiceTicket]:
    """For the sweep, which locks the tickets: they come before their links."""
    return ServiceTicket.objects.filter(pk__in=_expired(now).values("ticket_id"))


def note_expiry(ticket: ServiceTicket, *, now: datetime) -> None:
    """Tell the staff, once, that a locked ticket's estimate ran out while jobs still wait for an answer."""
    links = _expired(now).filter(ticket=ticket)
    undecided = (
        links.filter(version=ticket.estimate_version).exists()
        and ticket.status in ServiceTicket.EDITABLE
        and ticket.jobs.filter(state=State.AUTHORISATION_REQUIRED).exists()
    )
    links.update(expiry_noted_at=now)
    if not undecided:
        return
    record(ticket, "estimate_expired", old=str(ticket.estimate_version), actor=None, now=now, via=Via.SYSTEM)
    messages.tell_staff(
        permission=STAFF,
        kind=messages.ESTIMATE_EXPIRED,
        title=f"The estimate {ticket.number} ran out undecided",
        body="The customer has not decided on every job. Send the estimate again, or ask them.",
        data={"ticket": ticket.pk},
        dedupe_key=f"estimate-expired:{ticket.pk}:{ticket.estimate_version}",
        now=now,
    )


def _expired(now: datetime) -> QuerySet[EstimateLink]:
    return EstimateLink.objects.filter(expires_at__lte=now, revoked_at__isnull=True, expiry_noted_at__isnull=True)
