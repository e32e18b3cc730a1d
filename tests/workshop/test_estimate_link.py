"""/api/workshop/estimates/{token}: what a customer reads and decides by a link."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core import signing
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import Notification, User
from tests.factories import VehicleFactory
from tests.workshop.estimates import jobs_of, sent_estimate
from tests.workshop.factories import JobFactory, LabourLineFactory, PartLineFactory
from workshop.models import EstimateLink, Job, Part, PartLine, ServiceTicket
from workshop.services import estimates

pytestmark = pytest.mark.django_db


@pytest.fixture
def link() -> EstimateLink:
    return sent_estimate()


def path(link: EstimateLink) -> str:
    return f"/api/workshop/estimates/{estimates.token_of(link)}"


def decide(api: APIClient, link: EstimateLink, **decisions: str) -> Any:
    """`brakes="authorise"`, `wipers="decline"`."""
    brakes, wipers = jobs_of(link)
    ids = {"brakes": brakes.pk, "wipers": wipers.pk}
    said = [{"job": ids[name], "decision": decision} for name, decision in decisions.items()]
    return api.post(path(link), {"decisions": said})


def code(answer: Any) -> str:
    return answer.json()["errors"][0]["code"]


def test_it_shows_every_line_and_adds_up(api: APIClient, link: EstimateLink) -> None:
    shown = api.get(path(link)).json()
    assert (shown["ticket"], shown["number"]) == (link.ticket_id, link.ticket.number)
    assert [(job["title"], job["state"], job["total"]) for job in shown["jobs"]] == [
        ("Replace the front brake pads", "authorisation_required", "132.00"),
        ("Wiper blades", "authorisation_required", "6.00"),
    ]
    lines = [
        (line["description"], line["quantity"], line["unit_price"], line["net"]) for line in shown["jobs"][0]["lines"]
    ]
    assert lines == [("Labour, Dana", "1.500", "60.00", "90.00"), ("Brake pads", "2.000", "10.00", "20.00")]
    assert (shown["subtotal"], shown["tax_total"], shown["total"]) == ("115.00", "23.00", "138.00")
    assert (shown["authorised_total"], shown["can_decide"], shown["currency"]) == ("0.00", True, "USD")


def test_nothing_in_it_is_for_staff_only(api: APIClient, link: EstimateLink) -> None:
    """Neither what a part cost the workshop (6.00 each) nor jobs that nobody has put before the customer."""
    LabourLineFactory(job__ticket=link.ticket, job__title="Only an idea")
    text = api.get(path(link)).content.decode()
    assert "Only an idea" not in text
    assert '"6.00"' not in text.replace('"total":"6.00"', "")
    assert "cost" not in text
    assert link.ticket.customer.email not in text


def test_job_by_job_the_customer_decides(api: APIClient, link: EstimateLink) -> None:
    answer = decide(api, link, brakes="authorise", wipers="decline")
    assert answer.status_code == 200, answer.content
    shown = answer.json()
    assert [job["state"] for job in shown["jobs"]] == ["authorised", "declined"]
    assert (shown["status"], shown["total"], shown["authorised_total"]) == ("authorised", "132.00", "132.00")
    assert shown["can_decide"] is False
    assert PartLine.objects.get().stock == "reserved"
    assert api.get(path(link)).json() == shown


def test_what_is_left_out_can_be_decided_later(api: APIClient, link: EstimateLink) -> None:
    assert decide(api, link, brakes="authorise").json()["can_decide"] is True
    assert decide(api, link, wipers="authorise").json()["authorised_total"] == "138.00"


def test_with_every_job_declined_the_ticket_is_declined(api: APIClient, link: EstimateLink) -> None:
    assert decide(api, link, brakes="decline", wipers="decline").json()["status"] == "declined"


def test_a_shortage_never_refuses_the_customer(api: APIClient, link: EstimateLink) -> None:
    Part.objects.update(on_hand=Decimal(1))
    shown = decide(api, link, brakes="authorise", wipers="authorise").json()
    assert ([job["state"] for job in shown["jobs"]], shown["status"]) == (["authorised", "authorised"], "on_hold")
    ticket = ServiceTicket.objects.get()
    assert (ticket.hold_reason, PartLine.objects.get().stock, Part.objects.get().reserved) == ("parts", "none", 0)


def test_the_answer_is_in_the_history_and_the_staff_are_told(
    api: APIClient, link: EstimateLink, make_user: Any
) -> None:
    advisor = make_user(roles=["service_advisor"])
    decide(api, link, brakes="authorise", wipers="decline")
    events = link.ticket.events.filter(via="link")
    assert {event.actor_id for event in events} == {None}
    assert sorted(event.kind for event in events) == ["estimate_decided", "job_state", "job_state", "status"]
    assert (
        events.get(kind="estimate_decided").note == "Authorised: Replace the front brake pads; Declined: Wiper blades"
    )
    told = Notification.objects.get(user=advisor)
    assert (told.kind, told.title) == ("estimate_decided", f"{link.ticket.number}: 1 authorised, 1 declined")


def test_the_vehicle_remembers_what_was_authorised(api: APIClient, user: User) -> None:
    vehicle = VehicleFactory(owner=user)
    link = sent_estimate(vehicle=vehicle, vin="")
    decide(api, link, wipers="decline")
    assert vehicle.events.count() == 0
    decide(api, link, brakes="authorise")
    event = vehicle.events.get()
    assert (event.kind, event.reference, event.public_summary) == (
        "estimate_authorised",
        f"ticket:{link.ticket_id}",
        "",
    )
    assert "brake pads" in event.private_summary


def test_one_bad_decision_undoes_the_others(api: APIClient, link: EstimateLink) -> None:
    brakes, wipers = jobs_of(link)
    decide(api, link, wipers="decline")
    said = [{"job": brakes.pk, "decision": "authorise"}, {"job": wipers.pk, "decision": "authorise"}]
    answer = api.post(path(link), {"decisions": said})
    assert (answer.status_code, code(answer)) == (409, "job_not_open")
    error = answer.json()["errors"][0]
    assert (error["attr"], error["meta"]) == ("decisions.1.job", {"job": wipers.pk, "state": "declined"})
    brakes.refresh_from_db()
    assert brakes.state == "authorisation_required"


def test_jobs_of_others_and_proposed_ones_are_422(api: APIClient, link: EstimateLink) -> None:
    for job in (JobFactory(), JobFactory(ticket=link.ticket)):
        answer = api.post(path(link), {"decisions": [{"job": job.pk, "decision": "authorise"}]})
        error = answer.json()["errors"][0]
        assert (answer.status_code, error["code"], error["attr"]) == (422, "does_not_exist", "decisions.0.job")


def test_the_same_job_twice_is_422(api: APIClient, link: EstimateLink) -> None:
    job = jobs_of(link)[0].pk
    said = [{"job": job, "decision": "authorise"}, {"job": job, "decision": "decline"}]
    answer = api.post(path(link), {"decisions": said})
    assert (answer.status_code, code(answer)) == (422, "duplicate_job")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"decisions": []},
        {"decisions": {}},
        {"decisions": [{"job": 1}]},
        {"decisions": [{"job": "1", "decision": "authorise"}]},
        {"decisions": [{"job": 1, "decision": "later"}]},
        {"decisions": [{"job": 1, "decision": "authorise", "price": "0.00"}]},
        {"decisions": [{"job": 1, "decision": "authorise"}], "actor": 1},
    ],
)
def test_a_malformed_answer_is_400(api: APIClient, link: EstimateLink, body: dict[str, Any]) -> None:
    assert api.post(path(link), body).status_code == 400


def forged(link: EstimateLink) -> list[str]:
    good = estimates.token_of(link)
    return [
        "x",
        str(link.pk),
        good[:-1],
        good[:-1] + ("A" if good[-1] != "A" else "B"),
        good.replace(f"{link.pk}.", f"{link.pk + 1}."),
        signing.Signer(sep=".").sign(link.pk),
        signing.dumps(link.pk),
        "." + good,
        "1" * 5000,
        "%F0%9F%9A%97." + good,
    ]


def test_forged_expired_and_revoked_tokens_are_the_same_404(api: APIClient, link: EstimateLink) -> None:
    answers = [api.get(f"/api/workshop/estimates/{token}") for token in forged(link)]
    EstimateLink.objects.update(expires_at=timezone.now())
    answers += [api.get(path(link)), decide(api, link, brakes="authorise")]
    EstimateLink.objects.update(expires_at=timezone.now() + timedelta(days=1), revoked_at=timezone.now())
    answers += [api.get(path(link)), decide(api, link, brakes="authorise")]
    assert {(answer.status_code, answer.content) for answer in answers} == {(404, answers[0].content)}
    assert set(Job.objects.values_list("state", flat=True)) == {"authorisation_required"}


def test_a_version_that_is_not_the_newest_is_409(api: APIClient, link: EstimateLink) -> None:
    """So a price that changed since the customer read it is never agreed to."""
    ServiceTicket.objects.update(estimate_version=link.version + 1)
    for answer in (api.get(path(link)), decide(api, link, brakes="authorise")):
        assert (answer.status_code, code(answer)) == (409, "estimate_superseded")


def test_of_a_closed_ticket_it_can_be_read_and_not_decided(api: APIClient, link: EstimateLink) -> None:
    ServiceTicket.objects.update(status="cancelled")
    shown = api.get(path(link)).json()
    assert (shown["status"], shown["can_decide"]) == ("cancelled", False)
    answer = decide(api, link, brakes="authorise")
    assert (answer.status_code, code(answer)) == (409, "ticket_closed")


def test_bad_credentials_do_not_matter_here(link: EstimateLink) -> None:
    client = APIClient(HTTP_AUTHORIZATION="Bearer nonsense")
    assert client.get(path(link)).status_code == 200
    assert decide(client, link, brakes="authorise").status_code == 200


def test_the_first_opening_is_noted_once(api: APIClient, link: EstimateLink) -> None:
    api.get(path(link))
    first = EstimateLink.objects.get().first_opened_at
    api.get(path(link))
    assert EstimateLink.objects.get().first_opened_at == first
    assert link.ticket.events.filter(kind="estimate_opened").count() == 1


def test_reading_costs_the_same_however_much_there_is(api: APIClient, link: EstimateLink) -> None:
    api.get(path(link))
    with CaptureQueriesContext(
        connection,
    ) as few:
        api.get(path(link))
    for _ in range(5):
        job = JobFactory(ticket=link.ticket, state="authorisation_required")
        LabourLineFactory.create_batch(3, job=job)
        PartLineFactory.create_batch(3, job=job)
    with CaptureQueriesContext(connection) as many:
        assert len(api.get(path(link)).json()["jobs"]) == 7
    assert len(many) == len(few) <= 5


def test_it_counts_against_the_limit_of_the_address(api: APIClient, link: EstimateLink, settings: Any) -> None:
    settings.DISABLE_THROTTLES = False
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"anonymous": "2/minute"}
    assert [api.get(path(link)).status_code for _ in range(3)] == [200, 200, 429]


@pytest.fixture
def advisor(make_user: Any, as_user: Any) -> APIClient:
    return as_user(make_user(roles=["service_advisor"]))


def test_a_line_that_changes_after_it_was_shown_voids_the_link(
    api: APIClient, link: EstimateLink, advisor: APIClient
) -> None:
    brakes, _ = jobs_of(link)
    line = brakes.labour_lines.get()
    change = advisor.patch(f"/api/workshop/jobs/{brakes.pk}/labour-lines/{line.pk}", {"hours": "9"})
    assert change.status_code == 200, change.content
    for answer in (api.get(path(link)), decide(api, link, wipers="authorise")):
        assert (answer.status_code, code(answer)) == (409, "estimate_superseded")


def test_a_job_that_is_only_proposed_leaves_the_link_alone(
    api: APIClient, link: EstimateLink, advisor: APIClient
) -> None:
    new = advisor.post(f"/api/workshop/service-tickets/{link.ticket_id}/jobs", {"title": "Air conditioning"})
    assert new.status_code == 201, new.content
    assert decide(api, link, brakes="authorise").status_code == 200


def test_what_staff_decided_meanwhile_shows_and_the_rest_stays_open(
    api: APIClient, link: EstimateLink, advisor: APIClient
) -> None:
    """The customer rang: that changes no price, so the link stays good."""
    brakes, _ = jobs_of(link)
    advisor.post(f"/api/workshop/jobs/{brakes.pk}/authorise", {})
    shown = api.get(path(link)).json()
    assert [job["state"] for job in shown["jobs"]] == ["authorised", "authorisation_required"]
    assert decide(api, link, wipers="decline").status_code == 200
