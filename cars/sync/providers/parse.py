"""Cars of a Parse Server class, as Back4App runs it.

Source of the shapes: the REST guide of Parse Server (https://docs.parseplatform.org/rest/guide/#queries).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.conf import settings

from cars.sync.providers.base import PAGE_SIZE, Connect, Page, ProviderError, Record
from common.http import OutsideClient


class ParseCars:
    """`GET CAR_API_URL` (the class), page by page by objectId; never by `skip`, which shifts when rows come and go."""

    name = "parse"

    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    def readiness(self) -> list[str]:
        return [name for name in ("CAR_API_URL", "CAR_API_ID", "CAR_API_KEY") if not getattr(settings, name)]

    def pages(self, cursor: Any) -> Iterator[Page]:
        """`cursor` is `{"updatedAt": moment}`: the newest change that the run before could have seen.

        It is read before the walk, so a row that changes behind the walk is newer than it and comes with the next run.
        Rows of that very moment come again (`$gte`): others may share its millisecond.
        """
        with self._connect(headers=_headers()) as client:
            watermark = _newest_change(client)
            following = {"updatedAt": watermark} if watermark else cursor
            where: dict[str, Any] = {}
            if cursor:
                where["updatedAt"] = {"$gte": {"__type": "Date", "iso": cursor["updatedAt"]}}
            last = None
            while True:
                rows = _rows(client, where=json.dumps(where), order="objectId", limit=PAGE_SIZE)
                yield Page([_record(row) for row in rows], following)
                if len(rows) < PAGE_SIZE:
                    return
                last = _next_id(rows, last)
                where["objectId"] = {"$gt": last}


def _headers() -> dict[str, str]:
    """Parse takes whichever of its two keys it knows; so the one configured key may be either."""
    return {
        "X-Parse-Application-Id": settings.CAR_API_ID,
        "X-Parse-Master-Key": settings.CAR_API_KEY,
        "X-Parse-REST-API-Key": settings.CAR_API_KEY,
    }


def _rows(client: OutsideClient, **params: str | int) -> list[Any]:
    document = client.get_json(settings.CAR_API_URL, params=params)
    rows = document.get("results") if isinstance(document, dict) else None
    if not isinstance(rows, list):
        raise ProviderError("unexpected_answer", "The answer holds no list `results`.")
    return rows


def _newest_change(client: OutsideClient) -> str | None:
    rows = _rows(client, order="-updatedAt", limit=1, keys="updatedAt")
    newest = rows[0].get("updatedAt") if rows and isinstance(rows[0], dict) else None
    return newest if isinstance(newest, str) else None


def _next_id(rows: list[Any], last: str | None) -> str:
    """The id to go on after. A server that ignores `where` would answer the same page for ever."""
    found = rows[-1].get("objectId") if isinstance(rows[-1], dict) else None
    if not isinstance(found, str) or found == last:
        raise ProviderError("paging_stuck", "The last row of a full page has no new objectId to go on after.")
    return found


def _record(row: Any) -> Record:
    if not isinstance(row, dict):
        return Record(None, {}, row)
    data = {
        "year": row.get("Year"),
        "make": row.get("Make"),
        "model": row.get("Model"),
        "category": row.get("Category"),
        "source_updated_at": row.get("updatedAt"),
    }
    return Record(row.get("objectId"), data, row)
