"""Tasks of the workshop: each calls the service that finds what is due."""

from __future__ import annotations

from celery import shared_task

from common import clock
from common.sweeps import sweep
from workshop.services import alerts, audit, estimates, waiting


@shared_task(name="workshop.tasks.resume_waiting")
def resume_waiting() -> None:
    """Give stock that came free to the tickets that wait for it."""
    waiting.resume_waiting(now=clock.now())


@shared_task(name="workshop.tasks.expire_estimates")
def expire_estimates() -> None:
    """Tell the staff of estimates that ran out undecided."""
    now = clock.now()
    sweep(estimates.tickets_with_expired_links(now=now), estimates.note_expiry, now=now)


@shared_task(name="workshop.tasks.mail_low_stock")
def mail_low_stock() -> None:
    """Tell staff of parts that ran low since the last time."""
    alerts.mail_low_stock(now=clock.now())


@shared_task(name="workshop.tasks.audit_stock")
def audit_stock() -> None:
    """Reckon stock and invoices again from their entries."""
    audit.audit_stock(now=clock.now())
