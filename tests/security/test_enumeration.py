"""Nobody learns from an answer, or from the work behind it, who has an account."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.test import Client
from rest_framework.test import APIClient

from tests.conftest import MakeUser
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db
PEOPLE = {"wrong": "alice@example.com", "inactive": "gone@example.com", "unknown": "nobody@example.com"}
VARYING = {"X-Request-ID", "Set-Cookie"}


@pytest.fixture
def people(make_user: MakeUser) -> None:
    make_user(email=PEOPLE["wrong"])
    make_user(email=PEOPLE["inactive"], is_active=False)


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every password that is hashed."""
    done: list[str] = []
    encode = MD5PasswordHasher.encode

    def counted(self: MD5PasswordHasher, password: str, salt: str) -> str:
        done.append(password)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", counted)
    return done


def token(email: str, password: str) -> Any:
    return APIClient().post("/api/auth/login", {"email": email, "password": password}, format="json")


def session(email: str, password: str) -> Any:
    return Client().post("/api/session/login", {"username": email, "password": password})


def admin(email: str, password: str) -> Any:
    return Client().post("/admin/login/", {"username": email, "password": password})


@pytest.mark.parametrize("sign_in", [token, session, admin])
def test_every_failed_sign_in_costs_one_hash(
    people: None, hashes: list[str], sign_in: Callable[[str, str], Any]
) -> None:
    work = {}
    for who, email in PEOPLE.items():
        before = len(hashes)
        answer = sign_in(email, PASSWORD if who == "inactive" else "not-the-password-9")
        work[who] = (len(hashes) - before, answer.status_code, set(answer.headers) - VARYING)
    assert work["wrong"][0] == 1
    assert work["wrong"] == work["inactive"] == work["unknown"]


def test_asking_for_a_reset_looks_and_costs_the_same(people: None, hashes: list[str]) -> None:
    ask = {
        who: APIClient().post("/api/auth/password-reset", {"email": email}, format="json")
        for who, email in PEOPLE.items()
    }
    assert {(answer.status_code, answer.content, tuple(sorted(answer.headers))) for answer in ask.values()} == {
        (202, b"{}", tuple(sorted(ask["wrong"].headers)))
    }
    assert hashes == []
