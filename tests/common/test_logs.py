"""Logs: one JSON object per line that nobody can forge and no secret gets into."""

from __future__ import annotations

import json
import logging
import logging.handlers
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import structlog
from django.db import IntegrityError, connection
from django.test import RequestFactory

from common.logs import RouteOnly, configure, echo_sql, formatter, logging_config
from tests.auctions.factories import ListingFactory
from tests.factories import UserFactory, VehicleFactory

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"  # Not a real one.


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[str]]]:
    """What a handler like the settings' one writes, line by line."""
    lines: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.extend(self.format(record).split("\n"))

    handler = Handler()
    handler.setFormatter(formatter())
    handler.addFilter(RouteOnly())
    logger = logging.getLogger("under.test")
    logger.addHandler(handler)
    monkeypatch.setattr(logger, "propagate", False)
    yield lambda: lines
    logger.removeHandler(handler)


@pytest.fixture
def log() -> Any:
    return structlog.get_logger("under.test")


def test_a_line_is_one_json_object(log: Any, written: Callable[[], list[str]]) -> None:
    log.info("done", rows=3)
    line = json.loads(written()[0])
    assert (line["event"], line["rows"], line["level"], line["logger"]) == ("done", 3, "info", "under.test")
    assert line["timestamp"].endswith("Z")


def test_plain_logging_comes_out_alike(written: Callable[[], list[str]]) -> None:
    logging.getLogger("under.test").warning("%s rows", 3)
    line = json.loads(written()[0])
    assert (line["event"], line["level"]) == ("3 rows", "warning")


@pytest.mark.parametrize("text", ['a\r\n{"event":"forged"}', "\x1b[2Jgone", "a\u2028b\x85c", '"}{"'])
def test_input_cannot_forge_a_line(log: Any, written: Callable[[], list[str]], text: str) -> None:
    log.info(text, value=text)
    logging.getLogger("under.test").info("%s", text)
    assert len(written()) == 2
    for line in written():
        assert line.isascii()
        assert line.isprintable()
        assert json.loads(line)["event"] == text


def test_a_line_costs_no_more_than_its_length(log: Any, written: Callable[[], list[str]]) -> None:
    log.info("a-" * 100_000)  # As an address of hyphens in `Host`; by the square it would take minutes.
    assert len(json.loads(written()[0])["event"]) == 200_000


def test_half_a_character_leaves_a_line_that_can_be_read() -> None:
    record = logging.LogRecord("under.test", logging.INFO, __file__, 1, "%s", ("\ud800",), None)
    line = formatter().format(record)
    assert line.isascii()
    assert json.loads(line)["event"] == "\ud800"


@pytest.mark.parametrize(
    "field",
    ["password", "new_password", "secret", "access_token", "Authorization", "Cookie", "api_key", "X-Parse-Master-Key"],
)
def test_fields_named_like_secrets_are_blotted_out(log: Any, written: Callable[[], list[str]], field: str) -> None:
    log.info("x", **{field: "hunter2"}, inner={"deeper": [{field: "hunter2"}]})
    assert "hunter2" not in written()[0]
    assert written()[0].count("[redacted]") == 2


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"sent {TOKEN} along", TOKEN),
        (f"sent fck_{'5f' * 8}_{'a0' * 36} along", "a0a0"),
        (f"cut off: fck_{'5f' * 8}_a0a0", "a0a0"),
        ("Authorization: Bearer abcdef", "abcdef"),
        ("called with {'Authorization': 'Token abcdef'}", "Token"),
        ("the bearer abc.def-123", "abc.def-123"),
        ("Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("postgres://alice:hunter2@db/forecourt", "hunter2"),
        ("redis://:hunter2@cache:6379/0", "hunter2"),
        ("GET /x?token=hunter2&a=1", "hunter2"),
        ("https://s3/x?X-Amz-Signature=hunter2", "hunter2"),
        ("password=hunter2", "hunter2"),
        ("?my-reset_token=hunter2", "hunter2"),
    ],
)
def test_texts_that_look_like_secrets_are_blotted_out(written: Callable[[], list[str]], text: str, secret: str) -> None:
    logging.getLogger("under.test").error("failed: %s", text)
    assert secret not in written()[0]
    assert "[redacted]" in written()[0]


