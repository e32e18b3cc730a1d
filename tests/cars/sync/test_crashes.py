"""A run that breaks off at any point, and the next one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cars.models import Car, SyncRun, SyncSource
from cars.sync import upsert, withdraw
from tests.cars.sync.conftest import Sync, counts, stored, upstream, use_parse
from tests.standins.base import Fault
from tests.standins.parse import ParseServer, object_id, sample_rows

pytestmark = pytest.mark.usefixtures("small_pages")


@pytest.fixture
def ten_pages(settings: Any) -> Iterator[ParseServer]:
    with ParseServer(sample_rows(95)) as server:
        use_parse(settings, server)
        yield server


def crash_in_page(monkeypatch: pytest.MonkeyPatch, page: int) -> None:
    """Break down inside the transaction of that page, after its rows were written."""
    write, calls = upsert.PageWriter.write, iter(range(1, 100))

    def crash(self: upsert.PageWriter, *args: Any) -> upsert.PageResult:
        result = write(self, *args)
        if next(calls) == page:
            raise RuntimeError("breaks down")
        return result

    monkeypatch.setattr(upsert.PageWriter, "write", crash)


@pytest.mark.parametrize("page", range(1, 11))
@pytest.mark.fault("F18", "an exception within each page", expected="the pages before are kept, the next run completes")
def test_a_crash_at_any_page_keeps_those_before_and_the_next_run_completes(
    ten_pages: ParseServer, sync: Sync, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    crash_in_page(monkeypatch, page)
    run = sync()
    assert (run.status, run.reason, run.error, run.cursor_after) == ("failed", "internal_error", "RuntimeError", None)
    assert Car.objects.count() == run.created == (page - 1) * 10
    monkeypatch.undo()
    monkeypatch.setattr("cars.sync.providers.parse.PAGE_SIZE", 10)
    assert counts(sync())["created"] == 95 - run.created
    assert stored() == upstream(ten_pages)


@pytest.mark.parametrize("request_number", range(1, 12))
@pytest.mark.fault(
    "F12",
    "404 from each request on",
    expected="the pages before are kept, nothing is withdrawn, the next run completes",
)
def test_an_upstream_that_fails_at_any_request_keeps_the_pages_before(
    ten_pages: ParseServer, sync: Sync, request_number: int
) -> None:
    ten_pages.faults.add(Fault.STATUS, code=404, from_request=request_number, times=1)
    run = sync()
    assert (run.status, run.reason, run.withdrawn) == ("failed", "status_404", 0)
    assert Car.objects.count() == run.created == max(0, request_number - 2) * 10
    assert counts(sync())["created"] == 95 - run.created
    assert stored() == upstream(ten_pages)


def test_a_crash_in_the_withdrawal_is_made_good_by_the_next_full_run(
    ten_pages: ParseServer, sync: Sync, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync()
    for number in range(1, 16):
        ten_pages.remove(object_id(number))
    monkeypatch.setattr(withdraw, "PAGE", 10)
    mark, calls = withdraw._mark, iter(range(1, 9))

    def crash(*args: Any, **kwargs: Any) -> list[int]:
        if next(calls) == 2:
            raise RuntimeError("breaks down")
        return mark(*args, **kwargs)

    monkeypatch.setattr(withdraw, "_mark", crash)
    assert (sync(full=True).status, Car.objects.current().count()) == ("failed", 85)
    assert (sync(full=True).status, Car.objects.current().count()) == ("succeeded", 80)


def test_a_failed_incremental_run_does_not_move_the_cursor(ten_pages: ParseServer, sync: Sync) -> None:
    sync()
    before = SyncSource.objects.get(name="cars").cursor
    ten_pages.update(object_id(1), Category="Wagon")
    ten_pages.faults.add(Fault.STATUS, code=400, from_request=2, times=1)
    assert sync().status == "failed"
    assert SyncSource.objects.get(name="cars").cursor == before
    assert counts(sync())["updated"] == 1


def test_an_interrupted_command_ends_its_run(
    ten_pages: ParseServer, sync: Sync, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(upsert.PageWriter, "write", interrupt)
    with pytest.raises(KeyboardInterrupt):
        sync()
    run = SyncRun.objects.get()
    assert (run.status, run.reason) == ("cancelled", "interrupted")
