"""Fee schedules and quotes as JSON."""

from __future__ import annotations

from auctions.fees import LINE_KINDS, TAXABLE_KINDS
from auctions.models import FeeSchedule
from common.fields import (
    MoneyField,
    NameField,
    StrictCharField,
    StrictChoiceField,
    StrictDateTimeField,
    StrictDecimalField,
    StrictDictField,
    StrictListField,
)
from common.serializers import StrictModelSerializer, StrictSerializer

PERCENT = {"max_digits": 5, "decimal_places": 2, "min_value": 0, "max_value": 100}
TAX_RATE = {"max_digits": 6, "decimal_places": 3, "min_value": 0, "max_value": 100}
# Beyond an amount's 12 digits: the total of the largest hammer price, its premium and taxes on both.
SUM = {"max_digits": 15, "decimal_places": 2}


class FeeTierSerializer(StrictSerializer):
    """The percentage of the part of a price between the tier before and `up_to` (inclusive; null in the last tier)."""

    up_to = MoneyField(min_value="0.01", allow_null=True)
    percent = StrictDecimalField(**PERCENT)


class FeeScheduleSerializer(StrictModelSerializer):
    """What a buyer pays on top of the hammer price from `valid_from` on. Kind `percent`: `percent` of it, at least
    `minimum` and at most `maximum`. Kind `marginal`: of each part of it the percentage of its tier. `tax_rates` are
    percent by the buyer's state, on the kinds of lines in `taxable`. `seller_percent` of the hammer price is kept from
    what the seller is paid out."""

    name = NameField(max_length=64)
    percent = StrictDecimalField(**PERCENT, required=False, allow_null=True)
    minimum = MoneyField(required=False, allow_null=True)
    maximum = MoneyField(required=False, allow_null=True)
    tiers = FeeTierSerializer(many=True, required=False)
    title_processing = MoneyField(required=False)
    tax_rates = StrictDictField(child=StrictDecimalField(**TAX_RATE), required=False)
    taxable = StrictListField(child=StrictChoiceField(choices=TAXABLE_KINDS), required=False)
    seller_percent = StrictDecimalField(**PERCENT, required=False)
    valid_from = StrictDateTimeField(required=False)

    class Meta:
        model = FeeSchedule
        fields = (
            "id",
            "name",
            "kind",
            "percent",
            "minimum",
            "maximum",
            "tiers",
            "title_processing",
            "tax_rates",
            "taxable",
            "seller_percent",
            "valid_from",
            "created_at",
            "updated_at",
        )
        read_only_fields = ("created_at", "updated_at")


class AuctionQuoteLineSerializer(StrictSerializer):
    """A part of the price."""

    kind = StrictChoiceField(choices=LINE_KINDS, read_only=True)
    amount = StrictDecimalField(**SUM, read_only=True)


class AuctionQuoteSerializer(StrictSerializer):
    """What a buyer would pay in all."""

    currency = StrictCharField(max_length=3, read_only=True)
    lines = AuctionQuoteLineSerializer(many=True, read_only=True)
    total = StrictDecimalField(**SUM, read_only=True)
