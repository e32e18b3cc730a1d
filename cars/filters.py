"""The query parameters of the app's lists."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from cars import vin
from cars.models import YEAR_MAX, YEAR_MIN, Car, SyncRun, Vehicle
from common.filters import (
    BooleanFilter,
    ChoiceFilter,
    ContainsFilter,
    DateTimeFilter,
    IdFilter,
    IntegerFilter,
    KeyFilter,
    OrderingFilter,
    SearchFilter,
    StrictFilterSet,
    TextFilter,
)
from common.text import natural_key, plate_key

YEARS = {"min": YEAR_MIN, "max": YEAR_MAX}


class KeyPartFilter(ContainsFilter):
    """A part of a stored `natural_key`, whatever the case and spacing it is asked in."""

    def __init__(self, field_name: str) -> None:
        super().__init__(field_name, "contains")

    def parse(self, raw: str) -> str:
        return natural_key(super().parse(raw))


class VinFilter(TextFilter):
    """A whole VIN, however it is grouped."""

    def parse(self, raw: str) -> str:
        return vin.normalise(super().parse(raw))


class PlateFilter(TextFilter):
    """A whole plate, whatever its case, spaces and dashes."""

    def parse(self, raw: str) -> str:
        return plate_key(super().parse(raw))


class ShownTooFilter(BooleanFilter):
    """Rows that are hidden by default. The view's queryset hides them, since only the list does."""

    def filter(self, qs: QuerySet[Any], value: bool) -> QuerySet[Any]:
        return qs


class CarFilter(StrictFilterSet):
    """The registry. Withdrawn rows are hidden unless asked for."""

    make = KeyFilter("make_key", max_length=128)
    model = KeyFilter("model_key", max_length=160)
    make__icontains = KeyPartFilter("make_key")
    model__icontains = KeyPartFilter("model_key")
    year = IntegerFilter("year", **YEARS)
    year_min = IntegerFilter("year", "gte", **YEARS)
    year_max = IntegerFilter("year", "lte", **YEARS)
    category = TextFilter("category", "iexact", max_length=128)
    source = TextFilter("source", max_length=32)
    include_withdrawn = ShownTooFilter(description="Also rows that the source no longer lists.")
    search = SearchFilter(fields=("make", "model", "category"))
    ordering = OrderingFilter(
        fields={
            "id": "id",
            "make": "make_key",
            "model": "model_key",
            "year": "year",
            "created_at": "created_at",
            "updated_at": "updated_at",
        }
    )

    ranges = [("year_min", "year_max")]

    class Meta:
        model = Car
        fields: list[str] = []


class ModelYearFilter(StrictFilterSet):
    """The models of one year."""

    year = IntegerFilter("year", **YEARS)


class VehicleFilter(StrictFilterSet):
    """The garage, as far as the viewer sees it."""

    owner = IdFilter("owner_id", description="Of interest to staff: others see their own only.")
    vin = VinFilter("vin")
    plate = PlateFilter("plate_key")
    car = IdFilter("car_id")
    year = IntegerFilter("year", **YEARS)
    year_min = IntegerFilter("year", "gte", **YEARS)
    year_max = IntegerFilter("year", "lte", **YEARS)
    search = SearchFilter(fields=("vin", "plate_key", "make", "model"))
    ordering = OrderingFilter(fields=("id", "year", "created_at", "updated_at"))

    ranges = [("year_min", "year_max")]

    class Meta:
        model = Vehicle
        fields: list[str] = []


class SyncRunFilter(StrictFilterSet):
    """Sync runs."""

    source = TextFilter("source", max_length=32)
    provider = TextFilter("provider", max_length=64)
    status = ChoiceFilter("status", choices=SyncRun.Status.choices)
    trigger = ChoiceFilter("trigger", choices=SyncRun.Trigger.choices)
    full = BooleanFilter("full")
    queued_from = DateTimeFilter("queued_at", "gte")
    queued_to = DateTimeFilter("queued_at", "lte")
    ordering = OrderingFilter(fields=("id", "queued_at", "started_at", "finished_at"))

    ranges = [("queued_from", "queued_to")]

    class Meta:
        model = SyncRun
        fields: list[str] = []
