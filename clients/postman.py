"""Writes docs/forecourt.postman_collection.json from schema.yml: `make postman`.

One folder per tag; bodies are the document's examples, path parameters are variables, and the token that the first
request stores goes along with all that follow. The same document gives the same file, byte for byte.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
SCHEMA, COLLECTION = ROOT / "schema.yml", ROOT / "docs" / "forecourt.postman_collection.json"
FORMAT = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
METHODS = ("get", "post", "put", "patch", "delete")
LOGIN = "auth_login"
# They end the session that the other requests use, so that whoever runs the whole collection runs them last.
LAST = ("auth_change_password", "auth_me_destroy", "auth_logout")
VARIABLES = {
    "baseUrl": "http://localhost:8000",
    "email": "admin@example.com",
    "password": "demo-showroom-2020",
    "token": "",
    "refreshToken": "",
}
# A stream has no end, so a run of the whole collection asks for one that is not there.
NOT_THERE = {"auctions_stream": {"id": "999999999"}}
BODIES = {
    LOGIN: {"email": "{{email}}", "password": "{{password}}"},
    "auth_refresh": {"refresh_token": "{{refreshToken}}"},
}
STORE_SESSION = """\
const answer = pm.response.code === 200 ? pm.response.json() : {};
pm.test("A token is stored", () => pm.expect(answer.access_token).to.be.a("string"));
pm.collectionVariables.set("token", answer.access_token);
pm.collectionVariables.set("refreshToken", answer.refresh_token);"""
NO_SERVER_ERROR = 'pm.test("No server error", () => pm.expect(pm.response.code).to.be.below(500));'
ABOUT = """

Set `baseUrl`, `email` and `password` in the collection's variables (they are those of the demo data) and send
**Log in** first: it stores the token, which goes along with every other request. The folder `auth` comes last, because
it holds what ends a session. Sent as a whole the collection changes and deletes rows: do that with demo data only."""


def collection(document: dict[str, Any]) -> dict[str, Any]:
    """The Postman collection (format 2.1) of an OpenAPI document."""
    about = {tag["name"]: tag["description"] for tag in document["tags"]}
    folders: dict[str, list[dict[str, Any]]] = {
        name: [] for name in sorted(about, key=lambda name: (name == "auth", name))
    }
    first: list[dict[str, Any]] = []
    for path, method, operation in sorted(_operations(document), key=lambda found: _rank(found[2])):
        place = first if operation["operationId"] == LOGIN else folders[operation["tags"][0]]
        place.append(_item(path, method, operation))
    info = document["info"]
    return {
        "info": {
            "_postman_id": str(uuid.uuid5(uuid.NAMESPACE_URL, FORMAT + info["title"])),
            "name": info["title"],
            "description": info["description"] + ABOUT,
            "schema": FORMAT,
        },
        "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{token}}", "type": "string"}]},
        "event": [_test(NO_SERVER_ERROR)],
        "variable": [{"key": key, "value": value} for key, value in VARIABLES.items()],
        "item": first + [{"name": name, "description": about[name], "item": items} for name, items in folders.items()],
    }


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                yield path, method, methods[method]


def _rank(operation: dict[str, Any]) -> int:
    name = operation["operationId"]
    return LAST.index(name) if name in LAST else -1


def _item(path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    name = operation["operationId"]
    kind, body = _body(operation)
    headers = [{"key": "Content-Type", "value": kind}] if kind == "application/json" else []
    request: dict[str, Any] = {
        "method": method.upper(),
        "header": headers + [_parameter(entry) for entry in _parameters(operation, "header")],
        "url": _url(path, operation),
        "description": operation["description"],
    }
    if body:
        request["body"] = body
    item: dict[str, Any] = {"name": operation["summary"], "request": request, "response": []}
    return {"event": [_test(STORE_SESSION)], **item} if name in BODIES else item


def _test(script: str) -> dict[str, Any]:
    return {"listen": "test", "script": {"type": "text/javascript", "exec": script.split("\n")}}


def _parameters(operation: dict[str, Any], place: str) -> list[dict[str, Any]]:
    return [entry for entry in operation.get("parameters", ()) if entry["in"] == place]


def segments(path: str) -> list[str]:
    """`/reports/{name}.csv` becomes `reports` and `:name.csv`: a variable is a whole segment."""
    return [(":" if "{" in part else "") + re.sub(r"[{}]", "", part) for part in path.strip("/").split("/")]


def _url(path: str, operation: dict[str, Any]) -> dict[str, Any]:
    examples = {entry["name"]: _example(entry) for entry in _parameters(operation, "path")}
    examples |= NOT_THERE.get(operation["operationId"], {})
    parts = segments(path)
    variables = [
        {"key": part[1:], "value": re.sub(r"\{(\w+)\}", lambda found: examples[found[1]], template)}
        for part, template in zip(parts, path.strip("/").split("/"), strict=True)
        if part.startswith(":")
    ]
    url: dict[str, Any] = {"raw": "/".join(["{{baseUrl}}", *parts]), "host": ["{{baseUrl}}"], "path": parts}
    if query := [_parameter(entry) for entry in _parameters(operation, "query")]:
        url["query"] = query
    return url | ({"variable": variables} if variables else {})


def _parameter(entry: dict[str, Any]) -> dict[str, Any]:
    """Optional ones are there to be switched on."""
    shown = {"key": entry["name"], "value": _example(entry), "description": entry.get("description", "")}
    return shown | ({} if entry.get("required") else {"disabled": True})


def _example(entry: dict[str, Any]) -> str:
    """Something of the parameter's type; what the document proposes where it does."""
    schema = entry["schema"]
    if entry["name"] == "Idempotency-Key":
        return "{{$guid}}"
    for proposed in (entry.get("example"), schema.get("example"), schema.get("default"), *schema.get("enum", ())[:1]):
        if proposed is not None:
            return str(proposed)
    if schema.get("format") == "uuid":
        return str(uuid.UUID(int=0))
    return {"integer": str(max(1, schema.get("minimum", 1))), "boolean": "true"}.get(schema.get("type"), entry["name"])


def _body(operation: dict[str, Any]) -> tuple[str, dict[str, Any] | None]:
    """The media type and the first example of the body."""
    for kind, medium in operation.get("requestBody", {}).get("content", {}).items():
        examples = [example["value"] for example in medium.get("examples", {}).values()]
        value = BODIES.get(operation["operationId"], (examples or [medium.get("example")])[0])
        if kind == "multipart/form-data":
            files = {name for name, part in medium["schema"]["properties"].items() if part.get("format") == "binary"}
            return kind, {
                "mode": "formdata",
                "formdata": [_part(key, text, key in files) for key, text in value.items()],
            }
        raw = json.dumps(value, indent=2, ensure_ascii=False)
        return kind, {"mode": "raw", "raw": raw, "options": {"raw": {"language": "json"}}}
    return "", None


def _part(key: str, text: str, is_file: bool) -> dict[str, Any]:
    return {"key": key, "type": "file", "src": []} if is_file else {"key": key, "type": "text", "value": text}


def text() -> str:
    """What the file should hold."""
    document = yaml.load(SCHEMA.read_text(), Loader=yaml.CSafeLoader)
    return json.dumps(collection(document), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    COLLECTION.write_text(text())
