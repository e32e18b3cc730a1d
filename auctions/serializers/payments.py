"""Payments for orders as JSON, and what is posted to make one."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema_field
from rest_framework.serializers import SerializerMethodField

from auctions.models import Payment
from auctions.services.payments import Attempt
from common.fields import IdField, MoneyField, NameField, StrictCharField, StrictChoiceField
from common.serializers import StrictModelSerializer, StrictSerializer


class SalePaymentSerializer(StrictModelSerializer):
    """An attempt to pay for an order. `failure` says why it came to nothing; `refund_reserved` is what went back of it
    or is on its way."""

    order = IdField(source="order_id", read_only=True)

    class Meta:
        model = Payment
        fields: tuple[str, ...] = (
            "id",
            "order",
            "provider",
            "provider_ref",
            "amount",
            "currency",
            "status",
            "reference",
            "failure",
            "refund_reserved",
            "succeeded_at",
            "created_at",
            "updated_at",
        )
        read_only_fields = fields


class PaymentActionSerializer(StrictSerializer):
    """What the payer does next: confirm the payment in the browser, by the provider's own library and this secret."""

    type = StrictChoiceField(choices=("stripe",), read_only=True)
    client_secret = StrictCharField(max_length=200, read_only=True)


class StartedPaymentSerializer(SalePaymentSerializer):
    """A new attempt, and what its payer does next; null when there is nothing to do."""

    action = SerializerMethodField()

    class Meta(SalePaymentSerializer.Meta):
        fields = (*SalePaymentSerializer.Meta.fields, "action")
        read_only_fields = fields

    def to_representation(self, instance: Attempt) -> dict[str, object]:
        self._action = instance.action
        shown: dict[str, object] = super().to_representation(instance.payment)
        return shown

    @extend_schema_field(PaymentActionSerializer(allow_null=True))
    def get_action(self, _payment: Payment) -> dict[str, str] | None:
        return dict(self._action) if self._action else None


class SalePaymentCreateSerializer(StrictSerializer):
    """Money for an order. Wires need the `reference` that they came with."""

    provider = StrictChoiceField(choices=Payment.Provider.choices)
    amount = MoneyField(min_value="0.01")
    reference = NameField(max_length=64, required=False, allow_blank=True)


class ReceivedSerializer(StrictSerializer):
    """The event's id here."""

    event = StrictCharField(max_length=36, read_only=True)
