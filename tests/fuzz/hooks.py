"""What OpenAPI cannot say, told to the fuzzer: parameters that exclude each other or must be in order, cursors, which
are the server's own words, and members that must name something that is there. Only cases that are meant to be valid
are mended; all others go out as generated."""

from __future__ import annotations

import os
from typing import Any
from uuid import uuid4

import schemathesis

DEEPEST_ROW = 10_000
LATEST_YEAR = 2020  # The document's bound is fixed; what is accepted ends two years ahead.
ORDERED = (("created_after", "created_before"), ("queued_from", "queued_to"))
ROWS = {"/api/notifications/{id}": "FUZZ_NOTIFICATION", "/api/exports/{id}": "FUZZ_EXPORT"}


@schemathesis.hook
def before_call(context: Any, case: Any, **kwargs: Any) -> None:
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if case.query:
        _leave_one_way_to_page(case.query)
        _put_in_order(case.query)
    for start, variable in ROWS.items():
        if case.path.startswith(start) and variable in os.environ:
            case.path_parameters["id"] = os.environ[variable]
    if case.headers and "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = str(uuid4())  # The same one twice replays what was, by design.
    if isinstance(case.body, dict):
        case.body.update(_members_that_exist(case.path))
        if isinstance(case.body.get("year"), int):
            case.body["year"] = min(case.body["year"], LATEST_YEAR)


def _leave_one_way_to_page(query: dict[str, Any]) -> None:
    query.pop("cursor", None)
    if "skip" in query:
        query.pop("page", None)
    limit = int(query.get("limit", 20))
    if int(query.get("page", 1)) * limit > DEEPEST_ROW:
        query["page"] = DEEPEST_ROW // limit
    if int(query.get("skip", 0)) + limit > DEEPEST_ROW:
        query["skip"] = DEEPEST_ROW - limit


def _put_in_order(query: dict[str, Any]) -> None:
    bounds = [(name, name.removesuffix("_min") + "_max") for name in query if name.endswith("_min")]
    for low, high in (*bounds, *ORDERED):
        if low in query and high in query:
            query[low], query[high] = sorted([query[low], query[high]])


def _members_that_exist(path: str) -> dict[str, Any]:
    if path in {"/api/auth/register", "/api/auth/signup"}:
        return {"password": "violet-harbour-42", "role": "customer"}
    if path == "/api/garage":
        return {"vin": None, "car": None, "plate": "FC 1"}
    if path == "/api/exports":
        return {"kind": "cars"}
    if path.endswith("/reassign") and "FUZZ_USER" in os.environ:
        return {"owner": int(os.environ["FUZZ_USER"])}
    return {}
