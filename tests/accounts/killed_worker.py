"""A worker that is killed in the middle of an export: `python -m tests.accounts.killed_worker <export id>
<where>`, with the environment of the test. `where` is `claimed`, `replaced`, or the number of rows after
which it dies."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

import django


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
