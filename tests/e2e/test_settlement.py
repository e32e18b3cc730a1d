"""From the hammer to the delivered car with everything real: server, worker and beat, money by wire and by the sandbox,
whose webhook calls back; then the unhappy ways: a missed reserve, an unpaid order, a dispute, a late title."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.e2e.market import ACCORD, bidder, listed, verified
from tests.e2e.people import Desk, must, user_id
from tests.e2e.processes import ROOT, SERVERS, Platform, real_servers, running_platform

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.redis, pytest.mark.xdist_group("e2e")]
PICKUP = ACCORD | {
    "vin": "1FTFW1ET9DFC20399",
    "year": 2013,
    "make": "Ford",
    "model": "F-150",
    "reserve_price": "9000.00",
}
TESLA = ACCORD | {"vin": "5YJSA1E20GF100018", "year": 2016, "make": "Tesla", "model": "Model S", "reserve_price": None}
# A title of a sale is late at once, and whoever has no invoice yet has half a minute to pay.
QUICK = {
    "AUCTION_MIN_DURATION_S": "5", "ORDER_PAYMENT_DUE_S": "30", "ORDER_DEFAULT_AFTER_S": "1", "TITLE_DUE_DAYS": "0",
    "REFUND_APPROVAL_LIMIT": "500.00",
}  # fmt: skip
BIDDING_S = 20  # All this time is there for each bid.
HURRY = """
import django; django.setup()
from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks
often, _ = IntervalSchedule.objects.get_or_create(every=2, period="seconds")
names = ["Offers", "Expiring offers", "Unpaid orders", "Refunds", "Late titles"]
PeriodicTask.objects.filter(name__in=[f"auctions: {name}" for name in names]).update(interval=often, expire_seconds=2)
PeriodicTasks.update_changed()
"""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("settlement")
    with real_servers() as servers, running_platform(folder, SERVERS, **servers, **QUICK) as running:
        # As an operator edits the schedule in the admin.
        subprocess.run([sys.executable, "-c", HURRY], cwd=ROOT, env=running.environment, check=True, timeout=60)
        yield running


@pytest.fixture(scope="module")
def desk(platform: Platform) -> Iterator[Desk]:
    with ExitStack() as stack:
        yield Desk(platform, stack)


@pytest.fixture(scope="module")
def people(desk: Desk) -> dict[str, httpx.Client]:
    return {
        "seller": verified(desk, "seller@example.com"),
        "ann": bidder(desk, "ann@example.com"),
        "ben": bidder(desk, "ben@example.com"),
        "moderator": desk.person("moderator@example.com", "moderator"),
        "finance": desk.person("finance@example.com", "finance"),
        "second": desk.person("second@example.com", "finance"),
    }


@pytest.fixture(scope="module")
def auctions(platform: Platform, people: dict[str, httpx.Client]) -> dict[str, int]:
    """Three that run beside each other: sold, sold to somebody who will not pay, and below the reserve."""
    ids = {}
    for name, car in (("sold", ACCORD), ("unpaid", TESLA), ("missed", PICKUP)):
        listing = listed(platform, people["seller"], people["moderator"], car)
        start = datetime.now(UTC)
        terms = {
            "listing": listing,
            "starts_at": start.isoformat(),
            "ends_at": (start + timedelta(seconds=BIDDING_S)).isoformat(),
            "soft_close_window_s": 0,
        }
        ids[name] = int(must(people["seller"].post("/api/auctions", json=terms))["id"])
        for bidder_name, amount in (("ann", "1800.00"), ("ben", "2000.00")):
            platform.until(
                f"the bid of {bidder_name}",
                lambda name=name, who=bidder_name, amount=amount: (
                    people[who].post(f"/api/auctions/{ids[name]}/bids", json={"amount": amount}).is_success
                ),
                within=BIDDING_S,
            )
    return ids


def order_of(platform: Platform, buyer: httpx.Client, auction: int) -> dict[str, Any]:
    """The buyer's order, once a job has closed the auction."""
    found: list[dict[str, Any]] = platform.until(
        "the order", lambda: must(buyer.get(f"/api/orders?auction={auction}"))["results"], within=60
    )
    return found[0]


def until_order(platform: Platform, buyer: httpx.Client, order: int, status: str) -> None:
    platform.until(
        f"the order is {status}", lambda: must(buyer.get(f"/api/orders/{order}"))["status"] == status, within=120
    )


def kinds(client: httpx.Client) -> set[str]:
    return {row["kind"] for row in must(client.get("/api/notifications?limit=100"))["results"]}


