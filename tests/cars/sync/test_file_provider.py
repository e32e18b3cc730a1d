"""The file adapter: formats, bad files, and that it never holds a file whole."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cars.models import Car, SyncSource
from cars.sync.providers.base import ProviderError
from cars.sync.providers.file import json_items
from tests.cars.sync.conftest import Sync, counts

Csv = Callable[[str], Path]
HEAD = "external_id,year,make,model,category\n"


def test_the_bundled_cars_need_no_configuration(sync: Sync) -> None:
    run = sync()
    assert (run.provider, run.status, run.created) == ("file", "succeeded", 9581)
    assert Car.objects.filter(make_key="toyota", year=2020).count() > 10
    assert SyncSource.objects.get().cursor.keys() == {"sha256"}


def test_a_row_that_left_the_file_is_withdrawn_by_the_full_run(csv_cars: Csv, sync: Sync) -> None:
    rows = [f"{number},2020,Audi,Q{number},SUV\n" for number in range(1, 11)]
    csv_cars(HEAD + "".join(rows))
    sync()
    csv_cars(HEAD + "".join(rows[1:]))
    assert counts(sync()) == {"fetched": 9, "unchanged": 9}
    assert counts(sync(full=True)) == {"fetched": 9, "unchanged": 9, "withdrawn": 1}


def test_other_spellings_of_the_columns_are_understood(csv_cars: Csv, sync: Sync) -> None:
    csv_cars("objectId,Year,Make,Model,Category,updatedAt\na,2020,Audi,Q3,,2020-01-27T20:44:17.665Z\n")
    assert counts(sync()) == {"fetched": 1, "created": 1}
    assert Car.objects.get().source_updated_at is not None


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (",2020,Audi,Q3,SUV", "missing_id"),
        ("a,,Audi,Q3,SUV", "wrong_type"),
        ("a,MMXX,Audi,Q3,SUV", "wrong_type"),
        ("a,1885,Audi,Q3,SUV", "year_out_of_range"),
        ("a,2020,,Q3,SUV", "missing_field"),
        ("a,2020,Audi", "missing_field"),
        ("a,2020,Audi,<b>Q3</b>,SUV", "forbidden_characters"),
    ],
)
def test_bad_lines_are_refused_alone(csv_cars: Csv, sync: Sync, line: str, reason: str) -> None:
    csv_cars(f"{HEAD}{line}\nb,2020,Audi,Q5,SUV\n")
    run = sync()
    assert (run.status, counts(run)) == ("partial", {"fetched": 2, "created": 1, "rejected": 1})
    assert run.issues.get().reason == reason


@pytest.mark.parametrize("content", [b"\x1f\x8b broken", b"\xff\xfe\x00", b""])
def test_a_file_that_cannot_be_read_fails_the_run_and_changes_nothing(
    settings: Any, tmp_path: Path, sync: Sync, content: bytes
) -> None:
    path = tmp_path / "cars.json.gz"
    path.write_bytes(content)
    settings.CAR_FILE = str(path)
    run = sync()
    assert (run.status, run.created) == ("failed", 0)
    assert run.reason in {"file_unreadable", "bad_json"}


def test_json_is_read_item_by_item() -> None:
    items = [{"n": number, "text": 'ä[]{}\\" ' * 50} for number in range(2000)]
    text = json.dumps({"results": items}, indent=1, ensure_ascii=False)
    assert list(json_items(io.StringIO(text))) == items
    assert list(json_items(io.StringIO("[]"))) == []
    assert list(json_items(io.StringIO('[{"price": 9.99}]'))) == [{"price": Decimal("9.99")}]


@pytest.mark.parametrize("text", ["", "{}", '[{"a": 1}', "[nonsense]"])
def test_json_that_breaks_off_is_an_error(text: str) -> None:
    with pytest.raises(ProviderError):
        list(json_items(io.StringIO(text)))
