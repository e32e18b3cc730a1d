"""The OpenAPI document says what the views do."""

from __future__ import annotations

import io
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from common import docs
from tests.common import urls


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return SchemaGenerator(urlconf=urls).get_schema(request=None, public=True)


def parameters(document: dict[str, Any], path: str, method: str = "get") -> dict[str, Any]:
    return {entry["name"]: entry["schema"] for entry in document["paths"][path][method].get("parameters", [])}


def walk(node: Any) -> Any:
    yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from walk(child)


def test_the_project_s_document_is_valid_and_free_of_warnings() -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", "/dev/null", stderr=io.StringIO())


def test_a_list_publishes_filters_and_paging_with_their_bounds(document: dict[str, Any]) -> None:
    published = parameters(document, "/api/cars")

    assert published["year"] == {"type": "integer", "minimum": 1886, "maximum": 2100}
    assert published["limit"] == {"type": "integer", "minimum": 1, "maximum": 100}
    assert published["source"] == {"type": "string", "enum": ["manual", "parse"]}
    assert set(published) == {*urls.SampleCarFilter.base_filters, "page", "skip", "limit", "count", "cursor"}
    assert set(parameters(document, "/api/cars/walk")) == {"limit", "cursor"}
    assert set(parameters(document, "/api/cars/statistics")) == {"year"}
    assert parameters(document, "/api/cars/{id}") == {"id": {"type": "integer", "minimum": 1, "maximum": 2**63 - 1}}


def test_every_refusal_of_a_route_is_listed(document: dict[str, Any]) -> None:
    cars, one = document["paths"]["/api/cars"], document["paths"]["/api/cars/{id}"]

    assert set(cars["get"]["responses"]) == {"200", "400", "401", "403", "406", "429", "503"}
    assert set(cars["post"]["responses"]) >= {"201", "400", "409", "413", "415", "422"}
    assert set(one["get"]["responses"]) >= {"200", "304", "404"}
    assert set(one["patch"]["responses"]) >= {"200", "404", "409", "412", "422"}
    assert set(one["delete"]["responses"]) >= {"204", "404", "409", "412"}
    assert all("default" not in op["responses"] for path in document["paths"].values() for op in path.values())


def test_operations_have_unique_names(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]

    assert len(names) == len(set(names))
    assert {"cars_list", "cars_create", "cars_retrieve", "cars_paint", "cars_walk_list", "root_retrieve"} <= set(names)


def test_bodies_are_closed_and_answers_are_not(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]

    for name in ("SampleCarRequest", "PatchedSampleCarRequest", "SamplePaintRequest", "EmptyRequest"):
        assert schemas[name]["additionalProperties"] is False
    assert "additionalProperties" not in schemas["SampleCar"]
    assert set(schemas["SampleCarRequest"]["properties"]) == {"make", "model", "year", "category"}
    assert schemas["SampleCarRequest"]["required"] == ["make", "model", "year"]


def test_fields_publish_bounds_for_bodies_and_plain_types_for_answers(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    body, answer = schemas["SampleEverythingRequest"]["properties"], schemas["SampleEverything"]["properties"]

    assert body["number"] == {"type": ["integer", "null"], "minimum": 1, "maximum": 10}
    assert body["choice"] == {"type": ["string", "null"], "enum": ["red", "blue", None]}
    assert [option["type"] for option in body["money"]["anyOf"]] == ["string", "number", "null"]
    assert body["items"]["maxItems"] == body["rows"]["maxItems"] == 50
    assert answer["money"] == {"type": ["string", "null"]}
    assert answer["at"] == {"type": "string", "format": "date-time"}
    assert schemas["SampleCarRequest"]["properties"]["make"]["maxLength"] == 128


def test_no_pattern_uses_what_engines_read_differently(document: dict[str, Any]) -> None:
    patterns = [
        node["pattern"] for node in walk(document) if isinstance(node, dict) and isinstance(node.get("pattern"), str)
    ]

    assert patterns
    assert not [pattern for pattern in patterns if any(escape in pattern for escape in (r"\s", r"\d", r"\w", r"\Z"))]


def test_public_operations_need_no_token(document: dict[str, Any]) -> None:
    assert document["paths"]["/api/echo"]["post"]["security"] == [{"bearer": []}, {}]
    assert document["paths"]["/api/cars"]["get"]["security"] == [{"bearer": []}]


@pytest.mark.django_db
@pytest.mark.urls("tests.common.urls")
def test_the_document_is_served_as_json_and_as_yaml(api: APIClient) -> None:
    docs.document.cache_clear()
    as_json = api.get("/api/schema")
    as_yaml = api.get("/api/schema", HTTP_ACCEPT="application/vnd.oai.openapi")
    docs.document.cache_clear()

    assert as_json["Content-Type"] == "application/json"
    assert as_json.json()["openapi"].startswith("3.1")
    assert yaml.safe_load(as_yaml.content)["paths"].keys() == as_json.json()["paths"].keys()


@pytest.mark.django_db
@pytest.mark.parametrize("page", ["docs", "redoc"])
def test_the_readers_load_nothing_from_elsewhere(api: APIClient, page: str) -> None:
    response = api.get(f"/api/{page}", HTTP_ACCEPT="text/html")
    html = response.content.decode()

    assert response.status_code == 200
    assert "http://" not in html
    assert "https://" not in html
    assert "<script>" not in html
    assert "default-src 'self'" in response["Content-Security-Policy"]
