"""What proves an auction, as JSON."""

from __future__ import annotations

from typing import Any

from rest_framework.serializers import SerializerMethodField

from auctions import chain
from auctions.models import AuctionLogEntry
from auctions.serializers.auctions import RESERVE_STATUSES
from auctions.services.audit import Audit
from common.fields import (
    IdField,
    MoneyField,
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictDateTimeField,
    StrictIntegerField,
    TextField,
)
from common.serializers import StrictModelSerializer, StrictSerializer


class CorrectionReasonSerializer(StrictSerializer):
    """Why a bid is taken back; the private log keeps it."""

    reason = TextField(max_length=500)


class CorrectionSerializer(StrictSerializer):
    """What has become of the auction without the bid. `position` is that of its bidder, null when no bid of theirs
    stands; `price` is null when nobody's does."""

    bid = StrictCharField(max_length=36, read_only=True)
    auction = IdField(read_only=True)
    position = StrictChoiceField(choices=("leading", "outbid"), read_only=True, allow_null=True)
    price = MoneyField(read_only=True, allow_null=True)
    min_next = MoneyField(read_only=True)
    bid_count = StrictIntegerField(read_only=True)
    reserve_status = StrictChoiceField(choices=RESERVE_STATUSES, read_only=True)
    ends_at = StrictDateTimeField(read_only=True)
    event_seq = StrictIntegerField(read_only=True)
    server_time = StrictDateTimeField(read_only=True)


class ReceiptSerializer(StrictModelSerializer):
    """What somebody committed to. `commitment` is the hex SHA-256 of `text`, which is `salt|bidder|amount|reason`."""

    bid = StrictCharField(source="id", max_length=36, read_only=True)
    kind = StrictChoiceField(choices=("bid", "buy_now"), read_only=True)
    amount = MoneyField(read_only=True)
    text = SerializerMethodField()
    placed_at = StrictDateTimeField(source="at", read_only=True)

    class Meta:
        model = AuctionLogEntry
        fields = ("bid", "kind", "amount", "salt", "text", "commitment", "placed_at")
        read_only_fields = fields

    def get_text(self, row: AuctionLogEntry) -> str:
        return chain.text_of(salt=row.salt, bidder=row.bidder_id, amount=row.amount, reason=row.reason)


class _AuditSerializer(StrictSerializer):
    """`view` tells the two forms apart, also where there are no rows."""

    valid = StrictBooleanField(read_only=True)
    head = StrictCharField(max_length=64, read_only=True)
    next_after = StrictIntegerField(read_only=True, allow_null=True)


class PublicLogRowSerializer(StrictSerializer):
    """A row as its hash knows it: `hash` is the hex SHA-256 of all the other members as JSON, sorted by name and
    without spaces. `leader` and `alias` are aliases, `voids` is the id of the bid that was taken back."""

    auction = IdField(read_only=True)
    seq = StrictIntegerField(read_only=True)
    kind = StrictChoiceField(choices=AuctionLogEntry.Kind.choices, read_only=True)
    alias = StrictCharField(max_length=20, read_only=True)
    at = StrictDateTimeField(read_only=True)
    price = MoneyField(read_only=True, allow_null=True)
    leader = StrictCharField(max_length=20, read_only=True)
    ends_at = StrictDateTimeField(read_only=True)
    voids = StrictCharField(max_length=36, read_only=True, allow_null=True)
    commitment = StrictCharField(max_length=64, read_only=True)
    previous = StrictCharField(max_length=64, read_only=True)
    hash = StrictCharField(max_length=64, read_only=True)


class PublicAuditSerializer(_AuditSerializer):
    """The verdict and the published log. `head` is the hash of its last row; `next_after` is null when no
    row follows."""

    view = StrictChoiceField(choices=("public",), read_only=True)
    rows = PublicLogRowSerializer(many=True, read_only=True)


class StaffLogRowSerializer(StrictSerializer):
    """A row of the private log: `bid` is its id, `bidder` a user, `amount` a maximum, a price to buy at once or the
    new reserve; `leader` is an alias."""

    seq = StrictIntegerField(read_only=True)
    kind = StrictChoiceField(choices=AuctionLogEntry.Kind.choices, read_only=True)
    bid = StrictCharField(max_length=36, read_only=True)
    bidder = IdField(read_only=True, allow_null=True)
    alias = StrictCharField(max_length=20, read_only=True)
    amount = MoneyField(read_only=True, allow_null=True)
    price = MoneyField(read_only=True, allow_null=True)
    leader = StrictCharField(max_length=20, read_only=True)
    ends_at = StrictDateTimeField(read_only=True)
    voids = StrictCharField(max_length=36, read_only=True, allow_null=True)
    reason = StrictCharField(max_length=500, read_only=True)
    actor = IdField(read_only=True, allow_null=True)
    at = StrictDateTimeField(read_only=True)
    hash = StrictCharField(max_length=64, read_only=True)


class ProblemSerializer(StrictSerializer):
    """What does not fit: `seq` is that of a row of the log, with `event_...` of an event, null for the whole."""

    code = StrictCharField(max_length=32, read_only=True)
    seq = StrictIntegerField(read_only=True, allow_null=True)
    field = StrictCharField(max_length=64, read_only=True)


class StaffAuditSerializer(_AuditSerializer):
    """The verdict with its reasons (at most about a hundred), and the private log."""

    view = StrictChoiceField(choices=("staff",), read_only=True)
    problems = ProblemSerializer(many=True, read_only=True)
    rows = StaffLogRowSerializer(many=True, read_only=True)


def audit_json(audit: Audit, *, whole: bool, after: int, limit: int) -> dict[str, Any]:
    """An audit as `PublicAuditSerializer` or, `whole`, as `StaffAuditSerializer` describes it; written by hand,
    because field by field ten thousand rows would take seconds."""
    rows = [row for row in audit.log if row.seq > after]
    page = rows[:limit]
    answer: dict[str, Any] = {
        "view": "staff" if whole else "public",
        "valid": audit.valid,
        "head": audit.head,
        "next_after": page[-1].seq if len(rows) > len(page) else None,
    }
    if whole:
        answer["problems"] = [problem._asdict() for problem in audit.problems]
    answer["rows"] = [_staff_row(row) if whole else _public_row(row) for row in page]
    return answer


def _public_row(row: AuctionLogEntry) -> dict[str, Any]:
    return chain.content_of(row) | {"hash": row.hash}


def _staff_row(row: AuctionLogEntry) -> dict[str, Any]:
    return {
        "seq": row.seq,
        "kind": row.kind,
        "bid": str(row.pk),
        "bidder": row.bidder_id,
        "alias": row.alias,
        "amount": chain.money(row.amount),
        "price": chain.money(row.price),
        "leader": row.leader_alias,
        "ends_at": row.ends_at,
        "voids": None if row.voids_id is None else str(row.voids_id),
        "reason": row.reason,
        "actor": row.actor_id,
        "at": row.at,
        "hash": row.hash,
    }
