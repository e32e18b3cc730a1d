"""Refunds on their way: handed to their providers, and what these report."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from auctions.models import CreditNote, Refund
from auctions.providers.base import ProviderError, Refunded
from auctions.providers.sandbox import Sandbox
from auctions.services.refunds import (
    retry_refund,
)
from auctions.services.refunds import send_refunds as send_due
from auctions.tasks import send_refunds
from tests.answers import error
from tests.auctions.refunding import approved, figures, has_pass, paid, report, requested, send, statuses
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
URL = "/api/refunds"
IN_TRANSIT = Refunded(provider_ref="re_1", status="in_transit")
TIMEOUT = ProviderError("It did not answer.", is_transient=True)
REFUSAL = ProviderError("The charge is disputed.", is_transient=False)


@pytest.fixture
def client(as_user: Any, finance: User) -> APIClient:
    return as_user(finance)


# --- Sending


def test_other_providers_are_asked_by_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    payment = paid(provider="sandbox")
    refund = approved(payment)
    assert (refund.status, figures(payment)) == ("approved", ("1325.00", "0.00", "100.00"))
    assert not has_pass(payment)
    assert send(monkeypatch, IN_TRANSIT, IN_TRANSIT) == [f"refund-{refund.pk}-1"]
    refund.refresh_from_db()
    assert (refund.status, refund.provider_ref, refund.attempt) == ("in_transit", "re_1", 1)
    assert report(refund, succeeded=True, provider_ref="re_1")
    refund.refresh_from_db()
    assert (refund.status, refund.provider_ref) == ("done", "re_1")
    assert figures(payment) == ("1225.00", "100.00", "100.00")
    assert has_pass(payment)


def test_a_provider_may_answer_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    refund = approved(paid(provider="sandbox"))
    send(monkeypatch, Refunded(provider_ref="re_1", status="done"))
    refund.refresh_from_db()
    assert (refund.status, refund.provider_ref) == ("done", "re_1")


def test_the_sandbox_takes_over_what_the_task_hands_it() -> None:
    refund = approved(paid(provider="sandbox"))
    send_refunds()
    refund.refresh_from_db()
    assert (refund.status, refund.attempt) == ("in_transit", 1)
    assert refund.provider_ref


def test_without_an_answer_it_is_asked_again_under_the_same_key(monkeypatch: pytest.MonkeyPatch) -> None:
    refund = approved(paid(provider="sandbox"))
    keys = send(monkeypatch, TIMEOUT, TIMEOUT, IN_TRANSIT, IN_TRANSIT)
    assert keys == [f"refund-{refund.pk}-1"] * 3
    assert statuses(refund) == ["requested", "approved", "in_transit"]


def test_a_provider_that_fails_for_one_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = approved(paid(provider="sandbox")), approved(paid(provider="sandbox"))
    assert send(monkeypatch, TIMEOUT) == [f"refund-{first.pk}-1", f"refund-{second.pk}-1"]


def test_what_a_provider_refuses_has_failed_and_can_be_sent_again(
    client: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = paid(provider="sandbox")
    refund = approved(payment)
    assert send(monkeypatch, REFUSAL, IN_TRANSIT) == [f"refund-{refund.pk}-1"]
    shown = client.get(f"{URL}/{refund.pk}").json()
    assert (shown["status"], shown["failure"]) == ("failed", "The charge is disputed.")
    assert figures(payment) == ("1325.00", "0.00", "100.00")
    assert not has_pass(payment)
    answer = client.post(f"{URL}/{refund.pk}/retry")
    assert (answer.status_code, answer.json()["status"], answer.json()["attempt"]) == (200, "in_transit", 2)
    assert answer.json()["failure"] == ""
    again = client.post(f"{URL}/{refund.pk}/retry")
    assert (again.status_code, error(again)["meta"]) == (
        409, {"from": "in_transit", "to": "in_transit", "allowed": ["done", "failed"]},
    )  # fmt: skip
    assert send(monkeypatch, Refunded(provider_ref="re_2", status="done")) == [f"refund-{refund.pk}-2"]
    assert figures(payment) == ("1225.00", "100.00", "100.00")
    assert statuses(refund) == ["requested", "approved", "in_transit", "failed", "in_transit", "done"]


def test_a_webhook_may_be_faster_than_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    payment = paid(provider="sandbox")
    refund = approved(payment)

    class Quick:
        def send_refund(self, *args: Any, **kwargs: Any) -> Refunded:
            assert report(refund, succeeded=True, provider_ref="re_1")
            return IN_TRANSIT

    monkeypatch.setattr("auctions.services.refunds.provider_named", lambda name: Quick())
    send_refunds()
    refund.refresh_from_db()
    assert (refund.status, refund.provider_ref) == ("done", "re_1")
    assert figures(payment) == ("1225.00", "100.00", "100.00")


def test_what_was_taken_over_meanwhile_has_not_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two sweeps one is told that the other's request is being carried out."""
    refund = approved(paid(provider="sandbox"))

    class Beaten:
        def send_refund(self, *args: Any, **kwargs: Any) -> Refunded:
            Refund.objects.filter(pk=refund.pk).update(provider_ref="re_1")
            raise REFUSAL

    monkeypatch.setattr("auctions.services.refunds.provider_named", lambda name: Beaten())
    send_refunds()
    refund.refresh_from_db()
    assert (refund.status, refund.provider_ref) == ("in_transit", "re_1")


