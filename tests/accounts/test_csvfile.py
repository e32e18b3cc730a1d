"""CSV files: what a spreadsheet could run is defused, and both ways of writing give the same bytes."""

from __future__ import annotations

import csv
import io
import os
import random
import tracemalloc
import unicodedata
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import connection, transaction
from django.db.models import DecimalField, F, Value

from accounts import csvfile
from accounts.csvfile import BOM, Cell, Column, safe_cell, write_csv
from accounts.models import Notification, User

pytestmark = pytest.mark.django_db
TRIGGERS = "=+-@\t\r＝＋－＠"
ALPHABET = TRIGGERS + "\n \"',;'\\|éß漢😀%{}A1\u00a0\u3000\ufeff\u200b\u2028\x0b\x1f\x7f"
BLANKS = "\ufeff\u200b\u2028\u3000\u00a0\x7f" + "".join(map(chr, range(33)))
TEXTS = ("title", "body", "mail_error", "kind")
COLUMNS = [Column(name, name) for name in TEXTS]


def written(queryset, columns, **options) -> bytes:
    file = io.BytesIO()
    write_csv(queryset, columns, file, **options)
    return file.getvalue()


def cells(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(), newline="")))[1:]


def random_rows(user, count: int) -> list[list[str]]:
    source = random.Random(26)
    rows = [["".join(source.choices(ALPHABET, k=source.randrange(8))) for _ in TEXTS] for _ in range(count)]
    Notification.objects.bulk_create(
        [Notification(user=user, **dict(zip(TEXTS, row, strict=True))) for row in rows], batch_size=500
    )
    return rows


@pytest.mark.parametrize("lead", ["", " ", "\n", "\u00a0", "\ufeff", "\u3000 ", "\x0b"])
@pytest.mark.parametrize("trigger", TRIGGERS)
def test_every_trigger_is_defused_behind_every_blank(lead, trigger):
    assert safe_cell(f"{lead}{trigger}1+1") == f"'{lead}{trigger}1+1"


@pytest.mark.parametrize("text", ["", "Corolla", "3-series", "a=b", "'=1", "2020", "mail@example.com", "漢"])
def test_harmless_cells_stay_as_they_are(text):
    assert safe_cell(text) == text


def test_ten_thousand_random_cells_come_back_and_none_can_run(user):
    rows = random_rows(user, 2500)
    content = written(Notification.objects.order_by("id"), COLUMNS)
    found = cells(content)
    assert [[safe_cell(text) for text in row] for row in rows] == found
    for cell in (cell for row in found for cell in row):
        assert cell[:1] not in set("\t\r")
        visible = unicodedata.normalize("NFKC", cell.strip(BLANKS))
        assert visible[:1] not in set("=+-@")


@pytest.mark.postgres
def test_server_and_python_write_the_same_bytes(user):
    random_rows(user, 2500)
    typed = [
        *COLUMNS,
        Column("id", "id", Cell.NUMBER),
        Column("unread", "in_app", Cell.BOOLEAN),
        Column("at", "created_at", Cell.DATETIME),
        Column("read", "read_at", Cell.DATETIME),
        Column("day", "created_at__date", Cell.DATE),
        Column("owner", F("user__email")),
        Column("minus", Value(Decimal("-5.50"), DecimalField(max_digits=5, decimal_places=2)), Cell.NUMBER),
    ]
    queryset, slow = Notification.objects.exclude(title="%'\\\"").order_by("-id"), io.BytesIO()
    slow.write(csvfile.csv_line(column.title for column in typed))
    csvfile._iterate(queryset, typed, slow, lambda rows: None)
    assert written(queryset, typed) == slow.getvalue()


def test_numbers_stay_numbers_and_times_are_utc(user):
    moment = datetime(2026, 3, 1, 23, 30, 15, 999_999, tzinfo=UTC)
    User.objects.filter(pk=user.pk).update(bid_limit=Decimal("12.50"))
    Notification.objects.create(user=user, kind="k", title="t", created_at=moment, read_at=None)
    columns = [
        Column("limit", "user__bid_limit", Cell.NUMBER),
        Column("minus", Value(-5), Cell.NUMBER),
        Column("at", "created_at", Cell.DATETIME),
        Column("read", "read_at", Cell.DATETIME),
        Column("in_app", "in_app", Cell.BOOLEAN),
    ]
    content = written(Notification.objects.all(), columns)
    assert content == (b'"limit","minus","at","read","in_app"\r\n"12.50","-5","2026-03-01T23:30:15Z","","true"\r\n')


def test_a_file_without_rows_has_its_title_line_and_the_mark_if_asked():
    assert written(Notification.objects.all(), COLUMNS[:1], bom=True) == BOM + b'"title"\r\n'


def test_progress_is_told_and_may_stop_the_writing(user):
    Notification.objects.bulk_create(
        [Notification(user=user, kind="k", title="t", body="x" * 500) for _ in range(400)], batch_size=500
    )
    told: list[int] = []
    rows = write_csv(Notification.objects.order_by("id"), COLUMNS, io.BytesIO(), told.append)
    assert told == sorted(told)
    assert len(told) > 2
    assert told[-1] == rows == 400
    # To stop a COPY is to cancel it, which ends its transaction unless the server was done already.
    with pytest.raises(InterruptedError), transaction.atomic():
        write_csv(Notification.objects.order_by("id"), COLUMNS, io.BytesIO(), _stop)
    assert Notification.objects.count() == 400


def _stop(rows: int) -> None:
    raise InterruptedError


@pytest.mark.postgres
def test_values_in_the_query_are_quoted(user):
    Notification.objects.create(user=user, kind="k", title="x'); DROP TABLE accounts_export; --", body="%s")
    rows = Notification.objects.filter(title="x'); DROP TABLE accounts_export; --", body="%s", user=user)
    assert len(cells(written(rows.filter(created_at__gt=datetime.now(UTC) - timedelta(days=1)), COLUMNS))) == 1
    assert "accounts_export" in connection.introspection.table_names()


def test_memory_stays_flat_in_the_number_of_rows(user, monkeypatch):
    monkeypatch.setattr(csvfile, "_CHUNK_ROWS", 200)

    def peak_of(rows: int) -> int:
        Notification.objects.bulk_create(
            [Notification(user=user, kind="k", title=f"No {number}", body="x" * 200) for number in range(rows)],
            batch_size=500,
        )
        tracemalloc.start()
        with Path(os.devnull).open("wb") as nowhere:
            assert write_csv(Notification.objects.order_by("id"), COLUMNS, nowhere) >= rows
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    few, many = peak_of(1_000), peak_of(4_000)
    assert many < few * 1.2
