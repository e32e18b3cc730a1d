"""Customers, mechanics and suppliers as JSON."""

from __future__ import annotations

from typing import Any

from accounts.models import User
from common.fields import (
    EmailField,
    IdField,
    MoneyField,
    NameField,
    RelatedIdField,
    StrictBooleanField,
    StrictIntegerField,
    StrictListField,
    TextField,
)
from common.serializers import StrictModelSerializer, StrictSerializer
from workshop.models import Customer, Mechanic, Supplier


class LinkedUserField(RelatedIdField):
    """A user by id. To those who may not link anybody, only they themselves exist."""

    def get_queryset(self) -> Any:
        viewer = self.context["request"].user
        users = User.objects.filter(is_active=True)
        return users if viewer.has_perm("workshop.change_customer") else users.filter(pk=viewer.pk)


class CustomerSerializer(StrictModelSerializer):
    """A customer. `notes` are null for those who are not staff."""

    user = IdField(source="user_id", read_only=True, allow_null=True)
    notes = TextField(read_only=True, allow_null=True)

    class Meta:
        model = Customer
        fields = ("id", "name", "email", "phone", "user", "notes", "created_at", "updated_at")
        read_only_fields = fields

    def to_representation(self, instance: Customer) -> dict[str, Any]:
        data = super().to_representation(instance)
        if not self.context["request"].user.has_perm("workshop.view_customer"):
            data["notes"] = None
        return data


class CustomerBodySerializer(StrictModelSerializer):
    """A customer as it is written. `user` and `notes` are for staff."""

    name = NameField(max_length=200)
    email = EmailField()
    phone = NameField(max_length=32, required=False, allow_blank=True)
    user = LinkedUserField(queryset=User.objects.all(), required=False, allow_null=True)
    notes = TextField(required=False, allow_blank=True)

    class Meta:
        model = Customer
        fields = ("name", "email", "phone", "user", "notes")


class MechanicSerializer(StrictModelSerializer):
    """A mechanic. `hourly_rate` is null for those who may not see rates."""

    user = IdField(source="user_id", read_only=True)
    hourly_rate = MoneyField(max_digits=10, read_only=True, allow_null=True)
    skills = StrictListField(child=NameField(max_length=64), read_only=True)

    class Meta:
        model = Mechanic
        fields = ("id", "user", "display_name", "hourly_rate", "skills", "active", "created_at", "updated_at")
        read_only_fields = fields

    def to_representation(self, instance: Mechanic) -> dict[str, Any]:
        data = super().to_representation(instance)
        if not self.context["request"].user.has_perm("workshop.view_rates"):
            data["hourly_rate"] = None
        return data


class MechanicBodySerializer(StrictModelSerializer):
    """A mechanic as it is written. The user cannot be another one later."""

    user = RelatedIdField(queryset=User.objects.filter(is_active=True))
    display_name = NameField(max_length=120)
    hourly_rate = MoneyField(max_digits=10)
    skills = StrictListField(child=NameField(max_length=64), required=False)
    active = StrictBooleanField(required=False)

    class Meta:
        model = Mechanic
        fields = ("user", "display_name", "hourly_rate", "skills", "active")


class LeaderboardRowSerializer(StrictSerializer):
    """A mechanic, and on how many tickets they worked."""

    mechanic = IdField(source="pk", read_only=True)
    display_name = NameField(max_length=120, read_only=True)
    ticket_count = StrictIntegerField(read_only=True)


class SupplierSerializer(StrictModelSerializer):
    """Somebody who sells parts."""

    name = NameField(max_length=200)
    email = EmailField(required=False, allow_blank=True)
    phone = NameField(max_length=32, required=False, allow_blank=True)

    class Meta:
        model = Supplier
        fields = ("id", "name", "email", "phone", "created_at", "updated_at")
        read_only_fields = ("created_at", "updated_at")
