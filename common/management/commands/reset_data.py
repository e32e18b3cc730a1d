"""`manage.py reset_data`: empties DATA_DIR."""

from __future__ import annotations

import shutil
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

# Only a folder that Forecourt filled is emptied: DATA_DIR may be misspelt.
MARKS = ("development-keys.json", "forecourt.sqlite3", "queue")


class Command(BaseCommand):
    help = "Empties DATA_DIR: the embedded database, queue, media, exports, mails, logs and development keys."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        folder: Path = settings.DATA_DIR
        if not any((folder / mark).exists() for mark in MARKS):
            raise CommandError(f"{folder} does not look like a data folder of Forecourt; nothing was touched.")
        if settings.DATABASES["default"]["ENGINE"] != "django.db.backends.sqlite3":
            self.stdout.write("The database is not in this folder (DATABASE_URL) and stays as it is.")
        self.stdout.write(f"Everything in {folder} goes. Stop Forecourt first.")
        if not options["yes"] and input("Type yes to go on: ").strip() != "yes":
            raise CommandError("Nothing was touched.")
        for path in folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        self.stdout.write(self.style.SUCCESS("Empty."))
