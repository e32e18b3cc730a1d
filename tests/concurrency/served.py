"""The application behind a real socket, with room in its queue for all the callers of a race."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.handlers.wsgi import WSGIHandler
from django.core.servers.basehttp import ThreadedWSGIServer
from django.test.testcases import QuietWSGIRequestHandler


class _Server(ThreadedWSGIServer):
    """One thread and one database connection per request, closed with it."""

    request_queue_size = 256  # pytest-django's live_server takes ten and resets the rest.
    daemon_threads = True


@contextmanager
def served() -> Iterator[str]:
    """The base URL."""
    server = _Server(("127.0.0.1", 0), QuietWSGIRequestHandler)
    server.set_app(WSGIHandler())
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
