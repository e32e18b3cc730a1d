"""Estimates that run out: the staff are told once, and only when somebody still had to decide."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from accounts.models import Notification, User
from tests.workshop.estimates import jobs_of, sent_estimate
from workshop.models import EstimateLink, Job, ServiceTicket
from workshop.services import estimates
from workshop.tasks import expire_estimates

pytestmark = pytest.mark.django_db


@pytest.fixture
def advisor(make_user: Any) -> User:
    return make_user(roles=["service_advisor"])


@pytest.fixture
def link(advisor: User) -> EstimateLink:
    """One that ran out a moment ago."""
    return expire(sent_estimate())


def expire(link: EstimateLink) -> EstimateLink:
    EstimateLink.objects.filter(pk=link.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    return link


def told() -> list[str]:
    return list(Notification.objects.filter(kind="estimate_expired").values_list("title", flat=True))


def test_the_staff_are_told_once(link: EstimateLink) -> None:
    expire_estimates()
    expire_estimates()
    assert told() == [f"The estimate {link.ticket.number} ran out undecided"]
    assert link.ticket.events.get(kind="estimate_expired").via == "system"
    link.refresh_from_db()
    assert link.expiry_noted_at is not None
    assert [job.state for job in jobs_of(link)] == ["authorisation_required"] * 2


def test_one_that_is_good_still_is_left_alone(advisor: User) -> None:
    sent_estimate()
    expire_estimates()
    assert told() == []
    assert EstimateLink.objects.filter(expiry_noted_at=None).count() == 1


@pytest.mark.parametrize("fact", ["decided", "replaced", "closed", "revoked"])
def test_what_nobody_waits_for_is_passed_over(link: EstimateLink, fact: str) -> None:
    if fact == "decided":
        Job.objects.update(state="declined")
    elif fact == "replaced":
        estimates.send_estimate(ticket=link.ticket, actor=User.objects.first(), now=timezone.now())
    elif fact == "closed":
        ServiceTicket.objects.update(status="cancelled")
    else:
        EstimateLink.objects.update(revoked_at=timezone.now())
    expire_estimates()
    assert told() == []
    assert not estimates.tickets_with_expired_links(now=timezone.now()).exists()


def test_sent_again_and_run_out_again_the_staff_are_told_again(link: EstimateLink, advisor: User) -> None:
    expire_estimates()
    expire(estimates.send_estimate(ticket=link.ticket, actor=advisor, now=timezone.now()))
    expire_estimates()
    assert len(told()) == 2


def test_the_sweep_is_scheduled() -> None:
    assert PeriodicTask.objects.filter(task="workshop.tasks.expire_estimates", enabled=True).count() == 1
