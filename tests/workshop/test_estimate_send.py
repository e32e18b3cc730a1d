"""Sending an estimate and revoking it: /api/workshop/service-tickets/{id}/send and /revoke-estimate."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from accounts import notifications
from accounts.models import Notification, User
from tests.factories import UserFactory
from tests.workshop.factories import FeeLineFactory, JobFactory, LabourLineFactory, TicketFactory
from workshop.models import EstimateLink, Job, ServiceTicket

pytestmark = pytest.mark.django_db


@pytest.fixture
def advisor(make_user: Any, as_user: Any) -> APIClient:
    return as_user(make_user(roles=["service_advisor"]))


@pytest.fixture
def ticket(user: User) -> ServiceTicket:
    """A draft of a customer with an account, with one proposed job of 90.00 and 20 % of tax."""
    ticket = TicketFactory(customer__user=user)
    LabourLineFactory(job__ticket=ticket)
    return ticket


def send(client: APIClient, ticket: ServiceTicket, **options: Any) -> Any:
    return client.post(f"/api/workshop/service-tickets/{ticket.pk}/send", **options)


def revoke(client: APIClient, ticket: ServiceTicket) -> Any:
    return client.post(f"/api/workshop/service-tickets/{ticket.pk}/revoke-estimate")


def estimate(token: str) -> Any:
    return APIClient().get(f"/api/workshop/estimates/{token}")


def code(answer: Any) -> str:
    return answer.json()["errors"][0]["code"]


def test_proposed_jobs_wait_for_the_customer_from_then_on(advisor: APIClient, ticket: ServiceTicket) -> None:
    answer = send(advisor, ticket)
    assert answer.status_code == 200, answer.content
    shown = answer.json()
    assert (shown["id"], shown["status"]) == (ticket.pk, "awaiting_authorisation")
    assert [job["state"] for job in shown["jobs"]] == ["authorisation_required"]
    token, url = shown["estimate"]["token"], shown["estimate"]["url"]
    assert url == f"http://localhost:8000/estimates/{token}"
    assert estimate(token).status_code == 200
    kinds = list(ticket.events.order_by("id").values_list("kind", flat=True))
    assert kinds == ["job_state", "status", "estimate_sent", "estimate_opened"]


def test_the_link_is_good_for_14_days(advisor: APIClient, ticket: ServiceTicket) -> None:
    send(advisor, ticket)
    link = EstimateLink.objects.get()
    assert link.expires_at - link.created_at == timedelta(days=14)


def test_the_customer_is_told_and_the_row_holds_no_secret(
    advisor: APIClient, ticket: ServiceTicket, user: User
) -> None:
    link = send(advisor, ticket).json()["estimate"]
    row = Notification.objects.get(user=user)
    assert (row.kind, row.data["ticket"]) == ("estimate_ready", ticket.pk)
    assert link["token"] not in f"{row.title} {row.body} {row.data}"
    notifications.deliver(notification_id=row.pk, now=timezone.now())
    (message,) = mail.outbox
    assert link["url"] in message.body


def test_a_walk_in_gets_the_link_by_mail(advisor: APIClient) -> None:
    job = FeeLineFactory(job__ticket__customer__email="walk.in@example.com").job
    link = send(advisor, job.ticket).json()["estimate"]
    notifications.deliver(notification_id=Notification.objects.get().pk, now=timezone.now())
    (message,) = mail.outbox
    assert message.to == ["walk.in@example.com"]
    assert link["url"] in message.body


def test_no_mail_goes_out_for_a_link_that_is_void_by_then(advisor: APIClient, ticket: ServiceTicket) -> None:
    send(advisor, ticket)
    revoke(advisor, ticket)
    notifications.deliver(notification_id=Notification.objects.get().pk, now=timezone.now())
    assert mail.outbox == []


def test_sent_again_the_new_link_counts_and_the_old_one_is_409(advisor: APIClient, ticket: ServiceTicket) -> None:
    first = send(advisor, ticket).json()["estimate"]["token"]
    second = send(advisor, ticket).json()["estimate"]["token"]
    assert first != second
    assert (estimate(first).status_code, code(estimate(first))) == (409, "estimate_superseded")
    assert estimate(second).json()["version"] == 2


def test_a_ticket_without_jobs_to_decide_is_409(advisor: APIClient) -> None:
    ticket = JobFactory(state=Job.State.FINISHED, ticket__status="in_progress").ticket
    answer = send(advisor, ticket)
    assert (answer.status_code, code(answer)) == (409, "nothing_to_authorise")


def test_a_job_without_lines_is_409_and_nothing_is_sent(advisor: APIClient, ticket: ServiceTicket) -> None:
    empty = JobFactory(ticket=ticket)
    answer = send(advisor, ticket)
    assert (answer.status_code, code(answer)) == (409, "job_without_lines")
    assert answer.json()["errors"][0]["meta"] == {"jobs": [empty.pk]}
    ticket.refresh_from_db()
    assert (ticket.status, ticket.estimate_links.count(), Notification.objects.count()) == ("draft", 0, 0)


def test_a_closed_ticket_is_409(advisor: APIClient, ticket: ServiceTicket) -> None:
    ServiceTicket.objects.update(status="cancelled")
    answer = send(advisor, ticket)
    assert (answer.status_code, code(answer)) == (409, "ticket_closed")


@pytest.mark.parametrize(
    ("before", "after"),
    [("declined", "awaiting_authorisation"), ("authorised", "authorised"), ("in_progress", "in_progress")],
)
def test_work_that_is_agreed_goes_on_while_the_customer_thinks(
    advisor: APIClient, ticket: ServiceTicket, before: str, after: str
) -> None:
    ServiceTicket.objects.update(status=before)
    assert send(advisor, ticket).json()["status"] == after


def test_a_revoked_link_is_404_and_its_jobs_go_on_waiting(advisor: APIClient, ticket: ServiceTicket) -> None:
    token = send(advisor, ticket).json()["estimate"]["token"]
    answer = revoke(advisor, ticket)
    assert (answer.status_code, answer.json()["status"]) == (200, "awaiting_authorisation")
    assert estimate(token).status_code == 404
    assert Client().get(f"/estimates/{token}").status_code == 404
    again = revoke(advisor, ticket)
    assert (again.status_code, code(again)) == (409, "no_estimate")


def test_neither_customers_nor_mechanics_nor_finance_send(
    ticket: ServiceTicket, user: User, make_user: Any, as_user: Any
) -> None:
    finance = make_user(roles=["finance"])
    for person in (user, finance):
        assert send(as_user(person), ticket).status_code == 403
        assert revoke(as_user(person), ticket).status_code == 403
    assert send(APIClient(), ticket).status_code == 401


def test_a_key_and_a_body_change_nothing(advisor: APIClient, ticket: ServiceTicket) -> None:
    """The answer holds a secret, so it is not kept for a replay."""
    first = send(advisor, ticket, headers={"Idempotency-Key": "a"})
    second = send(advisor, ticket, headers={"Idempotency-Key": "a"})
    assert first.json()["estimate"]["token"] != second.json()["estimate"]["token"]
    assert send(advisor, ticket, data={"note": "x"}).status_code == 400


def test_staff_of_another_kind_cannot_see_the_ticket(ticket: ServiceTicket, as_user: Any) -> None:
    assert send(as_user(UserFactory()), ticket).status_code in (403, 404)
