"""Logs: one JSON object per line on standard output, whatever wrote it: structlog, Django, Celery, gunicorn
or a library.

Everything is escaped to ASCII, so no input can end a line or colour a terminal. What looks like a secret is
blotted out by the name of its field and by its form. This module imports no Django, because gunicorn's
configuration uses it too.
"""

from __future__ import annotations

import json
import logging
import logging.config
import re
import time
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

REDACTED = "[redacted]"
_SECRET_NAME = re.compile(
    r"pass(word|wd)|secret|token|authorization|cookie|credential|(api|access|master|private)[_-]?key", re.IGNORECASE
)
_SECRET_FORMS = (
    (re.compile(r"eyJ[\w-]{6,}\.[\w-]+\.[\w-]*"), REDACTED),  # A JSON Web Token.
    (re.compile(r"(?i)(fck_[0-9a-f]{4,16})_[0-9a-f]+"), rf"\1_{REDACTED}"),  # An API key, but for its public part.
    (re.compile(r"(?i)(authorization[\\\"':=\s]{1,6})(?:(?:bearer|basic)\s+)?[^\s\"',\\]+"), rf"\1{REDACTED}"),
    (re.compile(r"(?i)\b(bearer) +(?=\S*[\d.])[\w.~+/=-]+"), rf"\1 {REDACTED}"),
    # PostgreSQL repeats the row that a constraint refuses: a reserve, a maximum, an address.
    (re.compile(r"(Failing row contains )\(.*?\)(?=\.?(?:\\n|\"|$))"), rf"\1({REDACTED})"),
    (re.compile(r"://[^/@\s\"']+@"), f"://{REDACTED}@"),  # User and password of a URL.
    # What comes before in the name is not looked at: in a Host of hyphens that would cost the square of its length.
    (re.compile(r"(?i)(password|secret|token|signature|api_?key)=[^&\s\"'\\]+"), rf"\1={REDACTED}"),
)


def redact(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """structlog processor: values of fields that are named like secrets, at any depth."""
    return {key: _redacted(key, value) for key, value in event.items()}


def _redacted(key: object, value: Any) -> Any:
    if value is None or isinstance(value, int | float):
        return value  # Counts, flags and ids are no secrets, whatever they are called.
    if isinstance(key, str) and _SECRET_NAME.search(key):
        return REDACTED
    if isinstance(value, Mapping):
        return {name: _redacted(name, inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(None, inner) for inner in value]
    return value


def render(_logger: WrappedLogger, _name: str, event: MutableMapping[str, Any]) -> str:
    """structlog processor: the line."""
    line = json.dumps(event, default=str, separators=(",", ":"))
    for form, replacement in _SECRET_FORMS:
        line = form.sub(replacement, line)
    return line


class RouteOnly(logging.Filter):
    """Puts the route's pattern where Django's loggers write the raw path, which may hold a signed token."""

    def filter(self, record: logging.LogRecord) -> bool:
        request = getattr(record, "request", None)
        path = getattr(request, "path", None)
        if path and isinstance(record.args, tuple):
            record.args = tuple(route_of(request) if arg == path else arg for arg in record.args)
        return True


def route_of(request: Any) -> str:
    """The pattern of the matched route, `unmatched` when there is none."""
    match = getattr(request, "resolver_match", None)
    return f"/{match.route}" if match else "unmatched"


_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
    redact,
]
# One list for the whole life of the process: loggers keep the one that they were made with.
_CHAIN: list[Processor] = [
    structlog.stdlib.filter_by_level,
    *_SHARED,
    structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
]


class JSONFormatter(structlog.stdlib.ProcessorFormatter):
    """Renders what structlog and everybody else logs; passes on the lines that `log_request` has rendered."""

    def format(self, record: logging.LogRecord) -> str:
        line: str | None = getattr(record, "line", None)
        return line if line is not None else super().format(record)


def formatter() -> JSONFormatter:
    return JSONFormatter(
        foreign_pre_chain=_SHARED,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
    )


_requests = logging.getLogger("request")


def log_request(*, level: int, **fields: str | int | float | None) -> None:
    """The line of a request. Its fields are known to be harmless, so it skips the search for secrets: that costs more
    than a small request itself."""
    if not _requests.isEnabledFor(level):
        return
    timestamp = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    event = {"event": "request", **fields, "level": logging.getLevelName(level).lower(), "timestamp": timestamp}
    # Not Logger.log(), which walks the stack for the caller's name.
    extra = {"line": _encode(event), "fields": fields}
    _requests.handle(_requests.makeRecord(_requests.name, level, "", 0, "request", (), None, extra=extra))


_encode = json.JSONEncoder(separators=(",", ":")).encode


def logging_config(*, level: str, sync_log: Path | None = None) -> dict[str, Any]:
    """The `dictConfig` of the project. `sync_log` also takes what the sync engine logs; the file rotates at
    10 MB."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"route_only": {"()": "common.logs.RouteOnly"}},
        "formatters": {"json": {"()": "common.logs.formatter"}},
        "handlers": _handlers(sync_log),
        "root": {"level": level, "handlers": ["console"]},
        "loggers": {
            "cars.sync": {"handlers": [] if sync_log is None else ["sync_log"]},
            "django": {"handlers": [], "propagate": True},
            # Refused requests have their own line (common.middleware); these would repeat it with the raw
            # path.
            "django.request": {"level": "ERROR"},
            "django.server": {"level": "ERROR", "handlers": [], "propagate": True},
            "django.security.DisallowedHost": {"level": "CRITICAL"},
            "gunicorn.error": {"level": level, "handlers": [], "propagate": True},
            # At INFO they log whole addresses, queries included.
            "httpx": {"level": "WARNING"},
            "httpcore": {"level": "WARNING"},
            # At DEBUG it logs signed requests, and Pillow what is in the metadata of photos.
            "botocore": {"level": "WARNING"},
            "PIL": {"level": "WARNING"},
            # At INFO it logs every call, and at DEBUG what comes back, secrets of payments included.
            "stripe": {"level": "WARNING"},
            # django-structlog logs each task once; these would do it twice, with the results.
            "celery.app.trace": {"level": "CRITICAL"},
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.beat": {"level": "WARNING"},
        },
    }


def _handlers(sync_log: Path | None) -> dict[str, Any]:
    console = {
        "class": "logging.StreamHandler",
        "stream": "ext://sys.stdout",
        "formatter": "json",
        "filters": ["route_only"],
    }
    if sync_log is None:
        return {"console": console}
    file = {
        "class": "logging.handlers.RotatingFileHandler",
        "filename": str(sync_log),
        "maxBytes": 10 * 1024 * 1024,
        "backupCount": 5,
        "delay": True,
        "formatter": "json",
    }
    return {"console": console, "sync_log": file}


def configure(config: dict[str, Any]) -> None:
    """settings.LOGGING_CONFIG: sets up logging and structlog together."""
    logging.config.dictConfig(config)
    structlog.configure(
        processors=_CHAIN,
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def echo_sql(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """A database execute wrapper (SQL_ECHO): logs each statement with its time, never the values bound to
    it."""
    started = time.perf_counter()
    try:
        return execute(sql, params, many, context)
    finally:
        structlog.get_logger("sql").info("sql", sql=sql, duration_ms=round((time.perf_counter() - started) * 1000, 3))
