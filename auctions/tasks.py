"""Tasks of auctions: each calls the service that finds what is due."""

from __future__ import annotations

from celery import shared_task

from auctions.filters.watching import found_by
from auctions.services import closing, digests, files, images, searches, telling, verification, watching
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
