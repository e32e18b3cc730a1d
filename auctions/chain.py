"""What makes the log of an auction provable: each row carries the hash of its content and of the row before.

A row's secret part (who bid, how much, why) enters as a commitment, the hash of a random salt and that part. So the
chain can be published whole after the close and everybody can check it, while only those who hold the salt of a row
can show what was committed. Pure.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Protocol

import orjson

GENESIS = ""  # What the first row has for the hash of the row before.


class Row(Protocol):
    """A row of the log, as `auctions.models.AuctionLogEntry` has it."""

    auction_id: Any
    seq: int
    kind: str
    at: datetime
    alias: str
    price: Decimal | None
    leader_alias: str
    ends_at: datetime
    voids_id: Any
    commitment: str
    previous_hash: str


def new_salt() -> str:
    return secrets.token_hex(16)


def text_of(*, salt: str, bidder: int | None, amount: Decimal | None, reason: str = "") -> str:
    """`salt|bidder|amount|reason`; an amount with two places, what is absent empty."""
    return "|".join([salt, "" if bidder is None else str(bidder), money(amount) or "", reason])


def commitment_of(*, salt: str, bidder: int | None, amount: Decimal | None, reason: str = "") -> str:
    """Hex SHA-256 of `text_of`."""
    text = text_of(salt=salt, bidder=bidder, amount=amount, reason=reason)
    return hashlib.sha256(text.encode()).hexdigest()


def content_of(row: Row) -> dict[str, Any]:
    """The published part of a row: what its hash is made of."""
    return {
        "auction": row.auction_id,
        "seq": row.seq,
        "kind": str(row.kind),
        "at": moment(row.at),
        "alias": row.alias,
        "price": money(row.price),
        "leader": row.leader_alias,
        "ends_at": moment(row.ends_at),
        "voids": None if row.voids_id is None else str(row.voids_id),
        "commitment": row.commitment,
        "previous": row.previous_hash,
    }


def hash_of(row: Row) -> str:
    """Hex SHA-256 of the content as JSON, its members sorted by name and without spaces."""
    return hashlib.sha256(orjson.dumps(content_of(row), option=orjson.OPT_SORT_KEYS)).hexdigest()


def money(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:.2f}"


def moment(at: datetime) -> str:
    """UTC with six digits and a Z."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