def test_harmless_text_stays(log: Any, written: Callable[[], list[str]]) -> None:
    log.info("the bearer of news", url="https://host/path?page=2", token_version=3, user_id=7)
    line = json.loads(written()[0])
    assert line["event"] == "the bearer of news"
    assert (line["url"], line["token_version"], line["user_id"]) == ("https://host/path?page=2", 3, 7)


def test_an_exception_keeps_its_traceback_and_loses_its_secret(log: Any, written: Callable[[], list[str]]) -> None:
    try:
        raise ValueError(f"bad token {TOKEN}")
    except ValueError:
        log.exception("failed")
    line = json.loads(written()[0])
    assert "ValueError: bad token [redacted]" in line["exception"]
    assert len(written()) == 1


def test_django_names_the_route_instead_of_the_path(written: Callable[[], list[str]]) -> None:
    request = RequestFactory().get("/api/downloads/secret-token")
    logging.getLogger("under.test").error("%s: %s", "Not Found", request.path, extra={"request": request})
    assert json.loads(written()[0])["event"] == "Not Found: unmatched"


def test_the_context_of_the_request_is_in_every_line(log: Any, written: Callable[[], list[str]]) -> None:
    with structlog.contextvars.bound_contextvars(request_id="abc"):
        log.info("a")
        logging.getLogger("under.test").info("b")
    assert [json.loads(line)["request_id"] for line in written()] == ["abc", "abc"]


def test_the_sync_also_writes_a_rotating_file(tmp_path: Path) -> None:
    config = logging_config(level="INFO", sync_log=tmp_path / "sync_cars.log")
    older = structlog.get_logger("older").bind()
    kept = logging.getLogger("cars.sync").handlers[:], logging.root.handlers[:]
    try:
        configure(config)
        structlog.get_logger("cars.sync.engine").info("page", number=1)
        (handler,) = logging.getLogger("cars.sync").handlers
        assert isinstance(handler, logging.handlers.RotatingFileHandler)
        handler.close()
        assert json.loads((tmp_path / "sync_cars.log").read_text())["number"] == 1
        with structlog.testing.capture_logs() as lines:
            older.warning("still heard")
        assert [line["event"] for line in lines] == ["still heard"]
    finally:
        logging.getLogger("cars.sync").handlers, logging.root.handlers = kept


def test_without_log_files_there_is_no_file() -> None:
    assert list(logging_config(level="INFO")["handlers"]) == ["console"]


@pytest.mark.django_db
def test_the_sql_echo_shows_statements_without_values() -> None:
    with structlog.testing.capture_logs() as lines, connection.execute_wrapper(echo_sql), connection.cursor() as cursor:
        cursor.execute("SELECT %s", ["hunter2"])
    assert lines[0]["sql"] == "SELECT %s"
    assert lines[0]["duration_ms"] >= 0
    assert "hunter2" not in str(lines)


def test_what_a_secret_is_does_not_depend_on_depth(log: Any, written: Callable[[], list[str]]) -> None:
    log.info("x", headers=[{"name": "ok"}, ("a", {"password": "hunter2"})])
    assert "hunter2" not in written()[0]


@pytest.mark.postgres
@pytest.mark.django_db
def test_a_row_that_a_constraint_refuses_is_not_repeated(written: Callable[[], list[str]]) -> None:
    """A description with a bracket and a quotation mark does not end the search early."""
    refused = ListingFactory.build(seller=UserFactory(), vehicle=VehicleFactory(), reserve_price=Decimal("7.13"))
    refused.description = 'Mint) condition.\n"Rare" (7.13)'
    try:
        refused.save()
    except IntegrityError:
        logging.getLogger("under.test").exception("refused")
    (line,) = written()
    assert "listing_reserve_from_start" in line
    assert "Failing row contains ([redacted])" in line
    assert "7.13" not in line
