"""Mechanics, and how much each has worked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Count, Q, QuerySet

from accounts.models import User
from common.errors import Conflict, NotFound, Unprocessable
from workshop import caches
from workshop.models import Mechanic, ServiceTicket


class UserIsMechanic(Conflict):
    """A user is at most one mechanic."""

    code = "user_is_mechanic"
    detail = "This user is a mechanic already."


class MechanicUserFixed(Unprocessable):
    """Lines and clocks say who did the work; another person is another mechanic."""

    code = "mechanic_user_fixed"
    detail = "A mechanic stays the same person."


class MechanicInUse(Conflict):
    """Tickets, lines and clocks keep their mechanic, who can be made inactive instead."""

    code = "mechanic_in_use"
    detail = "There is work of this mechanic. Make the mechanic inactive instead."


class MechanicAtWork(Conflict):
    """An inactive mechanic could not stop the clock any more."""

    code = "mechanic_at_work"
    detail = "This mechanic's clock is running."


def mechanic_of(user: User) -> Mechanic | None:
    """The active mechanic that the user is."""
    return Mechanic.objects.filter(user_id=user.pk, active=True).first()


def lock_mechanic(mechanic_id: int) -> Mechanic | None:
    """The mechanic's row, locked after its ticket; None when somebody made it inactive or deleted it meanwhile."""
    locked = Mechanic.objects.select_for_update(of=("self",), no_key=True)
    return locked.filter(pk=mechanic_id, active=True).first()


def vehicles_in_work(user: User) -> list[int]:
    """The ids of the vehicles of open tickets that the user works on: a hook of `cars.access`. One query."""
    tickets = ServiceTicket.objects.filter(
        mechanics__user=user, mechanics__active=True, vehicle__isnull=False, status__in=ServiceTicket.EDITABLE
    )
    return list(tickets.order_by().values_list("vehicle_id", flat=True).distinct())


def rank(mechanics: QuerySet[Mechanic], *, start: date | None, end: date | None) -> QuerySet[Any]:
    """Mechanics with their `ticket_count`, the busiest first: tickets they are assigned to, with a service date in the
    inclusive range, cancelled ones left out. Of inactive mechanics only those who have any."""
    counted = ~Q(tickets__status=ServiceTicket.Status.CANCELLED)
    if start is not None:
        counted &= Q(tickets__service_date__gte=start)
    if end is not None:
        counted &= Q(tickets__service_date__lte=end)
    ranked = mechanics.annotate(ticket_count=Count("tickets", filter=counted, distinct=True))
    return ranked.filter(Q(active=True) | Q(ticket_count__gt=0)).order_by("-ticket_count", "display_name", "pk")


@transaction.atomic
def create_mechanic(*, data: Mapping[str, Any]) -> Mechanic:
    """Make a user a mechanic; roles are a different matter, which administrators decide. Raises UserIsMechanic."""
    mechanic = Mechanic(**data)
    try:
        with transaction.atomic():
            mechanic.save()
    except IntegrityError:
        if Mechanic.objects.filter(user_id=mechanic.user_id).exists():
            raise UserIsMechanic(attr="user") from None
        raise
    caches.leaderboard.bump_on_commit()
    return mechanic


@transaction.atomic
def update_mechanic(*, mechanic: Mechanic, data: Mapping[str, Any]) -> Mechanic:
    """Change the named fields; lines that are written keep their rate. Raises MechanicUserFixed, MechanicAtWork,
    NotFound."""
    locked = Mechanic.objects.select_for_update(of=("self",), no_key=True).filter(pk=mechanic.pk).first()
    if locked is None:
        raise NotFound
    changed = {name: value for name, value in data.items() if getattr(locked, name) != value}
    if "user" in changed:
        raise MechanicUserFixed(attr="user")
    if changed.get("active") is False:
        require_clock_stopped(locked)
    if changed:
        for name, value in changed.items():
            setattr(locked, name, value)
        locked.save(update_fields=[*changed, "updated_at"])
        caches.leaderboard.bump_on_commit()
    return locked


@transaction.atomic
def delete_mechanic(*, mechanic: Mechanic) -> None:
    """Delete a mechanic who never did anything. Raises MechanicInUse, NotFound."""
    # Not the weaker lock: work that refers to the row must wait for what becomes of it.
    locked = Mechanic.objects.select_for_update(of=("self",)).filter(pk=mechanic.pk).first()
    if locked is None:
        raise NotFound
    if has_worked(locked):
        raise MechanicInUse
    locked.delete()
    caches.leaderboard.bump_on_commit()


def has_worked(mechanic: Mechanic) -> bool:
    """Whether rows that must stay name the mechanic."""
    return mechanic.tickets.exists() or mechanic.labour_lines.exists() or mechanic.time_entries.exists()


def require_clock_stopped(mechanic: Mechanic) -> None:
    """Raises MechanicAtWork."""
    if mechanic.time_entries.filter(ended_at__isnull=True).exists():
        raise MechanicAtWork
