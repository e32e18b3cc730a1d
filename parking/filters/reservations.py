"""The query parameters of the list of reservations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cars.filters import PlateFilter
from common.fields import DATE_PATTERN, DATETIME_PATTERN
from common.filters import ChoiceFilter, IdFilter, OrderingFilter, StrictFilterSet, TextFilter
from parking.models import Reservation


class MomentFilter(TextFilter):
    """RFC 3339 with an offset, or a day as YYYY-MM-DD, which is one in UTC; `days` later where the day's end is
    meant."""

    meaning = "A moment, or a day in UTC. A + has to be sent as %2B."

    def __init__(self, field_name: str, lookup_expr: str, *, days: int = 0, description: str) -> None:
        pattern = f"^(?:{DATE_PATTERN[1:-1]}|{DATETIME_PATTERN[1:-1]})$"
        super().__init__(field_name, lookup_expr, max_length=40, pattern=pattern, description=description)
        self.days = days

    def parse(self, raw: str) -> datetime:
        text = super().parse(raw)
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            return moment.replace(tzinfo=UTC) + timedelta(days=self.days)
        return moment.astimezone(UTC)


class ReservationFilter(StrictFilterSet):
    """Reservations, as far as the viewer sees them; `from` and `to` are about the start."""

    status = ChoiceFilter("status", choices=Reservation.Status.choices)
    lot = IdFilter("lot_id")
    from_ = MomentFilter("starts_at", "gte", description="Starts at this moment, or on this UTC day, or later.")
    to = MomentFilter("starts_at", "lt", days=1, description="Starts before this moment, or on this UTC day.")
    plate = PlateFilter("plate_key")
    ordering = OrderingFilter(fields=("id", "starts_at", "ends_at", "created_at"))

    ranges = [("from", "to")]

    class Meta:
        model = Reservation
        fields: list[str] = []
