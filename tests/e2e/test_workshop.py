"""The workshop's main job with everything real: from the estimate by a link to the invoice paid in two parts, while the
catalogue is filled by the scheduled sync."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.e2e.people import Desk, must, user_id
from tests.e2e.processes import SERVERS, Platform, real_servers, running_platform

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.redis, pytest.mark.xdist_group("e2e")]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("workshop")
    with real_servers() as environment, running_platform(folder, SERVERS, **environment) as running:
        yield running


class WorkshopDesk(Desk):
    """With those who meet in a workshop."""

    def __init__(self, platform: Platform, stack: ExitStack) -> None:
        super().__init__(platform, stack)
        self.advisor = self.person("advisor@example.com", "service_advisor")
        self.mechanic = self.person("mechanic@example.com", "mechanic")
        self.customer = self.person("customer@example.com")


@pytest.fixture(scope="module")
def desk(platform: Platform) -> Iterator[WorkshopDesk]:
    with ExitStack() as stack:
        yield WorkshopDesk(platform, stack)


def prepared_ticket(desk: WorkshopDesk) -> dict[str, Any]:
    """A ticket of the customer's own vehicle with two jobs, one of which needs parts."""
    api = desk.advisor
    vehicle = must(
        desk.customer.post("/api/garage", json={"vin": "1HGCM82633A004352", "mileage": 90_000, "mileage_unit": "km"})
    )
    customer = must(
        api.post(
            "/api/workshop/customers",
            json={"name": "Carla Customer", "email": "customer@example.com", "user": user_id(desk.customer)},
        )
    )
    mechanic = must(
        api.post(
            "/api/workshop/mechanics",
            json={"user": user_id(desk.mechanic), "display_name": "Max", "hourly_rate": "80.00", "skills": ["brakes"]},
        )
    )
    part = must(
        api.post(
            "/api/workshop/inventory", json={"name": "Brake pads", "sku": "BP-1", "price": "45.00", "cost": "25.00"}
        )
    )
    must(api.post(f"/api/workshop/inventory/{part['id']}/receive", json={"quantity": "5", "reference": "DN-1"}))
    ticket = must(
        api.post(
            "/api/workshop/service-tickets",
            json={
                "customer": customer["id"],
                "vehicle": vehicle["id"],
                "service_date": "2026-11-25",
                "description": "Brakes squeal",
                "odometer_in": 90_100,
            },
        )
    )
    must(
        api.put(
            f"/api/workshop/service-tickets/{ticket['id']}/edit", json={"add_ids": [mechanic["id"]], "remove_ids": []}
        )
    )
    brakes = must(
        api.post(f"/api/workshop/service-tickets/{ticket['id']}/jobs", json={"title": "Replace the brake pads"})
    )
    wash = must(api.post(f"/api/workshop/service-tickets/{ticket['id']}/jobs", json={"title": "Wash"}))
    for job, hours in ((brakes, "1.5"), (wash, "0.5")):
        labour = {"mechanic": mechanic["id"], "hours": hours}
        must(api.post(f"/api/workshop/jobs/{job['id']}/labour-lines", json=labour))
    must(api.post(f"/api/workshop/jobs/{brakes['id']}/part-lines", json={"part": part["id"], "quantity": "2"}))
    return {"id": ticket["id"], "vehicle": vehicle, "mechanic": mechanic, "part": part, "brakes": brakes, "wash": wash}


def test_a_ticket_goes_from_the_estimate_to_the_last_payment(desk: WorkshopDesk) -> None:
    story = prepared_ticket(desk)
    ticket, part, brakes = (f"/api/workshop/{path}" for path in (
        f"service-tickets/{story['id']}", f"inventory/{story['part']['id']}", f"jobs/{story['brakes']['id']}",
    ))  # fmt: skip

    sent = must(desk.advisor.post(f"{ticket}/send", json={}))
    link = f"/api/workshop/estimates/{sent['estimate']['token']}"
    shown = must(desk.anybody.get(link))
    assert [job["total"] for job in shown["jobs"]] == ["210.00", "40.00"]
    decisions = [
        {"job": story["brakes"]["id"], "decision": "authorise"},
        {"job": story["wash"]["id"], "decision": "decline"},
    ]
    must(desk.anybody.post(link, json={"decisions": decisions}))
    stock = must(desk.advisor.get(part))
    assert (stock["on_hand"], stock["reserved"], stock["available"]) == ("5.000", "2.000", "3.000")

    must(desk.mechanic.post(f"{brakes}/clock-in", json={}))
    must(desk.mechanic.post(f"{brakes}/clock-out", json={}))
    must(desk.mechanic.post(f"{brakes}/finish", json={}))
    stock = must(desk.advisor.get(part))
    assert (stock["on_hand"], stock["reserved"]) == ("3.000", "0.000")

    must(desk.mechanic.post(f"{ticket}/review", json={}))
    refused = desk.advisor.post(f"{ticket}/complete", json={})
    assert refused.status_code == 409
    must(desk.advisor.patch(ticket, json={"odometer_out": 90_105}))
    assert must(desk.advisor.post(f"{ticket}/complete", json={}))["status"] == "completed"

    invoice = must(desk.advisor.post(f"{ticket}/invoice", json={}))
    assert (invoice["total"], invoice["status"]) == ("210.00", "open")
    bill = f"/api/workshop/invoices/{invoice['id']}"
    assert desk.customer.get(f"{bill}/pdf").content.startswith(b"%PDF-")
    must(desk.advisor.post(f"{bill}/payments", json={"amount": "100.00", "method": "cash"}))
    assert must(desk.customer.get(bill))["status"] == "partially_paid"
    assert desk.advisor.post(f"{bill}/payments", json={"amount": "110.01", "method": "card"}).status_code == 409
    must(desk.advisor.post(f"{bill}/payments", json={"amount": "110.00", "method": "card"}))
    assert must(desk.customer.get(bill))["status"] == "paid"
    assert must(desk.customer.get(ticket))["status"] == "paid"

    timeline = must(desk.customer.get(f"/api/garage/{story['vehicle']['id']}/timeline"))["results"]
    assert {"serviced", "estimate_authorised", "odometer"} <= {event["kind"] for event in timeline}
    assert must(desk.customer.get(f"/api/garage/{story['vehicle']['id']}"))["mileage"] == 90_105
    leaders = must(desk.customer.get("/api/workshop/mechanics/leaderboard"))["results"]
    assert [(row["display_name"], row["ticket_count"]) for row in leaders] == [("Max", 1)]
    for path in (ticket, bill, f"{bill}/pdf", f"/api/garage/{story['vehicle']['id']}"):
        assert desk.stranger.get(path).status_code == 404


def test_the_catalogue_fills_itself_and_a_product_becomes_a_part(platform: Platform, desk: WorkshopDesk) -> None:
    products = "/api/workshop/products"
    platform.until(
        "the catalogue is full",
        lambda: must(desk.anybody.get(products, params={"skip": 0, "limit": 100}))["count"] >= 190,
        within=90,
    )
    product = must(desk.anybody.get(products, params={"limit": 1}))["results"][0]
    adopted = must(desk.advisor.post(f"{products}/{product['id']}/adopt", json={"price": "99.00"}))
    assert adopted["cost"] == product["price"]
    assert desk.stranger.post(f"{products}/{product['id']}/adopt", json={}).status_code == 403
