"""The common half of every stand-in: a threaded HTTP server, its log, its rows and its fault switches.

A stand-in is a context manager. It listens on 127.0.0.1, by default on a free port, and closing it never
waits for a handler, not even for one that hangs:

    with ParseServer(rows) as server:
        server.faults.add(Fault.STATUS, code=429, retry_after=2, times=1)
        httpx.get(f"{server.base_url}/classes/Cars")
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import gzip
import html
import json
import signal
import socket
import struct
import sys
import threading
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.utils import format_datetime
from enum import StrEnum
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar, Self
from urllib.parse import parse_qsl, urlsplit

JSON_TYPE = "application/json; charset=utf-8"
HTML_TYPE = "text/html; charset=utf-8"

Row = dict[str, Any]

_SECRET_HEADERS = frozenset({"authorization", "cookie", "x-parse-master-key", "x-parse-rest-api-key"})
_MEGABYTE = 1024 * 1024


class Fault(StrEnum):
    """What can go wrong with an answer."""

    SLOW = "slow"  # waits `seconds`, then answers as usual
    STATUS = "status"  # answers `code`, with `retry_after` when given
    TRUNCATED = "truncated"  # Content-Length promises the whole body, half of it comes
    UNPARSABLE = "unparsable"  # half of the body under its own, valid Content-Length
    TRUNCATED_GZIP = "truncated_gzip"  # half of a gzip stream under a valid Content-Length
    HTML_200 = "html_200"  # a maintenance page with status 200
    REDIRECT = "redirect"  # 302 to `location`
    REDIRECT_LOOP = "redirect_loop"  # 302 to the very same address
    HUGE = "huge"  # a chunked body without end
    GZIP_BOMB = "gzip_bomb"  # some 250 kB that inflate to 256 MB
    WRONG_CHARSET = "wrong_charset"  # says UTF-8 and holds a Latin-1 byte
    RESET = "reset"  # half of the body, then a TCP reset
    HANG = "hang"  # not a byte until the stand-in closes
    EMPTY_BODY = "empty_body"  # 200 with no body at all
    NO_ROWS = "no_rows"  # a well-formed page without rows
    DUPLICATE_IN_PAGE = "duplicate_in_page"  # the page's first row comes twice
    DUPLICATE_ACROSS_PAGES = "duplicate_across_pages"  # the page begins with the last row of the page before
    BAD_ROWS = "bad_rows"  # the page begins with `rows`, by default one of each kind of bad row


_ROW_FAULTS = frozenset({Fault.NO_ROWS, Fault.DUPLICATE_IN_PAGE, Fault.DUPLICATE_ACROSS_PAGES, Fault.BAD_ROWS})


@dataclass(slots=True)
class ActiveFault:
    """A fault with its options; made by `Faults.add`."""

    kind: Fault
    first: int
    left: int | None
    seconds: float = 1.0
    code: int = 500
    retry_after: str | None = None
    location: str = "/"
    rows: Sequence[Row] | None = None

    @property
    def replaces_answer(self) -> bool:
        return self.kind is not Fault.SLOW and self.kind not in _ROW_FAULTS


class Faults:
    """The fault switches of one stand-in, safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._active: list[ActiveFault] = []
        self._seen = 0

    def add(
        self,
        kind: Fault,
        *,
        times: int | None = None,
        from_request: int = 1,
        retry_after: float | datetime | None = None,
        **options: Any,
    ) -> None:
        """Switch a fault on for `times` requests, or for all, beginning with the `from_request`-th from now.

        Several faults may be on at once: the slow ones and those on rows add up, of those that replace the
        answer only the oldest is used, so that they queue up behind one another. `retry_after` is in seconds,
        or an aware UTC datetime for the date form of the header. Raises TypeError for an unknown option.
        """
        header = format_datetime(retry_after, usegmt=True) if isinstance(retry_after, datetime) else None
        if header is None and retry_after is not None:
            header = str(retry_after)
        with self._lock:
            first = self._seen + from_request
            self._active.append(ActiveFault(kind, first, times, retry_after=header, **options))

    def clear(self) -> None:
        """Switch every fault off."""
        with self._lock:
            self._active.clear()

    def take(self) -> list[ActiveFault]:
        """Count one request and return the faults that hit it."""
        with self._lock:
            self._seen += 1
            due = [fault for fault in self._active if fault.first <= self._seen]
            replacing = next((fault for fault in due if fault.replaces_answer), None)
            if replacing is not None:
                due = [fault for fault in due if fault is replacing or fault.kind is Fault.SLOW]
            for fault in due:
                if fault.left is not None:
                    fault.left -= 1
            self._active = [fault for fault in self._active if fault.left is None or fault.left > 0]
            return due


