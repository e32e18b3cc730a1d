"""Mechanics, and how much each has worked."""

from __future__ import annotations

from accounts.models import User
from workshop.models import Mechanic


def mechanic_of(user: User) -> Mechanic | None:
    """The active mechanic that the user is."""
    return Mechanic.objects.filter(user_id=user.pk, active=True).first()
