"""Cars of NHTSA's vPIC (https://vpic.nhtsa.dot.gov/api/): public, without a key, no categories, no dates of change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from django.conf import settings

from cars.sync.providers.base import Connect, Page, ProviderError, Record
from common import clock
from common.http import OutsideClient
from common.text import natural_key

PUBLIC_URL = "https://vpic.nhtsa.dot.gov/api"


class VpicCars:
    """The models of VPIC_MAKES in VPIC_YEARS (none: this year and the two before), a page per make and year."""

    name = "vpic"

    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    def readiness(self) -> list[str]:
        return [] if settings.VPIC_MAKES else ["VPIC_MAKES"]

    def pages(self, cursor: Any) -> Iterator[Page]:  # noqa: ARG002 - every run reads everything
        with self._connect() as client:
            for make_id, make in _makes(client):
                for year in _years():
                    yield Page(_models(client, make_id, make, year))


def _years() -> list[int]:
    this_year = clock.now().year
    return settings.VPIC_YEARS or [this_year - 2, this_year - 1, this_year]


def _makes(client: OutsideClient) -> list[tuple[int, str]]:
    """The configured makes with vPIC's ids. One that vPIC does not know fails the run: a slip of the pen would
    otherwise look like a make that stopped building cars."""
    ids: dict[str, Any] = {}
    for row in _results(client, "vehicles/GetAllMakes"):
        if isinstance(row, dict) and isinstance(row.get("Make_Name"), str):
            ids[natural_key(row["Make_Name"])] = row.get("Make_ID")
    unknown = [make for make in settings.VPIC_MAKES if not isinstance(ids.get(natural_key(make)), int)]
    if unknown:
        raise ProviderError(
            "unknown_make", f"VPIC_MAKES names makes that vPIC does not know: {', '.join(unknown)[:200]}"
        )
    return [(ids[natural_key(make)], make) for make in settings.VPIC_MAKES]


def _models(client: OutsideClient, make_id: int, make: str, year: int) -> list[Record]:
    """vPIC also finds makes whose names only contain the one asked for; those rows are left out."""
    path = f"vehicles/GetModelsForMakeYear/make/{quote(make, safe='')}/modelyear/{year}"
    rows = _results(client, path)
    return [_record(row, year) for row in rows if not isinstance(row, dict) or row.get("Make_ID") in {make_id, None}]


def _results(client: OutsideClient, path: str) -> list[Any]:
    base = (settings.CAR_API_URL or PUBLIC_URL).rstrip("/")
    document = client.get_json(f"{base}/{path}", params={"format": "json"})
    rows = document.get("Results") if isinstance(document, dict) else None
    if not isinstance(rows, list):
        raise ProviderError("unexpected_answer", "The answer holds no list `Results`.")
    return rows


def _record(row: Any, year: int) -> Record:
    if not isinstance(row, dict):
        return Record(None, {}, row)
    make_id, model_id = row.get("Make_ID"), row.get("Model_ID")
    known = isinstance(make_id, int) and isinstance(model_id, int)
    data = {"year": year, "make": row.get("Make_Name"), "model": row.get("Model_Name"), "category": ""}
    return Record(f"{make_id}-{model_id}-{year}" if known else None, data, row)
