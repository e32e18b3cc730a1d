"""What lists of accounts can be asked for."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from accounts.models import ApiKey, User
from common.clock import now
from common.filters import (
    BooleanFilter,
    DateTimeFilter,
    KeyFilter,
    OrderingFilter,
    SearchFilter,
    StrictFilterSet,
    TextFilter,
)


class PresenceFilter(BooleanFilter):
    """Whether a time is set."""

    def filter(self, qs: QuerySet[Any], value: bool) -> QuerySet[Any]:
        return qs.filter(**{f"{self.field_name}__isnull": not value})


class UserFilterSet(StrictFilterSet):
    """Administrators search people by name, address and state."""

    ranges = [("created_after", "created_before")]

    email = KeyFilter("email", max_length=254)
    username = KeyFilter("username_key", max_length=64)
    group = TextFilter("groups__name", max_length=150)
    is_active = BooleanFilter("is_active")
    is_staff = BooleanFilter("is_staff")
    is_superuser = BooleanFilter("is_superuser")
    email_verified = PresenceFilter("email_verified_at")
    identity_verified = PresenceFilter("identity_verified_at")
    identity_requested = PresenceFilter("identity_requested_at")
    created_after = DateTimeFilter("created_at", "gte")
    created_before = DateTimeFilter("created_at", "lt")
    search = SearchFilter(fields=["email", "username", "first_name", "last_name"])
    ordering = OrderingFilter(fields={"id": "id", "email": "email", "created_at": "created_at"})

    class Meta:
        model = User
        fields: list[str] = []


class LiveFilter(BooleanFilter):
    """Whether a key is still good."""

    def filter(self, qs: QuerySet[Any], value: bool) -> QuerySet[Any]:
        live = ApiKey.objects.live(now=now()).values("pk")
        return qs.filter(pk__in=live) if value else qs.exclude(pk__in=live)


class ApiKeyFilterSet(StrictFilterSet):
    """Those that are good, or those that are over."""

    live = LiveFilter()

    class Meta:
        model = ApiKey
        fields: list[str] = []
