"""/api/workshop/jobs/{id}/labour-lines, part-lines and fee-lines."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from tests.answers import error
from tests.workshop.factories import (
    CustomerFactory,
    FeeLineFactory,
    JobFactory,
    LabourLineFactory,
    MechanicFactory,
    PartFactory,
    PartLineFactory,
    TicketFactory,
)
from workshop.models import Job, LabourLine, Mechanic, Part, PartLine, StockMovement

pytestmark = pytest.mark.django_db

State = Job.State


@pytest.fixture
def staff(as_user: Any, make_user: Any) -> APIClient:
    return as_user(make_user(roles=["service_advisor"]))


@pytest.fixture
def mechanic() -> Mechanic:
    return MechanicFactory()


@pytest.fixture
def job(user: User, mechanic: Mechanic) -> Job:
    return JobFactory(ticket=TicketFactory(customer=CustomerFactory(user=user), mechanics=[mechanic]))


def lines_of(job: Job, kind: str) -> str:
    return f"/api/workshop/jobs/{job.pk}/{kind}-lines"


def authorised_line(staff: APIClient, job: Job) -> PartLine:
    """Two of ten pieces, reserved."""
    line: PartLine = PartLineFactory(job=job)
    assert staff.post(f"/api/workshop/jobs/{job.pk}/authorise").status_code == 200
    return line


def state_of(job: Job) -> tuple[str, str, int]:
    job.refresh_from_db()
    job.ticket.refresh_from_db()
    return job.state, job.ticket.status, job.ticket.estimate_version


def test_labour_costs_the_mechanics_rate_of_the_day(as_user: Any, job: Job, mechanic: Mechanic) -> None:
    client = as_user(mechanic.user)
    answer = client.post(lines_of(job, "labour"), {"mechanic": mechanic.pk, "hours": 1.25})
    assert answer.status_code == 201, answer.content
    line = answer.json()
    assert (line["rate"], line["hours"], line["net"], line["tax"]) == ("60.00", "1.25", "75.00", "15.00")
    Mechanic.objects.update(hourly_rate="80.00")
    assert client.patch(answer["Location"], {"hours": "2"}).json()["net"] == "120.00"
    dear = MechanicFactory(hourly_rate="90.00")
    assert client.patch(answer["Location"], {"mechanic": dear.pk}).json()["rate"] == "90.00"
    assert client.get(answer["Location"]).json()["mechanic_name"] == dear.display_name


def test_a_mechanic_who_left_does_no_labour(staff: APIClient, job: Job) -> None:
    gone = MechanicFactory(active=False)
    assert staff.post(lines_of(job, "labour"), {"mechanic": gone.pk, "hours": 1}).status_code == 422


def test_a_part_keeps_the_name_and_price_of_the_day(staff: APIClient, job: Job) -> None:
    part = PartFactory(name="Oil filter", sku="OF-1042", price="12.50", cost="6.00", unit="piece")
    answer = staff.post(lines_of(job, "part"), {"part": part.pk, "quantity": "2.5"})
    assert answer.status_code == 201, answer.content
    Part.objects.update(name="Dear filter", price="99.00")
    line = staff.get(answer["Location"]).json()
    assert (line["part"], line["name"], line["sku"], line["unit"]) == (part.pk, "Oil filter", "OF-1042", "piece")
    assert (line["price"], line["cost"], line["stock"]) == ("12.50", "6.00", "none")
    assert (line["net"], line["tax"]) == ("31.25", "6.25")


def test_an_archived_part_is_not_sold(staff: APIClient, job: Job) -> None:
    part = PartFactory(archived_at=timezone.now())
    assert staff.post(lines_of(job, "part"), {"part": part.pk, "quantity": 1}).status_code == 422


def test_prices_are_staffs(staff: APIClient, as_user: Any, job: Job, mechanic: Mechanic) -> None:
    client, body = as_user(mechanic.user), {"part": PartFactory().pk, "quantity": 1}
    fee, line = FeeLineFactory(job=job), PartLineFactory(job=job)
    refused = [
        client.post(lines_of(job, "part"), {**body, "price": "1.00"}),
        client.patch(f"{lines_of(job, 'part')}/{line.pk}", {"price": "1.00"}),
        client.post(lines_of(job, "fee"), {"title": "Tow", "amount": 50}),
        client.patch(f"{lines_of(job, 'fee')}/{fee.pk}", {"title": "Tow"}),
        client.delete(f"{lines_of(job, 'fee')}/{fee.pk}"),
    ]
    assert {(answer.status_code, error(answer)["code"]) for answer in refused} == {(403, "price_not_allowed")}
    assert client.post(lines_of(job, "part"), body).json()["price"] == "10.00"
    assert staff.post(lines_of(job, "part"), {**body, "price": "1.00"}).json()["price"] == "1.00"
    assert staff.post(lines_of(job, "fee"), {"title": "Tow", "amount": 50}).json()["net"] == "50.00"


def test_costs_are_not_shown_to_everybody(staff: APIClient, as_user: Any, job: Job, user: User) -> None:
    PartLineFactory(job=job)
    Job.objects.update(state=State.AUTHORISATION_REQUIRED)
    for client, cost in ((staff, "6.00"), (as_user(user), None), (as_user(Mechanic.objects.get().user), None)):
        assert client.get(lines_of(job, "part")).json()["results"][0]["cost"] == cost
        assert client.get(f"/api/workshop/jobs/{job.pk}").json()["part_lines"][0]["cost"] == cost


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("labour", {"hours": 1}),
        ("labour", {"mechanic": 1, "hours": 0}),
        ("labour", {"mechanic": 1, "hours": "1.234"}),
        ("labour", {"mechanic": 1, "hours": 1, "rate": "1.00"}),
        ("part", {"part": 1}),
        ("part", {"part": 1, "quantity": 0}),
        ("part", {"part": 1, "quantity": "0.0001"}),
        ("part", {"part": 1, "quantity": 1, "price": -1}),
        ("part", {"part": 1, "quantity": 1, "stock": "reserved"}),
        ("part", {"part": 1, "quantity": 1, "cost": "1.00"}),
        ("fee", {"title": "Tow"}),
        ("fee", {"title": "Tow", "amount": -1}),
        ("fee", {"title": "", "amount": 1}),
    ],
)
def test_what_the_schema_does_not_allow_is_400(staff: APIClient, job: Job, kind: str, body: dict[str, Any]) -> None:
    assert staff.post(lines_of(job, kind), body).status_code == 400


def test_the_part_of_a_line_stays(staff: APIClient, job: Job) -> None:
    line = PartLineFactory(job=job)
    assert staff.patch(f"{lines_of(job, 'part')}/{line.pk}", {"part": PartFactory().pk}).status_code == 400


@pytest.mark.parametrize("body", [{"quantity": "3"}, {"price": "1.00"}])
def test_a_change_of_what_was_agreed_asks_the_customer_again(staff: APIClient, job: Job, body: dict[str, Any]) -> None:
    line = authorised_line(staff, job)
    answer = staff.patch(f"{lines_of(job, 'part')}/{line.pk}", body)
    assert (answer.status_code, answer.json()["stock"]) == (200, "none")
    line.part.refresh_from_db()
    assert line.part.reserved == 0
    assert state_of(job) == ("authorisation_required", "awaiting_authorisation", 1)
    kinds = list(StockMovement.objects.filter(line=line).order_by("id").values_list("kind", "quantity"))
    assert kinds == [("reserve", 2), ("release", 2)]
    assert [event.kind for event in job.events.all()][:2] == ["line_changed", "job_state"]
    assert staff.post(f"/api/workshop/jobs/{job.pk}/authorise").status_code == 200


def test_a_change_to_what_it_is_already_asks_nobody(staff: APIClient, job: Job) -> None:
    line = authorised_line(staff, job)
    assert staff.patch(f"{lines_of(job, 'part')}/{line.pk}", {"quantity": "2.000"}).json()["stock"] == "reserved"
    assert state_of(job) == ("authorised", "authorised", 0)


def test_a_new_line_and_one_less_ask_the_customer_again(staff: APIClient, job: Job) -> None:
    line = authorised_line(staff, job)
    assert staff.post(lines_of(job, "fee"), {"title": "Tow", "amount": 50}).status_code == 201
    assert state_of(job) == ("authorisation_required", "awaiting_authorisation", 1)
    assert staff.post(f"/api/workshop/jobs/{job.pk}/authorise").status_code == 200
    assert staff.delete(f"{lines_of(job, 'part')}/{line.pk}").status_code == 204
    assert state_of(job) == ("authorisation_required", "awaiting_authorisation", 2)
    assert (Part.objects.get().reserved, StockMovement.objects.filter(kind="release").count()) == (0, 2)


def test_a_declined_job_is_proposed_anew(staff: APIClient, job: Job) -> None:
    line = LabourLineFactory(job=job)
    staff.post(f"/api/workshop/jobs/{job.pk}/decline")
    assert staff.patch(f"{lines_of(job, 'labour')}/{line.pk}", {"hours": "0.50"}).status_code == 200
    assert state_of(job) == ("proposed", "declined", 1)


def test_work_in_progress_goes_on_while_a_job_is_asked_about_again(staff: APIClient, job: Job) -> None:
    line = authorised_line(staff, job)
    staff.post(f"/api/workshop/service-tickets/{job.ticket_id}/start")
    staff.patch(f"{lines_of(job, 'part')}/{line.pk}", {"quantity": "3"})
    assert state_of(job) == ("authorisation_required", "in_progress", 1)


def test_a_customer_reads_lines_and_writes_none(as_user: Any, user: User, job: Job) -> None:
    line = LabourLineFactory(job=job)
    client, url = as_user(user), lines_of(job, "labour")
    assert client.get(url).status_code == 404
    Job.objects.update(state=State.AUTHORISATION_REQUIRED)
    assert client.get(url).json()["count"] == 1
    body = {"mechanic": line.mechanic_id, "hours": 1}
    assert client.post(url, body).status_code == 403
    assert client.patch(f"{url}/{line.pk}", {"hours": 2}).status_code == 403
    assert client.delete(f"{url}/{line.pk}").status_code == 403


@pytest.mark.parametrize("kind", ["labour", "part", "fee"])
def test_anothers_lines_are_like_ones_that_do_not_exist(
    as_user: Any, api: APIClient, other_user: User, job: Job, kind: str
) -> None:
    factory = {"labour": LabourLineFactory, "part": PartLineFactory, "fee": FeeLineFactory}[kind]
    line, client = factory(job=job), as_user(other_user)
    for method, path in (
        ("get", ""),
        ("post", ""),
        ("get", f"/{line.pk}"),
        ("patch", f"/{line.pk}"),
        ("delete", f"/{line.pk}"),
    ):
        hidden = getattr(client, method)(lines_of(job, kind) + path, {})
        missing = getattr(client, method)(f"/api/workshop/jobs/999999/{kind}-lines{path}", {})
        assert (hidden.status_code, hidden.content) == (missing.status_code, missing.content)
        assert hidden.status_code in (400, 404)
        assert getattr(api, method)(lines_of(job, kind) + path, {}).status_code == 401


def test_a_line_is_found_under_its_own_job_only(staff: APIClient, job: Job) -> None:
    line = LabourLineFactory(job=JobFactory(ticket=job.ticket))
    assert staff.get(f"{lines_of(job, 'labour')}/{line.pk}").status_code == 404


def test_of_two_edits_of_one_version_the_second_is_412(staff: APIClient, job: Job) -> None:
    url = f"{lines_of(job, 'labour')}/{LabourLineFactory(job=job).pk}"
    tag = staff.get(url)["ETag"]
    assert staff.patch(url, {"hours": "3.00"}, HTTP_IF_MATCH=tag).status_code == 200
    assert staff.patch(url, {"hours": "4.00"}, HTTP_IF_MATCH=tag).status_code == 412
    assert staff.delete(url, HTTP_IF_MATCH=tag).status_code == 412


def test_a_repeated_post_with_a_key_adds_one_line(staff: APIClient, job: Job, mechanic: Mechanic) -> None:
    body = {"mechanic": mechanic.pk, "hours": 1}
    answers = [staff.post(lines_of(job, "labour"), body, HTTP_IDEMPOTENCY_KEY="k") for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert LabourLine.objects.count() == 1


def test_a_ticket_costs_no_more_than_an_invoice_can_hold(staff: APIClient, job: Job) -> None:
    dear = PartFactory(price="9999999999.99")
    answer = staff.post(lines_of(job, "part"), {"part": dear.pk, "quantity": "999999999.999"})
    assert (answer.status_code, error(answer)["code"]) == (422, "amount_too_large")
    assert not job.part_lines.exists()
    assert staff.post(lines_of(job, "fee"), {"title": "Tow", "amount": "8000000000.00"}).status_code == 201
    assert staff.patch(f"/api/workshop/jobs/{job.pk}", {"tax_rate": 100}).status_code == 422
