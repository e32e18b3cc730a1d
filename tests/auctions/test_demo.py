"""The demo's auctions: one of each kind, provable, the same after a reset."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.management import call_command

from auctions.models import Auction, Listing, ListingImage, Order
from auctions.services.verification import verify_nightly
from common.clock import now

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_media(settings: LazySettings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path


def made() -> tuple[Counter[str], Counter[str]]:
    return Counter(Listing.objects.values_list("status", flat=True)), Counter(
        Auction.objects.values_list("status", flat=True)
    )


def test_there_are_auctions_of_every_kind_and_their_logs_hold() -> None:
    call_command("seed_demo")
    listings, auctions = made()
    assert listings == {"in_auction": 3, "pending_sale": 1, "active": 1, "pending_review": 1, "draft": 1}
    assert auctions == {"live": 2, "scheduled": 1, "sold": 1, "no_bids": 1}
    assert Order.objects.get().buyer.email == "bob@example.com"
    assert set(ListingImage.objects.values_list("status", flat=True)) == {"ready"}
    assert verify_nightly(now=now()).failed == 0


def test_a_second_call_changes_nothing_and_a_reset_puts_all_back() -> None:
    call_command("seed_demo")
    before = made(), set(Listing.objects.values_list("vin", flat=True))
    call_command("seed_demo")
    assert (made(), set(Listing.objects.values_list("vin", flat=True))) == before
    Auction.objects.filter(status="live").first().watches.all().delete()
    call_command("seed_demo", "--reset")
    assert (made(), set(Listing.objects.values_list("vin", flat=True))) == before
