"""POST /api/vin/decode and GET /api/vin/{vin}: the rules, the provider, and what is remembered."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone
from prometheus_client import REGISTRY
from rest_framework.test import APIClient

from accounts.models import User
from cars import services
from cars.models import VinDecode
from cars.tasks import clean_up
from cars.vin_providers import current_provider
from tests.standins.base import Fault
from tests.standins.vpic import VpicServer

pytestmark = pytest.mark.django_db

VIN = "1HGCM82633A004352"


@pytest.fixture(autouse=True)
def _nobody_failed_lately() -> None:
    """Redis remembers it beyond the test."""
    cache.delete_many([f"vin-provider-failed:{name}" for name in ("vpic", "clearvin")])


@pytest.fixture
def client(as_user: Any, user: User) -> APIClient:
    return as_user(user)


@pytest.fixture
def vpic(settings: Any) -> Iterator[VpicServer]:
    with VpicServer() as server:
        settings.VIN_PROVIDER, settings.VIN_API_URL = "vpic", server.api_url
        yield server


def decode(client: APIClient, vin: str = VIN, **more: Any) -> dict[str, Any]:
    answer = client.post("/api/vin/decode", {"vin": vin, **more})
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_offline_it_is_a_guess_and_says_so(client: APIClient) -> None:
    body = decode(client, "1hgcm 82633 a004352")
    assert (body["vin"], body["source"], body["verified"]) == (VIN, "vininfo", False)
    assert (body["wmi"], body["model_year"], body["country"]) == ("1HG", 2003, "United States")
    assert (body["attributes"]["make"], body["attributes"]["model"], body["warnings"]) == ("Honda", "", [])
    assert not VinDecode.objects.exists()


def test_a_maker_that_no_table_knows_leaves_the_number_itself(client: APIClient) -> None:
    body = decode(client, "SGZCZ43D13S812715")
    assert (body["source"], body["attributes"]["make"]) == ("local", "")
    assert [warning["code"] for warning in body["warnings"]] == ["check_digit_mismatch"]


def test_get_answers_the_same(client: APIClient) -> None:
    assert client.get(f"/api/vin/{VIN}").json() == decode(client)


@pytest.mark.parametrize("vin", ["1HGCM82633A004353", "1HGCM8263IA004352", "11111111111111111", "123"])
def test_a_wrong_vin_is_422_with_the_findings(client: APIClient, vin: str) -> None:
    for answer in (client.post("/api/vin/decode", {"vin": vin}), client.get(f"/api/vin/{vin}")):
        error = answer.json()["errors"][0]
        assert (answer.status_code, error["code"]) == (422, "invalid_vin")
        assert error["meta"]["findings"]


def test_an_old_chassis_number_needs_a_reason(client: APIClient) -> None:
    body = decode(client, "S800123", vin_exempt_reason="Built in 1967.")
    assert (body["source"], body["verified"], body["model_year"]) == ("local", False, None)


def test_it_is_for_people_who_are_signed_in(api: APIClient) -> None:
    assert api.post("/api/vin/decode", {"vin": VIN}).status_code == 401
    assert api.get(f"/api/vin/{VIN}").status_code == 401


@pytest.mark.parametrize("body", [{}, {"vin": ""}, {"vin": 17}, {"vin": "x" * 33}, {"vin": VIN, "verified": True}])
def test_what_the_schema_does_not_allow_is_400(client: APIClient, body: dict[str, Any]) -> None:
    assert client.post("/api/vin/decode", body).status_code == 400
    assert client.post("/api/vin/decode?x=1", {"vin": VIN}).status_code == 400


def test_an_outside_source_that_knows_the_vin_verifies_it(client: APIClient, vpic: VpicServer) -> None:
    vpic.add_vin(VIN, Make="HONDA", Model="Accord", ModelYear="2003", BodyClass="Coupe", TrailerType="Not Applicable")
    body = decode(client)
    assert (body["source"], body["verified"], body["warnings"]) == ("vpic", True, [])
    assert {"make": "HONDA", "model": "Accord", "year": "2003", "body": "Coupe"}.items() <= body["attributes"].items()


@pytest.mark.parametrize("codes", ["1", "14", "1,11"])
def test_one_with_reservations_does_not(client: APIClient, vpic: VpicServer, codes: str) -> None:
    vpic.add_vin(VIN, codes=codes, Make="HONDA")
    body = decode(client)
    assert (body["source"], body["verified"], body["attributes"]["make"]) == ("vpic", False, "HONDA")
    assert [warning["code"] for warning in body["warnings"]] == ["not_confirmed"]


def test_an_answer_is_asked_for_once_in_thirty_days(client: APIClient, vpic: VpicServer) -> None:
    vpic.add_vin(VIN, Make="HONDA")
    first = decode(client)
    assert decode(client) == first
    assert len(vpic.requests) == 1
    row = VinDecode.objects.get()
    assert (row.found, row.expires_at - row.fetched_at) == (True, timedelta(days=30))
    services.decode_vin(vin=VIN, now=timezone.now() + timedelta(days=31))
    assert len(vpic.requests) == 2


def test_a_negative_one_in_one_day(client: APIClient, vpic: VpicServer) -> None:
    assert decode(client)["verified"] is False
    row = VinDecode.objects.get()
    assert (row.found, row.expires_at - row.fetched_at) == (False, timedelta(days=1))
    vpic.add_vin(VIN, Make="HONDA")
    assert services.decode_vin(vin=VIN, now=timezone.now() + timedelta(days=2)).verified is True
    assert VinDecode.objects.count() == 1


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        (Fault.STATUS, {"code": 503}),
        (Fault.STATUS, {"code": 429, "retry_after": 60}),
        (Fault.HTML_200, {}),
        (Fault.TRUNCATED, {}),
        (Fault.REDIRECT, {}),
        (Fault.NO_ROWS, {}),
        (Fault.EMPTY_BODY, {}),
    ],
)
def test_a_provider_that_fails_leaves_our_own_reading(
    client: APIClient, vpic: VpicServer, fault: Fault, options: dict[str, Any]
) -> None:
    vpic.faults.add(fault, **options)
    body = decode(client)
    assert (body["source"], body["verified"], body["attributes"]["make"]) == ("vininfo", False, "Honda")
    assert [warning["code"] for warning in body["warnings"]] == ["provider_unavailable"]
    assert (len(vpic.requests), VinDecode.objects.count()) == (1, 0)


def test_what_a_provider_takes_and_its_failures_are_counted(client: APIClient, vpic: VpicServer) -> None:
    def counted() -> tuple[float, float]:
        names = ("vin_decode_duration_seconds_count", "external_api_errors_total")
        first, second = (REGISTRY.get_sample_value(name, {"provider": "vpic"}) or 0.0 for name in names)
        return first, second

    calls, failures = counted()
    vpic.faults.add(Fault.STATUS, code=503)
    decode(client)
    assert counted() == (calls + 1, failures + 1)


def test_one_that_hangs_is_given_up_and_left_alone_for_a_while(
    client: APIClient, vpic: VpicServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cars.vin_providers.TIMEOUT_S", 1.0)
    vpic.faults.add(Fault.HANG)
    vpic.add_vin(VIN, Make="HONDA")
    assert decode(client)["source"] == "vininfo"
    vpic.faults.clear()
    assert decode(client)["source"] == "vininfo"
    assert len(vpic.requests) == 1
    cache.delete("vin-provider-failed:vpic")
    assert decode(client)["verified"] is True


def test_nothing_listening_is_no_error_either(client: APIClient, settings: Any) -> None:
    settings.VIN_PROVIDER, settings.VIN_API_URL = "vpic", "http://127.0.0.1:9"
    assert decode(client)["warnings"][0]["code"] == "provider_unavailable"


def test_clearvin_is_asked_with_its_key(client: APIClient, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, Any, Any]] = []

    def ask(provider: str, url: str, *, params: Any, headers: Any = None) -> dict[str, Any]:
        asked.append((url, params, headers))
        report = {"vinDecode": {"Make": "Honda", "Model": "Accord", "Year": 2003, "Fuel Type": "Gasoline"}}
        return {"status": "ok", "report": {"id": "1", "vin": VIN, "report": report}}

    monkeypatch.setattr("cars.vin_providers._ask", ask)
    settings.CLEARVIN_API_KEY = "key"
    body = decode(client)
    assert (body["source"], body["verified"], body["attributes"]["fuel_type"]) == ("clearvin", True, "Gasoline")
    url = "https://www.clearvin.com/rest/vendor/report"
    assert asked == [(url, {"vin": VIN}, {"Authorization": "Bearer key"})]


def test_clearvin_may_not_know_it(client: APIClient, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cars.vin_providers._ask", lambda *args, **kwargs: {"status": "error", "message": "No."})
    settings.CLEARVIN_API_KEY = "key"
    assert decode(client)["verified"] is False


@pytest.mark.parametrize("name", ["carfax", "clearvin", ""])
def test_a_provider_that_cannot_be_does_not_start(settings: Any, name: str) -> None:
    settings.VIN_PROVIDER = name
    with pytest.raises(ImproperlyConfigured, match="VIN_PROVIDER"):
        current_provider()


def test_for_some_makes_the_tables_know_more_than_the_maker(client: APIClient) -> None:
    attributes = decode(client, "XTAGFK330JY144213")["attributes"]
    assert (attributes["make"], attributes["model"], attributes["manufacturer"]) == ("Lada", "Vesta", "AvtoVAZ")


def test_questions_are_limited_because_they_may_cost_something(
    client: APIClient, vpic: VpicServer, settings: Any
) -> None:
    settings.DISABLE_THROTTLES, settings.RATE_LIMITS = False, settings.RATE_LIMITS | {"vin": "2/minute"}
    decode(client)
    assert [client.get(f"/api/vin/{VIN}").status_code for _ in range(2)] == [200, 429]


def test_old_answers_are_deleted_daily(client: APIClient, vpic: VpicServer) -> None:
    decode(client)
    kept = VinDecode.objects.create(
        vin=VIN,
        provider="clearvin",
        found=True,
        fetched_at=timezone.now(),
        expires_at=timezone.now() + timedelta(days=1),
    )
    VinDecode.objects.filter(provider="vpic").update(
        fetched_at=kept.fetched_at - timedelta(days=40), expires_at=kept.fetched_at
    )
    clean_up()
    assert list(VinDecode.objects.all()) == [kept]
