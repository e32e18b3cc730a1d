"""Title transfers: `/api/title-transfers`."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotency import idempotent
from auctions.filters.titles import TitleTransferFilter
from auctions.models import TitleTransfer
from auctions.serializers.titles import (
    HoldLienSerializer,
    RejectDocumentsSerializer,
    SendTitleSerializer,
    TitleTransferSerializer,
)
from auctions.services import titles
from common import clock
from common.examples import sent, shown
from common.permissions import ObjectPerm, SignedIn
from common.views import ApiViewSet, ListMixin, RetrieveMixin, command

AWAITED = {
    "id": 4,
    "order": 31,
    "order_number": "FO-7K3QX9ZD",
    "listing": 9,
    "vehicle": "2018 Honda Accord",
    "status": "awaiting_seller_documents",
    "title_state": "NY",
    "lien_holder": "",
    "tracking_reference": "",
    "due_at": "2025-04-03T10:00:00.120114Z",
    "overdue_at": None,
    "received_at": None,
    "completed_at": None,
    "created_at": "2025-03-04T10:00:00.120114Z",
    "updated_at": "2025-03-04T10:00:00.120114Z",
}
RECEIVED = AWAITED | {"status": "received", "received_at": "2025-03-07T10:00:00.120114Z"}
SENT = RECEIVED | {"status": "sent", "tracking_reference": "1Z999AA10123456784"}
COMPLETED = SENT | {"status": "completed", "completed_at": "2025-03-12T15:20:08.330171Z"}
REFUSED = (
    "409 `invalid_transition` from another status, `order_on_hold` while the order is disputed, `sale_undone` when all "
    "that was paid was refunded."
)


@extend_schema_view(
    list=extend_schema(
        summary="List title transfers",
        description="The newest first. One begins when an order is paid, and is due by the days of the title's state.",
        examples=[shown("awaited from the seller", AWAITED)],
    ),
    retrieve=extend_schema(summary="Read a title transfer", examples=[shown("completed", COMPLETED)]),
)
class TitleTransferViewSet(ListMixin, RetrieveMixin, ApiViewSet):
    """The titles of what one sells and buys; staff see all, and those who change them move them."""

    queryset = TitleTransfer.objects.all()
    serializer_class = TitleTransferSerializer
    filterset_class = TitleTransferFilter
    permission_classes = [SignedIn, ObjectPerm.of("auctions.change_titletransfer")]
    action_permissions = {"list": [SignedIn], "retrieve": [SignedIn]}
    action_serializers = {"retrieve": TitleTransferSerializer}

    def get_queryset(self) -> QuerySet[TitleTransfer]:
        visible = TitleTransfer.objects.visible_to(self.caller)
        return visible.select_related("order__listing").order_by("-id")

    def _move(self, move: Any, **data: Any) -> Response:
        title = self.get_object()
        return self.answer(move(title_id=title.pk, actor=self.caller, now=clock.now(), **data))

    @command(
        detail=True,
        response=TitleTransferSerializer,
        summary="Receive the seller's documents",
        description="For the first time, or others after a rejection. The order goes on to title processing, and the "
        "seller's payout is due. " + REFUSED,
        examples=[shown("received", RECEIVED)],
    )
    @idempotent
    def receive(self, request: Request, pk: int) -> Response:
        return self._move(titles.receive_title)

    @command(
        detail=True,
        response=TitleTransferSerializer,
        summary="Begin to review the documents",
        description=REFUSED,
        examples=[shown("under review", RECEIVED | {"status": "under_review"})],
    )
    @idempotent
    def review(self, request: Request, pk: int) -> Response:
        return self._move(titles.review_title)

    @command(
        detail=True,
        request=RejectDocumentsSerializer,
        response=TitleTransferSerializer,
        url_path="reject-documents",
        summary="Reject the documents",
        description="The seller is asked for others, and why. " + REFUSED,
        examples=[
            sent("unsigned", {"reason": "The signature is missing."}),
            shown("rejected", RECEIVED | {"status": "rejected_documents"}),
        ],
    )
    @idempotent
    def reject_documents(self, request: Request, pk: int) -> Response:
        return self._move(titles.reject_documents, **self.validated(RejectDocumentsSerializer))

    @command(
        detail=True,
        request=HoldLienSerializer,
        response=TitleTransferSerializer,
        url_path="hold-lien",
        summary="Wait for a lien",
        description="Somebody has a claim on the vehicle, which must be released first. " + REFUSED,
        examples=[
            sent("a bank", {"lien_holder": "First Bank of Albany"}),
            shown("waiting", RECEIVED | {"status": "lien_pending", "lien_holder": "First Bank of Albany"}),
        ],
    )
    @idempotent
    def hold_lien(self, request: Request, pk: int) -> Response:
        return self._move(titles.hold_lien, **self.validated(HoldLienSerializer))

    @command(
        detail=True,
        response=TitleTransferSerializer,
        url_path="release-lien",
        summary="Release the lien",
        description="The title is ready. " + REFUSED,
        examples=[shown("ready", RECEIVED | {"status": "ready", "lien_holder": "First Bank of Albany"})],
    )
    @idempotent
    def release_lien(self, request: Request, pk: int) -> Response:
        return self._move(titles.release_lien)

    @command(
        detail=True,
        response=TitleTransferSerializer,
        summary="Find the documents in order",
        description="After the review; a lien that is pending is released instead. " + REFUSED,
        examples=[shown("ready", RECEIVED | {"status": "ready"})],
    )
    @idempotent
    def ready(self, request: Request, pk: int) -> Response:
        return self._move(titles.ready_title)

    @command(
        detail=True,
        request=SendTitleSerializer,
        response=TitleTransferSerializer,
        summary="Send the title to the buyer",
        description=REFUSED,
        examples=[
            sent("by parcel", {"tracking_reference": "1Z999AA10123456784"}),
            shown("sent", SENT),
        ],
    )
    @idempotent
    def send(self, request: Request, pk: int) -> Response:
        return self._move(titles.send_title, **self.validated(SendTitleSerializer))

    @command(
        detail=True,
        response=TitleTransferSerializer,
        summary="Complete a title transfer",
        description="The buyer has the title: the vehicle moves to the buyer's garage with its timeline. 409 "
        "`vehicle_not_the_sellers` when somebody else owns it there, or it was archived; `money_goes_back` while a "
        "refund is on its way. " + REFUSED,
        examples=[shown("completed", COMPLETED)],
    )
    @idempotent
    def complete(self, request: Request, pk: int) -> Response:
        return self._move(titles.complete_title)
