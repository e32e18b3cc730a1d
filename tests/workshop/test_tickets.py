"""/api/workshop/service-tickets: opening, listing, reading and changing."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from accounts.models import User
from cars.models import Vehicle
from tests.answers import error
from tests.factories import VehicleFactory
from tests.security.document import document
from tests.workshop.factories import CustomerFactory, JobFactory, LabourLineFactory, MechanicFactory, TicketFactory
from workshop.models import Customer, Job, Mechanic, ServiceTicket

pytestmark = pytest.mark.django_db

URL = "/api/workshop/service-tickets"
VIN = "1HGCM82633A004352"
OTHER_VIN = "5GZCZ43D13S812715"
DAY = {"service_date": "2026-11-25"}


@pytest.fixture
def advisor(make_user: Any) -> User:
    return make_user(roles=["service_advisor"])


@pytest.fixture
def staff(as_user: Any, advisor: User) -> APIClient:
    return as_user(advisor)


@pytest.fixture
def customer(user: User) -> Customer:
    return CustomerFactory(user=user, email=user.email, name="Alice Archer")


@pytest.fixture
def mechanic() -> Mechanic:
    return MechanicFactory()


def test_an_advisor_takes_in_a_vehicle(staff: APIClient, customer: Customer, user: User) -> None:
    vehicle = VehicleFactory(owner=user, vin=VIN, mileage_unit="mi")
    body = {"customer": customer.pk, "vehicle": vehicle.pk, **DAY, "description": "It squeals.", "odometer_in": 900}
    answer = staff.post(URL, {**body, "promised_at": "2026-11-27T16:00:00Z"})
    assert answer.status_code == 201, answer.content
    shown = answer.json()
    assert shown["number"] == f"RO-{shown['id']:06d}"
    assert (shown["customer"], shown["customer_name"]) == (customer.pk, "Alice Archer")
    assert (shown["vehicle"], shown["vin"], shown["odometer_unit"]) == (vehicle.pk, VIN, "mi")
    assert (shown["status"], shown["jobs"], shown["mechanics"], shown["total"]) == ("draft", [], [], "0.00")
    assert staff.get(answer["Location"]).json() == shown


def test_staff_name_the_customer(staff: APIClient) -> None:
    answer = staff.post(URL, {"vin": VIN, **DAY})
    assert (answer.status_code, error(answer)["code"], error(answer)["attr"]) == (422, "customer_required", "customer")
    assert staff.post(URL, {"vin": VIN, **DAY, "customer": 999999}).status_code == 422


@pytest.mark.parametrize(
    ("vehicle", "code"),
    [({}, "vehicle_required"), ({"vin": "1HGCM82633A004353"}, "invalid_vin"), ({"vehicle": 999999}, "does_not_exist")],
)
def test_a_ticket_names_a_vehicle(staff: APIClient, vehicle: dict[str, Any], code: str) -> None:
    answer = staff.post(URL, {"customer": CustomerFactory().pk, **DAY, **vehicle})
    assert (answer.status_code, error(answer)["code"]) == (422, code)


def test_the_vehicle_is_the_customers(staff: APIClient, customer: Customer, other_user: User) -> None:
    theirs, nobodys = VehicleFactory(owner=other_user), VehicleFactory(owner=None, vin=VIN)
    refused = staff.post(URL, {"customer": customer.pk, "vehicle": theirs.pk, **DAY})
    assert (refused.status_code, error(refused)["code"]) == (422, "vehicle_of_another")
    mismatch = staff.post(URL, {"customer": customer.pk, "vehicle": nobodys.pk, "vin": OTHER_VIN, **DAY})
    assert (mismatch.status_code, error(mismatch)["code"]) == (422, "vin_mismatch")
    assert staff.post(URL, {"customer": customer.pk, "vehicle": nobodys.pk, **DAY}).json()["vin"] == VIN
    assert staff.post(URL, {"customer": CustomerFactory().pk, "vehicle": theirs.pk, **DAY}).status_code == 201


def test_a_vin_finds_the_vehicle_or_registers_it(staff: APIClient, customer: Customer, user: User) -> None:
    own = VehicleFactory(owner=user, vin=VIN)
    body = {"customer": customer.pk, **DAY}
    assert staff.post(URL, {**body, "vin": "1hgcm82633a004352"}).json()["vehicle"] == own.pk
    registered = Vehicle.objects.get(pk=staff.post(URL, {**body, "vin": OTHER_VIN}).json()["vehicle"])
    assert (registered.owner, registered.vin) == (user, OTHER_VIN)
    walk_in = staff.post(URL, {"customer": CustomerFactory().pk, **DAY, "vin": VIN}).json()
    assert (walk_in["vehicle"], walk_in["vin"]) == (None, VIN)  # The vehicle is somebody else's.


def test_a_customer_asks_for_a_service(as_user: Any, user: User) -> None:
    own = VehicleFactory(owner=user)
    answer = as_user(user).post(URL, {"vehicle": own.pk, **DAY, "description": "Oil, please."})
    assert answer.status_code == 201, answer.content
    made = Customer.objects.get(user=user)
    assert (answer.json()["customer"], answer.json()["status"], made.email) == (made.pk, "draft", user.email)
    again = as_user(user).post(URL, {"vehicle": own.pk, **DAY, "customer": made.pk})
    assert (again.status_code, Customer.objects.count()) == (201, 1)


def test_a_customer_asks_for_oneself_only(as_user: Any, user: User, other_user: User) -> None:
    client = as_user(user)
    theirs = VehicleFactory(owner=other_user, vin=VIN)
    assert client.post(URL, {"vehicle": theirs.pk, **DAY}).status_code == 422
    assert client.post(URL, {"vin": OTHER_VIN, "customer": CustomerFactory().pk, **DAY}).status_code == 422
    promise = client.post(URL, {"vin": OTHER_VIN, **DAY, "promised_at": "2026-11-27T16:00:00Z"})
    assert (promise.status_code, error(promise)["code"]) == (403, "staff_only")
    assert client.post(URL, {"vin": VIN, **DAY}).json()["vehicle"] is None
    assert not ServiceTicket.objects.filter(vehicle=theirs).exists()


def test_a_customers_vin_does_not_open_the_timeline_of_a_walk_ins_vehicle(as_user: Any, user: User) -> None:
    VehicleFactory(owner=None, vin=VIN)
    assert as_user(user).post(URL, {"vin": VIN, **DAY}).json()["vehicle"] is None


def test_without_a_proven_address_nobody_becomes_a_customer(as_user: Any, make_user: Any) -> None:
    newcomer = make_user(email_verified_at=None)
    answer = as_user(newcomer).post(URL, {"vin": VIN, **DAY})
    assert (answer.status_code, error(answer)["code"]) == (403, "email_not_verified")
    assert not Vehicle.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        {"status": "paid"},
        {"id": 1},
        {"number": "RO-1"},
        {"mechanics": []},
        {"total": "0.00"},
        {"created_by": 1},
        {"service_date": "2026-02-30"},
        {"odometer_in": -1},
        {"odometer_in": "5"},
        {"vin": ""},
        {"promised_at": "tomorrow"},
        {"descripton": "typo"},
    ],
)
def test_what_the_schema_does_not_allow_is_400(staff: APIClient, body: dict[str, Any]) -> None:
    ticket = TicketFactory()
    full = {"customer": ticket.customer_id, "vin": VIN, **DAY, **body}
    assert staff.post(URL, full).status_code == 400
    assert staff.patch(f"{URL}/{ticket.pk}", body).status_code == 400
    assert ServiceTicket.objects.count() == 1


def test_a_repeated_post_with_a_key_opens_one_ticket(staff: APIClient) -> None:
    body = {"customer": CustomerFactory().pk, "vin": VIN, **DAY}
    answers = [staff.post(URL, body, HTTP_IDEMPOTENCY_KEY="k") for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert ServiceTicket.objects.count() == 1


def test_everybody_lists_what_concerns_them(
    as_user: Any, staff: APIClient, customer: Customer, user: User, other_user: User, mechanic: Mechanic
) -> None:
    own, assigned = TicketFactory(customer=customer), TicketFactory(mechanics=[mechanic])

    def listed(client: APIClient, path: str = URL) -> list[int]:
        return [row["id"] for row in client.get(path).json()["results"]]

    assert listed(staff) == [assigned.pk, own.pk]
    assert listed(as_user(user)) == listed(as_user(user), "/api/workshop/my-tickets") == [own.pk]
    assert listed(as_user(mechanic.user)) == [assigned.pk]
    assert listed(as_user(mechanic.user), "/api/workshop/my-tickets") == listed(staff, "/api/workshop/my-tickets") == []
    assert listed(as_user(other_user)) == []
    Mechanic.objects.update(active=False)
    assert listed(as_user(mechanic.user)) == []


def test_ones_own_tickets_by_status(as_user: Any, customer: Customer, user: User) -> None:
    TicketFactory(customer=customer)
    cancelled = TicketFactory(customer=customer, status="cancelled")
    client = as_user(user)
    shown = client.get("/api/workshop/my-tickets?status=cancelled&ordering=id").json()
    assert [row["id"] for row in shown["results"]] == [cancelled.pk]
    assert client.get("/api/workshop/my-tickets?vin=x").status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        "status=in_progress",
        "mechanic={mechanic}",
        "customer={customer}",
        "vin=5gzcz43d13s812715",
        "from=2026-12-02",
        "from=2026-12-02&to=2026-12-03",
        "search={number}",
        "search=Zoe",
        "search=5GZCZ&status=in_progress",
    ],
)
def test_lists_are_filtered(staff: APIClient, mechanic: Mechanic, query: str) -> None:
    TicketFactory(mechanics=[MechanicFactory()])
    wanted = TicketFactory(
        customer=CustomerFactory(name="Zoe Zander"),
        vin=OTHER_VIN,
        service_date=date(2026, 12, 2),
        status="in_progress",
        mechanics=[mechanic, MechanicFactory()],
    )
    facts = {"mechanic": mechanic.pk, "customer": wanted.customer_id, "number": wanted.number}
    shown = staff.get(f"{URL}?{query.format(**facts)}").json()
    assert [row["id"] for row in shown["results"]] == [wanted.pk]


@pytest.mark.parametrize(
    "query", ["from=2026-12-03&to=2026-12-02", "status=gone", "from=x", "colour=red", "mechanic=0"]
)
def test_a_bad_query_is_400(staff: APIClient, query: str) -> None:
    assert staff.get(f"{URL}?{query}").status_code == 400


def test_the_totals_are_those_of_what_is_not_declined(staff: APIClient) -> None:
    ticket = TicketFactory()
    for state in ("proposed", "declined", "cancelled", "finished"):
        LabourLineFactory(job=JobFactory(ticket=ticket, state=state))
    shown = staff.get(f"{URL}/{ticket.pk}").json()
    assert (shown["subtotal"], shown["tax_total"], shown["total"]) == ("180.00", "36.00", "216.00")
    assert [job["total"] for job in shown["jobs"]] == ["108.00"] * 4
    (row,) = staff.get(URL).json()["results"]
    assert ("jobs" in row, row["total"]) == (False, "216.00")


def test_a_customer_does_not_see_what_is_only_proposed(
    as_user: Any, customer: Customer, user: User, mechanic: Mechanic
) -> None:
    ticket = TicketFactory(customer=customer, mechanics=[mechanic])
    LabourLineFactory(job=JobFactory(ticket=ticket))
    shown = LabourLineFactory(job=JobFactory(ticket=ticket, state=Job.State.AUTHORISATION_REQUIRED)).job
    seen = as_user(user).get(f"{URL}/{ticket.pk}").json()
    assert ([job["id"] for job in seen["jobs"]], seen["total"]) == ([shown.pk], "108.00")
    assert as_user(user).get(URL).json()["results"][0]["total"] == "108.00"
    assert as_user(mechanic.user).get(f"{URL}/{ticket.pk}").json()["total"] == "216.00"


def test_an_advisor_changes_a_ticket(staff: APIClient) -> None:
    ticket = TicketFactory(odometer_in=1000)
    url = f"{URL}/{ticket.pk}"
    back = staff.patch(url, {"odometer_out": 999})
    assert (back.status_code, error(back)["code"], error(back)["attr"]) == (422, "odometer_backwards", "odometer_out")
    answer = staff.patch(url, {"odometer_out": 1001, "description": "", "promised_at": None, "vin": OTHER_VIN})
    assert answer.status_code == 200, answer.content
    shown = answer.json()
    assert (shown["odometer_out"], shown["description"], shown["vin"]) == (1001, "", OTHER_VIN)
    assert Vehicle.objects.get(pk=shown["vehicle"]).vin == OTHER_VIN
    assert staff.patch(url, {"customer": ticket.customer_id}).status_code == 400


def test_a_closed_ticket_is_not_changed(staff: APIClient) -> None:
    ticket = TicketFactory(status="cancelled")
    answer = staff.patch(f"{URL}/{ticket.pk}", {"description": "x"})
    assert (answer.status_code, error(answer)["code"]) == (409, "ticket_closed")


def test_of_two_edits_of_one_version_the_second_is_412(staff: APIClient) -> None:
    url = f"{URL}/{TicketFactory().pk}"
    tag = staff.get(url)["ETag"]
    assert staff.get(url, HTTP_IF_NONE_MATCH=tag).status_code == 304
    assert staff.patch(url, {"description": "red"}, HTTP_IF_MATCH=tag).status_code == 200
    assert staff.patch(url, {"description": "blue"}, HTTP_IF_MATCH=tag).status_code == 412


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("get", "", None),
        ("patch", "", {"description": "x"}),
        ("put", "/edit", {}),
        ("post", "/start", None),
        ("post", "/hold", {"reason": "other"}),
        ("post", "/resume", None),
        ("post", "/review", None),
        ("post", "/complete", None),
        ("post", "/cancel", None),
        ("post", "/reopen", None),
        ("get", "/events", None),
        ("get", "/jobs", None),
        ("post", "/jobs", {"title": "x"}),
    ],
)
def test_anothers_ticket_is_like_one_that_does_not_exist(
    as_user: Any, api: APIClient, other_user: User, customer: Customer, method: str, path: str, body: Any
) -> None:
    ticket = TicketFactory(customer=customer)
    call = getattr(as_user(other_user), method)
    hidden, missing = call(f"{URL}/{ticket.pk}{path}", body), call(f"{URL}/999999{path}", body)
    assert (hidden.status_code, hidden.content) == (404, missing.content)
    assert getattr(api, method)(f"{URL}/{ticket.pk}{path}", body).status_code == 401


def test_who_only_reads_a_ticket_does_not_write_it(
    as_user: Any, make_user: Any, user: User, customer: Customer, mechanic: Mechanic
) -> None:
    url = f"{URL}/{TicketFactory(customer=customer, mechanics=[mechanic]).pk}"
    finance = make_user(roles=["finance"])
    for reader in (user, finance):
        client = as_user(reader)
        assert client.get(url).status_code == 200
        assert client.patch(url, {"description": "x"}).status_code == 403
        assert {client.post(f"{url}/{verb}").status_code for verb in ("start", "complete", "cancel", "reopen")} == {403}
        assert client.post(f"{url}/jobs", {"title": "x"}).status_code == 403
    works = as_user(mechanic.user)
    assert works.patch(url, {"description": "x"}).status_code == 403
    assert works.put(f"{url}/edit", {}).status_code == 403
    assert {works.post(f"{url}/{verb}").status_code for verb in ("complete", "cancel", "reopen")} == {403}
    assert works.post(f"{url}/jobs", {"title": "x"}).status_code == 201


@pytest.mark.parametrize("path", [URL, "/api/workshop/my-tickets"])
def test_the_number_of_queries_does_not_grow_with_the_rows(
    as_user: Any, customer: Customer, user: User, django_assert_num_queries: Any, path: str
) -> None:
    def make(number: int) -> None:
        for _ in range(number):
            ticket = TicketFactory(
                customer=customer, vehicle=VehicleFactory(owner=user), mechanics=[MechanicFactory(), MechanicFactory()]
            )
            for job in JobFactory.create_batch(2, ticket=ticket):
                LabourLineFactory(job=job)

    client = as_user(user)
    make(1)
    with CaptureQueriesContext(connection) as few:
        client.get(path)
    make(9)
    with django_assert_num_queries(len(few)):
        assert len(client.get(path).json()["results"]) == 10


def test_the_published_reasons_of_a_hold_have_none_among_them() -> None:
    """A ticket that is not on hold answers "", and a client must be able to read it."""
    reason = document()["components"]["schemas"]["Ticket"]["properties"]["hold_reason"]
    assert set(reason["enum"]) == {"parts", "customer", "sublet", "other", ""}
