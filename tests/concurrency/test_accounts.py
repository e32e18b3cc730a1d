"""The same account made, and administrators ended, at the same moment."""

from functools import partial

import pytest
from django.utils import timezone

from accounts import clerk, services
from accounts.clerk import ClerkIdentity, sign_in_by_clerk
from accounts.models import Notification, TokenFamily, User
from accounts.services import EmailTaken, LastAdministrator, register_user, update_account
from tests.concurrency.race import race

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]


def kinds(results):
    return sorted(type(result).__name__ for result in results)


def test_one_address_registers_once(db):
    spellings = ["new@example.com", "NEW@example.com", "New@Example.Com"] * 4
    results = race(
        [partial(register_user, email=email, password="violet-harbour-42", now=timezone.now()) for email in spellings]
    )
    assert sum(isinstance(result, EmailTaken) for result in results) == len(spellings) - 1, kinds(results)
    counts = [model.objects.count() for model in (User, Notification, TokenFamily)]
    assert counts == [1, 1, 1]


def test_one_person_of_clerk_gets_one_account(db, monkeypatch):
    identity = ClerkIdentity(user_id="user_1", email="ann@example.com", email_verified=True)
    monkeypatch.setattr(clerk, "verify_session_token", lambda token: identity)
    results = race([partial(sign_in_by_clerk, token="", said={}, now=timezone.now())] * 8)
    assert {result[0].pk for result in results} == {User.objects.get().pk}


def test_administrators_who_end_each_other_leave_one(make_user):
    users = [make_user(is_superuser=True) for _ in range(6)]
    results = race(
        [partial(update_account, user_id=user.pk, changes={"is_active": False}, now=timezone.now()) for user in users]
    )
    assert sum(isinstance(result, LastAdministrator) for result in results) == 1, kinds(results)
    assert User.objects.filter(is_superuser=True, is_active=True).count() == 1


def test_without_the_locks_nobody_would_be_left(make_user, monkeypatch):
    """The control: each looks before anybody has written."""
    users = [make_user(is_superuser=True) for _ in range(6)]
    seen = {user.pk for user in users}
    monkeypatch.setattr(services, "lock_administrators", lambda: seen)
    race([partial(update_account, user_id=user.pk, changes={"is_active": False}, now=timezone.now()) for user in users])
    assert not User.objects.filter(is_superuser=True, is_active=True).exists()
