"""Shapes of seller profiles."""

from __future__ import annotations

from accounts.models import SellerProfile
from common.fields import NameField, StrictCharField, StrictChoiceField
from common.serializers import StrictModelSerializer, StrictSerializer

STATUSES = ("pending", "approved")


class SellerProfileUpdateSerializer(StrictSerializer):
    """The whole profile. Another value in any of its fields asks for approval anew."""

    business_name = NameField(max_length=200)
    dealer_license_number = NameField(max_length=64)
    tax_id = NameField(max_length=64)


class SellerProfileSerializer(StrictModelSerializer):
    status = StrictChoiceField(choices=STATUSES, read_only=True)
    tax_id = StrictCharField(max_length=64, read_only=True)

    class Meta:
        model = SellerProfile
        fields = (
            "id", "user", "business_name", "dealer_license_number", "tax_id", "status", "approved_at",
            "approved_by", "created_at", "updated_at",
        )  # fmt: skip
        read_only_fields = fields
