"""Reads that a copy of the database may answer.

With DATABASE_REPLICA_URLS a web process knows streaming replicas of PostgreSQL as `replica1`, `replica2`, ... and sends
them the reads of the views that ask for it (`replica_reads`). Everything else stays with the primary: signing in and
permissions, writes and what is read in a transaction, the admin, workers, commands and streams.

**How old an answer may be.** A thread of each process notes every second up to where the primary has written its log,
and up to where each replica has replayed it. A replica whose log reaches the position that the primary had at some
moment holds everything that was committed before it; the time since that moment is its lag. Only replicas within
REPLICA_MAX_LAG_S are asked. (`pg_last_xact_replay_timestamp` alone calls a replica late when nobody writes, and one
that lost its primary punctual.)

**Who has written reads the primary** for `PIN_S`, longer than a replica that is still asked can be behind. The mark is
in the shared cache, under the user's id; while the cache is away everybody reads the primary.

**A replica that fails** is left out until it answers again, and the request that met the failure is answered by the
primary.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any, NamedTuple

import structlog
from django.conf import settings
from django.core.cache import caches
from django.db import DEFAULT_DB_ALIAS, Error, InterfaceError, OperationalError, connections

ALIASES = tuple(alias for alias in settings.DATABASES if alias != DEFAULT_DB_ALIAS)
LOOK_EVERY_S = 1.0
VERDICT_S = 5.0  # How long one look counts; a look that hangs lets the replicas drop out.
PIN_S = int(settings.REPLICA_MAX_LAG_S + VERDICT_S + 1)
# Whatever says who somebody is and what he may; and the cache's table, which says who has written.
_PRIMARY_APPS = frozenset({"accounts", "auth", "contenttypes", "sessions", "django_cache"})
_SAFE = frozenset({"GET", "HEAD"})
_STATEMENT_ENDED = "57014"  # By statement_timeout: the primary would take as long.
_CONFLICT = "40001"  # With the replay; the replica itself is well.
log = structlog.get_logger(__name__)


class _Request(threading.local):
    """Of the request that this thread answers."""

    alias: str | None = None
    has_written = False
    met_a_failure = False


_request = _Request()


def current() -> str:
    """The database that this request reads from."""
    return _request.alias or DEFAULT_DB_ALIAS


def begin(view: Any, request: Any) -> None:
    """From here on the request reads from a replica, if its view asks for it and nothing speaks against it. To be
    called when authentication and permissions are through."""
    if not ALIASES or request.method not in _SAFE or getattr(view, "action", "get") not in view.replica_reads:
        return
    if _request.met_a_failure or connections[DEFAULT_DB_ALIAS].in_atomic_block:
        return
    user_id = request.user.pk
    if user_id is None or not _may_have_written(user_id):
        _request.alias = monitor.choose()


def end(*, method: str | None, user_id: int | None) -> None:
    """Of the request, whatever became of it: the user who has written is to read the primary for a while."""
    if user_id is not None and (_request.has_written or method not in _SAFE):
        caches["default"].set(_pin(user_id), 1, PIN_S)
    _request.alias, _request.has_written, _request.met_a_failure = None, False, False


@contextmanager
def on_primary() -> Iterator[None]:
    """For what is kept beyond this request: in the cache an old row would outlive the replica's lag."""
    alias, _request.alias = _request.alias, None
    try:
        yield
    finally:
        _request.alias = alias


def gave_up(error: Exception) -> bool:
    """Whether a replica's failure is behind the error; from here on the request reads the primary."""
    alias, _request.alias = _request.alias, None
    if alias is None or not isinstance(error, OperationalError | InterfaceError):
        return False
    code = getattr(error.__cause__, "sqlstate", None)
    if code == _STATEMENT_ENDED:
        return False
    _request.met_a_failure = True
    if code != _CONFLICT:
        monitor.failed(alias)
    return True


def _may_have_written(user_id: int) -> bool:
    cache: Any = caches["default"]
    return cache.get(_pin(user_id)) is not None or cache.circuit.is_open


def _pin(user_id: int) -> str:
    return f"wrote:{user_id}"


