"""The client for outside servers, against a real server with every fault, and against addresses inside."""

from __future__ import annotations

import io
import ipaddress
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpcore
import httpx
import pytest
import respx

from common import http, http_transport
from common.http import OutsideClient, OutsideError, RetryLater
from common.http_transport import AddressRefusedError, is_public, public_addresses
from tests.standins.base import Fault
from tests.standins.dummyjson import DummyJSONServer
from tests.standins.files import FileServer
from tests.standins.stripe_server import KEY, StripeServer

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Waits(list[float]):
    """Stands in for sleeping."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def server() -> Iterator[DummyJSONServer]:
    with DummyJSONServer([{"id": 1, "title": "Oil", "price": 9.99}]) as server:
        yield server


def fetch(server: DummyJSONServer, waits: Waits, **options: Any) -> Any:
    with OutsideClient(wait=waits, allow_private=True, **options) as client:
        return client.get_json(f"{server.base_url}/products")


def failure(server: DummyJSONServer, waits: Waits, **options: Any) -> OutsideError:
    with pytest.raises(OutsideError) as caught:
        fetch(server, waits, **options)
    return caught.value


def test_numbers_come_as_decimals(server: DummyJSONServer, waits: Waits) -> None:
    (product,) = fetch(server, waits)["products"]
    assert product["price"] == Decimal("9.99")
    assert isinstance(product["price"], Decimal)
    assert waits == []


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        (Fault.STATUS, {"code": 500}),
        (Fault.STATUS, {"code": 502}),
        (Fault.STATUS, {"code": 503}),
        (Fault.STATUS, {"code": 504}),
        (Fault.STATUS, {"code": 429}),
        (Fault.TRUNCATED, {}),
        (Fault.UNPARSABLE, {}),
        (Fault.TRUNCATED_GZIP, {}),
        (Fault.RESET, {}),
        (Fault.WRONG_CHARSET, {}),
    ],
)
def test_passing_faults_are_retried(
    server: DummyJSONServer, waits: Waits, fault: Fault, options: dict[str, Any]
) -> None:
    server.faults.add(fault, times=2, **options)
    heard: list[str] = []
    answer = fetch(server, waits, on_retry=lambda error, wait_s: heard.append(error.code))
    assert len(answer["products"]) == 1
    assert len(server.requests) == 3
    assert len(waits) == len(heard) == 2


@pytest.mark.parametrize(
    ("fault", "options", "code"),
    [
        (Fault.STATUS, {"code": 400}, "status_400"),
        (Fault.STATUS, {"code": 401}, "auth"),
        (Fault.STATUS, {"code": 403}, "auth"),
        (Fault.STATUS, {"code": 404}, "status_404"),
        (Fault.STATUS, {"code": 501}, "status_501"),
        (Fault.HTML_200, {}, "not_json"),
        (Fault.REDIRECT, {"location": "http://169.254.169.254/latest"}, "redirect"),
        (Fault.REDIRECT_LOOP, {}, "redirect"),
        (Fault.HUGE, {}, "too_large"),
        (Fault.GZIP_BOMB, {}, "too_large"),
    ],
)
def test_lasting_faults_are_not_retried(
    server: DummyJSONServer, waits: Waits, fault: Fault, options: dict[str, Any], code: str
) -> None:
    server.faults.add(fault, **options)
    error = failure(server, waits)
    assert error.code == code
    assert not error.is_transient
    assert len(server.requests) == 1
    assert waits == []


@pytest.mark.fault("F10", "500 without end", expected="five tries")
def test_it_gives_up_after_five_tries(server: DummyJSONServer, waits: Waits) -> None:
    server.faults.add(Fault.STATUS, code=503)
    error = failure(server, waits)
    assert (error.code, error.status) == ("status_503", 503)
    assert error.is_transient
    assert len(server.requests) == 5
    assert len(waits) == 4


def test_waits_are_spread_over_a_growing_time(
    server: DummyJSONServer, waits: Waits, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[float, float]] = []
    monkeypatch.setattr(http.random, "uniform", lambda low, high: asked.append((low, high)) or high)
    server.faults.add(Fault.STATUS, code=500)
    failure(server, waits)
    assert asked[:4] == [(0, 1), (0, 2), (0, 4), (0, 8)]
    assert waits == [1, 2, 4, 8]


def test_retry_after_in_seconds_is_honoured(server: DummyJSONServer, waits: Waits) -> None:
    server.faults.add(Fault.STATUS, code=429, retry_after=17, times=1)
    fetch(server, waits)
    assert waits == [17]


def test_retry_after_as_a_date_is_honoured(server: DummyJSONServer, waits: Waits) -> None:
    moment = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=40)
    server.faults.add(Fault.STATUS, code=503, retry_after=moment, times=1)
    fetch(server, waits)
    assert 38 <= waits[0] <= 40


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        ("0", 0),
        ("9999999999999999", 600),
        ("Thu, 01 Jan 2026 12:02:00 GMT", 120),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 0),
        ("Fri, 02 Jan 2026 12:00:00 GMT", 600),
        ("", None),
        ("soon", None),
        ("Mon, 01 Jan 99999999999999 00:00:00 GMT", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
    ],
)
def test_what_retry_after_says(value: str, seconds: float | None) -> None:
    assert http._retry_after_s(value, now=NOW) == seconds


def test_a_wait_beyond_the_budget_names_the_moment(server: DummyJSONServer, waits: Waits) -> None:
    server.faults.add(Fault.STATUS, code=429, retry_after=120)
    before = datetime.now(UTC)
    error = failure(server, waits, budget_s=60)
    assert isinstance(error, RetryLater)
    assert (error.code, error.status, error.retry_after) == ("rate_limited", 429, 120)
    assert timedelta(seconds=119) < error.moment - before < timedelta(seconds=125)
    assert waits == []


def test_a_server_that_hangs_is_left(server: DummyJSONServer, waits: Waits) -> None:
    server.faults.add(Fault.HANG)
    error = failure(server, waits, read_s=0.1, tries=2)
    assert error.code == "timeout"
    assert len(server.requests) == 2


def test_the_budget_bounds_a_slow_read(server: DummyJSONServer, waits: Waits) -> None:
    server.faults.add(Fault.HANG)
    assert failure(server, waits, budget_s=0.2).code == "timeout"
    assert len(server.requests) == 1


def test_who_waits_can_be_cancelled(server: DummyJSONServer) -> None:
    def cancelled(_: float) -> None:
        raise KeyboardInterrupt

    server.faults.add(Fault.STATUS, code=500)
    with OutsideClient(wait=cancelled, allow_private=True) as client, pytest.raises(KeyboardInterrupt):
        client.get_json(f"{server.base_url}/products")
    assert len(server.requests) == 1


def test_the_operator_gets_the_start_of_the_body(server: DummyJSONServer, waits: Waits) -> None:
    server.faults.add(Fault.HTML_200)
    error = failure(server, waits)
    assert error.sample.startswith("<")
    assert len(error.sample) <= 500
    assert str(error) == "127.0.0.1: not_json"


def test_nothing_listening_is_a_connection_error(waits: Waits) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
    with OutsideClient(wait=waits, allow_private=True, tries=2) as client, pytest.raises(OutsideError) as caught:
        client.get_json(url)
    assert caught.value.code == "connect"
    assert len(waits) == 1


def test_an_unknown_name_is_a_connection_error(waits: Waits, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror

    monkeypatch.setattr(http_transport.socket, "getaddrinfo", unknown)
    with OutsideClient(wait=waits, tries=1) as client, pytest.raises(OutsideError) as caught:
        client.get_json("https://no-such-host.example/")
    assert caught.value.code == "connect"


def test_a_server_without_tls_is_a_tls_error(server: DummyJSONServer, waits: Waits) -> None:
    with OutsideClient(wait=waits, allow_private=True) as client, pytest.raises(OutsideError) as caught:
        client.get_json(f"https://127.0.0.1:{server.port}/products")
    assert caught.value.code == "tls"
    assert waits == []


# --- Bodies, through a mocked transport -----------------------------------------------------------------------------


def answer_of(response: httpx.Response) -> Any:
    with respx.mock, OutsideClient(wait=Waits(), tries=1) as client:
        respx.get("https://api.example/x").mock(return_value=response)
        return client.get_json("https://api.example/x")


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=UTF-8", "application/vnd.api+json", "APPLICATION/JSON"],
)
def test_json_by_any_of_its_names(content_type: str) -> None:
    assert answer_of(httpx.Response(200, content=b'{"a": 1}', headers={"content-type": content_type})) == {"a": 1}


@pytest.mark.parametrize(
    ("content_type", "body", "code"),
    [
        ("text/html", b"{}", "not_json"),
        ("", b"{}", "not_json"),
        ("application/json; charset=iso-8859-1", b"{}", "not_json"),
        ("application/json", b"", "bad_json"),
        ("application/json", b"[NaN]", "bad_json"),
        ("application/json", b"[Infinity]", "bad_json"),
        ("application/json", b'"\xff"', "bad_json"),
        ("application/json", b"[" * 100_000, "bad_json"),
        ("application/json", b"9" * 5000, "bad_json"),
        ("application/json", b"1e99999999999999999999", "bad_json"),
    ],
)
def test_what_is_not_json(content_type: str, body: bytes, code: str) -> None:
    with pytest.raises(OutsideError) as caught:
        answer_of(httpx.Response(200, content=body, headers={"content-type": content_type}))
    assert caught.value.code == code


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress"])
def test_only_gzip_was_offered(encoding: str) -> None:
    response = httpx.Response(200, headers={"content-type": "application/json"}, stream=httpx.ByteStream(b"{}"))
    response.headers["content-encoding"] = encoding
    with pytest.raises(OutsideError) as caught:
        answer_of(response)
    assert caught.value.code == "not_json"


# --- Addresses ------------------------------------------------------------------------------------------------------


@pytest.fixture
def trap(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every connection that is really tried, whatever the address."""
    tried: list[str] = []

    def connect_tcp(self: Any, host: str, *args: Any, **kwargs: Any) -> Any:
        tried.append(host)
        raise httpcore.ConnectError("trap")

    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", connect_tcp)
    return tried


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example/",
        "ftp://api.example/",
        "file:///etc/passwd",
        "https://user:secret@api.example/",
        "https://api.example@127.0.0.1/",
        "https://",
        "//api.example/",
        "https://127.0.0.1/",
        "https://localhost/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://0.0.0.0/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[64:ff9b::a9fe:a9fe]/",
        "https://169.254.169.254/latest/meta-data",
        "https://10.1.2.3/",
        "https://172.16.0.1/",
        "https://192.168.1.1/",
        "https://100.64.0.1/",
        "https://[fe80::1]/",
        "https://[fd00::1]/",
        "https://224.0.0.1/",
        "https://255.255.255.255/",
        "https://\x00/",
    ],
)
@pytest.mark.fault("F15", "addresses inside, in every spelling", expected="refused, no connection is made")
def test_inside_addresses_are_refused_without_a_connection(url: str, trap: list[str], waits: Waits) -> None:
    with OutsideClient(wait=waits, allow_private=False) as client, pytest.raises(OutsideError) as caught:
        client.get_json(url)
    assert caught.value.code == "refused_address"
    assert "secret" not in str(caught.value)
    assert trap == waits == []


