"""Writing CSV files: RFC 4180, UTF-8, every cell quoted, no cell that a spreadsheet would run as a formula.

One declaration of columns, two ways to the same bytes: on PostgreSQL the server formats the rows (COPY of
the queryset's own SQL, read in blocks), elsewhere Python does. Memory stays flat in the number of rows on
both."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, BinaryIO

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import F, QuerySet
from django.db.models.expressions import Combinable

BLOCK_BYTES = 64 * 1024
_CHUNK_ROWS = 2000
BOM = b"\xef\xbb\xbf"

# White space and other characters without ink, which spreadsheets skip in front of a formula.
_BLANK = "\x01-\x20\x7f-\xa0\u1680\u2000-\u200f\u2028-\u202f\u205f\u2060\u3000\ufeff"
# What starts a formula, in its full-width forms too; a tab or a line end in front counts by itself.
_TRIGGER = "=+@\uff1d\uff0b\uff0d\uff20\t\r\n-"
_DANGEROUS = f"^[{_BLANK}]*[{_TRIGGER}]"
_dangerous = re.compile(_DANGEROUS)


class Cell(Enum):
    """How a column is written. Numbers stay numbers: a negative one is not taken for a formula."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its title, a field path or expression of the queryset, and how it is written. NUMBER
    takes integers and decimals (not floats: databases and Python disagree on how to write them); DATETIME
    is written in UTC to the second."""

    title: str
    source: str | Combinable
    cell: Cell = Cell.TEXT


def safe_cell(value: str) -> str:
    """The text with `'` in front when a spreadsheet could take it for a formula (CWE-1236)."""
    return f"'{value}" if _dangerous.match(value) else value


def write_csv(
    queryset: QuerySet[Any],
    columns: Sequence[Column],
    file: BinaryIO,
    progress: Callable[[int], None] | None = None,
    *,
    bom: bool = False,
) -> int:
    """Writes a title line and one line per row; answers the number of rows. `progress` is called with the
    rows so far, about once per 64 KiB, and may raise to stop. `bom` puts the mark in front that older
    spreadsheets need to recognise UTF-8."""
    file.write((BOM if bom else b"") + csv_line(column.title for column in columns))
    report = progress or (lambda _rows: None)
    if connection.vendor == "postgresql":
        return _copy(queryset, columns, file, report)
    return _iterate(queryset, columns, file, report)


def csv_line(cells: Iterable[str]) -> bytes:
    """One line of texts, each quoted and none a formula."""
    text = ",".join('"' + safe_cell(cell).replace('"', '""') + '"' for cell in cells)
    return f"{text}\r\n".encode()


# --- In the server ----------------------------------------------------------------------------------------------------

_SQL_PATTERN = _DANGEROUS.replace("'", "''")
_SQL = {
    # Most cells begin with a letter (65 to 122), and asking for that first halves the price of the pattern.
    Cell.TEXT: (
        "CASE WHEN ascii({0}::text) BETWEEN 65 AND 122 THEN {0}::text"
        f" WHEN {{0}}::text ~ '{_SQL_PATTERN}' THEN '''' || {{0}}::text ELSE COALESCE({{0}}::text, '') END"
    ),
    Cell.NUMBER: "COALESCE({0}::text, '')",
    Cell.BOOLEAN: "COALESCE({0}::text, '')",
    Cell.DATE: "COALESCE(to_char({0}, 'YYYY-MM-DD'), '')",
    Cell.DATETIME: """COALESCE(to_char({0} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), '')""",
}


def _copy(queryset: QuerySet[Any], columns: Sequence[Column], file: BinaryIO, report: Callable[[int], None]) -> int:
    """The server sends one message per row (the protocol says so), each with a line feed at its end."""
    try:
        statement = _copy_statement(queryset, columns)
    except EmptyResultSet:  # Django knows without asking that no row can match.
        report(0)
        return 0
    written = size = 0
    block: list[Any] = []
    with connection.cursor() as cursor:
        with cursor.copy(statement) as copy:
            for row in copy:
                block.append(row[:-1])
                size += len(row)
                if size >= BLOCK_BYTES:
                    file.write(b"\r\n".join(block) + b"\r\n")
                    written += len(block)
                    block, size = [], 0
                    report(written)
        rows: int = cursor.rowcount
    if block:
        file.write(b"\r\n".join(block) + b"\r\n")
    report(rows)
    return rows


def _copy_statement(queryset: QuerySet[Any], columns: Sequence[Column]) -> str:
    """The queryset's SQL with its values bound by the driver's own quoting, inside a query that writes the
    cells."""
    sql, params = _values(queryset, columns).query.sql_with_params()
    inner = connection.ops.compose_sql(sql, params)  # type: ignore[attr-defined]
    names = [f"c{number}" for number in range(len(columns))]
    cells = ", ".join(_SQL[column.cell].format(name) for name, column in zip(names, columns, strict=True))
    return (
        f"COPY (SELECT {cells} FROM ({inner}) AS t({', '.join(names)}))"  # noqa: S608
        " TO STDOUT WITH (FORMAT csv, FORCE_QUOTE *)"
    )


# --- In Python --------------------------------------------------------------------------------------------------------


def _iterate(queryset: QuerySet[Any], columns: Sequence[Column], file: BinaryIO, report: Callable[[int], None]) -> int:
    kinds = [column.cell for column in columns]
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL)
    rows = 0
    for rows, values in enumerate(_values(queryset, columns).iterator(chunk_size=_CHUNK_ROWS), start=1):
        writer.writerow([_text(value, cell) for value, cell in zip(values, kinds, strict=True)])
        if buffer.tell() >= BLOCK_BYTES:
            _flush(buffer, file)
            report(rows)
    _flush(buffer, file)
    report(rows)
    return rows


def _flush(buffer: io.StringIO, file: BinaryIO) -> None:
    file.write(buffer.getvalue().encode())
    buffer.seek(0)
    buffer.truncate()


def _text(value: Any, cell: Cell) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        case date():
            return value.isoformat()
        case Decimal():
            return f"{value:f}"
    return str(value) if cell is Cell.NUMBER else safe_cell(str(value))


def _values(queryset: QuerySet[Any], columns: Sequence[Column]) -> QuerySet[Any]:
    sources = [F(column.source) if isinstance(column.source, str) else column.source for column in columns]
    return queryset.values_list(*sources)
