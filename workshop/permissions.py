"""Who may do what. Who may see what is decided by the querysets (`visible_to`)."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import BasePermission

from workshop.models import Mechanic


class IsMechanic(BasePermission):
    """Users who are active mechanics, whatever their roles. One query."""

    def has_permission(self, request: Any, view: Any) -> bool:
        user = request.user
        return bool(user and user.is_authenticated) and Mechanic.objects.filter(user_id=user.pk, active=True).exists()
