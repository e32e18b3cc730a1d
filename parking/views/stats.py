"""Statistics: `/api/parking/stats`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from common import clock
from common.examples import shown
from common.permissions import HasPerm
from common.views import ApiViewSet, conditional, reading
from parking import caches
from parking.filters.stats import StatisticsFilter
from parking.serializers.stats import OccupancySerializer, RevenueSerializer
from parking.services import stats

PERIOD = {
    "lot": 4,
    "step": "day",
    "timezone": "Europe/Berlin",
    "starts_at": "2025-02-28T23:00:00Z",
    "ends_at": "2025-03-01T23:00:00Z",
}
BUCKET = {"starts_at": PERIOD["starts_at"], "ends_at": PERIOD["ends_at"]}
TAKINGS = {"stays": 131, "charged": "786.00", "unpaid": "42.00", "received": "750.00"}
ABOUT = (
    "The buckets begin where the lot's own clock (the deployment's for all lots) strikes the hour or midnight; the "
    f"first and the last one end with the period. More than {stats.MOST_BUCKETS} of them are 400 `too_many_buckets`. "
    "Archived lots keep their figures. Cached for at most a minute; a booking, a release or a payment shows at once."
)


class StatisticsViewSet(ApiViewSet):
    """Figures for managers."""

    serializer_class = OccupancySerializer
    action_permissions = {
        "occupancy": [HasPerm.of("parking.view_lot")],
        "revenue": [HasPerm.of("parking.view_parkingpayment")],
    }

    @reading(
        detail=False,
        response=OccupancySerializer,
        query=StatisticsFilter,
        schema={
            "summary": "Read how full lots were",
            "description": "Vehicles count from check-in to release, those that have not left until now. " + ABOUT,
            "examples": [
                shown(
                    "a day",
                    {
                        **PERIOD,
                        "spots": 50,
                        "buckets": [
                            {
                                **BUCKET,
                                "arrivals": 133,
                                "departures": 131,
                                "peak": 47,
                                "occupied_s": 1863000,
                                "occupancy_percent": "43.13",
                            }
                        ],
                    },
                )
            ],
        },
    )
    def occupancy(self, request: Request) -> Response:
        now = clock.now()
        return self._figures(lambda period: stats.occupancy(period=period, now=now), OccupancySerializer)

    @reading(
        detail=False,
        response=RevenueSerializer,
        query=StatisticsFilter,
        schema={
            "summary": "Read what lots earned",
            "description": "Stays count where they ended, payments where they were received. " + ABOUT,
            "examples": [
                shown(
                    "a day",
                    {
                        **PERIOD,
                        "currencies": [
                            {
                                "currency": "EUR",
                                "total": TAKINGS,
                                "outstanding": "318.00",
                                "buckets": [{**BUCKET, **TAKINGS}],
                            }
                        ],
                    },
                )
            ],
        },
    )
    def revenue(self, request: Request) -> Response:
        return self._figures(lambda period: stats.revenue(period=period), RevenueSerializer)

    def _figures(self, compute: Callable[[stats.Period], Any], serializer_class: Any) -> Response:
        asked = self.query()
        period = stats.period_of(
            lot_id=asked.get("lot"),
            start=asked.get("from"),
            end=asked.get("to"),
            step=asked.get("step", "day"),
            now=clock.now(),
        )
        # The same for everybody who may see it. The time zone is part of it: a lot may move to another one.
        key = (self.action, period.lot, period.step, period.timezone, period.starts_at, period.ends_at)
        data = caches.statistics.get_or_set(key, lambda: self.represent(compute(period), serializer_class))
        return conditional(self.request, data)
