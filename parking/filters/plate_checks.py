"""The query of a plate check."""

from __future__ import annotations

from cars.models import PLATE_LENGTH
from common.filters import IdFilter, StrictFilterSet, TextFilter


class PlateCheckFilter(StrictFilterSet):
    """Which vehicle, and where."""

    plate = TextFilter(
        required=True, max_length=PLATE_LENGTH, description="As it is written; case, spaces and dashes do not matter."
    )
    lot = IdFilter(description="All lots unless given.")
