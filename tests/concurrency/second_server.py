"""A second server process on the database and the cache of the test: `python -m tests.concurrency.second_server` prints
its URL and serves until its input ends."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import django
from django.db import connection


@contextmanager
def second_server() -> Iterator[str]:
    """The base URL. The test needs real transactions: what is not committed does not exist for another process."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.concurrency.second_server"],
        env=os.environ | {"DATABASE_URL": url_of_the_test_database()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        yield process.stdout.readline().strip() if process.stdout else ""
        process.communicate()


def url_of_the_test_database() -> str:
    """Of the running test, which Django made beside the configured one."""
    if connection.vendor == "sqlite":
        return f"sqlite:///{connection.settings_dict['NAME']}"
    values = connection.settings_dict
    return (
        f"postgres://{values['USER']}:{values['PASSWORD']}@{values['HOST']}:{values['PORT'] or 5432}/{values['NAME']}"
    )


def main() -> None:
    django.setup()
    from tests.concurrency.served import served

    with served() as url:
        print(url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
