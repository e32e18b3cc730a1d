"""Workers that tell of the same offers and orders at the same moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import pytest
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import Notification
from accounts.notifications import notify_many
from auctions.models import SettlementEvent
from auctions.services import settlement_telling
from auctions.services.settlement_telling import tell_settlements
from auctions.services.settling import begin
from common.sweeps import SweepResult
from tests.auctions.factories import OfferFactory
from tests.concurrency.race import race

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
WORKERS, OFFERS = 6, 8


def without_keys(messages: Any, *, now: datetime) -> None:
    notify_many([message._replace(dedupe_key=None) for message in messages], now=now)


def offers_to_tell() -> None:
    for offer in OfferFactory.create_batch(OFFERS):
        begin(offer, actor=offer.buyer, now=timezone.now())


def tell_at_once(workers: int) -> None:
    results = race([partial(tell_settlements, now=timezone.now())] * workers)
    assert all(isinstance(result, SweepResult) and not result.failed for result in results), results


def test_workers_at_once_tell_each_event_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the lock alone: the messages carry no key here."""
    monkeypatch.setattr(settlement_telling, "notify_many", without_keys)
    offers_to_tell()
    tell_at_once(WORKERS)
    tell_settlements(now=timezone.now())
    assert not SettlementEvent.objects.filter(told_at=None).exists()
    assert Notification.objects.count() == OFFERS


def tell_as_first_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workers whose sweep takes the rows as it first saw them."""
    all_have_seen = threading.Barrier(2)

    def naive(queryset: QuerySet[Any], handle: Callable[..., None], *, now: datetime) -> SweepResult:
        rows = list(queryset.order_by("pk"))
        all_have_seen.wait(timeout=30)
        for row in rows:
            handle(row, now=now)
        return SweepResult(len(rows), 0)

    monkeypatch.setattr(settlement_telling, "sweep", naive)
    offers_to_tell()
    tell_at_once(2)


def test_without_the_lock_the_key_still_tells_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tell_as_first_seen(monkeypatch)
    assert Notification.objects.count() == OFFERS


def test_without_lock_and_key_people_are_told_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""
    monkeypatch.setattr(settlement_telling, "notify_many", without_keys)
    tell_as_first_seen(monkeypatch)
    assert Notification.objects.count() == 2 * OFFERS
