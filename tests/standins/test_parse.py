"""The Parse stand-in answers as Parse Server does, and its faults are what a client sees as such."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.standins.base import Fault, Request
from tests.standins.parse import ParseServer, object_id, sample_rows

HEADERS = {"X-Parse-Application-Id": "test-app", "X-Parse-Master-Key": "test-master-key"}
AUDI = {"Year": 2020, "Make": "Audi", "Model": "Q3", "Category": "SUV"}


@pytest.fixture
def server() -> Iterator[ParseServer]:
    with ParseServer(sample_rows(250)) as running:
        yield running


@pytest.fixture
def client(server: ParseServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.base_url, headers=HEADERS, timeout=30) as http:
        yield http


def get(client: httpx.Client, where: Any = None, **params: Any) -> httpx.Response:
    if where is not None:
        params["where"] = json.dumps(where)
    return client.get("/classes/Car_Model_List", params=params)


def results(client: httpx.Client, where: Any = None, **params: Any) -> list[dict[str, Any]]:
    answer = get(client, where, **params)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()["results"]
    return rows


def test_a_record_has_the_shape_of_parse(client: httpx.Client, server: ParseServer) -> None:
    server.clear()
    added = server.add(**AUDI)
    (row,) = results(client)
    assert {name: row[name] for name in AUDI} == AUDI
    assert row["objectId"] == added
    assert len(added) == 10
    assert added.isalnum()
    assert row["createdAt"] == row["updatedAt"]
    assert row["createdAt"].endswith("Z")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Parse-Application-Id": "test-app"},
        {"X-Parse-Application-Id": "test-app", "X-Parse-Master-Key": "wrong"},
        {"X-Parse-Application-Id": "wrong", "X-Parse-Master-Key": "test-master-key"},
    ],
)
def test_a_wrong_key_is_403_without_a_content_type(server: ParseServer, headers: dict[str, str]) -> None:
    answer = httpx.get(f"{server.base_url}/classes/Car_Model_List", headers=headers)
    assert (answer.status_code, answer.text) == (403, '{"error":"unauthorized"}')
    assert "content-type" not in answer.headers


def test_the_rest_key_opens_too(server: ParseServer) -> None:
    headers = {"X-Parse-Application-Id": "test-app", "X-Parse-REST-API-Key": "test-rest-key"}
    assert httpx.get(f"{server.base_url}/classes/Car_Model_List", headers=headers).status_code == 200


def test_a_page_is_100_by_default_and_1000_at_most() -> None:
    with (
        ParseServer(sample_rows(1200)) as server,
        httpx.Client(base_url=server.base_url, headers=HEADERS) as client,
    ):
        assert len(results(client)) == 100
        assert len(results(client, limit=5000)) == 1000
        assert get(client, limit=0, count=1).json() == {"results": [], "count": 1200}


def test_paging_by_object_id_sees_each_row_once(client: httpx.Client, server: ParseServer) -> None:
    seen: list[str] = []
    while page := results(client, {"objectId": {"$gt": seen[-1]}} if seen else {}, order="objectId", limit=100):
        seen += [row["objectId"] for row in page]
    assert seen == sorted({row["objectId"] for row in server.rows()})
    assert len(seen) == 250
    assert seen != [object_id(number) for number in range(1, 251)]
    assert [request.params["limit"] for request in server.requests] == ["100"] * 4
    assert json.loads(server.requests[1].params["where"]) == {"objectId": {"$gt": seen[99]}}


def test_skip_pages_too(client: httpx.Client) -> None:
    everything = results(client, limit=1000)
    assert results(client, skip=240) == everything[240:]


@pytest.mark.parametrize(
    ("where", "keeps"),
    [
        ({"Make": "Arden"}, lambda row: row["Make"] == "Arden"),
        ({"Year": {"$gte": 2000, "$lt": 2010}}, lambda row: 2000 <= row["Year"] < 2010),
        ({"Year": {"$gt": 2000, "$lte": 2010}}, lambda row: 2000 < row["Year"] <= 2010),
        (
            {"Make": {"$ne": "Arden"}, "Year": 2001},
            lambda row: row["Make"] != "Arden" and row["Year"] == 2001,
        ),
        ({"Model": {"$in": ["Series 1", "Series 9"]}}, lambda row: row["Model"] == "Series 1"),
        ({"Category": {"$exists": False}}, lambda row: False),
        ({"Category": {"$exists": True}}, lambda row: True),
        ({"Year": {"$gt": "2000"}}, lambda row: False),
    ],
)
def test_where_selects(client: httpx.Client, server: ParseServer, where: Any, keeps: Any) -> None:
    assert results(client, where, limit=1000) == [row for row in server.rows() if keeps(row)]


@pytest.mark.parametrize("as_date", [True, False])
def test_updated_at_is_compared_in_both_notations(client: httpx.Client, server: ParseServer, as_date: bool) -> None:
    before = max(row["updatedAt"] for row in server.rows())
    changed = object_id(7)
    server.update(changed, Model="Series 99")
    bound = {"__type": "Date", "iso": before} if as_date else before
    (row,) = results(client, {"updatedAt": {"$gt": bound}})
    assert (row["objectId"], row["Model"]) == (changed, "Series 99")
    assert row["updatedAt"] > row["createdAt"]


def test_every_change_gets_a_later_stamp(server: ParseServer) -> None:
    for number in range(1, 6):
        server.update(object_id(number), Category="Wagon")
    stamps = [row["updatedAt"] for row in server.rows()[:5]]
    assert stamps == sorted(set(stamps))


def test_order_takes_several_keys_and_directions(client: httpx.Client, server: ParseServer) -> None:
    expected = sorted(server.rows(), key=lambda row: (-row["Year"], row["Make"], row["Model"]))
    assert results(client, order="-Year,Make,Model", limit=1000) == expected


def test_keys_cut_the_record_down_but_for_the_system_fields(client: httpx.Client) -> None:
    (row,) = results(client, keys="Make", limit=1)
    assert set(row) == {"objectId", "createdAt", "updatedAt", "Make"}


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"where": '{"Year":{"$regex":"2"}}'}, 102),
        ({"where": '{"$or":[]}'}, 102),
        ({"where": '{"updatedAt":{"$gt":"yesterday"}}'}, 102),
        ({"where": "[]"}, 102),
        ({"where": "{"}, 107),
        ({"limit": "many"}, 102),
        ({"skip": "-1"}, 102),
        ({"page": "2"}, 102),
    ],
)
def test_a_bad_query_is_400_with_a_code(client: httpx.Client, params: dict[str, str], code: int) -> None:
    answer = client.get("/classes/Car_Model_List", params=params)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_an_unknown_class_is_empty_and_an_unknown_path_is_html(client: httpx.Client) -> None:
    assert client.get("/classes/Nothing").json() == {"results": []}
    answer = client.get("/elsewhere")
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")


def test_rows_can_go_and_come(client: httpx.Client, server: ParseServer) -> None:
    server.remove(object_id(1))
    server.duplicate(object_id(2), Category="Coupe")
    assert len(results(client, {"objectId": object_id(1)})) == 0
    first, second = results(client, {"objectId": object_id(2)})
    assert (second["Category"], second["updatedAt"] > first["updatedAt"]) == ("Coupe", True)
    server.clear()
    assert results(client) == []
    with pytest.raises(KeyError):
        server.update(object_id(1), Model="gone")


def test_a_csv_row_loses_its_own_id_and_gets_a_number_for_a_year() -> None:
    server = ParseServer([{"external_id": "fv-1", "year": "2020", "make": "Audi", "model": "Q3", "category": "SUV"}])
    (row,) = server.rows()
    server.close()
    assert {name: value for name, value in row.items() if name in {*AUDI, "external_id"}} == AUDI


def test_the_log_hides_the_keys(client: httpx.Client, server: ParseServer) -> None:
    get(client, limit=3)
    (request,) = server.requests
    assert (request.number, request.method, request.path) == (1, "GET", "/classes/Car_Model_List")
    assert request.params == {"limit": "3"}
    assert request.headers["x-parse-application-id"] == "test-app"
    assert request.headers["x-parse-master-key"] == "[hidden]"


def test_a_hook_changes_rows_between_two_pages(client: httpx.Client, server: ParseServer) -> None:
    def empty_before_the_second(request: Request) -> None:
        if request.number == 2:
            server.clear()

    server.on_request(empty_before_the_second)
    assert (len(results(client)), len(results(client, skip=100))) == (100, 0)


class TestFaults:
    """Each switch, as httpx sees it."""

    def test_times_and_from_request_bound_a_fault(self, client: httpx.Client, server: ParseServer) -> None:
        server.faults.add(Fault.STATUS, code=503, times=2, from_request=2)
        assert [get(client).status_code for _ in range(5)] == [200, 503, 503, 200, 200]

    def test_without_a_count_a_fault_stays_until_cleared(self, client: httpx.Client, server: ParseServer) -> None:
        server.faults.add(Fault.STATUS, code=500)
        assert [get(client).status_code for _ in range(3)] == [500] * 3
        server.faults.clear()
        assert get(client).status_code == 200

    def test_replacing_faults_queue_up(self, client: httpx.Client, server: ParseServer) -> None:
        server.faults.add(Fault.STATUS, code=429, times=1)
        server.faults.add(Fault.STATUS, code=502, times=1)
        assert [get(client).status_code for _ in range(3)] == [429, 502, 200]

    def test_an_unknown_option_is_refused(self, server: ParseServer) -> None:
        with pytest.raises(TypeError):
            server.faults.add(Fault.SLOW, minutes=3)

    @pytest.mark.parametrize(
        ("retry_after", "header"),
        [
            (7, "7"),
            (datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC), "Wed, 02 Jan 2030 03:04:05 GMT"),
            (None, None),
        ],
    )
    def test_a_429_carries_retry_after(
        self, client: httpx.Client, server: ParseServer, retry_after: Any, header: str | None
    ) -> None:
        server.faults.add(Fault.STATUS, code=429, retry_after=retry_after)
        answer = get(client)
        assert (answer.status_code, answer.json()["code"]) == (429, 100)
        assert answer.headers.get("retry-after") == header

    def test_a_status_of_401_has_no_json_type(self, client: httpx.Client, server: ParseServer) -> None:
        server.faults.add(Fault.STATUS, code=401)
        answer = get(client)
        assert (answer.status_code, answer.text) == (401, '{"error":"unauthorized"}')

    def test_slow(self, client: httpx.Client, server: ParseServer) -> None:
        server.faults.add(Fault.SLOW, seconds=0.3, times=1)
        started = time.monotonic()
        assert len(results(client)) == 100
        assert time.monotonic() - started >= 0.3
        server.faults.add(Fault.SLOW, seconds=5)
        with pytest.raises(httpx.ReadTimeout):
            client.get("/classes/Car_Model_List", timeout=0.1)

    def test_truncated(self, client: httpx.Client, server: ParseServer) -> None:
        server.faults.add(Fault.TRUNCATED, times=1)
        with pytest.raises(httpx.RemoteProtocolError):
            get(client)
        assert get(client).status_code == 200

    def test_unparsable(self, client: httpx.Client, server: ParseServer) -> None:
        server.faults.add(Fault.UNPARSABLE)
        answer = get(client)
        assert int(answer.headers["content-length"]) == len(answer.content)
        with pytest.raises(json.JSONDecodeError):
            answer.json()

    def test_truncated_gzip(self, client: httpx.Client, server: ParseServer) -> None:
        server.faults.add(Fault.TRUNCATED_GZIP)
        answer = get(client)
        assert answer.headers["content-encoding"] == "gzip"
        with pytest.raises(json.JSONDecodeError):
            answer.json()

    def test_html_with_200(self, client: httpx.Client, server: ParseServer) -> None:
        server.faults.add(Fault.HTML_200)
        answer = get(client)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")

    def test_redirect(self, client: httpx.Client, server: ParseServer) -> None:
        server.faults.add(Fault.REDIRECT, location="http://169.254.169.254/latest/meta-data")
        answer = get(client)
        assert answer.status_code == 302
        assert answer.headers["location"] == "http://169.254.169.254/latest/meta-data"

    def test_redirect_loop(self, client: httpx.Client, server: ParseServer) -> None:
        server.faults.add(Fault.REDIRECT_LOOP)
        with pytest.raises(httpx.TooManyRedirects):
            client.get("/classes/Car_Model_List?limit=1", follow_redirects=True)

    def test_huge_never_ends(self, client: httpx.Client, server: ParseServer) -> None:
        server.faults.add(Fault.HUGE, times=1)
        read = 0
        with client.stream("GET", "/classes/Car_Model_List") as answer:
            for chunk in answer.iter_raw():
                read += len(chunk)
                if read > 21_000_000:
                    break
        assert read > 21_000_000
        assert get(client).status_code == 200

    def test_gzip_bomb(self, client: httpx.Client, server: ParseServer) -> None:
        server.faults.add(Fault.GZIP_BOMB)
        inflated = 0
        with client.stream("GET", "/classes/Car_Model_List") as answer:
            for chunk in answer.iter_bytes():
                inflated += len(chunk)
            assert answer.num_bytes_downloaded < 300_000
        assert inflated == 256 * 1024 * 1024

    def test_wrong_charset(self, client: httpx.Client, server: ParseServer) -> None:
        server.faults.add(Fault.WRONG_CHARSET)
        answer = get(client)
        assert answer.headers["content-type"] == "application/json; charset=utf-8"
        with pytest.raises(UnicodeDecodeError):
            answer.content.decode()

    def test_reset(self, client: httpx.Client, server: ParseServer) -> None:
        server.faults.add(Fault.RESET, times=1)
        with pytest.raises(httpx.ReadError):
            get(client, limit=200)
        assert get(client).status_code == 200

    def test_empty_body(self, client: httpx.Client, server: ParseServer) -> None:
        server.faults.add(Fault.EMPTY_BODY)
        answer = get(client)
        assert (answer.status_code, answer.content) == (200, b"")

    def test_no_rows(self, client: httpx.Client, server: ParseServer) -> None:
        server.faults.add(Fault.NO_ROWS)
        assert get(client, count=1).json() == {"results": [], "count": 250}

    def test_duplicates_in_a_page_and_between_pages(self, client: httpx.Client, server: ParseServer) -> None:
        server.faults.add(Fault.DUPLICATE_IN_PAGE, times=1)
        server.faults.add(Fault.DUPLICATE_ACROSS_PAGES, from_request=2, times=1)
        first, second, third = (results(client, skip=skip) for skip in (0, 100, 200))
        assert first[0] == first[1]
        assert second[0] == first[-1]
        assert (len(first), len(second), len(third)) == (101, 101, 50)

    def test_bad_rows_come_beside_the_good_ones(self, client: httpx.Client, server: ParseServer) -> None:
        server.faults.add(Fault.BAD_ROWS, times=1)
        bad = server.bad_rows()
        assert results(client, limit=2) == bad + server.rows()[:2]
        server.faults.add(Fault.BAD_ROWS, rows=[{"objectId": 7}], times=1)
        assert results(client, limit=1) == [{"objectId": 7}, server.rows()[0]]

    def test_closing_does_not_wait_for_a_hanging_answer(self) -> None:
        with ParseServer() as server, httpx.Client(base_url=server.base_url) as client:
            server.faults.add(Fault.HANG)
            with pytest.raises(httpx.ReadTimeout):
                client.get("/classes/Car_Model_List", timeout=0.1)
            closing = threading.Thread(target=server.close, daemon=True)
            closing.start()
            closing.join(30)
        assert not closing.is_alive()


def test_created_stamps_rise_from_the_first_row(server: ParseServer) -> None:
    first, second = (datetime.fromisoformat(row["createdAt"]) for row in server.rows()[:2])
    assert first == datetime(2020, 1, 27, 20, 44, 17, 665_000, tzinfo=UTC)
    assert second - first == timedelta(milliseconds=1)
