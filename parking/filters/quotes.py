"""The query of a quote."""

from __future__ import annotations

from common.filters import ChoiceFilter, DateTimeFilter, StrictFilterSet
from parking.models import SpotType


class QuoteFilter(StrictFilterSet):
    """The stay to be priced."""

    starts_at = DateTimeFilter(description="Now unless given. A + has to be sent as %2B.")
    ends_at = DateTimeFilter(description="The lot's default stay after the start unless given.")
    spot_type = ChoiceFilter(choices=SpotType.choices, description="`standard` unless given.")

    ranges = [("starts_at", "ends_at")]
