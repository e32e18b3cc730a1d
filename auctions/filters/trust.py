"""What part of a long log is asked for."""

from __future__ import annotations

from common.filters import IntegerFilter, StrictFilterSet

MOST_ROWS = 10_000


class AuditFilter(StrictFilterSet):
    """The parameters of an audit. The verdict is always on the whole log."""

    after = IntegerFilter(min=0, description="Rows whose `seq` is above this one; `next_after` of the answer before.")
    limit = IntegerFilter(min=1, max=MOST_ROWS, description=f"Rows in the answer; {MOST_ROWS} unless given.")
