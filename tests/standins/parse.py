"""A stand-in for Parse Server, as Back4App runs it: `GET <base>/classes/<Class>`, paging and `where`.

By hand: `python -m tests.standins.parse --port 1337 --rows cars/data/cars.csv.gz`.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import operator
import string
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from tests.standins.base import (
    Answer,
    Request,
    Row,
    StandIn,
    command_line,
    html_page,
    serve_until_stopped,
)

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
FIRST_CREATED = datetime(2020, 1, 27, 20, 44, 17, 665_000, tzinfo=UTC)

INVALID_QUERY = 102
INVALID_JSON = 107

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_SYSTEM_KEYS = ("objectId", "createdAt", "updatedAt")
_DATE_KEYS = frozenset({"createdAt", "updatedAt"})
_KNOWN_PARAMS = frozenset({"where", "order", "limit", "skip", "count", "keys"})
_COLUMNS = {"year": "Year", "make": "Make", "model": "Model", "category": "Category"}


class QueryError(Exception):
    """A query Parse Server refuses with 400 and a code of its own."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def object_id(number: int) -> str:
    """Derive the id of row `number`: ten letters and digits whose order does not follow the number's."""
    value = int.from_bytes(hashlib.sha256(str(number).encode()).digest()[:8])
    digits = []
    for _ in range(10):
        value, digit = divmod(value, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(digits)


def iso(moment: datetime) -> str:
    """Write a moment as Parse does: UTC, milliseconds, Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


class ParseServer(StandIn):
    """One Parse application with one class of cars.

    Rows are mappings with Year, Make, Model and Category, or with the same names in lower case as in a CSV
    file. Pass `rest_api_key` to let that header in beside the master key.
    """

    rows_field: ClassVar[str] = "results"
    id_field: ClassVar[str] = "objectId"

    def __init__(
        self,
        rows: Iterable[Mapping[str, Any]] = (),
        *,
        class_name: str = "Car_Model_List",
        app_id: str = "test-app",
        master_key: str = "test-master-key",
        rest_api_key: str = "test-rest-key",
        port: int = 0,
    ) -> None:
        super().__init__(port=port)
        self.class_name = class_name
        self.app_id = app_id
        self.master_key = master_key
        self.rest_api_key = rest_api_key
        self._added = 0
        self._last_touch = FIRST_CREATED
        for row in rows:
            self._append(_as_record(row), FIRST_CREATED + timedelta(milliseconds=self._added))

    def add(self, **fields: Any) -> str:
        """Add a row created now, with any fields, and return its id. An `objectId` among them is kept."""
        with self._lock:
            return self._append(fields, self._now())

    def touch(self, row: Row) -> None:
        """Move `updatedAt` to now, or past every stamp given so far when the clock has not moved."""
        row["updatedAt"] = iso(self._now())

    def respond(self, request: Request, headers: Mapping[str, str]) -> Answer:
        parts = request.path.strip("/").split("/")
        if len(parts) != 2 or parts[0] != "classes":
            return html_page(404, f"Cannot GET {request.path}")
        if not self._authorised(headers):
            return self.error(403)
        try:
            return Answer(document=self._query(parts[1], request.params))
        except QueryError as error:
            return Answer(400, {"code": error.code, "error": str(error)})

    def error(self, status: int) -> Answer:
        """Give Parse's own words; a refused key is the one answer without a content type."""
        if status in {401, 403}:
            return Answer(status, text='{"error":"unauthorized"}', content_type=None)
        if status == 429:
            return Answer(status, {"code": 100, "error": "Too many requests."})
        return Answer(status, {"code": 1, "error": "Internal server error."})

    def bad_rows(self) -> list[Row]:
        good = {"Year": 2020, "Make": "Badmake", "Category": "SUV"}
        return [
            {"objectId": "0badNoYear"} | {"Make": "Badmake", "Model": "No year"},
            {"objectId": "0badNoMake"} | {"Year": 2020, "Model": "No make"},
            {"objectId": "0badNullMo"} | good | {"Model": None},
            {"objectId": "0badTextYe"} | good | {"Model": "Text year", "Year": "MMXX"},
            {"objectId": "0badFarYea"} | good | {"Model": "Far year", "Year": 99999},
            {"objectId": "0badNulCha"} | good | {"Model": "Nul\u0000char"},
            {"objectId": "0badMarkup"} | good | {"Model": "<script>alert(1)</script>"},
            {"objectId": "0badLength"} | good | {"Model": "x" * 10_000},
            good | {"Model": "No id"},
        ]

    def _append(self, fields: Mapping[str, Any], created: datetime) -> str:
        self._added += 1
        stamp = iso(created)
        system = {"objectId": object_id(self._added), "createdAt": stamp, "updatedAt": stamp}
        row = system | dict(fields)
        self._rows.append(row)
        return str(row["objectId"])

    def _now(self) -> datetime:
        self._last_touch = max(datetime.now(UTC), self._last_touch + timedelta(milliseconds=1))
        return self._last_touch

    def _authorised(self, headers: Mapping[str, str]) -> bool:
        return headers.get("x-parse-application-id") == self.app_id and (
            headers.get("x-parse-master-key") == self.master_key
            or headers.get("x-parse-rest-api-key") == self.rest_api_key
        )

    def _query(self, class_name: str, params: Mapping[str, str]) -> dict[str, Any]:
        for name in params:
            if name not in _KNOWN_PARAMS:
                raise QueryError(INVALID_QUERY, f"Invalid parameter for query: {name}")
        limit = min(_whole_number(params, "limit", DEFAULT_LIMIT), MAX_LIMIT)
        skip = _whole_number(params, "skip", 0)
        matches = _condition(params.get("where", "{}"))
        # To Parse a class nobody has written to is not an error but empty.
        found = [row for row in self._rows if matches(row)] if class_name == self.class_name else []
        _sort(found, params.get("order", ""))
        page: dict[str, Any] = {"results": _pick(found[skip : skip + limit], params.get("keys"))}
        return page | {"count": len(found)} if params.get("count") == "1" else page


def _as_record(row: Mapping[str, Any]) -> Row:
    record = {_COLUMNS.get(name, name): value for name, value in row.items() if name != "external_id"}
    if isinstance(record.get("Year"), str) and record["Year"].isdigit():
        record["Year"] = int(record["Year"])
    return record


def _whole_number(params: Mapping[str, str], name: str, default: int) -> int:
    text = params.get(name, "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit():
        raise QueryError(INVALID_QUERY, f"{name} should be a number of 0 or more")
    return int(text)


def _condition(where: str) -> Callable[[Row], bool]:
    """Compile a `where` into a test for rows."""
    try:
        parsed = json.loads(where)
    except ValueError:
        raise QueryError(INVALID_JSON, "where is not valid JSON") from None
    if not isinstance(parsed, dict):
        raise QueryError(INVALID_QUERY, "where should be an object")
    tests = [test for name, wanted in parsed.items() for test in _field_tests(name, wanted)]
    return lambda row: all(test(row) for test in tests)


def _field_tests(name: str, wanted: Any) -> list[Callable[[Row], bool]]:
    if name.startswith("$"):
        raise QueryError(INVALID_QUERY, f"bad constraint: {name}")
    operators = wanted if isinstance(wanted, dict) and "__type" not in wanted else {"$eq": wanted}
    return [_field_test(name, sign, value) for sign, value in operators.items()]


def _field_test(name: str, sign: str, wanted: Any) -> Callable[[Row], bool]:
    if sign == "$exists":
        return lambda row: (row.get(name) is not None) is bool(wanted)
    if sign == "$in":
        if not isinstance(wanted, list):
            raise QueryError(INVALID_QUERY, "bad $in value")
        choices = [_comparable(name, value) for value in wanted]
        return lambda row: _comparable(name, row.get(name)) in choices
    if sign not in _COMPARISONS:
        raise QueryError(INVALID_QUERY, f"bad constraint: {sign}")
    value, compare = _comparable(name, wanted), _COMPARISONS[sign]
    if sign in {"$eq", "$ne"}:
        return lambda row: compare(_comparable(name, row.get(name)), value)
    # As in MongoDB, values of different types are never greater or less than one another.
    return lambda row: (have := _comparable(name, row.get(name)))[0] == value[0] and compare(have, value)


_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "$eq": operator.eq,
    "$ne": operator.ne,
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}


def _comparable(name: str, value: Any) -> tuple[int, Any]:
    """Pair a value with the rank of its type, so that any two compare; dates come in either notation."""
    if isinstance(value, dict) and value.get("__type") == "Date":
        value = value.get("iso")
    if name in _DATE_KEYS and isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise QueryError(INVALID_QUERY, f"{value!r} is not a date") from None
        return 3, moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if value is None:
        return 0, 0
    if isinstance(value, int | float):
        return 1, value
    return 2, value if isinstance(value, str) else json.dumps(value)


def _sort(rows: list[Row], order: str) -> None:
    for name in reversed([name for name in order.split(",") if name]):
        key = name.removeprefix("-")
        rows.sort(key=lambda row: _comparable(key, row.get(key)), reverse=name.startswith("-"))


def _pick(rows: list[Row], keys: str | None) -> list[Row]:
    if not keys:
        return rows
    wanted = {*_SYSTEM_KEYS, *keys.split(",")}
    return [{name: value for name, value in row.items() if name in wanted} for row in rows]


def sample_rows(count: int) -> list[Row]:
    """Invent cars, no two with the same make, model and year."""
    makes = ("Arden", "Birch", "Corvus", "Dunmore", "Elmet")
    styles = ("SUV", "Sedan", "Pickup", "Hatchback")
    return [
        {
            "Year": 1995 + number // 5 % 30,
            "Make": makes[number % 5],
            "Model": f"Series {number // 150 + 1}",
            "Category": styles[number % 4],
        }
        for number in range(count)
    ]


def read_rows(path: Path) -> list[dict[str, str]]:
    """Read a CSV file with a header line, gzipped when its name ends in .gz."""
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def main() -> None:
    parser = command_line(__doc__)
    parser.add_argument("--rows", type=Path, help="CSV file of cars (default: 2,500 invented ones)")
    parser.add_argument("--class-name", default="Car_Model_List")
    parser.add_argument("--app-id", default="test-app")
    parser.add_argument("--master-key", default="test-master-key")
    options = parser.parse_args()
    rows = read_rows(options.rows) if options.rows else sample_rows(2500)
    serve_until_stopped(
        ParseServer(
            rows,
            class_name=options.class_name,
            app_id=options.app_id,
            master_key=options.master_key,
            port=options.port,
        )
    )


if __name__ == "__main__":
    main()
