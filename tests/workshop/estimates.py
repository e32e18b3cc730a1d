"""An estimate that was sent, for tests."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.utils import timezone

from accounts.models import User
from tests.factories import UserFactory
from tests.workshop.factories import FeeLineFactory, JobFactory, LabourLineFactory, PartLineFactory, TicketFactory
from workshop.models import EstimateLink, Job, ServiceTicket
from workshop.services import estimates


def sent_estimate(ticket: ServiceTicket | None = None, *, actor: User | None = None, **fields: Any) -> EstimateLink:
    """Two jobs that wait: brakes (labour 90.00, two parts for 10.00 each, 20 % of tax: 132.00) and wipers (a fee of
    5.00, with tax 6.00)."""
    ticket = ticket or TicketFactory(**fields)
    brakes = JobFactory(ticket=ticket, title="Replace the front brake pads")
    LabourLineFactory(job=brakes, mechanic__display_name="Dana")
    PartLineFactory(job=brakes, part__name="Brake pads", quantity=Decimal(2))
    FeeLineFactory(job=JobFactory(ticket=ticket, title="Wiper blades"), title="Wiper blades, fitted")
    return estimates.send_estimate(ticket=ticket, actor=actor or UserFactory(), now=timezone.now())


def jobs_of(link: EstimateLink) -> tuple[Job, Job]:
    """Brakes and wipers."""
    first, second = link.ticket.jobs.order_by("id")[:2]
    return first, second
