"""Time enters the rules as a parameter; this is where it comes from."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone


def now() -> datetime:
    """The present moment, UTC, aware. Call it once at the edge (view, task, command) and pass it down."""
    return timezone.now()
