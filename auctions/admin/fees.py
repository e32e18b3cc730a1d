"""Staff pages of fee schedules and increment tables. Tables are edited as lines of text; the services judge them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextareaWidget

from auctions.fees import TAXABLE_KINDS
from auctions.models import FeeSchedule, IncrementTable
from auctions.services import fees, increments
from common import clock
from common.admin import StaffAdmin, button

ABOVE = "above"
MOST_LINES = 100


class LinesField(forms.CharField):
    """Lines of `name: number`. Without `column` a mapping of them; else rows of tiers with the number in that member,
    where the last one is `above: number`."""

    def __init__(self, *, column: str | None = None, **kwargs: Any) -> None:
        self.column = column
        super().__init__(max_length=5000, widget=UnfoldAdminTextareaWidget(attrs={"rows": 8}), **kwargs)

    def prepare_value(self, value: Any) -> Any:
        """Text that comes back from the browser stays as it was typed."""
        if isinstance(value, Mapping):
            return "\n".join(f"{name}: {number}" for name, number in value.items())
        if isinstance(value, list):
            return "\n".join(f"{row['up_to'] or ABOVE}: {row[self.column]}" for row in value)
        return value or ""

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.prepare_value(initial) != (data or "").replace("\r", "").strip())

    def clean(self, value: Any) -> Any:
        pairs = [self._pair(line) for line in super().clean(value).splitlines() if line.strip()]
        if len(pairs) > MOST_LINES:
            raise ValidationError(f"At most {MOST_LINES} lines are expected.")
        if self.column is None:
            return dict(pairs)
        return [
            {"up_to": None if name.lower() == ABOVE else _number(name), self.column: number} for name, number in pairs
        ]

    @staticmethod
    def _pair(line: str) -> tuple[str, str]:
        name, colon, number = (part.strip() for part in line.partition(":"))
        if not colon:
            raise ValidationError(f"“{line}” has no colon.")
        return name, _number(number)


def _number(text: str) -> str:
    """As text, which JSON can hold; within what the columns of amounts hold."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValidationError(f"“{text}” is no number.") from None
    if not number.is_finite() or abs(number) >= Decimal(10) ** 10 or number != round(number, 3):
        raise ValidationError(f"“{text}” is no amount.")
    return str(number)


class IncrementTableForm(forms.ModelForm):
    """A table of steps, a tier per line."""

    tiers = LinesField(
        column="step", help_text="A line per tier, as “4999.99: 100” (up to, inclusive). The last: “above: 500”."
    )

    class Meta:
        model = IncrementTable
        fields = ("name", "tiers")


@admin.register(IncrementTable)
class IncrementTableAdmin(StaffAdmin):
    """The steps by which prices rise. Auctions that went live keep theirs."""

    form = IncrementTableForm
    list_display = ("name", "is_default", "show_steps", "updated_at")
    search_fields = ("name",)
    fields = ("name", "tiers", "is_default")
    readonly_fields = ("is_default",)
    actions = None  # One by one: the default table has to stay.
    actions_detail = ["make_default"]

    @display(description="steps")
    def show_steps(self, table: IncrementTable) -> str:
        first, last = table.tiers[0]["step"], table.tiers[-1]["step"]
        return f"{len(table.tiers)} tiers, {first} to {last}" if len(table.tiers) > 1 else first

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and not (obj and obj.is_default)

    def perform_create(self, request: HttpRequest, data: dict[str, Any]) -> IncrementTable:
        return increments.create_increment_table(data=data)

    def perform_update(
        self,
        request: HttpRequest,
        table: IncrementTable,
        data: dict[str, Any],
    ) -> IncrementTable:
        return increments.update_increment_table(table=table, data=data)

    def delete_model(self, request: HttpRequest, obj: IncrementTable) -> None:
        increments.delete_increment_table(table=obj)

    @button(
        description="Make it the default", permissions=["change"], url_path="make-default", icon="star",
        offered=lambda table: not table.is_default,
    )  # fmt: skip
    def make_default(self, request: HttpRequest, object_id: str) -> HttpResponse:
        table = IncrementTable.objects.get(pk=object_id)
        self.run(request, lambda: increments.make_default(table=table), done="Auctions go live with it from now on.")
        return redirect(reverse("admin:auctions_incrementtable_change", args=[object_id]))


class FeeScheduleForm(forms.ModelForm):
    """A schedule, its tiers and taxes as lines."""

    tiers = LinesField(
        column="percent",
        required=False,
        help_text="Marginal schedules: a line per tier, as “1000: 15” (percent). The last: “above: 4”.",
    )
    tax_rates = LinesField(required=False, help_text="A line per state of the buyer, as “NY: 8.875” (percent).")
    taxable = forms.MultipleChoiceField(
        choices=[(kind, kind.replace("_", " ")) for kind in TAXABLE_KINDS],
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )

    class Meta:
        model = FeeSchedule
        fields = (
            "name", "valid_from", "kind", "percent", "minimum", "maximum", "tiers", "title_processing", "tax_rates",
            "taxable", "seller_percent",
        )  # fmt: skip

    def _get_validation_exclusions(self) -> set[str]:
        """The model's constraints name themselves only; the service says what is wrong and where."""
        excluded: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]  # Django's stubs lack it.
        return excluded | {"percent", "minimum", "title_processing", "seller_percent"}


@admin.register(FeeSchedule)
class FeeScheduleAdmin(StaffAdmin):
    """What buyers pay on top, and sellers give of the price. Once its time has come a schedule only shows what was
    charged."""

    form = FeeScheduleForm
    list_display = ("name", "show_state", "valid_from", "show_premium", "title_processing")
    list_filter = ("kind",)
    search_fields = ("name",)
    fields = FeeScheduleForm.Meta.fields
    actions = None  # One by one: what was in force has to stay.

    def get_queryset(self, request: HttpRequest) -> QuerySet[FeeSchedule]:
        begun = FeeSchedule.objects.filter(valid_from__lte=clock.now()).order_by("-valid_from", "-id")
        return super().get_queryset(request).annotate(current_id=Subquery(begun.values("pk")[:1]))

    @display(description="state", label={"in force": "success", "to come": "info"})
    def show_state(self, schedule: Any) -> str:
        if schedule.pk == schedule.current_id:
            return "in force"
        return "over" if schedule.valid_from <= clock.now() else "to come"

    @display(description="premium")
    def show_premium(self, schedule: FeeSchedule) -> str:
        if schedule.kind == FeeSchedule.Kind.MARGINAL:
            return f"{len(schedule.tiers)} tiers, {schedule.tiers[0]['percent']} % of the first"
        bounds = [
            f"{word} {amount}"
            for word, amount in (("at least", schedule.minimum), ("at most", schedule.maximum))
            if amount is not None
        ]
        return ", ".join([f"{schedule.percent} %", *bounds])

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and not _has_begun(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and not _has_begun(obj)

    def perform_create(self, request: HttpRequest, data: dict[str, Any]) -> FeeSchedule:
        return fees.create_fee_schedule(data=data)

    def perform_update(
        self,
        request: HttpRequest,
        schedule: FeeSchedule,
        data: dict[str, Any],
    ) -> FeeSchedule:
        return fees.update_fee_schedule(schedule=schedule, data=data)

    def delete_model(self, request: HttpRequest, obj: FeeSchedule) -> None:
        fees.delete_fee_schedule(schedule=obj)


def _has_begun(schedule: FeeSchedule | None) -> bool:
    return schedule is not None and schedule.valid_from <= clock.now()
