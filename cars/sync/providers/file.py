"""Records of a CSV or JSON file, plain or gzipped: read in one go from top to bottom, never held in memory whole."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, cast

from django.conf import settings

from cars.sync.providers.base import Connect, Page, ProviderError, Record, batches

_CHUNK = 64 * 1024
_LONGEST_ITEM = 1024 * 1024


class FileProvider:
    """Reads the file that the setting `setting` names, else the bundled one.

    CSV: a header line names the fields. JSON: a list of objects, bare or as the first list in an object. Names are
    taken in any case; `objectId` and `id` stand for `external_id`. Fields in `whole_numbers` are numbers in CSV too.
    """

    name = "file"
    setting: ClassVar[str]
    bundled: ClassVar[Path]
    whole_numbers: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, connect: Connect) -> None:
        """A file needs no connection."""

    def readiness(self) -> list[str]:
        return [] if self.path.is_file() else [self.setting]

    def pages(self, cursor: Any) -> Iterator[Page]:  # noqa: ARG002 - every run reads everything
        """All rows each time, also of an unchanged file: that costs one comparison a row, and mends what was changed
        by hand. The cursor is the SHA-256 of the bytes, and tells an operator which file the rows are from."""
        try:
            following = {"sha256": digest_of(self.path)}
            for batch in batches(self._records()):
                yield Page(batch, following)
        except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
            raise ProviderError("file_unreadable", f"{self.path.name}: {type(error).__name__}") from error

    @property
    def path(self) -> Path:
        chosen = getattr(settings, self.setting)
        return Path(chosen) if chosen else self.bundled

    def _records(self) -> Iterator[Record]:
        with open_text(self.path) as file:
            is_json = ".json" in self.path.suffixes
            for row in json_items(file) if is_json else csv.DictReader(file, restkey="", restval=""):
                yield self._record(row, is_text=not is_json)

    def _record(self, row: Any, *, is_text: bool) -> Record:
        if not isinstance(row, Mapping):
            return Record(None, {}, row)
        data = {_ALIASES.get(name.casefold(), name.casefold()): value for name, value in row.items()}
        if is_text:
            for name in self.whole_numbers & data.keys():
                data[name] = _whole_number(data[name])
        return Record(data.pop("external_id", None), data, row)


class FileCars(FileProvider):
    """CAR_FILE, or the 9,581 bundled cars (see cars/data/README.md)."""

    setting = "CAR_FILE"
    bundled = Path(__file__).resolve().parents[2] / "data" / "cars.csv.gz"
    whole_numbers = frozenset({"year"})


_ALIASES = {"objectid": "external_id", "id": "external_id", "updatedat": "source_updated_at"}


def _whole_number(text: object) -> object:
    """The number, or the text itself for the target to refuse."""
    digits = isinstance(text, str) and text.isascii() and text.isdigit() and len(text) <= 18
    return int(cast(str, text)) if digits else text


def open_text(path: Path) -> io.TextIOBase:
    """The file as UTF-8 text, unpacked when its name ends in .gz."""
    opened = gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # noqa: SIM115 - the wrapper closes it
    return io.TextIOWrapper(cast(io.BufferedReader, opened), encoding="utf-8-sig", newline="")


def digest_of(path: Path) -> str:
    """The SHA-256 of the file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def json_items(file: io.TextIOBase) -> Iterator[Any]:
    """The items of the first list in a JSON text, one by one. Raises ProviderError when the text breaks off or an item
    is longer than 1 MiB."""
    decoder = json.JSONDecoder(parse_float=Decimal)
    buffer = file.read(_CHUNK)
    place = buffer.find("[") + 1
    if not place:
        raise ProviderError("bad_json", "The file holds no list.")
    while True:
        while place < len(buffer) and buffer[place] in " \t\r\n,":
            place += 1
        if buffer[place : place + 1] == "]":
            return
        try:
            item, place = decoder.raw_decode(buffer, place)
        except ValueError as error:
            more = file.read(_CHUNK)
            if not more or len(buffer) - place > _LONGEST_ITEM:
                raise ProviderError("bad_json", "The list is cut short or not JSON.") from error
            buffer, place = buffer[place:] + more, 0
            continue
        yield item
