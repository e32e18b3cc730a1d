"""Commands that audit: they print what differs, and fail when something does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError

from common import clock


class AuditCommand(BaseCommand):
    """Runs an audit, and prints each difference and how much was reckoned."""

    audit: ClassVar[Callable[..., Any]]  # A service, as a staticmethod; its row has `details` and `differences`.
    counted: ClassVar[Sequence[str]]  # The columns of that row that say how much.

    def handle(self, *_args: Any, **_options: Any) -> None:
        found = self.audit(now=clock.now())
        for row in found.details:
            self.stdout.write(f"{row['kind']} of {row['id']}: expected {row['expected']}, found {row['found']}.")
        differences = f"{found.differences} differences."
        self.stdout.write(", ".join([*(f"{getattr(found, name)} {name}" for name in self.counted), differences]))
        if found.differences:
            raise CommandError(differences)
