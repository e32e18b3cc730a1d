"""Is this container's part alive? `healthcheck.py web | worker | beat`; exit status 0 or 1.

It runs every few seconds, so it imports no Django: a check must not cost more than the thing it checks.
"""

from __future__ import annotations

import os
import socket
import sys
from urllib.request import Request, urlopen

HEARTBEAT_LIMIT_S = 180
TIMEOUT_S = 4


def web() -> bool:
    """The server answers; not whether the database does, which no restart of this container would mend."""
    host = os.environ.get("ALLOWED_HOSTS", "localhost").split(",")[0].strip().lstrip(".")
    url = f"http://127.0.0.1:{os.environ['PORT']}/health"
    with urlopen(Request(url, headers={"Host": host}), timeout=TIMEOUT_S) as answer:
        return bool(answer.status == 200)


def worker() -> bool:
    """The worker of this container answers over the broker."""
    from celery import Celery

    app = Celery(broker=os.environ["BROKER_URL"])
    return bool(app.control.ping(timeout=TIMEOUT_S, destination=[f"celery@{socket.gethostname()}"], limit=1))


def beat() -> bool:
    """The heartbeat that beat sends through the queue arrived lately."""
    import psycopg

    with psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=TIMEOUT_S) as connection:
        row = connection.execute(
            "SELECT extract(epoch FROM now() - beat_at) < %s FROM accounts_heartbeat WHERE name = 'beat'",
            [HEARTBEAT_LIMIT_S],
        ).fetchone()
    return bool(row and row[0])


if __name__ == "__main__":
    sys.exit(0 if {"web": web, "worker": worker, "beat": beat}[sys.argv[1]]() else 1)
