"""Rings for sweeps that many transactions ring for."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from unittest import mock

import pytest
from django.db import transaction

from common import doorbell
from common.circuit import Circuit
from common.doorbell import ring_now_and_then

TASK = "some.tasks.sweep"


@pytest.fixture
def clock() -> Iterator[SimpleNamespace]:
    """A monotonic clock that a test moves."""
    hands = SimpleNamespace(at=100.0)
    with (
        mock.patch.object(doorbell, "_next_turns", {}),
        mock.patch.object(doorbell, "broker", Circuit("broker", event="doorbell")),
        mock.patch.object(doorbell.time, "monotonic", side_effect=lambda: hands.at),
    ):
        yield hands


@pytest.fixture
def sent() -> Iterator[mock.Mock]:
    with mock.patch.object(doorbell.current_app, "send_task") as send:
        yield send


def ring(clock: SimpleNamespace, at: float, task: str = TASK) -> None:
    clock.at = 100.0 + at
    doorbell._ring_in_turn(task)


def test_the_first_goes_at_once_one_more_waits_and_stands_for_the_rest(clock, sent):
    for tenth in range(10):
        ring(clock, tenth / 10)
    now, later = sent.call_args_list
    assert now == mock.call(TASK, args=(), countdown=None)
    assert later.kwargs["countdown"] == pytest.approx(0.9)


def test_whatever_is_rung_a_sweep_runs_after_it_and_there_is_one_a_second(clock, sent):
    runs: list[float] = []
    sent.side_effect = lambda *_, countdown, **__: runs.append(clock.at - 100.0 + (countdown or 0.0))
    for hundredth in range(1000):
        ring(clock, hundredth / 100)
        assert runs[-1] >= hundredth / 100
    assert len(runs) <= 11


def test_each_sweep_has_turns_of_its_own(clock, sent):
    ring(clock, 0.0)
    ring(clock, 0.0, "other.tasks.sweep")
    assert sent.call_args_list == [mock.call(name, args=(), countdown=None) for name in (TASK, "other.tasks.sweep")]


@pytest.mark.django_db(transaction=True)
def test_it_rings_after_the_commit_and_not_after_a_rollback(clock, sent):
    with transaction.atomic():
        ring_now_and_then(TASK)
        transaction.set_rollback(True)
    sent.assert_not_called()
    with transaction.atomic():
        ring_now_and_then(TASK)
        sent.assert_not_called()
    sent.assert_called_once()


def test_a_broker_that_is_down_costs_no_request_anything(clock, sent):
    sent.side_effect = ConnectionError
    ring(clock, 0.0)
    ring(clock, 2.0)
    assert sent.call_count == 1