def test_one_that_is_not_heard_of_for_a_day_is_asked_for() -> None:
    payment = paid(provider="sandbox")
    refund = approved(payment)
    send_refunds()
    now = timezone.now() + timedelta(days=1)
    assert send_due(now=now - timedelta(minutes=1)).done == 0
    assert send_due(now=now).done == 1
    refund.refresh_from_db()
    assert (refund.status, figures(payment)) == ("done", ("1225.00", "100.00", "100.00"))
    assert has_pass(payment)


def test_one_that_takes_longer_is_asked_for_once_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    refund = approved(paid(provider="sandbox"))
    send_refunds()
    asked: list[int] = []
    look_up = Sandbox.look_up

    def pending(self: Sandbox, row: Any) -> Any:
        asked.append(row.pk)
        return replace(look_up(self, row), status="in_transit")

    monkeypatch.setattr(Sandbox, "look_up", pending)
    now = timezone.now() + timedelta(days=1)
    for hours in (0, 1, 23, 24):
        assert send_due(now=now + timedelta(hours=hours)).done == 0
    assert asked == [refund.pk] * 2
    assert statuses(refund)[-1] == "in_transit"


# --- Reports


def test_reports_come_twice_and_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    payment = paid(provider="sandbox")
    refund = approved(payment)
    send(monkeypatch, IN_TRANSIT)
    assert report(refund, succeeded=True, provider_ref="re_1")
    assert not report(refund, succeeded=True, provider_ref="re_1")
    assert not report(refund, succeeded=False, provider_ref="re_1")
    assert figures(payment) == ("1225.00", "100.00", "100.00")
    assert CreditNote.objects.count() == 1


def test_a_report_on_what_was_never_sent_changes_nothing() -> None:
    payment = paid(provider="sandbox")
    for refund in (requested(payment), approved(payment)):
        assert not report(refund, succeeded=True, provider_ref="re_1")
        refund.refresh_from_db()
        assert refund.status in ("requested", "approved")
    assert figures(payment) == ("1325.00", "0.00", "100.00")


@pytest.mark.parametrize("taken_over", [False, True])
def test_a_late_report_on_an_earlier_attempt_changes_nothing(monkeypatch: pytest.MonkeyPatch, taken_over: bool) -> None:
    refund = approved(paid(provider="sandbox"))
    send(monkeypatch, IN_TRANSIT)
    assert report(refund, succeeded=False, provider_ref="re_1", failure="Closed account.")
    retry_refund(refund_id=refund.pk, actor=UserFactory(), now=timezone.now())
    if taken_over:
        send(monkeypatch, Refunded(provider_ref="re_2", status="in_transit"))
    assert not report(refund, succeeded=False, provider_ref="re_1", failure="Closed account.")
    refund.refresh_from_db()
    assert (refund.status, refund.attempt) == ("in_transit", 2)
    assert report(refund, succeeded=True, provider_ref="re_2")
