"""The sandbox's own work: deciding what it was given, and reporting it to us from outside."""

from __future__ import annotations

from itertools import chain

import structlog

from auctions.models import Payment, Refund
from auctions.providers.base import ProviderError
from auctions.providers.sandbox import Sandbox

log = structlog.get_logger(__name__)
BATCH = 200


def run_sandbox() -> int:
    """Settle what is on its way; how much was reported. What cannot be delivered stays for the next run, which is soon:
    when one webhook does not get through, the others will not either."""
    payments = Payment.objects.filter(provider=Sandbox.name, status=Payment.Status.PROCESSING)
    refunds = Refund.objects.filter(payment__provider=Sandbox.name, status=Refund.Status.IN_TRANSIT)
    sandbox, reported = Sandbox(), 0
    for row in chain(*(rows.exclude(provider_ref="").order_by("pk")[:BATCH] for rows in (payments, refunds))):
        try:
            sandbox.settle(row)
        except ProviderError as error:
            log.warning("sandbox_webhook_failed", error=str(error))
            break
        reported += 1
    return reported
