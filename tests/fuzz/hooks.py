"""What OpenAPI cannot say about parameters, told to the fuzzer: some exclude each other, some must be in order, and a
cursor is the server's own word. Only cases that are meant to be valid are mended; all others go out as generated."""

from __future__ import annotations

from typing import Any

import schemathesis

PAGING = ("cursor", "skip", "page")
DEEPEST_ROW = 10_000


@schemathesis.hook
def before_call(context: Any, case: Any, **kwargs: Any) -> None:
    if case.meta is None or not case.meta.generation.mode.is_positive or not case.query:
        return
    _leave_one_way_to_page(case.query)
    for name in list(case.query):
        low, high = name, name.removesuffix("_min") + "_max"
        if name.endswith("_min") and high in case.query and int(case.query[low]) > int(case.query[high]):
            case.query[low], case.query[high] = case.query[high], case.query[low]
    for low, high in (("created_after", "created_before"), ("queued_from", "queued_to")):
        if low in case.query and high in case.query and case.query[low] > case.query[high]:
            case.query[low], case.query[high] = case.query[high], case.query[low]


def _leave_one_way_to_page(query: dict[str, Any]) -> None:
    query.pop("cursor", None)
    if "skip" in query:
        query.pop("page", None)
    limit = int(query.get("limit", 20))
    if int(query.get("page", 1)) * limit > DEEPEST_ROW:
        query["page"] = DEEPEST_ROW // limit
    if int(query.get("skip", 0)) + limit > DEEPEST_ROW:
        query["skip"] = DEEPEST_ROW - limit
