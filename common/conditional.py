"""Conditional requests: strong entity tags of what this viewer sees, so that a tag never betrays a hidden change."""

from __future__ import annotations

import json
from hashlib import blake2b, sha256
from typing import Any

import orjson
from django.utils.http import parse_etags

from common.errors import PreconditionFailed
from common.renderers import dump_json, dump_lasting_json


def etag_of(data: Any) -> str:
    """The tag of a representation; `data` as the renderer gets it. What is `Untagged` in it makes no other version."""
    return tag_of(dump_lasting_json(data))


def tag_of(body: bytes) -> str:
    """The tag of a representation that is JSON already."""
    return f'"{blake2b(body, digest_size=16).hexdigest()}"'


def fingerprint_of(data: Any) -> str:
    """The SHA-256 of a representation's content, which anybody can reckon again from the JSON: its members sorted,
    without spaces, in ASCII."""
    content = json.dumps(orjson.loads(dump_json(data)), sort_keys=True, separators=(",", ":"))
    return sha256(content.encode()).hexdigest()


def is_current(request: Any, etag: str) -> bool:
    """Whether `If-None-Match` names this version: the answer is 304."""
    return _names(request.META.get("HTTP_IF_NONE_MATCH"), etag)


def check_if_match(request: Any, etag: str) -> None:
    """Raises PreconditionFailed when there is an `If-Match` and it names other versions only."""
    header = request.META.get("HTTP_IF_MATCH")
    if header is not None and not _names(header, etag):
        raise PreconditionFailed


def _names(header: str | None, etag: str) -> bool:
    """A `W/` in front is looked through: proxies that compress put it there."""
    tags = parse_etags(header) if header else []
    return tags == ["*"] or etag in (tag.removeprefix("W/") for tag in tags)
