"""Tasks of auctions: each calls the service that finds what is due."""

from __future__ import annotations

from celery import shared_task

from auctions.filters.watching import found_by
from auctions.services import (
    chances,
    closing,
    digests,
    files,
    images,
    ledger,
    offers,
    orders,
    payments,
    payouts,
    refunds,
    sandbox,
    searches,
    settlement_telling,
    telling,
    titles,
    verification,
    watching,
    webhooks,
)
from common.clock import database_now


@shared_task(name="auctions.tasks.open_auctions")
def open_auctions() -> None:
    """Open the auctions whose start has come."""
    closing.open_due(now=database_now())


@shared_task(name="auctions.tasks.close_auctions")
def close_auctions() -> None:
    """Close the auctions whose end has come."""
    closing.close_due(now=database_now())


@shared_task(name="auctions.tasks.tell_events")
def tell_events() -> None:
    """Tell people what happened in their auctions."""
    telling.tell_events(now=database_now())


@shared_task(name="auctions.tasks.tell_settlements")
def tell_settlements() -> None:
    """Tell people what happened to their offers and orders."""
    settlement_telling.tell_settlements(now=database_now())


@shared_task(name="auctions.tasks.remind_watchers")
def remind_watchers() -> None:
    """Remind those who watch an auction that ends soon."""
    watching.remind_watchers(now=database_now())


@shared_task(name="auctions.tasks.match_searches")
def match_searches() -> None:
    """Find the saved searches that new listings meet."""
    searches.match_searches(select=found_by, now=database_now())


@shared_task(name="auctions.tasks.send_digests")
def send_digests() -> None:
    """Tell what daily searches have found to those for whom it is morning."""
    digests.send_digests(now=database_now())


@shared_task(name="auctions.tasks.verify_auctions")
def verify_auctions() -> None:
    """Replay the logs of all auctions and compare what they say."""
    verification.verify_nightly(now=database_now())


@shared_task(name="auctions.tasks.process_image")
def process_image(image_id: str) -> None:
    """Strip and shrink one photo."""
    images.process_image(image_id=image_id, now=database_now())


@shared_task(name="auctions.tasks.process_images")
def process_images() -> None:
    """Those photos whose ring was lost or whose worker died."""
    for image_id in images.due_images(now=database_now()):
        images.process_image(image_id=image_id, now=database_now())


@shared_task(name="auctions.tasks.sweep_uploads")
def sweep_uploads() -> None:
    """Delete what was announced and never confirmed."""
    files.sweep_uploads(now=database_now())


@shared_task(name="auctions.tasks.make_offers")
def make_offers() -> None:
    """Offer missed reserves to their sellers, and lost sales to the next bidder."""
    chances.make_offers(now=database_now())


@shared_task(name="auctions.tasks.expire_offers")
def expire_offers() -> None:
    """End the offers that nobody decided on in time."""
    offers.expire_offers(now=database_now())


@shared_task(name="auctions.tasks.chase_orders")
def chase_orders() -> None:
    """Mark orders overdue, and end those that stay unpaid."""
    orders.chase_orders(now=database_now())


@shared_task(name="auctions.tasks.send_refunds")
def send_refunds() -> None:
    """Send approved refunds to their providers."""
    refunds.send_refunds(now=database_now())


@shared_task(name="auctions.tasks.remind_of_payouts")
def remind_of_payouts() -> None:
    """Tell finance how many sellers wait for their money."""
    payouts.remind_of_payouts(now=database_now())


@shared_task(name="auctions.tasks.chase_titles")
def chase_titles() -> None:
    """Mark titles that are late."""
    titles.chase_titles(now=database_now())


@shared_task(name="auctions.tasks.run_sandbox")
def run_sandbox() -> None:
    """Settle payments and refunds of the sandbox, and report them by webhook."""
    sandbox.run_sandbox()


@shared_task(name="auctions.tasks.process_webhooks")
def process_webhooks() -> None:
    """Take up what providers reported and what failed to be processed, and end attempts that nobody goes on with."""
    webhooks.process_due(now=database_now())
    payments.end_stale(now=database_now())


@shared_task(name="auctions.tasks.audit_ledger")
def audit_ledger() -> None:
    """Reckon all money of sales again and compare it with what is stored."""
    ledger.audit_ledger(now=database_now())
