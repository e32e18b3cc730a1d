"""Every failure has one shape, the right status, and no word about the inside."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.test import RequestFactory
from rest_framework.test import APIClient

from common import handler
from common.errors import Conflict, InvalidTransition, Unprocessable, error_body, error_response
from common.transitions import check_transition

urls = pytest.mark.urls("tests.common.urls")


@urls
@pytest.mark.parametrize(
    ("kind", "status", "kind_of_error", "code"),
    [
        ("conflict", 409, "client_error", "lot_full"),
        ("unprocessable", 422, "validation_error", "end_before_start"),
        ("credentials", 401, "client_error", "authentication_failed"),
        ("unavailable", 503, "server_error", "service_unavailable"),
        ("unique", 409, "client_error", "unique"),
        ("password", 422, "validation_error", "password_too_short"),
        ("mixed", 400, "validation_error", "invalid"),
        ("integrity", 409, "client_error", "unique"),
        ("protected", 409, "client_error", "protected"),
        ("data", 400, "validation_error", "invalid"),
        ("operational", 503, "server_error", "service_unavailable"),
        ("interface", 503, "server_error", "service_unavailable"),
        ("bug", 500, "server_error", "error"),
    ],
)
def test_a_failure_has_its_status_and_says_nothing_of_the_inside(
    api: APIClient, kind: str, status: int, kind_of_error: str, code: str
) -> None:
    api.raise_request_exception = False
    response = api.get(f"/api/failures/{kind}")
    answer = response.json()

    assert (response.status_code, answer["type"], answer["errors"][0]["code"]) == (status, kind_of_error, code)
    assert set(answer) == {"type", "errors"}
    assert b"secret" not in response.content


@urls
def test_headers_tell_when_to_come_back_and_how_to_sign_in(api: APIClient) -> None:
    assert api.get("/api/failures/unavailable")["Retry-After"] == "3"
    assert int(api.get("/api/failures/operational")["Retry-After"]) >= 1
    assert api.get("/api/failures/credentials")["WWW-Authenticate"].startswith("Bearer")


@urls
def test_a_refusal_carries_its_facts_inside_the_error(api: APIClient) -> None:
    error = api.get("/api/failures/conflict").json()["errors"][0]

    assert error == {"code": "lot_full", "detail": "No.", "attr": None, "meta": {"free": 0}}
    assert api.get("/api/failures/unprocessable").json()["errors"][0]["attr"] == "end"


@pytest.mark.parametrize(
    ("codes", "status"),
    [
        ({"unique"}, 409),
        ({"unique", "does_not_exist"}, 422),
        ({"does_not_exist", "required"}, 400),
        ({"invalid_reference"}, 422),
        ({"password_too_common", "password_entirely_numeric"}, 422),
        ({"unique", "blank"}, 400),
    ],
)
def test_a_broken_schema_outweighs_nonsense_and_that_outweighs_a_duplicate(codes: set[str], status: int) -> None:
    assert handler.validation_status(codes) == status


def test_a_domain_error_may_be_made_more_precise() -> None:
    error = Conflict("Taken.", code="email_taken", attr="email", meta={"existing_id": 7})

    assert (error.status, error.code, str(error)) == (409, "email_taken", "Taken.")
    assert (Unprocessable().code, Unprocessable(code="end_before_start").code) == ("semantic", "end_before_start")
    assert Conflict.code == "conflict"


def test_a_move_that_the_machine_lacks_names_the_possible_ones() -> None:
    allowed = {"open": {"closed", "paused"}, "closed": ()}
    check_transition(current="open", to="closed", allowed=allowed)

    with pytest.raises(InvalidTransition) as caught:
        check_transition(current="open", to="sold", allowed=allowed)
    assert caught.value.meta == {"from": "open", "to": "sold", "allowed": ["closed", "paused"]}
    with pytest.raises(InvalidTransition):
        check_transition(current="closed", to="open", allowed=allowed)


def test_outside_the_views_the_body_is_the_same() -> None:
    response = error_response(413, "too_large", "Too large.", headers={"Retry-After": "1"})

    assert (response.status_code, response["Content-Type"], response["Retry-After"]) == (413, "application/json", "1")
    assert error_body(422, "a", "b")["type"] == "validation_error"


def test_a_database_that_is_away_is_503_outside_the_views_too(rf: RequestFactory) -> None:
    def raised(error: Exception) -> Any:
        try:
            raise error
        except Exception:
            return handler.server_error(rf.get("/api/cars"))

    assert raised(OperationalError("secret")).status_code == 503
    assert raised(RuntimeError("secret")).status_code == 500
    assert handler.permission_denied(rf.get("/api/x"), PermissionDenied()).status_code == 403
    assert handler.bad_request(rf.get("/api/x"), Exception()).status_code == 400
