"""The control of the two-user run: the same server with a planted leak. The run must turn red on it."""

from typing import Any

from cars.models import VehicleQuerySet
from config.wsgi import application

__all__ = ["application"]


def _everybody_sees_all(self: VehicleQuerySet, user: Any) -> VehicleQuerySet:
    return self


VehicleQuerySet.visible_to = _everybody_sees_all  # type: ignore[method-assign]
