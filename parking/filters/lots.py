"""The query parameters of lots and their spots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.http import QueryDict
from rest_framework.exceptions import ErrorDetail, ValidationError

from common import clock
from common.filters import (
    BooleanFilter,
    ChoiceFilter,
    DateTimeFilter,
    IntegerFilter,
    OrderingFilter,
    SearchFilter,
    StrictFilterSet,
    TextFilter,
)
from parking.models import Lot, Spot, SpotType
from parking.services.availability import with_free_spot

WINDOW = ("starts_at", "ends_at")


class WindowFilter(StrictFilterSet):
    """A time for which the availability is told, instead of for now."""

    starts_at = DateTimeFilter(description="With `ends_at`: availability for this time. A + has to be sent as %2B.")
    ends_at = DateTimeFilter(description="After `starts_at`. A + has to be sent as %2B.")

    @classmethod
    def read(cls, query: QueryDict) -> dict[str, Any]:
        values = super().read(query)
        given = [name for name in WINDOW if name in values]
        if len(given) == 1:
            detail = ErrorDetail("starts_at and ends_at go together.", code="incomplete_range")
            raise ValidationError({given[0]: [detail]})
        if given and values["starts_at"] >= values["ends_at"]:
            raise ValidationError(
                {"starts_at": [ErrorDetail("starts_at is not before ends_at.", code="invalid_range")]}
            )
        return values


class LotFilter(WindowFilter):
    """Lots. `has_free` and `spot_type` together: a free spot of that type."""

    pin_code = TextFilter("pin_code", "iexact", max_length=16)
    is_active = BooleanFilter("is_active", description="Of interest to staff: others see active lots only.")
    has_free = BooleanFilter(description="Whether a spot (of `spot_type`) is free, now or in the window.")
    spot_type = ChoiceFilter(choices=SpotType.choices, description="Lots that have a spot of this type.")
    search = SearchFilter(fields=("name", "address", "pin_code", "description"))
    ordering = OrderingFilter(fields=("id", "name", "pin_code", "created_at", "updated_at"))

    def apply(self, queryset: QuerySet[Any], values: Mapping[str, Any]) -> QuerySet[Any]:
        plain = {name: value for name, value in values.items() if name not in (*WINDOW, "has_free", "spot_type")}
        lots: Any = super().apply(queryset, plain)
        spot_type = values.get("spot_type")
        if spot_type:
            kept = Spot.objects.filter(lot_id=OuterRef("pk"), type=spot_type).exclude(status=Spot.Status.RETIRED)
            lots = lots.filter(Exists(kept))
        if "has_free" in values:
            window = {name: values[name] for name in WINDOW if name in values}
            lots = with_free_spot(lots, has=values["has_free"], spot_type=spot_type, now=clock.now(), **window)
        return lots

    class Meta:
        model = Lot
        fields: list[str] = []


class SpotFilter(StrictFilterSet):
    """A lot's spots. Retired ones are hidden unless asked for by their status."""

    type = ChoiceFilter("type", choices=SpotType.choices)
    status = ChoiceFilter("status", choices=Spot.Status.choices)
    number = IntegerFilter("number", min=1)

    def apply(self, queryset: QuerySet[Any], values: Mapping[str, Any]) -> QuerySet[Any]:
        if "status" not in values:
            queryset = queryset.exclude(status=Spot.Status.RETIRED)
        return super().apply(queryset, values)

    class Meta:
        model = Spot
        fields: list[str] = []
