"""The strict parser: what JSON leaves open is refused, and nothing a client sends is a 500."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rest_framework.exceptions import ParseError
from rest_framework.test import APIClient

from common.parsers import load_json

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.common.urls")]


def send(api: APIClient, body: bytes, content_type: str = "application/json") -> tuple[int, dict]:
    response = api.generic("POST", "/api/echo", body, content_type=content_type)
    return response.status_code, response.json()


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b" ",
        b'{"text": "a", "text": "b"}',
        b'{"text": "\\u0000"}',
        b'{"text": "\\ud800"}',
        b'{"\\ud800": 1}',
        b'{"text": "\x00"}',
        b'{"text": "\xff"}',
        b'{"money": NaN}',
        b'{"money": Infinity}',
        b'{"money": -Infinity}',
        b'{"money": 1e99999999999999999999}',
        b'{"money": 1e400}',
        b'{"number": ' + b"9" * 5000 + b"}",
        b'{"number": 1e400}',
        b'{"free": {"a": 1e400}}',
        b"[" * 100_000,
        b"[]" * 33 + b'"' + b'\\"' * 500_000,  # Not by the square of its length: an hour.
        b'{"free": ' + b'{"a": ' * 40 + b"1" + b"}" * 41,
        b"\xef\xbb\xbf{}",
    ],
    ids=lambda body: body[:40].decode("latin-1"),
)
def test_a_body_that_is_not_strict_json_is_400(api: APIClient, body: bytes) -> None:
    status, answer = send(api, body)

    assert status == 400
    assert answer["type"] == "validation_error"


def test_brackets_within_strings_do_not_count_as_nesting(api: APIClient) -> None:
    status, answer = send(api, b'{"free": {"a": "' + b"[" * 90 + b'\\"[["}}')

    assert (status, answer["free"]["a"]) == (200, "[" * 90 + '"[[')


def test_thirty_two_levels_are_accepted_and_no_more() -> None:
    load_json(b"[" * 32 + b"]" * 32)

    with pytest.raises(ParseError):
        load_json(b"[" * 33 + b"]" * 33)


def test_a_character_beyond_the_basic_plane_may_come_as_two_escapes(api: APIClient) -> None:
    assert send(api, b'{"text": "\\ud83d\\ude97"}') == (200, {"text": "\N{AUTOMOBILE}"})


def test_an_oversized_body_is_413(api: APIClient) -> None:
    status, answer = send(api, b'{"text": "' + b"a" * 1024 * 1024 + b'"}')

    assert (status, answer["type"]) == (413, "client_error")


class Chunks(io.BytesIO):
    """A server's view of a chunked body that breaks off."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise OSError("not a chunk")


@pytest.mark.parametrize(
    ("source", "status"),
    [
        (io.BytesIO(b'{"text": "aaaaaaaaaa"}'), 200),
        (io.BytesIO(b" " * 1024 * 1024 + b"{}"), 413),
        (Chunks(), 400),
    ],
)
def test_a_chunked_body_is_read_and_bounded(api: APIClient, source: io.BytesIO, status: int) -> None:
    """A server hands a chunked body over without a Content-Length; Django would take it for an empty one."""
    headers: dict[str, Any] = {
        "CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": source
    }  # fmt: skip
    response = api.generic("POST", "/api/echo", "{}", content_type="application/json", **headers)

    assert response.status_code == status
    assert status != 200 or response.json() == {"text": "a" * 10}


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "",
        "application/json; charset=latin-1",
        "application/json; charset=utf-16",
        "application/json; charset=nonsense",
    ],
)
def test_anything_but_json_in_utf8_is_415(api: APIClient, content_type: str) -> None:
    status, answer = send(api, b'{"text": "a"}', content_type)

    assert status == 415
    assert answer["errors"][0]["code"] == "unsupported_media_type"


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=UTF-8", "text/plain", ""])
def test_no_body_is_an_empty_object_whatever_its_type(api: APIClient, content_type: str) -> None:
    assert send(api, b"", content_type) == (200, {})


def test_fractions_reach_decimal_without_a_float_in_between(api: APIClient) -> None:
    assert send(api, b'{"money": 9999999999.99}') == (200, {"money": "9999999999.99"})


def test_unknown_and_read_only_members_are_refused_by_name(api: APIClient) -> None:
    status, answer = send(api, b'{"tetx": "a", "secret": "b"}')

    assert status == 400
    assert {(error["attr"], error["code"]) for error in answer["errors"]} == {
        ("tetx", "unknown_field"),
        ("secret", "read_only"),
    }


def test_a_nested_error_names_its_place(api: APIClient) -> None:
    status, answer = send(api, b'{"rows": [{"color": "red"}, {"color": "red", "colour": "red"}]}')

    assert (status, answer["errors"][0]["attr"]) == (400, "rows.1.colour")
