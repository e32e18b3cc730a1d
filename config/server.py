"""What gunicorn's own parts do not do for us; named in gunicorn.conf.py."""

from __future__ import annotations

import select
from typing import Any

from gunicorn.glogging import Logger  # type: ignore[import-untyped]
from gunicorn.workers.gthread import TConn, ThreadWorker  # type: ignore[import-untyped]

NEXT_REQUEST_MS = 2


class KeptWorker(ThreadWorker):
    """gthread, but a thread that has answered first looks for the connection's next request itself.

    gthread hands a connection back to its main thread after every answer, which waits for the next request and finds
    it a thread again: a third of what serving a small request costs. Behind a proxy, and with clients that ask again at
    once, the next request is there in a moment. Nobody waits for it: a thread stays only while no other connection is
    queued, and at most `NEXT_REQUEST_MS`.
    """

    def handle(self, conn: TConn) -> Any:
        keep = super().handle(conn)
        while keep is True and self._may_stay() and _is_readable(conn):
            keep = super().handle(conn)
        return keep

    def _may_stay(self) -> bool:
        return self.alive and self.tpool._work_queue.empty()


def _is_readable(conn: TConn) -> bool:
    """Whether the next request has begun to arrive, also when its bytes were read along with the last body."""
    if conn.parser.unreader.buf.getvalue():
        return True
    poll = select.poll()
    poll.register(conn.sock, select.POLLIN)
    return bool(poll.poll(NEXT_REQUEST_MS))


class QuietLogger(Logger):
    """Without gunicorn's access line, which `logconfig_dict` would make it put together for every request, even though
    nobody writes it: the application has a line of its own."""

    access_log_enabled = False
