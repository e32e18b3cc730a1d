"""Django's `migrate`, which gives up a lock that it cannot have soon.

A statement that waits for a lock lets nobody past it who comes later: one long transaction, and the table stands still
for everybody. So it waits for MIGRATION_LOCK_TIMEOUT_S at most; the migration is rolled back and can be started again.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.commands.migrate import Command as MigrateCommand
from django.db import connections


class Command(MigrateCommand):
    def handle(self, *args: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        if connection.vendor != "postgresql":
            super().handle(*args, **options)
            return
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = %s", [settings.MIGRATION_LOCK_TIMEOUT_S * 1000])
            try:
                super().handle(*args, **options)
            finally:
                cursor.execute("RESET lock_timeout")
