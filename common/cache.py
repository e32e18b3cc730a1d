"""The cache, which may be missing at any moment: reads then miss, writes are dropped, nothing raises.

**Circuit.** The first error of a backend opens its circuit (`common.circuit`): for a few seconds no call touches
the server, so a hanging Redis costs one short time-out per process (a thread that was already waiting pays
its own), not one per request. When the time is over one caller tries again while the others go on missing.
One log line per opening.

**Namespaces.** Entries live under a random token per namespace. Invalidating puts a new token, so whatever
was stored before, also by a reader that is still computing from old rows, can never be found again. A token
is never counted up: after a flush a counter would come back to numbers that old entries still carry.

**A lost invalidation** (the cache was away when a transaction committed) must not let old entries live on
when the cache returns. Every process therefore puts a new token before it first reads a namespace, and again
after every opening of its circuit. What remains are processes that noticed nothing of the outage: they may
serve an old entry for at most `CACHE_TTL_S` after it was stored.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, cast

from django.conf import settings
from django.core.cache import caches
from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.core.cache.backends.db import DatabaseCache
from django.db import DatabaseError, InterfaceError, connections, router, transaction
from django_redis.cache import RedisCache
from django_redis.exceptions import ConnectionInterrupted
from redis.exceptions import RedisError

from common import replicas
from common.circuit import Circuit

T = TypeVar("T")

_circuits: dict[str, Circuit] = {}
_circuits_lock = threading.Lock()


def _circuit(backend: str, location: object) -> Circuit:
    """One circuit per server: Django makes a backend object per thread, the server behind them is the
    same."""
    with _circuits_lock:
        return _circuits.setdefault(f"{backend} {location}", Circuit(backend, event="cache"))


class _SoftCache(BaseCache):
    """What a cache that is away answers: reads miss, writes report False, counting finds no key
    (ValueError)."""

    circuit: Circuit
    soft_errors: tuple[type[Exception], ...]

    def _attempt(self, call: Callable[[], T]) -> T:
        return call()

    def _softly(self, call: Callable[[], T], otherwise: T) -> T:
        if not self.circuit.admits():
            return otherwise
        try:
            value = self._attempt(call)
        except self.soft_errors as error:
            self.circuit.failed(error)
            return otherwise
        self.circuit.worked()
        return value

    def ping(self) -> None:
        """Asks the server whatever the circuit says. Raises one of `soft_errors`."""
        super().get("ping")

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        return self._softly(lambda: super(_SoftCache, self).get(key, default, version), default)

    def get_many(self, keys: Iterable[Any], version: int | None = None) -> dict[Any, Any]:
        wanted = list(keys)
        return self._softly(lambda: super(_SoftCache, self).get_many(wanted, version), {})

    def set(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> Any:
        return self._softly(lambda: self._store(key, value, timeout, version), False)

    def _store(self, key: Any, value: Any, timeout: Any, version: int | None) -> bool:
        return cast(bool, super().set(key, value, timeout, version))

    def set_many(self, data: Mapping[Any, Any], timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> Any:
        """Keys that could not be stored."""
        return [key for key, value in data.items() if not self.set(key, value, timeout, version)]

    def add(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        return self._softly(lambda: super(_SoftCache, self).add(key, value, timeout, version), False)

    def touch(self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        return self._softly(lambda: super(_SoftCache, self).touch(key, timeout, version), False)

    def delete(self, key: Any, version: int | None = None) -> bool:
        return self._softly(lambda: super(_SoftCache, self).delete(key, version), False)

    def delete_many(self, keys: Iterable[Any], version: int | None = None) -> None:
        doomed = list(keys)
        self._softly(lambda: super(_SoftCache, self).delete_many(doomed, version), None)

    def has_key(self, key: Any, version: int | None = None) -> bool:
        return self._softly(lambda: super(_SoftCache, self).has_key(key, version), False)

    def incr(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        value = self._softly(lambda: super(_SoftCache, self).incr(key, delta, version), None)
        if value is None:
            raise ValueError(f"Key {key!r} not found")
        return value

    def decr(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        return self.incr(key, -delta, version)

    def clear(self) -> None:
        self._softly(lambda: super(_SoftCache, self).clear(), None)


class SoftRedisCache(_SoftCache, RedisCache):
    """django-redis that never raises because of the server. Time-outs are the settings' (OPTIONS)."""

    # ConnectionInterrupted is django-redis' wrapper; OSError comes from name resolution.
    soft_errors = (RedisError, ConnectionInterrupted, OSError)

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)  # type: ignore[call-arg, arg-type]  # mypy does not see RedisCache.
        self.circuit = _circuit("redis", server)

    def count(self, key: str, *, window_s: int) -> tuple[int, float] | None:
        """One more event under `key`: how many in the running window, and the seconds until it ends. The
        window begins with its first event. None when the server is away. One atomic step, so no two callers
        get the same number."""
        return self._softly(lambda: self._count(self.make_and_validate_key(key), window_s), None)

    def _count(self, full_key: str, window_s: int) -> tuple[int, float]:
        number, left_ms = self.client.get_client().eval(_COUNT_SCRIPT, 1, full_key, window_s * 1000)
        return int(number), int(left_ms) / 1000


