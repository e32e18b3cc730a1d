"""A worker that is killed in the middle of an export: `python -m tests.accounts.killed_worker <export id>
<where>`, with the environment of the test. `where` is `claimed`, `replaced`, or the number of rows after
which it dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import django
from django.db import connection


def kill_worker(export: Any, where: str, *, folder: Path) -> None:
    """Run such a worker on the test's database, to its end."""
    environment = os.environ | {"DATABASE_URL": _url_of_the_test_database(), "EXPORT_FOLDER": str(folder)}
    command = [sys.executable, "-m", "tests.accounts.killed_worker", str(export.pk), where]
    assert subprocess.run(command, env=environment, timeout=60).returncode == -signal.SIGKILL


def _url_of_the_test_database() -> str:
    if connection.vendor == "sqlite":
        return f"sqlite:///{connection.settings_dict['NAME']}"
    values = connection.settings_dict
    place = f"{values['HOST']}:{values['PORT'] or 5432}/{values['NAME']}"
    return f"postgres://{values['USER']}:{values['PASSWORD']}@{place}"


def die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(export_id: str, where: str) -> None:
    django.setup()
    from accounts import csvfile, exports
    from common.clock import database_now
    from tests.accounts import exporters  # noqa: F401 - registers the kind

    csvfile.BLOCK_BYTES = 1  # Progress after every row.
    write_csv, replace = exports.write_csv, os.replace

    def write(*args: Any, **options: Any) -> int:
        if where == "claimed":
            die()
        return write_csv(*args[:3], lambda rows: die() if where == str(rows) else None, **options)

    def replace_and_die(*args: Any, **options: Any) -> None:
        replace(*args, **options)
        if where == "replaced":
            die()

    exports.write_csv, os.replace = write, replace_and_die
    exports.run_export(export_id=export_id, now=database_now())


if __name__ == "__main__":
    main(*sys.argv[1:])
