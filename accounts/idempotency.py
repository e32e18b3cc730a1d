"""`Idempotency-Key`: a POST that is sent again is answered again, and not carried out again.

The decorator opens the one outer transaction of the request. In it, in this order: the key's lock, the
stored answer, the effect, the record. The record is committed with the effect or not at all, so a crash
between the two cannot happen and the cache server has no part in it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from random import uniform
from time import sleep
from typing import Any, Concatenate, ParamSpec, TypeVar

import orjson
from django.db import OperationalError, connection, transaction
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.authentication import KeyUse
from accounts.models import IdempotencyRecord
from common.clock import now as clock_now
from common.errors import BadRequest, Conflict, Unprocessable
from common.fields import IDEMPOTENCY_KEY_PATTERN, compile_pattern
from common.renderers import dump_json

KEPT_FOR = timedelta(hours=24)
MOST_RETRIES = 3
RETRY_SPREAD_S = 0.02
_KEY = compile_pattern(IDEMPOTENCY_KEY_PATTERN)
_KEPT_HEADERS = ("Location", "ETag")
_WORTH_A_RETRY = {"40001", "40P01"}  # serialization_failure, deadlock_detected

Params = ParamSpec("Params")
View = TypeVar("View", bound=APIView)
Result = TypeVar("Result")


class IdempotencyInProgress(Conflict):
    """The first request with this key is still running."""

    code = "idempotency_in_progress"
    detail = "A request with this Idempotency-Key is still running."

    def headers(self) -> dict[str, str]:
        return {"Retry-After": "1"}


class IdempotencyKeyReused(Unprocessable):
    """The key came with another body before."""

    code = "idempotency_key_reused"
    detail = "This Idempotency-Key was used with another body."


def idempotent(
    method: Callable[Concatenate[View, Request, Params], Response],
) -> Callable[Concatenate[View, Request, Params], Response]:
    """For a view method that answers a POST. Without the header it still gives the transaction and its
    retry, so the method must be safe to call again after a rollback (services, no outside calls). Only 2xx
    answers are stored; never use it where the answer holds a secret. `method.idempotent` is True, which
    `common.schema` reads to publish the header and its answers. Below `@command`, above the method:

    @command(detail=True, ...) @idempotent def release(self, request, pk): ..."""

    @wraps(method)
    def wrapper(view: View, request: Request, /, *args: Params.args, **kwargs: Params.kwargs) -> Response:
        key = _read_key(request)
        if key is None:
            return atomically(lambda: method(view, request, *args, **kwargs))
        digest = _digest(request)
        return atomically(lambda: _answer(request, key, digest, lambda: method(view, request, *args, **kwargs)))

    wrapper.idempotent = True  # type: ignore[attr-defined]
    return wrapper


def atomically(work: Callable[[], Result]) -> Result:
    """Runs `work` in the outermost transaction and again, at most 3 times, when PostgreSQL sacrificed it to
    a deadlock or a serialization conflict. What is left after that is the caller's `OperationalError`
    (503). Victims of each other come back at different moments."""
    for attempt in range(MOST_RETRIES):
        try:
            with transaction.atomic(durable=True):
                return work()
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", None) not in _WORTH_A_RETRY:
                raise
        sleep(uniform(0, RETRY_SPREAD_S * 2**attempt))  # noqa: S311 - not a secret
    with transaction.atomic(durable=True):
        return work()


def _read_key(request: Request) -> str | None:
    key: str | None = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not _KEY.match(key):
        raise BadRequest("Idempotency-Key must be 1 to 255 visible ASCII characters.", code="invalid_idempotency_key")
    if not request.user.is_authenticated:
        raise BadRequest("Idempotency-Key needs a signed-in user.", code="idempotency_needs_sign_in")
    return key


def _digest(request: Request) -> str:
    """Of the body, read before the parser does: afterwards the stream is spent and only the parsed body is left. And of
    the API key: an answer shows what its credentials may see, so it is not repeated to others of the same user."""
    used = f"{request.auth.key_id}:".encode() if isinstance(request.auth, KeyUse) else b""
    return hashlib.sha256(used + request._request.body).hexdigest()


def _answer(request: Request, key: str, digest: str, work: Callable[[], Response]) -> Response:
    now = clock_now()
    scope: dict[str, Any] = {
        "user_id": request.user.pk, "method": request.method, "path": request.path.rstrip("/"), "key": key,
    }  # fmt: skip
    _lock(**scope)
    record = IdempotencyRecord.objects.filter(**scope).first()
    if record is not None and record.created_at > now - KEPT_FOR:
        return _replay(record, digest)
    if record is not None:  # Past its time, and the daily clean-up has not come by yet.
        record.delete()
    response = work()
    if 200 <= response.status_code < 300:
        IdempotencyRecord.objects.create(
            **scope,
            body_sha256=digest,
            status_code=response.status_code,
            headers={name: response[name] for name in _KEPT_HEADERS if response.has_header(name)},
            body=b"" if response.data is None else dump_json(response.data),
            created_at=now,
        )
    return response


def _lock(*, user_id: int, method: str, path: str, key: str) -> None:
    """PostgreSQL: the key's own lock, held to the end of the transaction; whoever does not get it is told
    so. Its number comes from a hash: a clash of two keys costs one of them a 409, never a wrong answer.
    SQLite has one writer, which BEGIN IMMEDIATE made us: the second request waits and then finds the
    record."""
    if connection.vendor != "postgresql":
        return
    name = "\n".join((str(user_id), method, path, key))
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [number])
        if not cursor.fetchone()[0]:
            raise IdempotencyInProgress


def _replay(record: IdempotencyRecord, digest: str) -> Response:
    if record.body_sha256 != digest:
        raise IdempotencyKeyReused
    body = bytes(record.body)
    headers = {**record.headers, "Idempotency-Replayed": "true"}
    return Response(orjson.loads(body) if body else None, status=record.status_code, headers=headers)
