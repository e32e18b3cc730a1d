"""Rate limits: how often a user, or an address without a user, may call.

A window begins with a caller's first request and is counted by one atomic step in Redis, so parallel requests
cannot share a number. Without Redis (embedded, or while it is away) each process counts for itself at the
same rate. Across the end of a window up to twice the rate can pass; limits that must be exact (failed
sign-ins) are in the database.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from django.core.cache import caches
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from common.cache import SoftRedisCache
from common.rates import Rate, parse_rate

if TYPE_CHECKING:  # REST framework's views import this module by its settings.
    from rest_framework.views import APIView

log = structlog.get_logger(__name__)


class ProcessCounter:
    """The windows of this process. Bounded: when `MAX_KEYS` are reached the ended ones go, then the oldest
    half."""

    MAX_KEYS = 20_000

    def __init__(self) -> None:
        self._windows: dict[str, tuple[float, int]] = {}
        self._lock = threading.Lock()

    def count(self, key: str, *, window_s: int) -> tuple[int, float]:
        """As SoftRedisCache.count, for one process."""
        now = time.monotonic()
        with self._lock:
            ends, number = self._windows.get(key, (0.0, 0))
            if ends <= now:
                if len(self._windows) >= self.MAX_KEYS:
                    self._make_room(now)
                ends, number = now + window_s, 0
            self._windows[key] = (ends, number + 1)
        return number + 1, ends - now

    def clear(self) -> None:
        with self._lock:
            self._windows.clear()

    def _make_room(self, now: float) -> None:
        running = [(key, window) for key, window in self._windows.items() if window[0] > now]
        self._windows = dict(running[-(self.MAX_KEYS // 2) :])


process_counter = ProcessCounter()


@dataclass(frozen=True)
class RateState:
    """Where one caller stands with one limit after this request."""

    limit: int
    used: int
    reset_s: int

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self.used)


def _count(key: str, rate: Rate) -> tuple[int, float]:
    cache = caches["default"]
    counted = cache.count(key, window_s=rate.window_s) if isinstance(cache, SoftRedisCache) else None
    if counted is not None:
        return counted
    if isinstance(cache, SoftRedisCache):
        log.debug("throttle_counts_in_process")  # The circuit's one warning said that Redis is away.
    return process_counter.count(key, window_s=rate.window_s)


def caller_of(request: Request) -> str:
    """The user's id, or the client's address; of IPv6 the /64, since one customer is given at least that
    much."""
    if request.user and request.user.is_authenticated:
        return f"user {request.user.pk}"
    return f"address {network_of(request.META.get('REMOTE_ADDR', ''))}"


def network_of(address: str) -> str:
    """What counts as one address: itself, of IPv6 the /64, since one customer is given at least that much."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, ipaddress.IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


class _Throttle(BaseThrottle):
    _wait_s: float | None = None

    def scope_of(self, request: Request, view: APIView) -> str | None:
        """The name in settings.RATE_LIMITS that counts this request, None for no limit."""
        raise NotImplementedError

    def allow_request(self, request: Request, view: APIView) -> bool:
        scope = None if settings.DISABLE_THROTTLES else self.scope_of(request, view)
        if scope is None:
            return True
        rate = parse_rate(settings.RATE_LIMITS[scope])
        caller = hashlib.sha256(caller_of(request).encode()).hexdigest()[:32]
        counted = request._request.__dict__.setdefault("counted_rates", {})
        if scope not in counted:  # The fast lane may have counted it before it left the refusal to the ordinary way.
            counted[scope] = _count(f"throttle:{scope}:{caller}", rate)
        used, left_s = counted[scope]
        _remember(request._request, RateState(rate.limit, used, max(1, math.ceil(left_s))))
        if used <= rate.limit:
            return True
        self._wait_s = max(1.0, left_s)
        return False

    def wait(self) -> float | None:
        """Seconds until the window ends; DRF sends them as Retry-After."""
        return self._wait_s


class GeneralThrottle(_Throttle):
    """Every request: `user` for signed-in callers, `anonymous` for the others."""

    def scope_of(self, request: Request, view: APIView) -> str | None:  # noqa: ARG002 - DRF's signature
        return "user" if request.user and request.user.is_authenticated else "anonymous"


class ScopedThrottle(_Throttle):
    """Tighter limits that a view names: `throttle_scope = "login"`, or `throttle_scopes = {"create": "bids"}`
    by action. The names are those of settings.RATE_LIMITS."""

    def scope_of(self, request: Request, view: APIView) -> str | None:  # noqa: ARG002 - DRF's signature
        by_action: dict[str, str] = getattr(view, "throttle_scopes", {})
        scope = by_action.get(getattr(view, "action", None) or "")
        return scope or getattr(view, "throttle_scope", None)


def _remember(request: HttpRequest, state: RateState) -> None:
    """Of several limits the answer tells the one that is nearest to its end."""
    known: RateState | None = getattr(request, "rate_state", None)
    if known is None or (state.remaining, -state.reset_s) < (known.remaining, -known.reset_s):
        request.rate_state = state  # type: ignore[attr-defined]


def set_rate_headers(request: HttpRequest, response: HttpResponseBase) -> None:
    """RateLimit-Limit, -Remaining and -Reset (seconds), when a limit counted this request."""
    state: RateState | None = getattr(request, "rate_state", None)
    if state is not None:
        response["RateLimit-Limit"] = str(state.limit)
        response["RateLimit-Remaining"] = str(state.remaining)
        response["RateLimit-Reset"] = str(state.reset_s)
