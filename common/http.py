"""The one way to call other people's servers: bounded in time and size, suspicious of what comes back.

Numbers of JSON with a point come back as Decimal.
"""

from __future__ import annotations

import json
import random
import ssl
import time
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.message import Message
from email.utils import parsedate_to_datetime
from functools import partial
from types import TracebackType
from typing import IO, Any, NoReturn, TypeVar

import httpx
import structlog
from django.conf import settings
from prometheus_client import Counter

from common import clock
from common.http_transport import AddressRefusedError, GuardedTransport

MAX_BODY_BYTES = 20 * 1024 * 1024
MAX_RETRY_AFTER_S = 600.0
SAMPLE_BYTES = 500
_RETRIED_CODES = {"timeout", "connect", "truncated", "bad_json", "rate_limited"}
_RETRIED_STATUSES = {429, 500, 502, 503, 504}
_FIRST_BACKOFF_S, _LONGEST_BACKOFF_S = 1.0, 60.0
Result = TypeVar("Result")
log = structlog.get_logger(__name__)
_FAILED = Counter("external_api_errors_total", "Tries of outside services that failed.", ["provider"])


class OutsideError(Exception):
    """A call failed for good.

    `code` is one of timeout, connect, tls, truncated, refused_address, redirect, auth (401, 403),
    rate_limited (429), status_<number> (other errors of the server), not_json or unexpected_type (another content
    type), bad_json, too_large. `retry_after` is what the server asked for, in seconds, capped. `sample` is the start
    of the body, for the operator: it never goes to a client.
    """

    def __init__(
        self,
        code: str,
        host: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        sample: str = "",
    ) -> None:
        super().__init__(f"{host}: {code}")
        self.code = code
        self.host = host
        self.status = status
        self.retry_after = retry_after
        self.sample = sample

    @property
    def is_transient(self) -> bool:
        """Whether the same call may well succeed later."""
        return self.code in _RETRIED_CODES or self.status in _RETRIED_STATUSES


class RetryLater(OutsideError):
    """The server asked to wait longer than the time budget lasts; nobody should call it before `moment`
    (UTC)."""

    def __init__(self, cause: OutsideError, *, moment: datetime) -> None:
        super().__init__(
            cause.code, cause.host, status=cause.status, retry_after=cause.retry_after, sample=cause.sample
        )
        self.moment = moment


@dataclass(frozen=True)
class Answer:
    """A successful answer: the parsed body and the headers."""

    data: Any
    headers: Mapping[str, str]


