"""The chain of hashes, and how somebody outside recomputes it (docs/auctions.md)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone
from rest_framework.test import APIClient

from auctions import chain
from auctions.models import Auction, AuctionLogEntry
from tests.auctions.factories import AuctionFactory, BidderFactory
from tests.auctions.trust import bid, closed

pytestmark = pytest.mark.django_db


def recompute(audit: dict[str, Any]) -> str:
    """The ten lines of docs/auctions.md: the head by the published rows alone."""
    head = ""
    for row in audit["rows"]:
        assert row["previous"] == head, f"row {row['seq']} does not continue the chain"
        content = {name: value for name, value in row.items() if name != "hash"}
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        head = hashlib.sha256(text.encode()).hexdigest()
        assert row["hash"] == head, f"row {row['seq']} is not what its hash says"
    assert audit["head"] == head, "the log goes on, or was cut"
    return head


@pytest.fixture
def published() -> dict[str, Any]:
    """The public audit of an auction that ended after some bids and a void-free life."""
    auction, (ann, bob) = AuctionFactory(), BidderFactory.create_batch(2)
    for bidder, amount in ((ann, "1500"), (bob, "2000"), (bob, "2600"), (ann, "2100")):
        bid(auction, bidder, amount)
    closed(auction)
    audit: dict[str, Any] = APIClient().get(f"/api/auctions/{auction.pk}/audit").json()
    return audit


def test_anybody_can_recompute_the_chain_from_the_published_rows(published: dict[str, Any]) -> None:
    assert recompute(published) == Auction.objects.get().log_hash
    assert [row["seq"] for row in published["rows"]] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("name", ["price", "alias", "at", "leader", "ends_at", "commitment", "kind", "previous"])
def test_a_changed_member_of_a_row_is_seen(published: dict[str, Any], name: str) -> None:
    published["rows"][2][name] = "2025-01-01T00:00:00.000000Z"
    with pytest.raises(AssertionError, match="row 3 "):
        recompute(published)


def test_a_row_that_is_taken_out_is_seen(published: dict[str, Any]) -> None:
    rows = published["rows"]
    for place in range(len(rows)):
        with pytest.raises(AssertionError):
            recompute(published | {"rows": rows[:place] + rows[place + 1 :]})


def test_the_first_row_continues_nothing() -> None:
    first = AuctionLogEntry.objects.get(auction=AuctionFactory())
    assert (first.seq, first.previous_hash, first.hash) == (1, chain.GENESIS, chain.hash_of(first))


def test_a_commitment_needs_all_of_its_parts() -> None:
    parts = {"salt": "s", "bidder": 7, "amount": Decimal("1500"), "reason": ""}
    assert chain.text_of(**parts) == "s|7|1500.00|"
    assert chain.commitment_of(**parts) == hashlib.sha256(b"s|7|1500.00|").hexdigest()
    others = [
        parts | {name: value} for name, value in {"salt": "t", "bidder": 8, "amount": None, "reason": "x"}.items()
    ]
    assert len({chain.commitment_of(**other) for other in [parts, *others]}) == 5


def test_equal_maxima_have_different_commitments() -> None:
    auction, ann = AuctionFactory(), BidderFactory()
    bid(auction, ann, "1500")
    bid(auction, BidderFactory(), "1500")
    rows = AuctionLogEntry.objects.filter(kind="bid")
    assert len({row.commitment for row in rows}) == len({row.salt for row in rows}) == 2


def test_the_form_of_amounts_and_moments_is_fixed() -> None:
    moment = timezone.now().replace(microsecond=0)
    assert chain.moment(moment).endswith(".000000Z")
    assert [chain.money(amount) for amount in (Decimal(7), Decimal("7.5"), None)] == ["7.00", "7.50", None]


def test_what_is_read_back_hashes_as_what_was_written() -> None:
    """Databases round moments and scale amounts; the content must not notice."""
    auction = AuctionFactory(reserve_price=Decimal("1999.99"))
    bid(auction, BidderFactory(), "1234.5")
    assert all(row.hash == chain.hash_of(row) for row in AuctionLogEntry.objects.filter(auction=auction))


@pytest.mark.postgres
@pytest.mark.parametrize("how", ["update", "delete"])
def test_the_database_refuses_to_change_the_log(how: str) -> None:
    rows = AuctionLogEntry.objects.filter(auction=AuctionFactory())
    change = {"update": lambda: rows.update(price=Decimal(1)), "delete": rows._raw_delete}[how]
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        change(*([rows.db] if how == "delete" else []))
    assert rows.count() == 1


def test_the_terms_of_the_replay_are_frozen() -> None:
    """A state that could be changed in place would make the replay depend on who looked at it."""
    state = AuctionFactory().state()
    with pytest.raises(AttributeError):
        state.price = Decimal(1)
    assert replace(state, price=Decimal(1)) != state
