"""Fee schedules: `/api/fee-schedules`."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotency import idempotent
from auctions.models import FeeSchedule
from auctions.serializers.fees import FeeScheduleSerializer
from auctions.services import fees
from common.examples import sent, shown
from common.permissions import HasPerm
from common.views import ApiViewSet, CreateMixin, DestroyMixin, ListMixin, RetrieveMixin, UpdateMixin

STANDARD = {
    "name": "Standard 2027",
    "kind": "percent",
    "percent": "5.00",
    "minimum": "250.00",
    "maximum": "7500.00",
    "tiers": [],
    "title_processing": "75.00",
    "tax_rates": {"NY": "8.875"},
    "taxable": ["hammer", "buyer_premium"],
    "seller_percent": "2.00",
    "valid_from": "2027-01-01T00:00:00Z",
}
MARGINAL = {
    "name": "Marginal 2027",
    "kind": "marginal",
    "tiers": [
        {"up_to": "1000.00", "percent": "15.00"},
        {"up_to": "5000.00", "percent": "10.00"},
        {"up_to": None, "percent": "7.00"},
    ],
    "valid_from": "2027-01-01T00:00:00Z",
}
BODY = sent("a percentage with its bounds", STANDARD)
TIERS = sent("marginal tiers", MARGINAL)
ROW = shown(
    "a percentage with its bounds",
    {
        "id": 2,
        **STANDARD,
        "created_at": "2026-11-25T09:30:00Z",
        "updated_at": "2026-11-25T09:30:00Z",
    },
)
RULES = (
    "A schedule that makes no sense is 422 with the code of the first finding (`percent_missing`, "
    "`percent_out_of_range`, `minimum_above_maximum`, `not_of_this_kind`, `no_tiers`, `tiers_not_rising`, "
    "`open_tier_not_last`, `last_tier_not_open`, `unknown_state`), its place in `attr` and all of them in "
    "`meta.findings`. So is a `valid_from` that is over (`valid_from_in_past`). A name that is taken is 409 "
    "`fee_schedule_exists`."
)
FROZEN = (
    "A schedule whose `valid_from` has come is 409 `fee_schedule_in_force`: it explains what was charged. Make a new "
    "one that follows it; auctions take over the schedule in force when they go live."
)


@extend_schema_view(
    list=extend_schema(
        summary="List fee schedules",
        description="The latest first. In force is the first whose `valid_from` has come.",
        examples=[ROW],
    ),
    retrieve=extend_schema(summary="Read a fee schedule", examples=[ROW]),
    create=extend_schema(
        summary="Add a fee schedule",
        description=f"In force from `valid_from` on, at once unless given; it then replaces the one before. {RULES}",
        examples=[BODY, TIERS, ROW],
    ),
    update=extend_schema(
        summary="Replace a fee schedule",
        description=f"Optional members that are left out stay. {FROZEN} {RULES}",
        examples=[BODY, ROW],
    ),
    partial_update=extend_schema(
        summary="Change a fee schedule",
        description=f"{FROZEN} {RULES}",
        examples=[sent("another fee", {"title_processing": "80.00"}), ROW],
    ),
    destroy=extend_schema(summary="Delete a fee schedule", description=FROZEN),
)
class FeeScheduleViewSet(ListMixin, RetrieveMixin, CreateMixin, UpdateMixin, DestroyMixin, ApiViewSet):
    """What buyers pay on top and sellers give of the price, to staff."""

    queryset = FeeSchedule.objects.all()
    serializer_class = FeeScheduleSerializer
    permission_classes = [HasPerm.of("auctions.view_feeschedule")]
    action_permissions = {
        "create": [HasPerm.of("auctions.add_feeschedule")],
        "update": [HasPerm.of("auctions.change_feeschedule")],
        "destroy": [HasPerm.of("auctions.delete_feeschedule")],
    }

    @idempotent
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        return super().create(request, *args, **kwargs)

    def perform_create(self, data: dict[str, Any]) -> FeeSchedule:
        return fees.create_fee_schedule(data=data)

    def perform_update(self, instance: FeeSchedule, data: dict[str, Any]) -> FeeSchedule:
        return fees.update_fee_schedule(schedule=instance, data=data)

    def perform_destroy(self, instance: FeeSchedule) -> None:
        fees.delete_fee_schedule(schedule=instance)
