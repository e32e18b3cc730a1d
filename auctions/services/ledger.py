"""The audit of the ledger: all money of sales reckoned again, every night and when somebody asks."""

from __future__ import annotations

from datetime import datetime

import structlog

from auctions.models import LedgerAudit, Order
from auctions.services.ledger_checks import checks
from common.audits import run_checks

log = structlog.get_logger(__name__)


def audit_ledger(*, now: datetime) -> LedgerAudit:
    """Ask every check of `ledger_checks`. Answers the row that says what was found; nothing is mended."""
    found = run_checks(checks())
    audit = LedgerAudit.objects.create(
        at=now, orders=Order.objects.count(), differences=found.differences, details=found.details
    )
    if found.differences:
        log.error("ledger_audit_differences", audit=audit.pk, differences=found.differences)
    return audit


def last_audit() -> LedgerAudit | None:
    """Of the schedule or the command, whichever was later."""
    return LedgerAudit.objects.order_by("-id").first()