def resolving_to(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """Each look-up gets the next of `answers`, the last one for ever."""
    asked: list[str] = []

    def getaddrinfo(host: str, port: int, **_: Any) -> Any:
        found = answers[min(len(asked), len(answers) - 1)]
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(http_transport.socket, "getaddrinfo", getaddrinfo)
    return asked


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["93.184.215.14", "10.0.0.1"]])
def test_a_name_that_points_inside_is_refused(
    monkeypatch: pytest.MonkeyPatch, trap: list[str], addresses: list[str]
) -> None:
    resolving_to(monkeypatch, addresses)
    with OutsideClient(wait=Waits(), allow_private=False) as client, pytest.raises(OutsideError) as caught:
        client.get_json("https://inside.example/")
    assert caught.value.code == "refused_address"
    assert trap == []


def test_the_address_that_was_judged_is_the_one_called(monkeypatch: pytest.MonkeyPatch, trap: list[str]) -> None:
    """A name that answers differently the second time (DNS rebinding) is not asked a second time."""
    asked = resolving_to(monkeypatch, ["93.184.215.14"], ["127.0.0.1"])
    with OutsideClient(wait=Waits(), tries=1, allow_private=False) as client, pytest.raises(OutsideError):
        client.get_json("https://rebind.example/")
    assert asked == ["rebind.example"]
    assert trap == ["93.184.215.14"]


