"""Tasks of parking: each calls the service that finds what is due."""

from __future__ import annotations

from celery import shared_task

from common.clock import database_now
from common.clock import now as clock_now
from parking.services import no_shows, overstay, reminders, reports, retention


@shared_task(name="parking.tasks.sweep_no_shows")
def sweep_no_shows() -> None:
    """Give up the reservations whose driver did not come."""
    no_shows.sweep_no_shows(now=database_now())


@shared_task(name="parking.tasks.sweep_overstays")
def sweep_overstays() -> None:
    """Flag the vehicles that stay too long, and keep their spots for them."""
    overstay.sweep_overstays(now=database_now())


@shared_task(name="parking.tasks.blank_plates")
def blank_plates() -> None:
    """Blank the plates whose retention is over."""
    retention.blank_plates(now=database_now())


@shared_task(name="parking.tasks.send_reminders")
def send_reminders() -> None:
    """Remind those for whom it is evening."""
    reminders.send_reminders(now=clock_now())


@shared_task(name="parking.tasks.send_monthly_reports")
def send_monthly_reports() -> None:
    """Report the month before to those who parked in it."""
    reports.send_monthly_reports(now=clock_now())
