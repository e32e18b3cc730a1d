"""Fee schedules and what an auction would cost its buyer.

A schedule that has been in force is history: what was charged by it must stay explainable, so it changes no more.
Auctions copy the one in force when they go live, so nothing here touches one that is open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction

from auctions import fees
from auctions.models import Auction, FeeSchedule
from auctions.models.auctions import ENDED
from auctions.services.snapshots import fee_snapshot, terms_of
from auctions.tiers import refusal_of, tier_rows
from common.clock import lock_clock
from common.errors import Conflict, NotFound, Unprocessable


class BadFeeSchedule(Unprocessable):
    """A schedule that no sale may use. `code` and `attr` are those of the first finding, all are in `meta.findings`:
    `percent_missing`, `percent_out_of_range`, `minimum_above_maximum`, `not_of_this_kind`, `tiers_not_rising`,
    `open_tier_not_last`, `last_tier_not_open`, `no_tiers`, `too_many_tiers`, `too_many_decimals`, `negative_amount`,
    `unknown_state`, `unknown_kind`."""

    code = "invalid_fee_schedule"


class FeeScheduleExists(Conflict):
    """Names tell schedules apart."""

    code = "fee_schedule_exists"
    detail = "There is a fee schedule of this name."


class FeeScheduleInForce(Conflict):
    """Its time has come: what was charged by it stays explainable."""

    code = "fee_schedule_in_force"
    detail = "This schedule is or was in force and does not change any more. Make a new one that follows it."


class ValidFromPast(Unprocessable):
    """A schedule that held yesterday would tell a wrong history."""

    code = "valid_from_in_past"
    detail = "A schedule cannot begin in the past."


@transaction.atomic
def create_fee_schedule(*, data: Mapping[str, Any], clock: Callable[[], datetime] = lock_clock) -> FeeSchedule:
    """In force from `valid_from` on, at once unless given. Raises BadFeeSchedule, FeeScheduleExists, ValidFromPast."""
    now = clock()
    schedule = FeeSchedule(**{"valid_from": now} | dict(data))
    return _save(schedule, now=now)


@transaction.atomic
def update_fee_schedule(
    *, schedule: FeeSchedule, data: Mapping[str, Any], clock: Callable[[], datetime] = lock_clock
) -> FeeSchedule:
    """Change the named fields of one that is still to come. Raises FeeScheduleInForce, BadFeeSchedule,
    FeeScheduleExists, ValidFromPast, NotFound."""
    locked, now = _lock_coming(schedule.pk, clock)
    for name, value in data.items():
        setattr(locked, name, value)
    return _save(locked, now=now)


@transaction.atomic
def delete_fee_schedule(*, schedule: FeeSchedule, clock: Callable[[], datetime] = lock_clock) -> None:
    """Delete one that is still to come. Raises FeeScheduleInForce, NotFound."""
    locked, _ = _lock_coming(schedule.pk, clock)
    locked.delete()


def quote_auction(*, auction: Auction, amount: Decimal | None, state: str | None, now: datetime) -> fees.Quote:
    """The all-in price at `amount`: unless given the next bid, or the last price of an auction that is over. By the
    schedule that the auction took over, before its opening by the one in force."""
    if amount is None:
        amount = auction.price if auction.status in ENDED and auction.price is not None else auction.min_next
    return fees.quote(auction.fee_schedule or fee_snapshot(now=now), amount, state=state)


def _lock_coming(pk: int, clock: Callable[[], datetime]) -> tuple[FeeSchedule, datetime]:
    """The locked row of a schedule that is still to come, and the moment."""
    locked = FeeSchedule.objects.select_for_update().filter(pk=pk).first()
    if locked is None:
        raise NotFound
    now = clock()
    if locked.valid_from <= now:
        raise FeeScheduleInForce(meta={"valid_from": locked.valid_from})
    return locked, now


def _save(schedule: FeeSchedule, *, now: datetime) -> FeeSchedule:
    """Judge and save; the constraint alone decides who was first to have a name."""
    if schedule.valid_from < now:
        raise ValidFromPast(attr="valid_from", meta={"now": now})
    found = fees.validate(terms_of(schedule))
    if found:
        raise BadFeeSchedule(**refusal_of(found))
    schedule.tiers = tier_rows(schedule.tiers)
    schedule.tax_rates = {state: f"{Decimal(rate):.3f}" for state, rate in schedule.tax_rates.items()}
    schedule.taxable = [kind for kind in fees.TAXABLE_KINDS if kind in schedule.taxable]
    try:
        with transaction.atomic():
            schedule.save()
    except IntegrityError:
        existing = FeeSchedule.objects.filter(name=schedule.name).exclude(pk=schedule.pk).first()
        if existing is not None:
            raise FeeScheduleExists(attr="name", meta={"existing_id": existing.pk}) from None
        raise
    return schedule
