"""Two transactions that lock the same two rows in opposite orders."""

from __future__ import annotations

from threading import Barrier

import pytest
from django.db import OperationalError, transaction

from accounts.idempotency import atomically
from accounts.models import User
from tests.concurrency.race import race

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]


class Opponent:
    """Locks `first`, waits until the other one has its first, then locks `second`; on later attempts it does not
    wait."""

    def __init__(self, first: User, second: User, both_hold_one: Barrier) -> None:
        self.order, self.both_hold_one, self.attempts = (first.pk, second.pk), both_hold_one, 0

    def __call__(self) -> int:
        self.attempts += 1
        for number, pk in enumerate(self.order):
            User.objects.select_for_update().get(pk=pk)
            if number == 0 and self.attempts == 1:
                self.both_hold_one.wait(timeout=30)
        return self.attempts


def opponents(user: User, other_user: User) -> list[Opponent]:
    barrier = Barrier(2)
    return [Opponent(user, other_user, barrier), Opponent(other_user, user, barrier)]


@pytest.mark.fault(
    "F25", "two requests that lock in opposite orders", expected="the victim is tried again, both succeed"
)
def test_the_victim_of_a_deadlock_is_tried_again(user, other_user):
    results = race([lambda work=work: atomically(work) for work in opponents(user, other_user)])
    assert max(results) > 1  # Somebody was the victim, and both came through.


def test_without_the_retry_one_of_them_fails(user, other_user):
    """The control."""

    def once(work: Opponent) -> int:
        with transaction.atomic():
            return work()

    results = race([lambda work=work: once(work) for work in opponents(user, other_user)])
    assert sum(isinstance(result, OperationalError) for result in results) == 1
