"""Makes sure that the administrator of the settings exists. Run at every start; it changes nothing the second time."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.services import PasswordRefused, ensure_administrator
from common.clock import now

MESSAGES = {
    "created": "administrator created.",
    "kept": "is an administrator already; nothing changed.",
    "reset": "is an administrator with ADMIN_PASSWORD now; all sessions ended.",
    "refused": "is an account without administrator's rights; use --reset-password to take it over.",
}


class Command(BaseCommand):
    help = "Create the superuser of ADMIN_EMAIL, ADMIN_PASSWORD and ADMIN_NAME, or leave the one there is alone."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--reset-password",
            action="store_true",
            help="Set ADMIN_PASSWORD on an administrator who exists, and end that person's sessions.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.ADMIN_EMAIL:
            self.stdout.write("ADMIN_EMAIL is not set: no administrator was made.")
            return
        if "@" not in settings.ADMIN_EMAIL:
            raise CommandError("ADMIN_EMAIL must be an e-mail address.")
        try:
            outcome = ensure_administrator(
                email=settings.ADMIN_EMAIL,
                password=settings.ADMIN_PASSWORD,
                name=settings.ADMIN_NAME,
                reset_password=options["reset_password"],
                now=now(),
            )
        except PasswordRefused as error:
            raise CommandError(f"ADMIN_PASSWORD is refused: {error.detail}") from error
        self.stdout.write(f"{settings.ADMIN_EMAIL}: {MESSAGES[outcome]}")