@dataclass(frozen=True, slots=True)
class Request:
    """One request as the stand-in saw it; header names in lower case, secret values blotted out. `params` are those of
    the query, or of the form that was posted."""

    number: int
    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What to send: a JSON document, or bytes with a content type (None sends no such header)."""

    status: int = 200
    document: Any = None
    text: str = ""
    content_type: str | None = JSON_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> bytes:
        if self.document is None:
            return self.text.encode()
        return json.dumps(self.document, ensure_ascii=False, separators=(",", ":")).encode()


def html_page(status: int, title: str) -> Answer:
    """Answer with the bare page that Express sends."""
    head = '<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Error</title>\n</head>\n'
    text = f"<!DOCTYPE html>\n{head}<body>\n<pre>{html.escape(title)}</pre>\n</body>\n</html>\n"
    return Answer(status, text=text, content_type=HTML_TYPE)


class StandIn:
    """A fake service with rows in memory. Subclasses say how it answers and what its rows look like."""

    rows_field: ClassVar[str]
    id_field: ClassVar[str]
    takes_forms: ClassVar[bool] = False

    def __init__(self, *, port: int = 0) -> None:
        self.faults = Faults()
        self.requests: list[Request] = []
        self.closing = threading.Event()
        self._rows: list[Row] = []
        self._lock = threading.RLock()
        self._hooks: list[Callable[[Request], object]] = []
        self._last_row: Row | None = None
        self._numbered = 0
        self._http = _Server(("127.0.0.1", port), self)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    def respond(self, request: Request, headers: Mapping[str, str]) -> Answer:
        """Answer a request; `headers` are the true ones, lower-case names, secrets included."""
        raise NotImplementedError

    def error(self, status: int) -> Answer:
        """Give the service's own answer for an error status."""
        raise NotImplementedError

    def bad_rows(self) -> list[Row]:
        """Give one row of each kind that a careful reader must refuse."""
        raise NotImplementedError

    def touch(self, row: Row) -> None:
        """Mark a row as changed now; a service without such a mark does nothing."""

    @property
    def port(self) -> int:
        return self._http.server_port

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Self:
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop listening and cut every open connection."""
        self.closing.set()
        if self._thread.is_alive():
            self._http.shutdown()
        self._http.server_close()
        self._http.cut_connections()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def on_request(self, hook: Callable[[Request], object]) -> None:
        """Call `hook` before each request is answered: it may change rows, and so between two pages."""
        self._hooks.append(hook)

    def rows(self) -> list[Row]:
        """Copy all rows, in the order in which they were added."""
        with self._lock:
            return copy.deepcopy(self._rows)

    def update(self, row_id: Any, **changes: Any) -> None:
        """Change fields of a row. Raises KeyError for an unknown id."""
        with self._lock:
            row = self._find(row_id)
            row.update(changes)
            self.touch(row)

    def remove(self, row_id: Any) -> None:
        """Delete a row. Raises KeyError for an unknown id."""
        with self._lock:
            self._rows.remove(self._find(row_id))

    def duplicate(self, row_id: Any, **changes: Any) -> None:
        """Add a second, newer row under the same id. Raises KeyError for an unknown id."""
        with self._lock:
            row = self._find(row_id) | changes
            self.touch(row)
            self._rows.append(row)

    def clear(self) -> None:
        """Delete all rows."""
        with self._lock:
            self._rows.clear()

    def handle(self, method: str, target: str, headers: Mapping[str, str], form: str = "") -> Answer:
        """Log the request, let the hooks run, and answer it."""
        parts = urlsplit(target)
        shown = {name: "[hidden]" if name in _SECRET_HEADERS else value for name, value in headers.items()}
        params = dict(parse_qsl(form or parts.query, keep_blank_values=True))
        with self._lock:
            self._numbered += 1
            request = Request(self._numbered, method, parts.path, params, shown)
            self.requests.append(request)
        for hook in self._hooks:
            hook(request)
        with self._lock:
            answer = self.respond(request, headers)
            return replace(answer, document=copy.deepcopy(answer.document))

    def spoil_rows(self, answer: Answer, faults: Iterable[ActiveFault]) -> Answer:
        """Apply the faults on rows to a page; any other answer passes unchanged."""
        if not isinstance(answer.document, dict) or self.rows_field not in answer.document:
            return answer
        rows: list[Row] = answer.document[self.rows_field]
        with self._lock:
            before, self._last_row = self._last_row, rows[-1] if rows else None
        for fault in faults:
            if fault.kind is Fault.NO_ROWS:
                rows = []
            elif fault.kind is Fault.DUPLICATE_IN_PAGE:
                rows = rows[:1] + rows
            elif fault.kind is Fault.DUPLICATE_ACROSS_PAGES:
                rows = ([before] if before else []) + rows
            elif fault.kind is Fault.BAD_ROWS:
                rows = [*(self.bad_rows() if fault.rows is None else fault.rows), *rows]
        return replace(answer, document=answer.document | {self.rows_field: rows})

    def _find(self, row_id: Any) -> Row:
        for row in self._rows:
            if row.get(self.id_field) == row_id:
                return row
        raise KeyError(row_id)


class _Server(ThreadingHTTPServer):
    """Keeps track of its connections, so that closing need not wait for the threads behind them."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], standin: StandIn) -> None:
        self.standin = standin
        self._connections: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def close_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().close_request(request)

    def cut_connections(self) -> None:
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep quiet about clients that went away, which many tests make them do."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        self._serve("GET", "")

    def do_POST(self) -> None:
        if not self.server.standin.takes_forms:
            self.send_error(501)
            return
        self._serve("POST", self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())

    def _serve(self, method: str, form: str) -> None:
        standin = self.server.standin
        faults = standin.faults.take()
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = standin.handle(method, self.path, headers, form)
        answer = standin.spoil_rows(answer, faults)
        for fault in faults:
            if fault.kind is Fault.SLOW:
                standin.closing.wait(fault.seconds)
        replacing = next((fault for fault in faults if fault.replaces_answer), None)
        if replacing is None:
            self._send(answer)
        else:
            _SPOILERS[replacing.kind](self, replacing, answer)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: `StandIn.requests` is the log."""

    def _send(self, answer: Answer) -> None:
        self._send_bytes(answer.status, answer.body(), answer.content_type, answer.headers)

    def _send_bytes(
        self,
        status: int,
        body: bytes,
        content_type: str | None,
        headers: Mapping[str, str],
        promised: int | None = None,
    ) -> None:
        self.send_response(status)
        if content_type is not None:
            self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body) if promised is None else promised))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _status(self, fault: ActiveFault, _answer: Answer) -> None:
        error = self.server.standin.error(fault.code)
        headers = dict(error.headers)
        if fault.retry_after is not None:
            headers["Retry-After"] = fault.retry_after
        self._send_bytes(error.status, error.body(), error.content_type, headers)

    def _send_half(self, answer: Answer, *, promise_all: bool) -> None:
        body = answer.body()
        half, promised = body[: len(body) // 2], len(body) if promise_all else None
        self._send_bytes(answer.status, half, answer.content_type, answer.headers, promised)

    def _truncated(self, _fault: ActiveFault, answer: Answer) -> None:
        self._send_half(answer, promise_all=True)
        self.close_connection = True

    def _unparsable(self, _fault: ActiveFault, answer: Answer) -> None:
        self._send_half(answer, promise_all=False)

    def _truncated_gzip(self, _fault: ActiveFault, answer: Answer) -> None:
        body = gzip.compress(answer.body())
        headers = {"Content-Encoding": "gzip"}
        self._send_bytes(answer.status, body[: len(body) // 2], answer.content_type, headers)

    def _html_200(self, _fault: ActiveFault, _answer: Answer) -> None:
        self._send(html_page(200, "Down for maintenance"))

    def _redirect(self, fault: ActiveFault, _answer: Answer) -> None:
        self._send_bytes(302, b"", HTML_TYPE, {"Location": fault.location})

    def _redirect_loop(self, _fault: ActiveFault, _answer: Answer) -> None:
        self._send_bytes(302, b"", HTML_TYPE, {"Location": self.path})

    def _huge(self, _fault: ActiveFault, _answer: Answer) -> None:
        self.send_response(200)
        self.send_header("Content-Type", JSON_TYPE)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        opening = f'{{"{self.server.standin.rows_field}":['.encode()
        self.wfile.write(b"%x\r\n%b\r\n" % (len(opening), opening))
        filler = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        while not self.server.standin.closing.is_set():
            self.wfile.write(filler)
        self.close_connection = True

    def _gzip_bomb(self, _fault: ActiveFault, _answer: Answer) -> None:
        self._send_bytes(200, gzip_bomb(256), JSON_TYPE, {"Content-Encoding": "gzip"})

    def _wrong_charset(self, _fault: ActiveFault, answer: Answer) -> None:
        head, quote, tail = answer.body().rpartition(b'"')
        body = head + "ë".encode("latin-1") + quote + tail
        self._send_bytes(answer.status, body, answer.content_type, answer.headers)

    def _reset(self, _fault: ActiveFault, answer: Answer) -> None:
        self._send_half(answer, promise_all=True)
        # Closing with a linger time of zero sends RST; the socket closes only when its reader is closed too.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()
        self.connection.close()
        self.close_connection = True

    def _hang(self, _fault: ActiveFault, _answer: Answer) -> None:
        self.server.standin.closing.wait()
        self.close_connection = True

    def _empty_body(self, _fault: ActiveFault, answer: Answer) -> None:
        self._send_bytes(200, b"", answer.content_type, {})


_SPOILERS: Mapping[Fault, Callable[[_Handler, ActiveFault, Answer], None]] = {
    Fault.STATUS: _Handler._status,
    Fault.TRUNCATED: _Handler._truncated,
    Fault.UNPARSABLE: _Handler._unparsable,
    Fault.TRUNCATED_GZIP: _Handler._truncated_gzip,
    Fault.HTML_200: _Handler._html_200,
    Fault.REDIRECT: _Handler._redirect,
    Fault.REDIRECT_LOOP: _Handler._redirect_loop,
    Fault.HUGE: _Handler._huge,
    Fault.GZIP_BOMB: _Handler._gzip_bomb,
    Fault.WRONG_CHARSET: _Handler._wrong_charset,
    Fault.RESET: _Handler._reset,
    Fault.HANG: _Handler._hang,
    Fault.EMPTY_BODY: _Handler._empty_body,
}


@cache
def gzip_bomb(megabytes: int) -> bytes:
    """Build one gzip stream of spaces, a thousandth of its inflated size.

    After a full flush the compressor remembers nothing, so one compressed megabyte may be repeated at will.
    """
    block = b" " * _MEGABYTE
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    repeated = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = 0
    for _ in range(megabytes):
        checksum = zlib.crc32(block, checksum)
    trailer = struct.pack("<II", checksum, megabytes * _MEGABYTE & 0xFFFFFFFF)
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + repeated * megabytes + packer.flush(zlib.Z_FINISH) + trailer


def command_line(description: str | None) -> argparse.ArgumentParser:
    """Begin the command line of a stand-in that is run by hand."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: a free one)")
    return parser


def serve_until_stopped(standin: StandIn) -> None:
    """Serve until interrupted (Ctrl-C or SIGTERM)."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with standin, contextlib.suppress(KeyboardInterrupt):
        print(f"{type(standin).__name__} with {len(standin.rows())} rows at {standin.base_url}", flush=True)
        threading.Event().wait()
