"""What gunicorn's own parts do not do for us; named in gunicorn.conf.py."""

from __future__ import annotations

import select
import signal
import sys
from collections.abc import Callable, Iterator
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

    An answer that `lasts` (a live stream) has its thread to itself for hours, so the pool may have one more for as long
    as it does: the API keeps its own, however many watch. The streams have a bound of their own.
    """

    wsgi: Callable[..., Any]

    def load_wsgi(self) -> None:
        super().load_wsgi()
        application = self.wsgi

        def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
            body = application(environ, start_response)
            return _Lasting(body, self.tpool) if getattr(body, "lasts", False) else body

        self.wsgi = answer

    def handle(self, conn: TConn) -> Any:
        keep = super().handle(conn)
        while keep is True and self._may_stay() and _is_readable(conn):
            keep = super().handle(conn)
        return keep

    def _may_stay(self) -> bool:
        return self.alive and self.tpool._work_queue.empty()


class _Lasting:
    """A body that goes on and on, and the thread for others that stands in for the one it occupies. Threads that were
    once needed stay, idle."""

    def __init__(self, body: Any, pool: Any) -> None:
        self._body, self._pool = body, pool

    def __iter__(self) -> Iterator[bytes]:
        self._allow(1)
        try:
            yield from self._body
        finally:
            self._allow(-1)

    def close(self) -> None:
        self._body.close()

    def _allow(self, more: int) -> None:
        """The pool counts a thread as idle that has gone on to what was queued, so one call may not suffice for a new
        thread."""
        pool = self._pool
        with pool._shutdown_lock:
            pool._max_workers += more
            while len(pool._threads) < pool._max_workers and not pool._shutdown:
                pool._adjust_thread_count()


def end_streams_early(worker: Any) -> None:
    """Have a worker end its open streams as soon as it is asked to end itself, instead of waiting for them for as long
    as it may. Their clients connect again, to its successor."""
    if hasattr(worker, "handle_exit_signal"):  # The ASGI worker, whose loop hears the signal.

        def leave() -> None:
            _end_streams()
            worker.handle_exit_signal()

        worker.loop.add_signal_handler(signal.SIGTERM, leave)
        return

    def leave_thread(number: int, frame: Any) -> None:
        _end_streams()
        worker.handle_exit(number, frame)

    signal.signal(signal.SIGTERM, leave_thread)


def _end_streams() -> None:
    """Where the module was never needed there is no stream."""
    responses = sys.modules.get("auctions.stream.responses")
    if responses is not None:
        responses.hub.close()


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