class Router:
    """Django's question for each query of the ORM; in DATABASE_ROUTERS where there are replicas."""

    def db_for_read(self, model: Any, **_: Any) -> str:
        if _request.alias is None or model._meta.app_label in _PRIMARY_APPS:
            return DEFAULT_DB_ALIAS
        return DEFAULT_DB_ALIAS if connections[DEFAULT_DB_ALIAS].in_atomic_block else _request.alias

    def db_for_write(self, model: Any, **_: Any) -> str:
        """What follows a write reads where it was written. No mark is needed for what replicas are never asked, as the
        time at which an API key was used."""
        if model._meta.app_label not in _PRIMARY_APPS:
            _request.alias, _request.has_written = None, True
        return DEFAULT_DB_ALIAS

    def allow_relation(self, *_: Any, **__: Any) -> bool:
        return True  # They are the same rows.

    def allow_migrate(self, db: str, *_: Any, **__: Any) -> bool:
        return db == DEFAULT_DB_ALIAS


class Verdict(NamedTuple):
    """On one replica. `reason` is empty when it may be asked, else `unreachable`, `no_standby`, `lagging` or
    `unmeasured` (the primary does not say how far it is). `lag_s` is None while it is not known."""

    reason: str
    lag_s: float | None
    at: float


class Monitor:
    """What this process knows of the replicas. The first request that could use one starts the thread."""

    def __init__(self) -> None:
        self._verdicts: dict[str, Verdict] = {}
        self._positions: deque[tuple[float, int]] = deque(maxlen=600)  # Ten minutes.
        self._turns = count()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def choose(self) -> str | None:
        """A replica that may be asked, each in turn; None when there is none."""
        self._start()
        since = time.monotonic() - VERDICT_S
        fresh = [alias for alias, verdict in self._verdicts.items() if not verdict.reason and verdict.at > since]
        return fresh[next(self._turns) % len(fresh)] if fresh else None

    def verdicts(self) -> dict[str, Verdict]:
        """The last look at each replica; the first one is taken now."""
        if not self._verdicts:
            self.look()
        self._start()
        return dict(self._verdicts)

    def failed(self, alias: str) -> None:
        """A request met an error; the next look may find the replica well again."""
        self._note(alias, Verdict("unreachable", None, time.monotonic()))

    def look(self) -> None:
        """At the primary and every replica; one that is away costs the connection's time-out."""
        with self._lock:
            began = time.monotonic()
            position = _ask(DEFAULT_DB_ALIAS, "SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")
            if position is not None:
                self._positions.append((began, int(position)))
            for alias in ALIASES:
                self._note(alias, self._judge(alias, is_measured=position is not None))

    def _judge(self, alias: str, *, is_measured: bool) -> Verdict:
        statement = "SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() - '0/0'::pg_lsn ELSE -1 END"
        replayed = _ask(alias, statement)
        now = time.monotonic()
        if replayed is None:
            return Verdict("unreachable", None, now)
        if replayed < 0:
            return Verdict("no_standby", None, now)
        lag_s = next((now - at for at, position in reversed(self._positions) if position <= replayed), None)
        if not is_measured:
            return Verdict("unmeasured", lag_s, now)
        return Verdict("lagging" if lag_s is None or lag_s > settings.REPLICA_MAX_LAG_S else "", lag_s, now)

    def _note(self, alias: str, verdict: Verdict) -> None:
        before = self._verdicts.get(alias)
        self._verdicts[alias] = verdict
        if before is not None and before.reason == verdict.reason:
            return
        if verdict.reason:
            log.warning("replica_left_out", replica=alias, reason=verdict.reason, lag_s=verdict.lag_s)
        else:
            log.info("replica_taken_in", replica=alias, lag_s=verdict.lag_s)

    def _start(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            return
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._watch, name="replicas", daemon=True)
                self._thread.start()

    def _watch(self) -> None:
        pause = threading.Event()
        while True:
            self.look()
            pause.wait(LOOK_EVERY_S)


def _ask(alias: str, statement: str) -> Any:
    """One value over the connection of this thread; None when the server is away."""
    try:
        with connections[alias].cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchone()[0]
    except Error:
        connections[alias].close()
        return None


monitor = Monitor()
