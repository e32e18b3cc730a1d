"""The watchlist and saved searches as JSON."""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from auctions.filters.listings import ListingFilter
from auctions.filters.watching import read_search
from auctions.models import Auction, SavedSearch
from auctions.serializers.auctions import AuctionSerializer
from common.fields import (
    Describe,
    MoneyField,
    NameField,
    Strict,
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictIntegerField,
    describe_nothing,
)
from common.filters import BooleanFilter, ChoiceFilter, DecimalFilter, IntegerFilter, TextFilter
from common.serializers import StrictModelSerializer


class WatchedAuctionSerializer(AuctionSerializer):
    """An auction as everybody sees it, with what is sold."""

    title = StrictCharField(source="listing", max_length=300, read_only=True)

    class Meta:
        model = Auction
        fields = ("title", *AuctionSerializer.Meta.fields)
        read_only_fields = fields


class SearchFiltersField(Strict, serializers.Field[Any, Any, Any, Any]):
    """The parameters of `GET /api/vehicles` as a JSON object, each of its own type: numbers and booleans are no texts.
    Kept as they came, amounts as strings. Errors name `filters.<name>`."""

    default_error_messages = {"not_a_dict": "An object is expected."}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.fail("not_a_dict")
        known = _filter_fields()
        values: dict[str, Any] = {}
        errors: dict[str, Any] = {}
        for name, value in data.items():
            if name not in known:
                errors[name] = [ErrorDetail("There is no such filter.", code="unknown_field")]
                continue
            try:
                values[name] = _kept(known[name].run_validation(value))
            except ValidationError as error:
                errors[name] = error.detail
        if errors:
            raise ValidationError(errors)
        _check_together(values)
        return values

    def to_representation(self, value: Any) -> Any:
        return value

    def json_schema(self, *, request: bool, nested: Describe = describe_nothing) -> dict[str, Any]:
        members = {
            name: field.json_schema(request=request, nested=nested)
            | {"description": ListingFilter.base_filters[name].description}
            for name, field in _filter_fields().items()
        }
        return {"type": "object", "properties": members} | ({"additionalProperties": False} if request else {})


@cache
def _filter_fields() -> dict[str, Any]:
    return {name: _field_of(filter_) for name, filter_ in ListingFilter.base_filters.items()}


def _field_of(filter_: Any) -> Any:
    """The strict field for what a parameter of the query would hold. Raises TypeError for a kind of filter that this
    does not know."""
    match filter_:
        case BooleanFilter():
            return StrictBooleanField()
        case IntegerFilter():
            return StrictIntegerField(min_value=filter_.min, max_value=filter_.max)
        case DecimalFilter():
            return MoneyField()
        case ChoiceFilter():
            return StrictChoiceField(choices=filter_.choices)
        case TextFilter():
            return StrictCharField(min_length=1, max_length=filter_.max_length, pattern=filter_.pattern)
    raise TypeError(f"No field for {type(filter_).__name__}.")


def _kept(value: Any) -> Any:
    """As a JSON column holds it."""
    return str(value) if isinstance(value, Decimal) else value


def _check_together(values: dict[str, Any]) -> None:
    """Raises ValidationError. A contradiction in a body is 422, where one in a query is 400."""
    try:
        read_search(values)
    except ValidationError as error:
        facts: Any = error.detail
        raise ValidationError(
            {name: [ErrorDetail(str(detail[0]), code="semantic")] for name, detail in facts.items()}
        ) from None


class SavedSearchSerializer(StrictModelSerializer):
    """A search for listings to come. `cadence` says how it tells: at once, in one message a day, or not at all."""

    name = NameField(max_length=100)
    filters = SearchFiltersField()
    cadence = StrictChoiceField(choices=SavedSearch.Cadence.choices, required=False)

    class Meta:
        model = SavedSearch
        fields = ("id", "name", "filters", "cadence", "created_at")
        read_only_fields = ("created_at",)
