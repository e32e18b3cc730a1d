"""Serializers that lose nothing: a member nobody asked for is an error, not a shrug."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any, ClassVar

from django.db import models
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

from common import fields
from common.models import CounterPayment
from common.money import CENT


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses unknown members (400 `unknown_field`) and read-only ones (400 `read_only`), all of them at once."""

    @classmethod
    def many_init(cls, *args: Any, **kwargs: Any) -> Any:
        """A list in a body holds at most 50, unless `max_length` says otherwise."""
        return super().many_init(*args, **({"max_length": fields.MAX_ITEMS} | kwargs))

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            errors = self._refused_members(data) | self._missing_members(data)
            if errors:
                raise serializers.ValidationError(errors)
        return super().to_internal_value(data)

    def _missing_members(self, data: Mapping[str, Any]) -> dict[str, list[ErrorDetail]]:
        """A list is replaced as a whole, so its items are whole also in a PATCH, where REST framework asks nobody for
        required members."""
        is_item = isinstance(self.parent, serializers.ListField | serializers.ListSerializer)
        if not (is_item and getattr(self.root, "partial", False)):
            return {}
        missing = [name for name, field in self.fields.items() if field.required and name not in data]
        return {name: [ErrorDetail("This field is required.", code="required")] for name in missing}

    def _refused_members(self, data: Mapping[str, Any]) -> dict[str, list[ErrorDetail]]:
        errors = {}
        for name in data:
            field = self.fields.get(name)
            if field is None:
                errors[name] = [ErrorDetail("There is no such field.", code="unknown_field")]
            elif field.read_only:
                errors[name] = [ErrorDetail("This field cannot be set.", code="read_only")]
        return errors


class EmptySerializer(StrictSerializer):
    """The body of a command that takes nothing: absent or `{}`."""


class StrictModelSerializer(StrictSerializer, serializers.ModelSerializer[Any]):
    """Model fields become strict fields with the model's bounds. Rules that need the database are the services': no
    uniqueness check here, since only the constraint can judge a race."""

    serializer_field_mapping: ClassVar[
        dict[type[models.Field[Any, Any]], type[serializers.Field[Any, Any, Any, Any]]]
    ] = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.CharField: fields.StrictCharField,
        models.TextField: fields.TextField,
        models.EmailField: fields.EmailField,
        models.BooleanField: fields.StrictBooleanField,
        models.DecimalField: fields.StrictDecimalField,
        models.DateTimeField: fields.StrictDateTimeField,
        models.DateField: fields.StrictDateField,
        models.JSONField: fields.StrictJSONField,
        **dict.fromkeys(
            (
                models.IntegerField,
                models.SmallIntegerField,
                models.BigIntegerField,
                models.PositiveIntegerField,
                models.PositiveSmallIntegerField,
                models.PositiveBigIntegerField,
                models.AutoField,
                models.BigAutoField,
            ),
            fields.StrictIntegerField,
        ),
    }
    serializer_choice_field = fields.StrictChoiceField
    serializer_related_field = fields.RelatedIdField

    def include_extra_kwargs(
        self, kwargs: MutableMapping[str, Any], extra_kwargs: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        blank_choice = "choices" in kwargs and kwargs.get("allow_blank", False)
        kwargs = super().include_extra_kwargs(kwargs, extra_kwargs)
        if blank_choice:  # Read-only fields lose it, and with it "" among the published values.
            kwargs["allow_blank"] = True
        kwargs["validators"] = [
            validator for validator in kwargs.get("validators", []) if not hasattr(validator, "queryset")
        ]
        if not kwargs["validators"]:
            del kwargs["validators"]
        return kwargs

    def get_validators(self) -> list[Any]:
        return list(getattr(getattr(self, "Meta", None), "validators", None) or [])


class CounterPaymentSerializer(StrictModelSerializer):
    """Money taken over the counter; who took it is shown to those with the permission `shows_receiver_to`."""

    received_by = fields.IdField(source="received_by_id", read_only=True, allow_null=True)
    shows_receiver_to: ClassVar[str]

    def to_representation(self, instance: CounterPayment) -> dict[str, Any]:
        data = super().to_representation(instance)
        if not self.context["request"].user.has_perm(self.shows_receiver_to):
            data["received_by"] = None
        return data


class CounterPaymentCreateSerializer(StrictSerializer):
    """`reference` is what finds it again: a receipt, a transfer's text."""

    amount = fields.MoneyField(min_value=CENT)
    method = fields.StrictChoiceField(choices=CounterPayment.Method.choices)
    reference = fields.NameField(max_length=64, required=False, allow_blank=True)
