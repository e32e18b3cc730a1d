"""One key, fifty requests at once over HTTP: one effect. The others get its answer; on PostgreSQL some are told to
wait for it, on SQLite they wait."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from threading import Barrier
from unittest import mock

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.idempotency import _lock
from accounts.models import IdempotencyRecord, Notification, User
from accounts.tokens import issue_tokens
from tests.concurrency.race import race
from tests.concurrency.served import served

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.accounts.idempotent")]
AT_ONCE = 50
Answer = tuple[int, str, bytes]


@pytest.fixture
def post(user) -> Iterator[Callable[[str], Answer]]:
    """Sends the command with a key; answers (status, whether replayed, body)."""
    token = issue_tokens(user=user, now=timezone.now()).access

    def send(key: str) -> Answer:
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Idempotency-Key": key,
        }
        request = urllib.request.Request(f"{url}/api/trace", b"{}", headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.headers.get("Idempotency-Replayed", ""), answer.read()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.headers.get("Retry-After", ""), refused.read()

    with served() as url:
        yield send


def effects(user: User) -> int:
    return Notification.objects.filter(user=user, kind="trace").count()


@pytest.mark.fault("F24", "fifty requests with one key", expected="one effect, the same answer")
def test_fifty_requests_with_one_key_have_one_effect(post, user):
    results = race([partial(post, "same")] * AT_ONCE)
    assert not [result for result in results if isinstance(result, Exception)]
    statuses = Counter(status for status, _, _ in results)
    assert set(statuses) <= ({201, 409} if connection.vendor == "postgresql" else {201})
    assert effects(user) == IdempotencyRecord.objects.count() == 1
    assert len({body for status, _, body in results if status == 201}) == 1
    assert sum(status == 201 and not replayed for status, replayed, _ in results) == 1
    assert all(wait == "1" and b"idempotency_in_progress" in body for status, wait, body in results if status == 409)
    assert post("same")[:2] == (201, "true")


def test_keys_of_their_own_do_not_hinder_each_other(post, user):
    results = race([partial(post, f"own-{number}") for number in range(20)])
    assert Counter(status for status, _, _ in results) == {201: 20}
    assert effects(user) == 20


@pytest.mark.postgres
def test_without_the_lock_some_carry_it_out_in_vain(post, user):
    """The control: the lock lets everybody pass. Only the unique constraint is left, after the work is done, and it
    answers those who lost with an error instead of what they are owed."""
    all_have_passed = Barrier(10)

    def let_pass(**_: object) -> None:
        all_have_passed.wait(timeout=30)

    with mock.patch("accounts.idempotency._lock", let_pass):
        results = race([partial(post, "same")] * 10)
    statuses = Counter(status for status, _, _ in results)
    assert statuses[409] > 0, statuses  # Who came late found the record, as one does without any race.
    assert statuses[201] + statuses[409] == 10
    assert not any(b"idempotency_in_progress" in body for _, _, body in results)


@pytest.mark.postgres
def test_while_the_first_request_runs_the_second_is_told_to_wait(post, user):
    """The first one's transaction is held open here, by its lock."""
    with transaction.atomic():
        _lock(user_id=user.pk, method="POST", path="/api/trace", key="held")
        assert post("held")[:2] == (409, "1")
    assert post("held")[:2] == (201, "")
    assert effects(user) == 1
