"""`manage.py verify_auctions` and its nightly task."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from structlog.testing import capture_logs

from auctions.metrics import AuctionFigures
from auctions.models import Auction, AuctionBidder
from auctions.services.verification import last_run
from auctions.tasks import verify_auctions
from tests.auctions.factories import AuctionFactory, BidderFactory
from tests.auctions.trust import bid

pytestmark = pytest.mark.django_db


@pytest.fixture
def corrupt() -> Auction:
    """One of three, whose bidder's maximum was changed by hand."""
    auctions = AuctionFactory.create_batch(3)
    for auction in auctions:
        bid(auction, BidderFactory(), "1500")
    AuctionBidder.objects.filter(auction=auctions[1]).update(maximum=Decimal("8888.17"))
    found: Auction = auctions[1]
    return found


def run(*arguments: str) -> tuple[str, int]:
    """What it prints, and its exit code."""
    out = StringIO()
    try:
        call_command("verify_auctions", *arguments, stdout=out)
    except CommandError as error:
        return out.getvalue() + str(error), error.returncode
    return out.getvalue(), 0


def test_it_names_what_is_wrong_and_fails(corrupt: Auction) -> None:
    text, status = run()
    assert f"auction {corrupt.pk}: bidder_differs (Bidder 1: maximum)" in text
    assert ("1 of 3 auctions" in text, status) == (True, 1)
    assert "8888.17" not in text


def test_without_a_problem_it_says_so_and_succeeds() -> None:
    AuctionFactory()
    assert run() == ("1 auctions are as their logs say.\n", 0)


def test_one_auction_can_be_named(corrupt: Auction) -> None:
    good = Auction.objects.exclude(pk=corrupt.pk).earliest("pk")
    assert [run("--auction", str(pk))[1] for pk in (good.pk, corrupt.pk)] == [0, 1]
    text, status = run("--auction", "999999")
    assert ("There is no auction 999999." in text, status) == (True, 1)


def test_since_takes_only_what_has_changed(corrupt: Auction) -> None:
    yesterday = timezone.now() - timedelta(days=1)
    Auction.objects.filter(pk=corrupt.pk).update(updated_at=yesterday - timedelta(hours=1))
    assert run("--since", yesterday.isoformat()) == ("2 auctions are as their logs say.\n", 0)
    assert run("--since", (yesterday - timedelta(days=1)).isoformat())[1] == 1
    assert "ISO 8601" in run("--since", "yesterday")[0]


def test_the_nightly_task_logs_each_problem_and_its_result_is_a_metric(corrupt: Auction) -> None:
    with capture_logs() as lines:
        verify_auctions()
    errors = [line for line in lines if line["log_level"] == "error"]
    assert [(line["event"], line["auction"], line["code"]) for line in errors] == [
        ("auction_audit_failed", corrupt.pk, "bidder_differs")
    ]
    run_of_the_night = last_run()
    assert run_of_the_night is not None
    assert (run_of_the_night.checked, run_of_the_night.failed) == (3, 1)
    assert figures()["auction_audit_failures"] == 1


def test_before_the_first_run_there_is_no_figure() -> None:
    assert "auction_audit_failures" not in figures()


def figures() -> dict[str, Any]:
    return {family.name: family.samples[0].value for family in AuctionFigures().collect() if family.samples}


def test_many_auctions_are_read_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    from auctions.services import verification

    AuctionFactory.create_batch(5)
    whole = list(verification._ids(None, None))
    assert list(verification._ids(None, None, batch=2)) == whole
    assert len(whole) == 5
