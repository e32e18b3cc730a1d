"""What changes, goes, returns and breaks upstream."""

from __future__ import annotations

import pytest

from accounts.models import Notification, User
from cars.models import Car, SyncIssue, SyncSource
from tests.cars.sync.conftest import Sync, by_id, counts, stored, upstream
from tests.standins.base import Fault
from tests.standins.parse import ParseServer, object_id

pytestmark = pytest.mark.usefixtures("small_pages")


def test_a_changed_row_is_updated_with_a_history_entry_that_names_the_run(parse: ParseServer, sync: Sync) -> None:
    sync()
    parse.update(object_id(7), Category="Wagon")
    run = sync()
    car = Car.objects.get(external_id=object_id(7))
    assert car.category == "Wagon"
    assert car.created_in_run_id != run.pk
    entries = Car.history.filter(id=car.pk)
    assert [(entry.history_type, entry.category, entry.history_change_reason) for entry in entries] == [
        ("~", "Wagon", f"sync run {run.pk}")
    ]
    assert Car.history.count() == 1  # Creates carry the run's id instead.


def test_a_touch_upstream_without_a_change_writes_nothing(parse: ParseServer, sync: Sync) -> None:
    sync()
    before = Car.objects.get(external_id=object_id(7)).updated_at
    parse.update(object_id(7))
    assert "updated" not in counts(sync())
    assert Car.objects.get(external_id=object_id(7)).updated_at == before


def test_removed_rows_are_withdrawn_by_a_full_run_only(parse: ParseServer, sync: Sync) -> None:
    sync()
    for number in range(1, 7):
        parse.remove(object_id(number))
    assert "withdrawn" not in counts(sync())
    run = sync(full=True)
    assert (run.status, counts(run)) == ("succeeded", {"fetched": 24, "unchanged": 24, "withdrawn": 6})
    assert Car.objects.current().count() == 24
    assert Car.objects.count() == 30
    assert Car.history.filter(history_change_reason=f"sync run {run.pk}").count() == 6
    assert counts(sync(full=True)) == {"fetched": 24, "unchanged": 24}


def test_a_withdrawn_row_that_returns_is_revived(parse: ParseServer, sync: Sync) -> None:
    sync()
    row = by_id(parse)[object_id(3)]
    car = Car.objects.get(external_id=object_id(3))
    parse.remove(object_id(3))
    sync(full=True)
    parse.add(**row)
    assert counts(sync(full=True)) == {"fetched": 30, "updated": 1, "unchanged": 29}
    assert Car.objects.current().get(external_id=object_id(3)).pk == car.pk


def test_a_withdrawn_row_that_returns_under_a_new_id_keeps_its_row(parse: ParseServer, sync: Sync) -> None:
    sync()
    row = {name: value for name, value in by_id(parse)[object_id(3)].items() if name[0].isupper()}
    car = Car.objects.get(external_id=object_id(3))
    parse.remove(object_id(3))
    sync(full=True)
    new_id = parse.add(**row)
    assert counts(sync()) == {"fetched": 2, "updated": 1, "unchanged": 1}
    assert Car.objects.current().get(external_id=new_id).pk == car.pk


@pytest.mark.parametrize("gone", [7, 30])
def test_more_than_a_fifth_gone_withdraws_nothing_and_alerts(
    parse: ParseServer, sync: Sync, admin_user: User, gone: int
) -> None:
    sync()
    cursor = SyncSource.objects.get(name="cars").cursor
    for number in range(1, gone + 1):
        parse.remove(object_id(number))
    run = sync(full=True)
    assert (run.status, run.reason, run.withdrawn) == ("partial", "too_many_withdrawals", 0)
    assert Car.objects.current().count() == 30
    assert SyncSource.objects.get(name="cars").cursor == cursor
    alert = Notification.objects.get(user=admin_user)
    assert f"{gone} of 30 rows" in alert.body


