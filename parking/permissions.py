"""Who may do what. Who may see it is decided by the querysets (`visible_to`)."""

from __future__ import annotations

from functools import cache
from typing import Any

from rest_framework.permissions import BasePermission

from parking.models import Reservation


class DriverOr(BasePermission):
    """Whoever booked, and staff with one model permission; who may only look gets 403. Make one with
    `DriverOr.of("parking.force_release")`."""

    perm = ""

    @classmethod
    @cache
    def of(cls, perm: str) -> type[DriverOr]:
        return type(f"DriverOr_{perm.replace('.', '_')}", (cls,), {"perm": perm})

    def has_object_permission(self, request: Any, view: Any, obj: Reservation) -> bool:
        return obj.user_id == request.user.pk or bool(request.user.has_perm(self.perm))