def code_of(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["errors"][0]["code"]


def test_a_sold_car_is_paid_titled_delivered_and_its_buyer_s(
    platform: Platform, people: dict[str, httpx.Client], auctions: dict[str, int]
) -> None:
    ben, finance = people["ben"], people["finance"]
    order = order_of(platform, ben, auctions["sold"])
    assert (order["hammer_price"], order["status"]) == ("1900.00", "awaiting_payment")
    transport = transport_is_booked(ben, finance, order["id"])
    invoice = must(ben.get(f"/api/orders/{order['id']}"))["invoice"]
    # 1,900 + premium 250 + title 75 + transport 450, no tax.
    assert invoice["total"] == "2675.00"
    paper = ben.get(f"/api/invoices/{invoice['id']}/pdf")
    assert (paper.headers["content-type"], paper.content[:5]) == ("application/pdf", b"%PDF-")
    assert people["ann"].get(f"/api/invoices/{invoice['id']}").status_code == 404
    paid_by_sandbox_and_wire(platform, ben, finance, order["id"])
    title_is_transferred(platform, people, order["id"])
    car_is_delivered(ben, finance, transport)
    must(ben.post(f"/api/orders/{order['id']}/complete"))
    vehicles = must(ben.get("/api/garage"))["results"]
    assert [vehicle["vin"] for vehicle in vehicles] == [ACCORD["vin"]]
    timeline = must(ben.get(f"/api/garage/{vehicles[0]['id']}/timeline"))["results"]
    assert "title_transferred" in {event["kind"] for event in timeline}
    a_second_person_approves_a_refund(platform, people, order["id"])
    payout = must(people["seller"].get("/api/payouts"))["results"][0]
    assert (payout["amount"], payout["status"]) == ("1900.00", "due")
    must(finance.post(f"/api/payouts/{payout['id']}/pay", json={"reference": "WIRE-77"}))
    expected = {"sale_invoice_issued", "payment_received", "title_update", "transport_update", "refund_update"}
    platform.until("all is told", lambda: expected <= kinds(ben), within=60)


def transport_is_booked(ben: httpx.Client, finance: httpx.Client, order: int) -> str:
    asked = must(ben.post("/api/transport-orders", json={"order": order, "delivery_address": "5 Elm St, Troy NY"}))
    url = f"/api/transport-orders/{asked['id']}"
    must(finance.post(f"{url}/quote", json={"quoted_price": "450.00"}))
    assert must(ben.post(f"{url}/book"))["status"] == "booked"
    return url


def paid_by_sandbox_and_wire(platform: Platform, ben: httpx.Client, finance: httpx.Client, order: int) -> None:
    url = f"/api/orders/{order}/payments"
    declined = must(ben.post(url, json={"provider": "sandbox", "amount": "2000.00", "reference": "decline"}))
    until_payment(platform, ben, declined["id"], "failed")
    by_sandbox = must(ben.post(url, json={"provider": "sandbox", "amount": "2000.00"}))
    assert by_sandbox["status"] == "processing"
    until_payment(platform, ben, by_sandbox["id"], "succeeded")
    assert must(ben.get(f"/api/orders/{order}"))["invoice"]["status"] == "partially_paid"
    wire = {"provider": "manual", "amount": "675.00", "reference": "WIRE-1"}
    assert ben.post(url, json=wire).status_code == 403
    assert ben.get(f"/api/orders/{order}/gate-pass").status_code == 404
    must(finance.post(url, json=wire))
    assert must(ben.get(f"/api/orders/{order}"))["status"] == "paid"
    assert must(ben.get(f"/api/orders/{order}/gate-pass"))["code"]


def until_payment(platform: Platform, client: httpx.Client, payment: int, status: str) -> None:
    """What the webhook of the provider reported."""
    platform.until(
        f"the payment {status}", lambda: must(client.get(f"/api/payments/{payment}"))["status"] == status, within=60
    )


def title_is_transferred(platform: Platform, people: dict[str, httpx.Client], order: int) -> None:
    finance, seller = people["finance"], people["seller"]
    title = must(finance.get(f"/api/title-transfers?order={order}"))["results"][0]
    url = f"/api/title-transfers/{title['id']}"
    platform.until("the title is late", lambda: must(finance.get(url))["overdue_at"], within=60)
    must(finance.post(f"{url}/receive"))
    must(finance.post(f"{url}/review"))
    must(finance.post(f"{url}/reject-documents", json={"reason": "The signature is missing."}))
    must(finance.post(f"{url}/receive"))
    must(finance.post(f"{url}/review"))
    must(finance.post(f"{url}/hold-lien", json={"lien_holder": "First Bank"}))
    assert must(finance.post(f"{url}/release-lien"))["status"] == "ready"
    assert code_of(finance.post(f"{url}/complete")) == (409, "invalid_transition")
    must(finance.post(f"{url}/send", json={"tracking_reference": "1Z999"}))
    must(finance.post(f"{url}/complete"))
    platform.until("the seller hears of it", lambda: "title_update" in kinds(seller), within=60)


def car_is_delivered(ben: httpx.Client, finance: httpx.Client, url: str) -> None:
    must(finance.post(f"{url}/assign", json={"carrier": "Swift Haul", "driver_name": "Dee"}))
    must(finance.post(f"{url}/pick-up"))
    must(finance.post(f"{url}/depart"))
    must(finance.post(f"{url}/deliver", json={"final_price": "430.00"}))
    assert must(ben.get(url))["status"] == "delivered"


def a_second_person_approves_a_refund(platform: Platform, people: dict[str, httpx.Client], order: int) -> None:
    finance, second, ben = people["finance"], people["second"], people["ben"]
    payments = must(ben.get(f"/api/payments?order={order}&status=succeeded"))["results"]
    payment = next(row for row in payments if row["provider"] == "sandbox")
    asked = must(
        finance.post(f"/api/payments/{payment['id']}/refunds", json={"amount": "600.00", "reason": "Hail damage."})
    )
    url = f"/api/refunds/{asked['id']}"
    assert finance.post(f"{url}/approve").status_code == 403
    must(second.post(f"{url}/approve"))
    platform.until("the refund", lambda: must(ben.get(url))["status"] == "done", within=60)
    invoice = must(ben.get(f"/api/orders/{order}"))["invoice"]
    assert (invoice["paid"], invoice["credited"], Decimal(invoice["balance"])) == ("2075.00", "600.00", 0)


def test_a_missed_reserve_becomes_an_offer_and_a_counter_offer(
    platform: Platform, people: dict[str, httpx.Client], auctions: dict[str, int]
) -> None:
    seller, ben = people["seller"], people["ben"]
    url = f"/api/offers?auction={auctions['missed']}"
    offers = platform.until("the offer", lambda: must(seller.get(url))["results"], within=60)
    assert (offers[0]["kind"], offers[0]["amount"], offers[0]["status"]) == ("if_bid", "2000.00", "pending")
    counter = must(seller.post(f"/api/offers/{offers[0]['id']}/counter", json={"amount": "5000.00"}))
    assert code_of(seller.post(f"/api/offers/{offers[0]['id']}/accept")) == (409, "invalid_transition")
    must(ben.post(f"/api/offers/{counter['id']}/accept"))
    order = order_of(platform, ben, auctions["missed"])
    assert (order["hammer_price"], order["status"]) == ("5000.00", "awaiting_payment")
    assert must(ben.get(f"/api/auctions/{auctions['missed']}"))["status"] == "sold"
    a_dispute_ends_in_a_refund(platform, people, order["id"])


def a_dispute_ends_in_a_refund(platform: Platform, people: dict[str, httpx.Client], order: int) -> None:
    ben, finance, second = people["ben"], people["finance"], people["second"]
    must(ben.post(f"/api/orders/{order}/self-pickup"))
    total = must(ben.get(f"/api/orders/{order}"))["invoice"]["total"]
    assert total == "5325.00"
    must(ben.post(f"/api/orders/{order}/payments", json={"provider": "sandbox", "amount": total}))
    until_order(platform, ben, order, "paid")
    must(ben.post(f"/api/orders/{order}/dispute", json={"reason": "The engine is not the one that was described."}))
    assert ben.get(f"/api/orders/{order}/gate-pass").status_code == 404
    assert ben.post(f"/api/orders/{order}/resolve", json={"outcome": "refund"}).status_code == 403
    resolved = must(finance.post(f"/api/orders/{order}/resolve", json={"outcome": "refund"}))
    assert (resolved["status"], resolved["invoice"]["status"]) == ("refunded", "void")
    refund = must(finance.get(f"/api/refunds?order={order}"))["results"][0]
    must(second.post(f"/api/refunds/{refund['id']}/approve"))
    platform.until(
        "the money is back", lambda: must(ben.get(f"/api/refunds/{refund['id']}"))["status"] == "done", within=60
    )
    assert must(ben.get(f"/api/orders/{order}"))["invoice"]["paid"] == "0.00"


def test_an_unpaid_order_defaults_and_the_second_bidder_gets_a_chance(
    platform: Platform, people: dict[str, httpx.Client], auctions: dict[str, int]
) -> None:
    ann, ben, seller = people["ann"], people["ben"], people["seller"]
    order = order_of(platform, ben, auctions["unpaid"])
    until_order(platform, ben, order["id"], "defaulted")
    url = f"/api/offers?auction={auctions['unpaid']}"
    offers = platform.until("the second chance", lambda: must(ann.get(url))["results"], within=60)
    assert (offers[0]["kind"], offers[0]["amount"]) == (
        "second_chance",
        "1000.00",
    )  # What the public row of her bid says
    assert ben.post(f"/api/offers/{offers[0]['id']}/accept").status_code == 404
    must(ann.post(f"/api/offers/{offers[0]['id']}/accept"))
    second = order_of(platform, ann, auctions["unpaid"])
    assert (second["hammer_price"], second["status"]) == ("1000.00", "awaiting_payment")
    platform.until("it is told", lambda: {"order_overdue", "order_defaulted"} <= kinds(ben), within=60)
    assert user_id(seller) == second["seller"]


@pytest.mark.usefixtures("auctions")
def test_the_ledger_is_clean_and_so_are_the_auctions(platform: Platform, desk: Desk) -> None:
    """After all of this."""
    for command in ("audit_ledger", "verify_auctions"):
        done = subprocess.run(
            [sys.executable, "manage.py", command], cwd=ROOT, env=platform.environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert must(desk.anybody.get("/health/detailed"))["ledger"]["state"] == "up"
