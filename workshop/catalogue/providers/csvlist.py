"""Products of a supplier's price list: a CSV file at a path or an address, with column names of the supplier's own."""

from __future__ import annotations

import csv
import hashlib
import io
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from django.conf import settings

from cars.sync.providers.base import Connect, Page, ProviderError, Record, batches
from cars.sync.providers.file import digest_of, open_text
from workshop.catalogue.providers.rows import NAMES, name_of, product_record

REQUIRED = ("external_id", "name", "price")
KINDS = frozenset({"text/csv", "text/plain", "application/csv", "application/octet-stream", "binary/octet-stream"})


class CsvProducts:
    """EXTERNAL_API_URL. What its columns are called says EXTERNAL_API_COLUMNS (`name=Title,price=Unit price`); columns
    that it does not name are found by the catalogue's own names.

    Rows are read one by one. A list from the network is first written to a temporary file: so its connection is not
    held open while pages are committed, and a transfer that breaks off can be tried again.
    """

    name = "csv"

    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    def readiness(self) -> list[str]:
        place = settings.EXTERNAL_API_URL
        missing = [] if _is_address(place) or (place and Path(place).is_file()) else ["EXTERNAL_API_URL"]
        return missing + ([] if settings.EXTERNAL_API_COLUMNS.keys() <= NAMES else ["EXTERNAL_API_COLUMNS"])

    def pages(self, cursor: Any) -> Iterator[Page]:  # noqa: ARG002 - every run reads everything
        """The cursor is the SHA-256 of the bytes, and tells an operator which list the rows are from."""
        try:
            with self._opened() as (file, digest):
                reader = csv.DictReader(file, restkey="", restval="")
                columns = _columns(reader.fieldnames or ())
                for batch in batches(_record(row, columns) for row in reader):
                    yield Page(batch, {"sha256": digest})
        except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
            raise ProviderError("file_unreadable", type(error).__name__) from error

    @contextmanager
    def _opened(self) -> Iterator[tuple[io.TextIOBase, str]]:
        place = settings.EXTERNAL_API_URL
        if not _is_address(place):
            with open_text(Path(place)) as file:
                yield file, digest_of(Path(place))
            return
        with TemporaryFile() as fetched:
            with self._connect(headers={"Accept": "text/csv, text/plain;q=0.9"}) as client:
                client.download(place, into=fetched, kinds=KINDS)
            fetched.seek(0)
            digest = hashlib.file_digest(fetched, "sha256").hexdigest()
            fetched.seek(0)
            yield io.TextIOWrapper(fetched, encoding="utf-8-sig", newline=""), digest


def _is_address(place: str) -> bool:
    return place.startswith(("https://", "http://"))


def _columns(header: Sequence[str]) -> Mapping[str, str]:
    """Column -> the catalogue's name. Raises ProviderError when one that every row needs is not there: a list with a
    new heading must not look like a list of bad rows."""
    chosen = settings.EXTERNAL_API_COLUMNS
    columns = {column: name for name, column in chosen.items() if column in header}
    columns |= {column: name_of(column) for column in header if column not in columns and name_of(column) not in chosen}
    absent = [name for name in REQUIRED if name not in columns.values()]
    absent += [name for name in chosen if name not in columns.values() and name not in absent]
    if absent:
        raise ProviderError("missing_column", f"The first line names no column for {', '.join(absent)}.")
    return columns


def _record(row: Mapping[str, Any], columns: Mapping[str, str]) -> Record:
    renamed = {name: row[column] for column, name in columns.items()}
    record = product_record(renamed, is_text=True)
    return Record(record.external_id, record.data, dict(row))
