"""A supplier's price list as CSV, from a path and from an address."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cars.sync.registry import SOURCES
from tests.cars.sync.conftest import Sync, counts
from tests.standins.base import Fault
from tests.standins.files import FileServer
from workshop.models import Product

HEAD = "Article;no,Title,Unit price,Stock,Width\n"
COLUMNS = {"external_id": "Article;no", "price": "Unit price"}
LIST = HEAD + "A-1,Oil filter,9.45,64,76\nA-2,Air filter,15.2,,\n"

Use = Callable[[str], Path]


@pytest.fixture
def price_list(settings: Any, tmp_path: Path) -> Use:
    def write(text: str) -> Path:
        path = tmp_path / "list.csv"
        path.write_text(text, encoding="utf-8-sig")
        settings.EXTERNAL_API_PROVIDER, settings.EXTERNAL_API_URL = "csv", str(path)
        settings.EXTERNAL_API_COLUMNS = COLUMNS
        return path

    return write


def test_the_header_map_names_the_columns_and_the_rest_find_themselves(price_list: Use, sync: Sync) -> None:
    price_list(LIST)
    run = sync()
    assert (run.provider, run.status, counts(run)) == ("csv", "succeeded", {"fetched": 2, "created": 2})
    first, second = Product.objects.order_by("external_id")
    assert (first.external_id, first.name, first.price) == ("A-1", "Oil filter", Decimal("9.45"))
    assert (first.supplier_stock, first.length, first.height) == (64, Decimal("76.00"), None)
    assert (second.price, second.supplier_stock, second.length) == (Decimal("15.20"), None, None)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (",Oil,1.00,1,1", "missing_id"),
        ("A-3,,1.00,1,1", "missing_field"),
        ("A-3,Oil,,1,1", "missing_field"),
        ("A-3,Oil,1 000.00,1,1", "wrong_type"),
        ("A-3,Oil,NaN,1,1", "wrong_type"),
        ("A-3,Oil,-1.00,1,1", "out_of_range"),
        ("A-3,Oil,10000000000.00,1,1", "out_of_range"),
        ("A-3,Oil,1.00,1.5,1", "wrong_type"),
        ("A-3,Oil,1.00,-1,1", "out_of_range"),
        ("A-3,<b>Oil</b>,1.00,1,1", "forbidden_characters"),
        ("A-3", "missing_field"),
    ],
)
def test_bad_lines_are_refused_alone(price_list: Use, sync: Sync, line: str, reason: str) -> None:
    price_list(f"{LIST}{line}\n")
    run = sync()
    assert (run.status, counts(run)) == ("partial", {"fetched": 3, "created": 2, "rejected": 1})
    assert run.issues.get().reason == reason


@pytest.mark.parametrize(
    ("head", "missing"), [("Title,Unit price\n", "external_id"), ("Article;no,Unit price\n", "name"), ("", "external")]
)
def test_a_list_without_a_column_that_every_row_needs_fails_whole(
    price_list: Use, sync: Sync, head: str, missing: str
) -> None:
    price_list(head)
    run = sync()
    assert (run.status, run.reason) == ("failed", "missing_column")
    assert missing in run.error


def test_a_column_that_is_chosen_wins_over_one_of_that_name(price_list: Use, sync: Sync) -> None:
    price_list("Article;no,Title,Price,Unit price\nA-1,Oil filter,99.00,9.45\n")
    sync()
    assert Product.objects.get().price == Decimal("9.45")


def test_a_map_to_a_field_that_does_not_exist_is_named(settings: Any, price_list: Use) -> None:
    price_list(LIST)
    settings.EXTERNAL_API_COLUMNS = {"prize": "Unit price"}
    assert SOURCES["products"].missing() == ["EXTERNAL_API_COLUMNS"]


@pytest.fixture
def served(settings: Any, price_list: Use) -> Any:
    price_list(LIST)
    with FileServer(LIST.encode()) as server:
        settings.EXTERNAL_API_URL = f"{server.base_url}/list.csv"
        yield server


def test_a_list_is_read_from_an_address(served: FileServer, sync: Sync) -> None:
    assert counts(sync()) == {"fetched": 2, "created": 2}
    served.content = LIST.replace("9.45", "9.95").encode()
    assert counts(sync()) == {"fetched": 2, "updated": 1, "unchanged": 1}


@pytest.mark.parametrize("fault", [Fault.TRUNCATED, Fault.RESET, Fault.TRUNCATED_GZIP])
def test_a_transfer_that_breaks_off_is_begun_anew(served: FileServer, sync: Sync, fault: Fault) -> None:
    served.faults.add(fault, times=1)
    run = sync()
    assert (run.status, run.retries, counts(run)) == ("succeeded", 1, {"fetched": 2, "created": 2})


@pytest.mark.parametrize(
    ("fault", "options", "reason"),
    [
        (Fault.HTML_200, {}, "unexpected_type"),
        (Fault.HUGE, {}, "too_large"),
        (Fault.STATUS, {"code": 403}, "auth"),
        (Fault.REDIRECT, {}, "redirect"),
    ],
)
def test_what_is_no_list_fails_the_run(
    served: FileServer, sync: Sync, fault: Fault, options: dict[str, Any], reason: str
) -> None:
    served.faults.add(fault, **options)
    run = sync()
    assert (run.status, run.reason) == ("failed", reason)


def test_a_list_beyond_the_limit_is_refused(served: FileServer, sync: Sync, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.http.MAX_BODY_BYTES", 20)
    assert sync().reason == "too_large"


def test_a_list_that_is_no_text_fails_the_run(price_list: Use, sync: Sync) -> None:
    price_list("").write_bytes(HEAD.encode() + b"A-1,\xff\xfe,1.00,1,1\n")
    run = sync()
    assert (run.status, run.reason) == ("failed", "file_unreadable")
