"""A customer at the link while the workshop works on the ticket."""

from __future__ import annotations

import threading
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.utils import timezone

from accounts.idempotency import atomically
from accounts.models import User
from tests.concurrency.race import race
from tests.factories import UserFactory
from tests.workshop.estimates import jobs_of, sent_estimate
from workshop.models import EstimateLink, Part, PartLine, ServiceTicket, StockMovement
from workshop.services import estimates, lines, tickets
from workshop.services.estimates import EstimateSuperseded, JobNotOpen
from workshop.services.states import TicketClosed, lock_ticket

pytestmark = pytest.mark.django_db(transaction=True)

AT_ONCE = 6


def decide(link: EstimateLink, *decisions: str) -> Any:
    said = [{"job": job.pk, "decision": decision} for job, decision in zip(jobs_of(link), decisions, strict=False)]
    token = estimates.token_of(link)
    return partial(atomically, lambda: estimates.decide_estimate(token=token, decisions=said, now=timezone.now()))


def send(link: EstimateLink, actor: User) -> Any:
    return partial(atomically, lambda: estimates.send_estimate(ticket=link.ticket, actor=actor, now=timezone.now()))


def only_read(at_once: threading.Barrier) -> Any:
    """In the place of `lock_ticket`: all have the ticket, none has its lock."""

    def read(ticket_id: int) -> ServiceTicket:
        ticket = ServiceTicket.objects.get(pk=ticket_id)
        at_once.wait(timeout=30)
        return ticket

    return read


def test_of_answers_at_the_same_moment_one_counts() -> None:
    link = sent_estimate()
    results = race([decide(link, "authorise", "decline") for _ in range(AT_ONCE)])
    assert sum(isinstance(result, JobNotOpen) for result in results) == AT_ONCE - 1
    assert StockMovement.objects.filter(kind="reserve").count() == 1
    assert Part.objects.get().reserved == Decimal(2)
    assert link.ticket.events.filter(kind="estimate_decided").count() == 1


@pytest.mark.postgres
def test_without_the_lock_several_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control."""
    link = sent_estimate()
    monkeypatch.setattr(estimates, "lock_ticket", only_read(threading.Barrier(2)))
    race([decide(link, "decline", "decline") for _ in range(2)])
    assert link.ticket.events.filter(kind="estimate_decided").count() == 2


def test_an_answer_never_meets_another_version_than_it_was_given_to() -> None:
    """Sending again beside a decision: either it came first, or it is refused."""
    for _ in range(5):
        link = sent_estimate()
        decided, _sent = race([decide(link, "authorise"), send(link, UserFactory())])
        noted = link.ticket.events.filter(kind="estimate_decided")
        if isinstance(decided, EstimateSuperseded):
            assert not noted.exists()
        else:
            assert not isinstance(decided, Exception), decided
            assert noted.get().new == str(link.version)
            assert noted.get().pk < link.ticket.events.filter(kind="estimate_sent").latest("pk").pk


@pytest.mark.postgres
def test_without_the_lock_a_void_estimate_is_agreed_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the answer has read the ticket, then the estimate is sent again, then the answer goes on."""
    link = sent_estimate()
    sender = UserFactory()

    def read_and_be_overtaken(ticket_id: int) -> ServiceTicket:
        ticket = ServiceTicket.objects.get(pk=ticket_id)
        monkeypatch.setattr(estimates, "lock_ticket", lock_ticket)
        thread = threading.Thread(target=lambda: race([send(link, sender)]))
        thread.start()
        thread.join()
        return ticket

    monkeypatch.setattr(estimates, "lock_ticket", read_and_be_overtaken)
    decide(link, "decline")()
    assert link.ticket.events.get(kind="estimate_decided").new == "1"
    assert EstimateLink.objects.filter(ticket=link.ticket).count() == 2


def test_a_price_that_changes_at_the_same_moment_is_never_agreed_to() -> None:
    """Either the answer is refused, or the change came after it and asks the customer again."""
    for _ in range(5):
        link = sent_estimate()
        brakes, _ = jobs_of(link)
        facts = {"line": brakes.labour_lines.get(), "data": {"hours": Decimal(9)}, "actor": UserFactory()}
        change = partial(atomically, partial(lines.update_line, now=timezone.now(), **facts))
        decided, changed = race([decide(link, "authorise"), change])
        assert not isinstance(changed, Exception), changed
        assert isinstance(decided, EstimateSuperseded | estimates.Estimate), decided
        brakes.refresh_from_db()
        assert brakes.state == "authorisation_required"
        assert brakes.part_lines.get().stock == "none"


def test_sent_by_many_at_once_each_link_has_a_version_and_one_counts() -> None:
    link = sent_estimate()
    advisors = UserFactory.create_batch(AT_ONCE)
    links = race([send(link, advisor) for advisor in advisors])
    assert sorted(sent.version for sent in links) == list(range(2, AT_ONCE + 2))  # type: ignore[union-attr]
    assert ServiceTicket.objects.get().estimate_version == AT_ONCE + 1


def test_an_answer_and_a_cancellation_leave_nothing_reserved() -> None:
    for _ in range(5):
        link = sent_estimate()
        facts = {"ticket": link.ticket, "reason": "", "consumed_parts": None, "actor": UserFactory()}
        cancel = partial(atomically, partial(tickets.cancel_ticket, now=timezone.now(), **facts))
        decided, cancelled = race([decide(link, "authorise", "authorise"), cancel])
        assert not isinstance(cancelled, Exception), cancelled
        assert isinstance(decided, TicketClosed | estimates.Estimate)
        assert ServiceTicket.objects.get(pk=link.ticket_id).status == "cancelled"
        assert not PartLine.objects.filter(stock="reserved").exists()
        assert set(Part.objects.values_list("reserved", flat=True)) == {0}
