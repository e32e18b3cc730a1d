"""The app registration of `common`: templates, static files and system checks only; it has no tables."""

from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.db.backends.signals import connection_created

from common.logs import echo_sql


class CommonConfig(AppConfig):
    name = "common"
    verbose_name = "Common"

    def ready(self) -> None:
        from common import checks  # noqa: F401 - registers them

        if settings.SQL_ECHO:
            connection_created.connect(_echo)


def _echo(connection: Any, **_: object) -> None:
    connection.execute_wrappers.append(echo_sql)