def test_every_address_of_a_name_is_tried(monkeypatch: pytest.MonkeyPatch, trap: list[str]) -> None:
    resolving_to(monkeypatch, ["93.184.215.14", "93.184.215.15"])
    with OutsideClient(wait=Waits(), tries=1, allow_private=False) as client, pytest.raises(OutsideError):
        client.get_json("https://two.example/")
    assert trap == ["93.184.215.14", "93.184.215.15"]


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "64:ff9b::5db8:d70e"])
def test_public_addresses(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["2002:7f00:1::", "2001:0:4136:e378:8000:63bf:80ff:fffe", "::", "198.18.0.1"])
def test_addresses_that_carry_an_inside_one(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


def test_a_scope_does_not_hide_a_link_local_address(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving_to(monkeypatch, ["fe80::1%eth0"])
    with pytest.raises(AddressRefusedError):
        public_addresses("host", 443)


def test_the_setting_decides_where_nothing_is_said(settings: Any, trap: list[str]) -> None:
    settings.PROVIDER_ALLOW_PRIVATE = False
    with OutsideClient(wait=Waits()) as client, pytest.raises(OutsideError) as caught:
        client.get_json("https://127.0.0.1/")
    assert caught.value.code == "refused_address"


def test_a_proxy_of_the_environment_is_not_used(
    server: DummyJSONServer, waits: Waits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert fetch(server, waits)["products"]


def test_nan_is_bad_json_unless_the_caller_takes_it(server: DummyJSONServer, waits: Waits) -> None:
    server.update(1, price=float("nan"), stock=float("-inf"))
    assert failure(server, waits).code == "bad_json"
    with OutsideClient(wait=waits, allow_private=True) as client:
        (product,) = client.get_json(f"{server.base_url}/products", nan_as_decimal=True)["products"]
    assert (product["price"].is_nan(), product["stock"]) == (True, Decimal("-Infinity"))


def test_a_download_is_written_anew_with_each_try(waits: Waits) -> None:
    file = io.BytesIO(b"what was there before, and longer")
    with FileServer(b"a,b\n1,2\n") as server, OutsideClient(wait=waits, allow_private=True) as client:
        server.faults.add(Fault.TRUNCATED, times=1)
        client.download(f"{server.base_url}/list.csv", into=file, kinds={"text/csv"})
    assert (file.getvalue(), len(waits)) == (b"a,b\n1,2\n", 1)


@pytest.mark.parametrize(
    ("fault", "limit", "code"),
    [
        (Fault.HTML_200, 1000, "unexpected_type"),
        (Fault.STATUS, 1000, "status_500"),
        (Fault.REDIRECT, 1000, "redirect"),
        (Fault.SLOW, 7, "too_large"),
    ],
)
def test_a_download_is_refused_by_the_same_rules(
    waits: Waits, monkeypatch: pytest.MonkeyPatch, fault: Fault, limit: int, code: str
) -> None:
    monkeypatch.setattr(http, "MAX_BODY_BYTES", limit)
    with FileServer(b"a,b\n1,2\n") as server, OutsideClient(wait=waits, allow_private=True) as client:
        server.faults.add(fault, **({"seconds": 0.0} if fault is Fault.SLOW else {}))
        with pytest.raises(OutsideError) as caught:
            client.download(f"{server.base_url}/list.csv", into=io.BytesIO(), kinds={"text/csv"})
    assert caught.value.code == code


# --- Sending


@pytest.fixture
def stripe() -> Iterator[StripeServer]:
    """A server that takes forms."""
    with StripeServer() as server:
        yield server


def send(stripe: StripeServer, waits: Waits) -> Any:
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/x-www-form-urlencoded"}
    with OutsideClient(wait=waits, allow_private=True) as client:
        return client.post(f"{stripe.base_url}/v1/payment_intents", content=b"amount=500&currency=usd", headers=headers)


def test_a_body_is_posted(stripe: StripeServer, waits: Waits) -> None:
    assert send(stripe, waits).data["amount"] == 500
    assert [(request.method, request.params["amount"]) for request in stripe.requests] == [("POST", "500")]


def test_a_post_is_sent_again_after_a_passing_fault(stripe: StripeServer, waits: Waits) -> None:
    stripe.faults.add(Fault.STATUS, code=503, times=2)
    assert send(stripe, waits).data["amount"] == 500
    assert (len(stripe.requests), len(waits)) == (3, 2)


def test_a_post_goes_to_public_addresses_only(stripe: StripeServer, waits: Waits) -> None:
    with OutsideClient(wait=waits, allow_private=False) as client, pytest.raises(OutsideError) as refused:
        client.post(stripe.base_url.replace("http:", "https:"), content=b"{}", headers={})
    assert (refused.value.code, stripe.requests) == ("refused_address", [])
