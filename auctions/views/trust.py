"""What proves an auction: its audit and receipts, and the corrections of its bids."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import PolymorphicProxySerializer
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotency import idempotent
from auctions.filters.trust import MOST_ROWS, AuditFilter
from auctions.serializers.trust import (
    CorrectionReasonSerializer,
    CorrectionSerializer,
    PublicAuditSerializer,
    ReceiptSerializer,
    StaffAuditSerializer,
    audit_json,
)
from auctions.services import audit, corrections
from common.examples import sent, shown
from common.pagination import CursorPagination
from common.permissions import HasPerm, Public, SignedIn
from common.views import command, conditional, reading

AUDITS = "auctions.audit_auction"
CorrectsBids = HasPerm.of("auctions.moderate_auction")
AUDIT = PolymorphicProxySerializer(
    component_name="Audit",
    serializers=[PublicAuditSerializer, StaffAuditSerializer],
    resource_type_field_name=None,
)
BID = "6f1f0d5e-3c58-4c55-9a35-0b7b3d0e4a11"
HEAD = "41c3d7a1d29fd0e5a0c2c9a7b8c6c3d1d9b56cb2f4f1b8c6a3fd01d8f2f6a9be"
COMMITMENT = "9d0c54e1a4ab1b54ba31a3f5c7d0a0a29b1e4f1c6d8f6b7f1f4d3c2b1a09f8e7"
SALT = "a3f5c7d0a0a29b1e4f1c6d8f6b7f1f4d"
PUBLIC_ROW = {
    "auction": 17,
    "seq": 2,
    "kind": "bid",
    "alias": "Bidder 1",
    "at": "2025-03-01T17:30:12.120114Z",
    "price": "1000.00",
    "leader": "Bidder 1",
    "ends_at": "2025-03-01T18:30:00.000000Z",
    "voids": None,
    "commitment": COMMITMENT,
    "previous": "0b7b3d0e4a11" * 5 + "a0c2",
    "hash": HEAD,
}
STAFF_ROW = {
    "seq": 2,
    "kind": "bid",
    "bid": BID,
    "bidder": 7,
    "alias": "Bidder 1",
    "amount": "1500.00",
    "price": "1000.00",
    "leader": "Bidder 1",
    "ends_at": "2025-03-01T18:30:00Z",
    "voids": None,
    "reason": "",
    "actor": None,
    "at": "2025-03-01T17:30:12.120114Z",
    "hash": HEAD,
}
RECEIPT = {
    "bid": BID,
    "kind": "bid",
    "amount": "1500.00",
    "salt": SALT,
    "text": f"{SALT}|7|1500.00|",
    "commitment": COMMITMENT,
    "placed_at": "2025-03-01T17:30:12.120114Z",
}
CORRECTED = {
    "bid": BID,
    "auction": 17,
    "position": "outbid",
    "price": "1000.00",
    "min_next": "1100.00",
    "bid_count": 1,
    "reserve_status": "none",
    "ends_at": "2025-03-02T18:30:00Z",
    "event_seq": 9,
    "server_time": "2025-03-01T17:35:40.770912Z",
}


REASON = sent("a typing error", {"reason": "One zero too many."})
REPLAYED = (
    "The bids that stand are replayed without it: price, leader and `bid_count` may fall, also to nothing, and a "
    "reserve may be unmet again; the end stays where it is. In the private log the row of the bid stays, with a new "
    "one that voids it. 409 `bid_voided` when that was done before, `auction_ended`, and `auction_not_live`."
)


class AuditActions:
    """Audit and receipts, for the viewset of auctions."""

    @reading(
        detail=True,
        response=AUDIT,
        query=AuditFilter,
        permission_classes=[Public],
        filter_backends=[],  # The query is the log's and not that of the list.
        throttle_scope="audits",
        schema={
            "summary": "Audit an auction",
            "description": "Replays the log from its first row on and compares it with all that is stored: price, "
            "leader, end, status, counters, events, maxima and the order; and the chain hash by hash. `valid` is the "
            "verdict. Staff (who hold `audit_auction`) read the private log at any time, with the `problems`; "
            "everybody else reads the published one once the auction has ended, before that 409 `auction_not_closed`. "
            "Published rows are exactly what their hashes are made of, so that everybody can recompute the chain; a "
            "maximum enters as a commitment, for which its bidder holds the receipt.",
            "examples": [
                shown(
                    "published",
                    {"view": "public", "valid": True, "head": HEAD, "next_after": None, "rows": [PUBLIC_ROW]},
                ),
                shown(
                    "to staff",
                    {
                        "view": "staff",
                        "valid": True,
                        "head": HEAD,
                        "next_after": None,
                        "problems": [],
                        "rows": [STAFF_ROW],
                    },
                ),
            ],
        },
    )
    def audit(self: Any, request: Request, pk: int) -> Response:
        auction, asked = self.get_object(), {"after": 0, "limit": MOST_ROWS} | self.query()
        whole = self.caller.has_perm(AUDITS)
        found = audit.audit_auction(auction.pk) if whole else audit.audit_published(auction)
        return conditional(request, audit_json(found, whole=whole, **asked))

    @reading(
        detail=True,
        response=ReceiptSerializer(many=True),
        permission_classes=[SignedIn],
        pagination_class=CursorPagination,
        schema={
            "summary": "Read one's own receipts",
            "description": "What one committed to in this auction, with the salts, the oldest first. Keep them: the "
            "log that is published after the end shows the same commitments, each the hex SHA-256 of `text` "
            "(`salt|bidder|amount|reason`, where bidder is one's own id), so nobody can have changed the amount.",
            "examples": [shown("a receipt", RECEIPT)],
        },
    )
    def receipts(self: Any, request: Request, pk: int) -> Response:
        return self.listing(audit.own_receipts(auction=self.get_object(), bidder=self.caller), ReceiptSerializer)


class CorrectionActions:
    """Taking back bids, for the viewset of bids. Its `id` is the `bid` that the bidder was answered."""

    def get_permissions(self: Any) -> list[BasePermission]:
        """Stands here, so that no viewset can take the commands without it."""
        own: dict[str, type[BasePermission]] = {"retract": SignedIn, "void": CorrectsBids}
        return [own[self.action]()] if self.action in own else super().get_permissions()  # type: ignore[misc]

    @command(
        detail=True,
        request=CorrectionReasonSerializer,
        response=CorrectionSerializer,
        summary="Retract one's own bid",
        description="Within an hour after it was placed, and with more than 12 hours left until the end: else 409 "
        "`retraction_too_late`. Only while the auction is live. The bids of others are 404. " + REPLAYED,
        examples=[REASON, shown("retracted", CORRECTED)],
    )
    @idempotent
    def retract(self: Any, request: Request, pk: UUID) -> Response:
        data = self.validated(CorrectionReasonSerializer)
        answer = corrections.retract_bid(bid_id=pk, bidder=self.caller, **data)
        return Response(self.represent(answer, CorrectionSerializer))

    @command(
        detail=True,
        request=CorrectionReasonSerializer,
        response=CorrectionSerializer,
        summary="Void a bid",
        description="By moderators, at any time before the end, also while the auction is paused. " + REPLAYED,
        examples=[REASON, shown("voided", CORRECTED)],
    )
    @idempotent
    def void(self: Any, request: Request, pk: UUID) -> Response:
        data = self.validated(CorrectionReasonSerializer)
        answer = corrections.void_bid(bid_id=pk, actor=self.caller, **data)
        return Response(self.represent(answer, CorrectionSerializer))
