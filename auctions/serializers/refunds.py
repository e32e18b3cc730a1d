"""Refunds as JSON, and what is posted to ask for one and to decide."""

from __future__ import annotations

from typing import Any

from auctions.models import Refund
from common.fields import IdField, MoneyField, StrictCharField, TextField
from common.money import CENT
from common.serializers import StrictModelSerializer, StrictSerializer

# What is staff's own business.
_INTERNAL: dict[str, Any] = {"failure": "", "requested_by": None, "decided_by": None}


class SaleRefundSerializer(StrictModelSerializer):
    """Money that goes back out of a payment. `attempt` counts how often it was sent; `credit_note` is the number of
    the one that was issued when it was done, null before and for money that was paid beyond the invoice. Why it failed,
    who asked and who decided is shown to staff."""

    payment = IdField(source="payment_id", read_only=True)
    order = IdField(source="order_id", read_only=True)
    order_number = StrictCharField(source="order.order_number", max_length=16, read_only=True)
    credit_note = StrictCharField(source="credit_note.number", max_length=20, read_only=True, allow_null=True)
    requested_by = IdField(source="requested_by_id", read_only=True, allow_null=True)
    decided_by = IdField(source="decided_by_id", read_only=True, allow_null=True)

    class Meta:
        model = Refund
        fields = (
            "id",
            "payment",
            "order",
            "order_number",
            "amount",
            "currency",
            "reason",
            "status",
            "attempt",
            "failure",
            "credit_note",
            "requested_by",
            "decided_by",
            "created_at",
            "done_at",
        )
        read_only_fields = fields

    def to_representation(self, instance: Refund) -> dict[str, Any]:
        data = super().to_representation(instance)
        return data if self.context["request"].user.has_perm("auctions.view_refund") else data | _INTERNAL


class RequestRefundSerializer(StrictSerializer):
    """How much of a payment goes back, and why; the buyer reads it."""

    amount = MoneyField(min_value=CENT)
    reason = TextField(max_length=500)


class RejectRefundSerializer(StrictSerializer):
    """Why the money stays; the buyer reads it."""

    reason = TextField(max_length=500)
