"""Products of DummyJSON (https://dummyjson.com/docs/products), or of a server that speaks like it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings

from cars.sync.providers.base import Connect, Page, ProviderError
from common.http import OutsideClient
from workshop.catalogue.providers.rows import product_record

PUBLIC_URL = "https://dummyjson.com/products"
PAGE_SIZE = 100
WALKS = 3


class DummyJsonProducts:
    """`GET EXTERNAL_API_URL?limit=&skip=`. There are no dates of change: every run reads everything."""

    name = "dummyjson"

    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    def readiness(self) -> list[str]:
        return []

    def pages(self, cursor: Any) -> Iterator[Page]:  # noqa: ARG002 - every run reads everything
        """Pages shift when rows come and go while they are read, and a row can slip between two of them: a full run
        would take it for gone. So a walk that met fewer rows than there are is made again; what it repeats is found
        unchanged."""
        with self._connect() as client:
            for _ in range(WALKS):
                walk = _Walk(client)
                yield from walk.pages()
                if walk.is_whole:
                    return
        raise ProviderError(
            "list_shifts", f"Met {len(walk.met)} of {walk.total} rows: the list changes while it is read."
        )


class _Walk:
    """One pass over the list: what it met, and the most rows there were at a time."""

    def __init__(self, client: OutsideClient) -> None:
        self._client = client
        self.met: set[Any] = set()
        self.total = 0

    @property
    def is_whole(self) -> bool:
        return len(self.met) >= self.total

    def pages(self) -> Iterator[Page]:
        skip = 0
        while True:
            rows, total = _fetch(self._client, skip)
            self.total = max(self.total, total)
            # A row without an id counts as met, at its place.
            self.met |= {_id_of(row) or ("no id", skip + place) for place, row in enumerate(rows)}
            yield Page([product_record(row) for row in rows], {"total": total})
            skip += min(len(rows), PAGE_SIZE)  # A server may answer less than asked, and must not be believed more.
            if skip >= total or not rows:
                return


def _fetch(client: OutsideClient, skip: int) -> tuple[list[Any], int]:
    """Rows from `skip` on, and how many there are in all. The `limit` of the answer only counts the rows in it."""
    url = (settings.EXTERNAL_API_URL or PUBLIC_URL).rstrip("/")  # With a slash it would be redirected.
    document = client.get_json(url, params={"limit": PAGE_SIZE, "skip": skip}, nan_as_decimal=True)
    rows = document.get("products") if isinstance(document, dict) else None
    total = document.get("total") if isinstance(document, dict) else None
    if not isinstance(rows, list) or not isinstance(total, int) or isinstance(total, bool):
        raise ProviderError("unexpected_answer", "The answer holds no list `products` with its `total`.")
    return rows, total


def _id_of(row: Any) -> str:
    found = row.get("id") if isinstance(row, dict) else None
    return str(found) if isinstance(found, int | str) else ""
