"""The query of the statistics."""

from __future__ import annotations

from common.filters import ChoiceFilter, DateTimeFilter, IdFilter, StrictFilterSet
from parking.services.stats import STEPS


class StatisticsFilter(StrictFilterSet):
    """Which lot, and which time in which steps."""

    lot = IdFilter(description="All lots together unless given.")
    from_ = DateTimeFilter(
        description="A day (of hours) or 30 days before the end unless given. A + has to be sent as %2B."
    )
    to = DateTimeFilter(
        description="Excluded; the end of the running hour or day unless given. A + has to be sent as %2B."
    )
    step = ChoiceFilter(choices=tuple(STEPS), description="`day` unless given.")

    ranges = [("from", "to")]
