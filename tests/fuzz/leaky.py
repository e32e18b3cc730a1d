"""The control of the two-user run: the same server with a planted leak, a vehicle that anybody reads by its id. The run
must turn red on it."""

from typing import Any

from config.wsgi import application

# isort: split
from cars.models import Vehicle  # Models load only after the application.
from cars.views.garage import VehicleViewSet

__all__ = ["application"]
visible = VehicleViewSet.get_queryset


def everything_by_id(self: VehicleViewSet) -> Any:
    return Vehicle.objects.all() if self.action == "retrieve" else visible(self)


VehicleViewSet.get_queryset = everything_by_id  # type: ignore[method-assign]
