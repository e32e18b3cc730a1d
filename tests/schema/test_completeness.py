"""The committed document is one that clients can be made from: every operation has a name, a tag, a summary and
examples, and the examples are what the document itself admits."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

ADDRESS = "urn:forecourt"
ROOT = Path(__file__).resolve().parent.parent.parent
METHODS = ("get", "post", "put", "patch", "delete")
NAME = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)+")
Finder = Callable[[str, dict[str, Any]], Iterator[str]]


@cache
def document() -> dict[str, Any]:
    """References name the document, so that they are found from a part of it too."""
    text = (ROOT / "schema.yml").read_text().replace("$ref: '#/", f"$ref: '{ADDRESS}#/")
    return yaml.load(text, Loader=yaml.CSafeLoader)


@cache
def registry() -> Registry:
    return Registry().with_resource(ADDRESS, DRAFT202012.create_resource(document()))


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each with its name: `GET /api/cars`."""
    for path, methods in document()["paths"].items():
        for method in METHODS:
            if method in methods:
                yield f"{method.upper()} {path}", methods[method]


def media(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What goes in and what comes back when it succeeds, as JSON or as a form."""
    contents = {"body": operation.get("requestBody", {}).get("content", {})}
    contents |= {status: answer.get("content", {}) for status, answer in operation["responses"].items()}
    for where, content in contents.items():
        for kind, medium in content.items():
            is_file = medium.get("schema", {}).get("format") == "binary" or kind == "text/event-stream"
            if (where == "body" or where.startswith("2")) and not is_file:
                yield f"{where} {kind}", medium


def examples(medium: dict[str, Any]) -> dict[str, Any]:
    named = {name: example["value"] for name, example in medium.get("examples", {}).items()}
    return named | ({"example": medium["example"]} if "example" in medium else {})


def without_tag(name: str, operation: dict[str, Any]) -> Iterator[str]:
    described = {tag["name"] for tag in document().get("tags", ()) if tag.get("description")}
    tags = operation.get("tags", [])
    if len(tags) != 1 or tags[0] not in described:
        yield f"{name}: {tags}"


def without_summary(name: str, operation: dict[str, Any]) -> Iterator[str]:
    summary = operation.get("summary", "")
    if not summary or summary.endswith(".") or len(summary) > 80:
        yield f"{name}: {summary!r}"


def without_description(name: str, operation: dict[str, Any]) -> Iterator[str]:
    if not operation.get("description"):
        yield name


def without_name(name: str, operation: dict[str, Any]) -> Iterator[str]:
    """Programs are named after it, so it is the noun and the verb in words that every language admits."""
    if not NAME.fullmatch(operation.get("operationId", "")):
        yield f"{name}: {operation.get('operationId')}"


def without_example(name: str, operation: dict[str, Any]) -> Iterator[str]:
    for where, medium in media(operation):
        if not examples(medium):
            yield f"{name} {where}"


def with_example_against_its_schema(name: str, operation: dict[str, Any]) -> Iterator[str]:
    for where, medium in media(operation):
        validator = Draft202012Validator(
            medium.get("schema", {}), registry=registry(), format_checker=Draft202012Validator.FORMAT_CHECKER
        )
        for title, value in examples(medium).items():
            for error in validator.iter_errors(value):
                yield f"{name} {where} {title!r}: {error.json_path} {error.message[:200]}"


@pytest.mark.parametrize(
    "finder",
    [
        without_tag,
        without_summary,
        without_description,
        without_name,
        without_example,
        with_example_against_its_schema,
    ],
    ids=lambda finder: finder.__name__,
)
def test_no_operation_is(finder: Finder) -> None:
    assert [found for name, operation in operations() for found in finder(name, operation)] == []


def test_names_are_unique() -> None:
    counted = Counter(operation["operationId"] for _, operation in operations())
    assert {name: count for name, count in counted.items() if count > 1} == {}


def test_every_described_tag_is_used() -> None:
    used = {tag for _, operation in operations() for tag in operation["tags"]}
    assert {tag["name"] for tag in document()["tags"]} == used


def test_the_release_has_one_number() -> None:
    """That of the package is the document's, and the change log begins with it."""
    release = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert document()["info"]["version"] == release
    assert re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[0] == release
