"""The committed Postman collection is what the schema makes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from clients import postman
from tests.schema.test_completeness import document, operations


def requests(items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for item in items:
        if "request" in item:
            yield item
        else:
            yield from requests(item["item"])


def operation_of(item: dict[str, Any]) -> str:
    """As the schema's tests name it: `GET /api/cars/{id}`."""
    names = {(name.split()[0], *postman.segments(name.split()[1])): name for name, _ in operations()}
    return names[item["request"]["method"], *item["request"]["url"]["path"]]


def test_the_committed_collection_is_in_step() -> None:
    assert postman.COLLECTION.read_text() == postman.text(), "run 'make postman'"


def test_it_has_every_operation_under_its_tag() -> None:
    made = json.loads(postman.COLLECTION.read_text())
    assert sorted(map(operation_of, requests(made["item"]))) == sorted(name for name, _ in operations())
    assert {item["name"] for item in made["item"]} == {"Log in", *(tag["name"] for tag in document()["tags"])}
