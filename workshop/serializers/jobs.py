"""Jobs, their lines and their clocks as JSON."""

from __future__ import annotations

from typing import Any

from common.fields import (
    IdField,
    MoneyField,
    NameField,
    RelatedIdField,
    StrictBooleanField,
    StrictCharField,
    StrictDecimalField,
)
from common.serializers import StrictModelSerializer, StrictSerializer
from workshop import pricing
from workshop.models import FeeLine, Job, LabourLine, Mechanic, Part, PartLine, TimeEntry


class LineAmountField(MoneyField):
    """`net` or `tax` of a line, whose job is at hand."""

    def __init__(self, amount: str, **kwargs: Any) -> None:
        super().__init__(**{"read_only": True} | kwargs)
        self.amount = amount

    def get_attribute(self, instance: pricing.Line) -> Any:
        return getattr(pricing.amounts_of_line(instance, instance.job.tax_rate), self.amount)


class HoursField(StrictDecimalField):
    """Hours with two places, more than none."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_digits=6, decimal_places=2, min_value="0.01", **kwargs)


class QuantityField(StrictDecimalField):
    """A quantity with three places, more than none."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_digits=12, decimal_places=3, min_value="0.001", **kwargs)


class TaxRateField(StrictDecimalField):
    """Percent."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_digits=5, decimal_places=2, min_value=0, max_value=100, **kwargs)


class LabourLineSerializer(StrictModelSerializer):
    """Hours of a mechanic. `rate` is what the mechanic's hour cost when the line was written."""

    mechanic = RelatedIdField(queryset=Mechanic.objects.filter(active=True))
    mechanic_name = StrictCharField(source="mechanic.display_name", max_length=120, read_only=True)
    hours = HoursField()
    rate = MoneyField(read_only=True)
    net = LineAmountField("net")
    tax = LineAmountField("tax")

    class Meta:
        model = LabourLine
        fields = ("id", "mechanic", "mechanic_name", "hours", "rate", "net", "tax")


class PartLineSerializer(StrictModelSerializer):
    """Some of a part, with name and prices as they were when the line was written. `stock` tells whether it is
    reserved; `cost` is null for those who do not see costs."""

    part = IdField(source="part_id", read_only=True)
    quantity = QuantityField(read_only=True)
    price = MoneyField(read_only=True)
    cost = MoneyField(read_only=True, allow_null=True)
    net = LineAmountField("net")
    tax = LineAmountField("tax")

    class Meta:
        model = PartLine
        fields = ("id", "part", "name", "sku", "unit", "quantity", "price", "cost", "stock", "net", "tax")
        read_only_fields = fields

    def to_representation(self, instance: PartLine) -> dict[str, Any]:
        data = super().to_representation(instance)
        if not self.context["request"].user.has_perm("workshop.view_costs"):
            data["cost"] = None
        return data


class NewPartLineSerializer(StrictSerializer):
    """A part and how much of it. The price is the part's, unless staff name another."""

    part = RelatedIdField(queryset=Part.objects.current())
    quantity = QuantityField()
    price = MoneyField(required=False)


class ChangePartLineSerializer(StrictSerializer):
    """What may change of a part line; another part is another line."""

    quantity = QuantityField(required=False)
    price = MoneyField(required=False)


class FeeLineSerializer(StrictModelSerializer):
    """A charge that is neither labour nor part."""

    title = NameField(max_length=200)
    amount = MoneyField()
    net = LineAmountField("net")
    tax = LineAmountField("tax")

    class Meta:
        model = FeeLine
        fields = ("id", "title", "amount", "net", "tax")


class JobSerializer(StrictModelSerializer):
    """A job with its lines. `tax_rate` is percent and holds for all of them; the total is with tax."""

    ticket = IdField(source="ticket_id", read_only=True)
    title = NameField(max_length=200)
    tax_rate = TaxRateField(required=False)
    labour_lines = LabourLineSerializer(many=True, read_only=True)
    part_lines = PartLineSerializer(many=True, read_only=True)
    fee_lines = FeeLineSerializer(many=True, read_only=True)
    subtotal = MoneyField(source="amounts.net", read_only=True)
    tax_total = MoneyField(source="amounts.tax", read_only=True)
    total = MoneyField(source="amounts.gross", read_only=True)

    class Meta:
        model = Job
        fields = (
            "id",
            "ticket",
            "title",
            "state",
            "tax_rate",
            "labour_lines",
            "part_lines",
            "fee_lines",
            "subtotal",
            "tax_total",
            "total",
            "authorised_at",
            "finished_at",
            "created_at",
            "updated_at",
        )
        read_only_fields = ("state", "authorised_at", "finished_at", "created_at", "updated_at")

    def to_representation(self, instance: Any) -> dict[str, Any]:
        instance.amounts = pricing.amounts_of_job(instance)
        return super().to_representation(instance)


class AuthoriseJobSerializer(StrictSerializer):
    """With `wait_for_parts`, parts that are short do not refuse it: the ticket waits for them."""

    wait_for_parts = StrictBooleanField(required=False, default=False)


class TimeEntrySerializer(StrictModelSerializer):
    """A mechanic's time on a job; `ended_at` is null while the clock runs."""

    job = IdField(source="job_id", read_only=True)
    mechanic = IdField(source="mechanic_id", read_only=True)
    mechanic_name = StrictCharField(source="mechanic.display_name", max_length=120, read_only=True)

    class Meta:
        model = TimeEntry
        fields = ("id", "job", "mechanic", "mechanic_name", "started_at", "ended_at")
        read_only_fields = fields
