"""Parallel guesses: of any number that start at the same moment, five reach the password hash."""

import threading
from functools import partial

import pytest
from django.utils import timezone

from accounts import sign_in
from accounts.models import LoginCounter
from accounts.sign_in import SignInLocked, check_sign_in
from tests.concurrency.race import race
from tests.factories import PASSWORD

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]
GUESSES = 24


@pytest.fixture
def hashed(monkeypatch):
    """Counts the passwords that were compared."""
    counted = []
    monkeypatch.setattr(sign_in, "_password_fits", lambda user, password: bool(counted.append(password)))
    return counted


def guess(user, address, number):
    return check_sign_in(identifier=user.email, password=f"guess-{number}", address=address, now=timezone.now())


def outcomes(user, address="192.0.2.1"):
    return race([partial(guess, user, address, number) for number in range(GUESSES)])


@pytest.mark.fault(
    "F2",
    "24 guesses at one account at once, counted in the database",
    expected="five reach the password's hash, with or without Redis",
)
def test_five_of_many_parallel_guesses_reach_the_hash(user, hashed):
    results = outcomes(user)
    assert len(hashed) == 5
    assert sum(isinstance(result, SignInLocked) for result in results) == GUESSES - 5
    assert results.count(None) == 5
    assert LoginCounter.objects.get(scope="account").failures == 5


def test_counting_after_the_hash_would_let_all_of_them_through(user, hashed, monkeypatch):
    """The control: read the count, hash, then count."""
    everybody_has_read = threading.Barrier(GUESSES)

    def look_first(*, account, address, now):
        locked = LoginCounter.objects.filter(scope="account", failures__gte=5).exists()
        everybody_has_read.wait(timeout=30)
        if locked:
            raise SignInLocked(retry_after=1)

    monkeypatch.setattr(sign_in, "reserve_attempt", look_first)
    outcomes(user)
    assert len(hashed) == GUESSES


def test_twenty_of_many_parallel_guesses_from_one_address_pass(make_user, hashed):
    users = [make_user() for _ in range(30)]
    results = race([partial(guess, user, "192.0.2.1", 0) for user in users])
    assert len(hashed) == 20
    assert sum(isinstance(result, SignInLocked) for result in results) == 10
    # A refused attempt counts for nobody: the others' accounts are as they were.
    assert LoginCounter.objects.filter(scope="account").count() == 20


def test_parallel_right_passwords_leave_no_failure_behind(user):
    def enter():
        return check_sign_in(identifier=user.email, password=PASSWORD, address="192.0.2.1", now=timezone.now())

    assert race([enter] * 5) == [user] * 5
    assert set(LoginCounter.objects.values_list("scope", "failures")) == {("account", 0), ("address", 0)}
