"""`manage.py reset_data`: empties DATA_DIR."""

from __future__ import annotations

import shutil
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

# What Forecourt writes there. Nothing else is deleted: DATA_DIR may be misspelt, or hold a person's own files.
OURS = ("forecourt.sqlite3*", "development-keys.json", "queue", "media", "exports", "mails", "logs")


class Command(BaseCommand):
    help = "Empties DATA_DIR: the embedded database, queue, media, exports, mails, logs and development keys."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        doomed = sorted(path for pattern in OURS for path in settings.DATA_DIR.glob(pattern))
        self.stdout.write(f"These go from {settings.DATA_DIR}: {', '.join(path.name for path in doomed)}.")
        if settings.DATABASES["default"]["ENGINE"] != "django.db.backends.sqlite3":
            self.stdout.write("The database is elsewhere (DATABASE_URL) and stays as it is.")
        if not options["yes"] and input("Is Forecourt stopped? Type yes to go on: ").strip() != "yes":
            raise CommandError("Nothing was touched.")
        for path in doomed:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        self.stdout.write(self.style.SUCCESS("Empty."))