_COUNT_SCRIPT = (
    "local number = redis.call('INCR', KEYS[1])"
    " if number == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end"
    " return {number, redis.call('PTTL', KEYS[1])}"
)


class SoftDatabaseCache(_SoftCache, DatabaseCache):
    """The cache of an installation without Redis: a table in the database (made by `createcachetable`)."""

    soft_errors = (DatabaseError, InterfaceError)

    def __init__(self, table: str, params: dict[str, Any]) -> None:
        super().__init__(table, params)
        self.circuit = _circuit("database", table)

    def _attempt(self, call: Callable[[], T]) -> T:
        """Inside a transaction under a savepoint: a failing statement would spoil the caller's
        transaction."""
        alias = router.db_for_write(self.cache_model_class)
        if not connections[alias].in_atomic_block:
            return call()
        with transaction.atomic(using=alias):
            return call()

    def _store(self, key: Any, value: Any, timeout: Any, version: int | None) -> bool:
        """Django's `set` hides that a write lost a race; an invalidation must know."""
        full_key = self.make_and_validate_key(key, version=version)
        return cast(bool, self._base_set("set", full_key, value, timeout))  # type: ignore[attr-defined]


class CacheNamespace:
    """Cached answers that are invalidated together: `CacheNamespace("cars").get_or_set(("makes", role),
    produce)`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._token_key = f"namespace:{name}"
        # Openings of the circuit when this process last put a token; None: it must put one before it reads.
        self._renewed_at: int | None = None

    def get_or_set(self, parts: tuple[object, ...], produce: Callable[[], T], timeout: int | None = None) -> T:
        """The cached value of `parts`, or what `produce` returns, kept `timeout` seconds (default and most:
        CACHE_TTL_S; 0 turns the cache off). `parts` must tell apart everything the value depends on, the
        viewer's role too; each needs a stable `repr`.

        Inside a transaction nothing is read or stored: its rows may be rolled back, or newer than the cache.
        """
        ttl = settings.CACHE_TTL_S if timeout is None else min(timeout, settings.CACHE_TTL_S)
        token = self._token() if ttl > 0 and not transaction.get_connection().in_atomic_block else None
        if token is None:
            return produce()
        cache = caches["default"]
        key = f"{self.name}:{token}:{hashlib.sha256(repr(parts).encode()).hexdigest()}"
        stored = cache.get(key)
        if stored is not None:
            return cast(T, stored[0])
        with replicas.on_primary():
            value = produce()
        cache.set(key, (value,), ttl)
        return value

    def bump_on_commit(self) -> None:
        """Invalidate everything in the namespace once the running transaction is committed (at once without
        one). Never raises; when the cache is away see the module's text."""
        transaction.on_commit(self.bump, robust=True)

    def bump(self) -> bool:
        """Invalidate now. False: the cache is away; this process tries again before it next reads the
        namespace."""
        openings = _openings()
        # A second try, because two first tokens of a table race for the same row and one of them loses.
        cache: Any = caches["default"]
        done = any(cache.set(self._token_key, _new_token(), None) is not False for _ in range(2))
        self._renewed_at = openings if done else None
        return done

    def _token(self) -> str | None:
        """The namespace's token, None when the cache is away."""
        if self._renewed_at != _openings() and not self.bump():
            return None
        cache = caches["default"]
        token = cache.get(self._token_key)
        if token is None:  # Evicted or flushed.
            cache.add(self._token_key, _new_token(), None)
            token = cache.get(self._token_key)
        return cast("str | None", token)


def _new_token() -> str:
    return secrets.token_hex(8)


def _openings() -> int:
    cache = caches["default"]
    return cache.circuit.openings if isinstance(cache, _SoftCache) else 0
