"""gunicorn's settings, for `gunicorn config.wsgi` (API) and `gunicorn --worker-class asgi config.asgi`
(streams).

Stopping: TERM closes the door, finishes what is running (30 s) and ends; HUP replaces the workers behind the
open door, so that no client notices.
"""

import os
import shutil
import tempfile
from typing import Any

from common.logs import logging_config
from config.settings.environment import env

_METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
if not os.environ.get(_METRICS_FOLDER):
    # prometheus_client adds up the workers' figures through files there; it reads the variable when it is
    # imported.
    os.environ[_METRICS_FOLDER] = tempfile.mkdtemp(prefix="forecourt-metrics-")

bind = f"{env.str('HOST', default='127.0.0.1')}:{env.int('PORT', default=8000)}"
# One process without Redis: rate limits are then counted in the process.
workers = env.int("WEB_WORKERS", default=2 if env.str("REDIS_URL", default="") else 1)
worker_class = "config.server.KeptWorker"
threads = env.int("WEB_THREADS", default=8)  # Each keeps a database connection.
timeout = 60
graceful_timeout = 30
keepalive = 5
limit_request_line = 4094
limit_request_fields = 100
limit_request_field_size = 8190
control_socket_disable = True
# Forwarded headers are judged by common.middleware.TrustedProxy, by TRUSTED_PROXIES; gunicorn is to believe
# nobody.
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
logger_class = "config.server.QuietLogger"
logconfig_dict = logging_config(level=env.str("LOG_LEVEL", default="INFO"))


def post_worker_init(worker: Any) -> None:
    """Open streams do not keep a worker that is asked to end."""
    from config.server import end_streams_early

    end_streams_early(worker)


def child_exit(server: Any, worker: Any) -> None:  # noqa: ARG001 - gunicorn's signature
    """Forgets the gauges of a worker that ended."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def on_exit(server: Any) -> None:  # noqa: ARG001 - gunicorn's signature
    shutil.rmtree(os.environ[_METRICS_FOLDER], ignore_errors=True)
