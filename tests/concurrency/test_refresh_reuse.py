"""One refresh token presented many times at once: one new pair at most, and the family is dead afterwards."""

import threading
from functools import partial

import pytest
from django.db.models import QuerySet
from django.utils import timezone

from accounts import tokens
from accounts.models import TokenFamily
from accounts.services import change_password
from accounts.tokens import InvalidToken, RefreshToken, issue_tokens, rotate_tokens
from tests.concurrency.race import race
from tests.factories import PASSWORD

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]
CALLERS = 12


@pytest.fixture
def pair(user):
    return issue_tokens(user=user, now=timezone.now())


def rotate(refresh):
    return rotate_tokens(encoded=refresh, now=timezone.now())


def pairs_of(results):
    assert all(isinstance(result, tuple | InvalidToken) for result in results), results
    return [result[1] for result in results if isinstance(result, tuple)]


def test_one_of_many_gets_a_pair_and_then_all_are_dead(pair):
    new = pairs_of(race([partial(rotate, pair.refresh)] * CALLERS))
    assert len(new) == 1
    family = TokenFamily.objects.get()
    assert family.revoked_reason == "reuse"
    with pytest.raises(InvalidToken):
        rotate(new[0].refresh)


def test_without_the_row_lock_each_would_get_a_pair(pair, monkeypatch):
    """The control: nobody locks, and all have compared the token before anybody writes."""
    everybody_has_compared = threading.Barrier(CALLERS)

    class SlowToken(RefreshToken):
        def __init__(self, token=None, **kwargs):
            super().__init__(token, **kwargs)
            if token is None:
                everybody_has_compared.wait(timeout=30)

    monkeypatch.setattr(tokens, "RefreshToken", SlowToken)
    monkeypatch.setattr(QuerySet, "select_for_update", lambda queryset, **kwargs: queryset)
    assert len(pairs_of(race([partial(rotate, pair.refresh)] * CALLERS))) == CALLERS


def test_a_refresh_that_meets_a_change_of_password_brings_nothing_that_lasts(user, pair, api):
    def change():
        return change_password(
            user=user, current_password=PASSWORD, new_password="copper-lantern-77", address="", now=timezone.now()
        )

    results = race([change, *[partial(rotate, pair.refresh)] * 3])
    assert results[0] is None
    for new in pairs_of(results[1:]):
        assert api.get("/api/auth/me", HTTP_AUTHORIZATION=f"Bearer {new.access}").status_code == 401
        with pytest.raises(InvalidToken):
            rotate(new.refresh)
