"""`manage.py orphan_files`: files of listings that no row knows. Once a day with `--delete`, see docs/operations.md."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from auctions.services.orphans import NothingIsKnown, delete_orphan_files, orphan_files
from common.clock import database_now


class Command(BaseCommand):
    help = "Prints the files of listings that are older than a day and belong to no row."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--delete", action="store_true", help="delete them")

    def handle(self, *args: Any, **options: Any) -> None:
        find = delete_orphan_files if options["delete"] else orphan_files
        try:
            keys = find(now=database_now())
        except NothingIsKnown:
            raise CommandError("No file belongs to a row: is this the database of this storage?") from None
        for key in keys:
            self.stdout.write(key)
        self.stderr.write(f"{len(keys)} files {'deleted' if options['delete'] else 'that no row knows'}.")
