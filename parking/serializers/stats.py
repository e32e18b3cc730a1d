"""The parking's statistics as JSON."""

from __future__ import annotations

from common.fields import (
    IdField,
    StrictCharField,
    StrictChoiceField,
    StrictDateTimeField,
    StrictDecimalField,
    StrictIntegerField,
)
from common.serializers import StrictSerializer
from parking.services.stats import STEPS


class SumField(StrictDecimalField):
    """An amount that many stays add up to; 20 digits."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(max_digits=20, decimal_places=2, read_only=True, **kwargs)


class StatisticsPeriodSerializer(StrictSerializer):
    """What the figures are about; `lot` null: all lots."""

    lot = IdField(source="period.lot", read_only=True, allow_null=True)
    step = StrictChoiceField(source="period.step", choices=tuple(STEPS), read_only=True)
    timezone = StrictCharField(source="period.timezone", max_length=64, read_only=True)
    starts_at = StrictDateTimeField(source="period.starts_at", read_only=True)
    ends_at = StrictDateTimeField(source="period.ends_at", read_only=True)


class OccupancyBucketSerializer(StrictSerializer):
    """Vehicles that came, left and stood there: the most at one moment, and the seconds of all of them together."""

    starts_at = StrictDateTimeField(read_only=True)
    ends_at = StrictDateTimeField(read_only=True)
    arrivals = StrictIntegerField(read_only=True)
    departures = StrictIntegerField(read_only=True)
    peak = StrictIntegerField(read_only=True)
    occupied_s = StrictIntegerField(read_only=True)
    occupancy_percent = StrictDecimalField(max_digits=12, decimal_places=2, read_only=True, allow_null=True)


class OccupancySerializer(StatisticsPeriodSerializer):
    """How full lots were. `occupancy_percent` is of the `spots` there are now, null where there are none."""

    spots = StrictIntegerField(read_only=True)
    buckets = OccupancyBucketSerializer(many=True, read_only=True)


class TakingsSerializer(StrictSerializer):
    """`stays` that ended, what they cost (`charged`), what of that nobody has paid by now (`unpaid`), and the payments
    `received` meanwhile, for these stays or earlier ones."""

    stays = StrictIntegerField(read_only=True)
    charged = SumField()
    unpaid = SumField()
    received = SumField()


class RevenueBucketSerializer(StrictSerializer):
    """The takings of an hour or a day."""

    starts_at = StrictDateTimeField(read_only=True)
    ends_at = StrictDateTimeField(read_only=True)
    stays = StrictIntegerField(source="takings.stays", read_only=True)
    charged = SumField(source="takings.charged")
    unpaid = SumField(source="takings.unpaid")
    received = SumField(source="takings.received")


class CurrencyRevenueSerializer(StrictSerializer):
    """The takings in one currency. `outstanding` is what is unpaid of all stays, whenever they ended."""

    currency = StrictCharField(max_length=3, read_only=True)
    total = TakingsSerializer(read_only=True)
    outstanding = SumField()
    buckets = RevenueBucketSerializer(many=True, read_only=True)


class RevenueSerializer(StatisticsPeriodSerializer):
    """What lots earned, by currency: usually there is one, and none before anything was earned."""

    currencies = CurrencyRevenueSerializer(many=True, read_only=True)
