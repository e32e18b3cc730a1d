"""One person's API keys, made at the same moment."""

from __future__ import annotations

import threading
from functools import partial

import pytest
from django.db import IntegrityError
from django.utils import timezone

from accounts import api_keys, services
from accounts.api_keys import MOST_LIVE, ApiKeyNameTaken, TooManyApiKeys, create_api_key
from accounts.models import ApiKey, User
from accounts.services import TokenRefused, end_sessions
from tests.concurrency.race import errors, race

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]
AT_ONCE = 8


def make_all_but_one(user: User) -> None:
    for number in range(MOST_LIVE - 1):
        create_api_key(user=user, name=f"Old {number}", now=timezone.now())


def makers(user: User, names: list[str]) -> list[partial]:
    return [partial(create_api_key, user=user, name=name, now=timezone.now()) for name in names]


def test_nobody_gets_past_the_limit(user: User) -> None:
    make_all_but_one(user)
    results = race(makers(user, [f"New {number}" for number in range(AT_ONCE)]))
    assert errors(results) == [TooManyApiKeys] * (AT_ONCE - 1)
    assert ApiKey.objects.count() == MOST_LIVE


def test_without_the_lock_everybody_would(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: each has counted before anybody has written."""
    make_all_but_one(user)
    all_counted = threading.Barrier(AT_ONCE)
    monkeypatch.setattr(api_keys, "lock_user", lambda user_id: User.objects.get(pk=user_id))
    monkeypatch.setattr(api_keys, "_check_name", lambda *_, **__: all_counted.wait(timeout=30))
    assert errors(race(makers(user, [f"New {number}" for number in range(AT_ONCE)]))) == []
    assert ApiKey.objects.count() == MOST_LIVE - 1 + AT_ONCE


def test_a_name_is_given_once(user: User) -> None:
    assert errors(race(makers(user, ["Screen"] * AT_ONCE))) == [ApiKeyNameTaken] * (AT_ONCE - 1)


def test_without_the_lock_the_constraint_decides(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    all_looked = threading.Barrier(AT_ONCE)
    monkeypatch.setattr(api_keys, "lock_user", lambda user_id: User.objects.get(pk=user_id))
    monkeypatch.setattr(api_keys, "_check_name", lambda *_, **__: all_looked.wait(timeout=30))
    assert errors(race(makers(user, ["Screen"] * AT_ONCE))) == [IntegrityError] * (AT_ONCE - 1)
    assert ApiKey.objects.count() == 1


def test_no_key_outlives_the_end_of_all_sessions(user: User) -> None:
    """Whoever is signed in with what ends at this moment leaves no key behind."""
    enders = [partial(end_sessions, user_id=user.pk, now=timezone.now())]
    results = race(makers(user, [f"New {number}" for number in range(AT_ONCE)]) + enders)
    assert set(errors(results)) <= {TokenRefused}
    assert not ApiKey.objects.live(now=timezone.now()).exists()


def test_a_key_that_is_asked_for_with_an_ended_session_is_refused(user: User) -> None:
    """The same, with the order of the two decided."""
    loaded = User.objects.get(pk=user.pk)
    services.end_sessions(user_id=user.pk, now=timezone.now())
    with pytest.raises(TokenRefused):
        create_api_key(user=loaded, name="Late", now=timezone.now())