@pytest.mark.fault(
    "F16",
    "nulls, text for numbers, the year 99999, NUL, markup, 10 kB",
    expected="each refused with its reason, the others stored",
)
def test_bad_rows_are_refused_alone_and_the_cursor_moves(parse: ParseServer, sync: Sync) -> None:
    bad = parse.bad_rows()
    parse.faults.add(Fault.BAD_ROWS, from_request=2, times=1)
    run = sync()
    assert (run.status, run.reason) == ("partial", "bad_rows")
    assert counts(run) == {"fetched": 30 + len(bad), "created": 30, "rejected": len(bad)}
    assert stored() == upstream(parse)
    assert SyncSource.objects.get(name="cars").cursor == run.cursor_after != None  # noqa: E711
    reasons = dict(SyncIssue.objects.values_list("external_id", "reason"))
    assert reasons == {
        "0badNoYear": "missing_field",
        "0badNoMake": "missing_field",
        "0badNullMo": "missing_field",
        "0badTextYe": "wrong_type",
        "0badFarYea": "year_out_of_range",
        "0badNulCha": "forbidden_characters",
        "0badMarkup": "forbidden_characters",
        "0badLength": "too_long",
        "": "missing_id",
    }
    assert max(len(issue.raw) for issue in SyncIssue.objects.all()) == 500


def test_a_row_that_turns_bad_is_not_withdrawn(parse: ParseServer, sync: Sync) -> None:
    sync()
    parse.update(object_id(5), Year="MMXX")
    run = sync(full=True)
    assert (run.status, counts(run)) == ("partial", {"fetched": 30, "unchanged": 29, "rejected": 1})
    assert Car.objects.current().filter(external_id=object_id(5)).exists()


@pytest.mark.parametrize("fault", [Fault.DUPLICATE_IN_PAGE, Fault.DUPLICATE_ACROSS_PAGES])
@pytest.mark.fault("F13", "a record twice in a page, and in two pages", expected="one row, counted as duplicate")
def test_a_record_that_comes_twice_is_one_row_and_counted(parse: ParseServer, sync: Sync, fault: Fault) -> None:
    parse.faults.add(fault, from_request=3, times=1)
    run = sync()
    assert (run.status, counts(run)) == ("succeeded", {"fetched": 31, "created": 30, "duplicate": 1})
    assert stored() == upstream(parse)


def test_of_two_records_with_one_id_the_newest_wins(parse: ParseServer, sync: Sync) -> None:
    parse.duplicate(object_id(4), Category="Roadster")
    run = sync()
    assert counts(run) == {"fetched": 31, "created": 30, "duplicate": 1}
    assert Car.objects.get(external_id=object_id(4)).category == "Roadster"


def test_a_change_between_two_pages_is_not_lost(parse: ParseServer, sync: Sync) -> None:
    first, last = sorted(by_id(parse))[0], sorted(by_id(parse))[-1]

    def change(request: object) -> None:
        if len(parse.requests) == 4:  # The newest change, page 1, page 2, and now page 3.
            parse.update(first, Category="Changed behind the walk")
            parse.update(last, Category="Changed before the walk")

    parse.on_request(change)
    sync()
    assert Car.objects.get(external_id=last).category == "Changed before the walk"
    sync()
    assert stored() == upstream(parse)


def test_rows_that_share_a_millisecond_with_the_cursor_are_not_lost(parse: ParseServer, sync: Sync) -> None:
    sync()
    stamp = SyncSource.objects.get(name="cars").cursor["updatedAt"]
    parse.add(Year=2022, Make="Late", Model="Arrival", Category="SUV", updatedAt=stamp)
    assert counts(sync())["created"] == 1


def test_a_class_that_is_emptied_withdraws_nothing(parse: ParseServer, sync: Sync) -> None:
    sync()
    parse.clear()
    run = sync(full=True)
    assert (run.status, run.reason, counts(run)) == ("partial", "too_many_withdrawals", {})
    assert Car.objects.current().count() == 30


def test_the_key_and_the_id_go_out_as_headers_and_nowhere_else(
    parse: ParseServer, sync: Sync, caplog: pytest.LogCaptureFixture
) -> None:
    sync()
    assert {request.headers["x-parse-application-id"] for request in parse.requests} == {parse.app_id}
    assert all(parse.master_key not in str(request.params) for request in parse.requests)
    assert parse.master_key not in caplog.text
    assert {request.params.get("limit") for request in parse.requests} == {"1", "10"}
    assert all("skip" not in request.params for request in parse.requests)
