"""Who may write what. Who may see it is decided by the querysets."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import BasePermission

from cars.models import Car, Vehicle


class WritesCar(BasePermission):
    """The creator of a manual row, and staff who may change (or delete) cars. Synced rows are staff's alone."""

    def has_object_permission(self, request: Any, view: Any, obj: Car) -> bool:
        if obj.source == Car.MANUAL and obj.created_by_id == request.user.pk:
            return True
        return bool(request.user.has_perm("cars.delete_car" if request.method == "DELETE" else "cars.change_car"))


class WritesVehicle(BasePermission):
    """The owner, and staff who may change vehicles; who may only look at them gets 403."""

    def has_object_permission(self, request: Any, view: Any, obj: Vehicle) -> bool:
        return obj.owner_id == request.user.pk or bool(request.user.has_perm("cars.change_vehicle"))