class OutsideClient:
    """A client for one job; `budget_s` seconds from its creation bound all calls, retries and waits together.

    `wait` sleeps between tries; whoever can be cancelled passes one that raises. `on_retry` hears of every
    retry before its wait, with the error and the seconds. Plain http and addresses that are not public need
    PROVIDER_ALLOW_PRIVATE (or `allow_private`). `provider` is under which name failed tries are counted.
    """

    def __init__(
        self,
        *,
        provider: str = "other",
        headers: Mapping[str, str] | None = None,
        budget_s: float = 600.0,
        tries: int = 5,
        connect_s: float = 5.0,
        read_s: float = 30.0,
        allow_private: bool | None = None,
        wait: Callable[[float], None] = time.sleep,
        on_retry: Callable[[OutsideError, float], None] | None = None,
    ) -> None:
        self._allow_private = settings.PROVIDER_ALLOW_PRIVATE if allow_private is None else allow_private
        self._deadline = time.monotonic() + budget_s
        self._failed = _FAILED.labels(provider)
        self._tries = tries
        self._wait = wait
        self._on_retry = on_retry
        self._client = httpx.Client(
            transport=GuardedTransport(allow_private=self._allow_private, remaining_s=self.remaining_s),
            headers={
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
                "User-Agent": "Forecourt",
            }
            | dict(headers or {}),
            timeout=httpx.Timeout(read_s, connect=connect_s),
            follow_redirects=False,
            trust_env=False,
        )

    def __enter__(self) -> OutsideClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    def remaining_s(self) -> float:
        """Seconds left of the budget, negative when it is used up."""
        return self._deadline - time.monotonic()

    def get_json(self, url: str, *, params: Mapping[str, str | int] | None = None, nan_as_decimal: bool = False) -> Any:
        """The parsed body of a 2xx answer. Raises OutsideError, RetryLater, or what `wait` raises.

        `nan_as_decimal`: NaN and Infinity, which are not JSON, come as such decimals. For lists whose items are checked
        one by one, so that a bad number does not lose the good ones.
        """
        return self.get(url, params=params, nan_as_decimal=nan_as_decimal).data

    def get(self, url: str, *, params: Mapping[str, str | int] | None = None, nan_as_decimal: bool = False) -> Answer:
        """As `get_json`, with the headers."""
        return self._retried(partial(self._once, url, params, partial(_answer, nan_as_decimal=nan_as_decimal)))

    def post(self, url: str, *, content: bytes, headers: Mapping[str, str]) -> Answer:
        """As `get`, with a body. It is sent again after a passing failure, also when it may have arrived."""
        consume = partial(_answer, nan_as_decimal=False)
        return self._retried(partial(self._once, url, None, consume, method="POST", content=content, headers=headers))

    def download(self, url: str, *, into: IO[bytes], kinds: Collection[str]) -> None:
        """Write the body of a 2xx answer of one of these content types to a file, chunk by chunk and never more than
        MAX_BODY_BYTES; each try begins the file anew. Raises as `get_json`."""
        self._retried(partial(self._once, url, None, partial(_save, into=into, kinds=kinds)))

    def _retried(self, once: Callable[[], Result]) -> Result:
        failures = 0
        while True:
            try:
                return once()
            except OutsideError as error:
                self._failed.inc()
                delay = self._delay_before_retry(error, failures)
                if self._on_retry:
                    self._on_retry(error, delay)
                log.info("outside_retry", host=error.host, code=error.code, wait_s=round(delay, 3))
            failures += 1
            self._wait(delay)

    def _delay_before_retry(self, error: OutsideError, failures: int) -> float:
        """Seconds to wait after the failure number `failures` (from 0); raises when no retry follows."""
        left = self.remaining_s()
        if error.is_transient and error.retry_after is not None and error.retry_after > left:
            moment = clock.now() + timedelta(seconds=error.retry_after)
            raise RetryLater(error, moment=moment) from error
        # Full jitter: clients that failed together do not come back together.
        delay = random.uniform(0, min(_LONGEST_BACKOFF_S, _FIRST_BACKOFF_S * 2**failures))  # noqa: S311
        delay = max(delay, error.retry_after or 0.0)
        if not error.is_transient or failures + 1 >= self._tries or delay >= left:
            raise error
        return delay

    def _once(
        self,
        url: str,
        params: Mapping[str, str | int] | None,
        consume: Callable[[httpx.Response, str], Result],
        *,
        method: str = "GET",
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Result:
        target = self._checked(url)
        host = target.host
        try:
            with self._client.stream(method, target, params=params, content=content, headers=headers) as response:
                return consume(response, host)
        except AddressRefusedError as error:
            raise OutsideError("refused_address", host) from error
        except httpx.TimeoutException as error:
            raise OutsideError("timeout", host) from error
        except httpx.ConnectError as error:
            raise OutsideError("tls" if _is_tls(error) else "connect", host) from error
        except httpx.TransportError as error:
            raise OutsideError("truncated", host) from error

    def _checked(self, url: str) -> httpx.URL:
        try:
            target = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise OutsideError("refused_address", "?") from error
        schemes = {"https", "http"} if self._allow_private else {"https"}
        if target.scheme not in schemes or not target.host or target.userinfo:
            raise OutsideError("refused_address", target.host or "?")
        return target


def _read(response: httpx.Response, host: str) -> bytes:
    """The body, unpacked. Raises too_large beyond MAX_BODY_BYTES."""
    body = bytearray()
    for chunk in _unpacked(response, host):
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise OutsideError("too_large", host, status=response.status_code, sample=_sample(body))
    return bytes(body)


def _save(response: httpx.Response, host: str, *, into: IO[bytes], kinds: Collection[str]) -> None:
    status = response.status_code
    if not response.is_success:
        _raise_for_status(response, _read(response, host), host)
    if _content_type(response).get_content_type() not in kinds:
        raise OutsideError("unexpected_type", host, status=status, sample=_sample(_read(response, host)))
    into.seek(0)
    into.truncate()
    for chunk in _unpacked(response, host):
        if into.tell() + len(chunk) > MAX_BODY_BYTES:
            raise OutsideError("too_large", host, status=status)
        into.write(chunk)


def _unpacked(response: httpx.Response, host: str) -> Iterator[bytes]:
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding == "identity":
        yield from response.iter_raw()
        return
    if encoding != "gzip":
        raise OutsideError("not_json", host, status=response.status_code)
    unpacker = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        for chunk in response.iter_raw():
            # Bounded, because httpx' own decoder unpacks a whole chunk at once: a thousandfold at worst.
            yield unpacker.decompress(chunk, MAX_BODY_BYTES + 1)
    except zlib.error as error:
        raise OutsideError("truncated", host, status=response.status_code) from error
    if not unpacker.eof:
        raise OutsideError("truncated", host, status=response.status_code)


def _content_type(response: httpx.Response) -> Message:
    kind = Message()
    kind["content-type"] = response.headers.get("content-type", "")
    return kind


def _answer(response: httpx.Response, host: str, *, nan_as_decimal: bool) -> Answer:
    status = response.status_code
    body = _read(response, host)
    if not response.is_success:
        _raise_for_status(response, body, host)
    kind = _content_type(response)
    charset = str(kind.get_param("charset", "utf-8")).lower()
    subtype = kind.get_content_subtype()
    if kind.get_content_maintype() != "application" or not (subtype == "json" or subtype.endswith("+json")):
        raise OutsideError("not_json", host, status=status, sample=_sample(body))
    if charset not in {"utf-8", "utf8", "us-ascii"}:
        raise OutsideError("not_json", host, status=status, sample=_sample(body))
    constant = Decimal if nan_as_decimal else _no_constant
    try:
        data = json.loads(body.decode("utf-8-sig"), parse_float=Decimal, parse_constant=constant)
    except (ValueError, ArithmeticError, RecursionError) as error:  # Also an exponent beyond Decimal.
        raise OutsideError("bad_json", host, status=status, sample=_sample(body)) from error
    return Answer(data=data, headers=response.headers)


def _raise_for_status(response: httpx.Response, body: bytes, host: str) -> NoReturn:
    status = response.status_code
    known = {401: "auth", 403: "auth", 429: "rate_limited"}
    code = "redirect" if 300 <= status < 400 else known.get(status, f"status_{status}")
    wanted = _retry_after_s(response.headers.get("retry-after", ""), now=clock.now())
    raise OutsideError(code, host, status=status, retry_after=wanted, sample=_sample(body))


def _retry_after_s(value: str, *, now: datetime) -> float | None:
    """Seconds from a Retry-After header (seconds or an HTTP date), 0..MAX_RETRY_AFTER_S; None when there is
    none or it makes no sense."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:10]), MAX_RETRY_AFTER_S)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(0.0, (moment - now).total_seconds()), MAX_RETRY_AFTER_S)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _sample(body: bytes | bytearray) -> str:
    return bytes(body[:SAMPLE_BYTES]).decode("utf-8", "replace")


def _is_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False
