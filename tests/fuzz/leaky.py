"""The control of the two-user run: the same server with a planted leak. The run must turn red on it."""

from typing import Any

from config.wsgi import application

# isort: split
from cars.models import VehicleQuerySet  # Models load only after the application.

__all__ = ["application"]


def _everybody_sees_all(self: VehicleQuerySet, user: Any) -> VehicleQuerySet:
    return self


VehicleQuerySet.visible_to = _everybody_sees_all  # type: ignore[method-assign]
