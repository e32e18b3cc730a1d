"""Rows of sales and of parking on a running platform: `python -m tests.faults.market <JSON>` makes them with the
factories and prints what a test has to know of them. And the people who act on them."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import django
import factory
import httpx

from tests.e2e.processes import PREPARED_WITHIN_S, ROOT, Platform
from tests.faults.load import Ask

HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # Nobody signs in by a password here.


@dataclass
class Market:
    """What a test has to know of the rows."""

    bidders: list[dict[str, Any]]
    clocked: list[int]
    lot: int
    drivers: list[str]
    payments: list[dict[str, Any]]
    invoice: dict[str, str]
    parked: list[int]
    payout: dict[str, Any] | None
    refund: dict[str, Any] | None


def market_on(platform: Platform, **given: Any) -> Market:
    """Made by a process of its own in the platform's environment, because this one's Django has another database. It
    rings for nobody, so that a test decides when its jobs begin."""
    command = [sys.executable, "-m", "tests.faults.market", json.dumps(given)]
    environment = platform.environment | {"BROKER_URL": "memory://"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PREPARED_WITHIN_S)
    assert done.returncode == 0, done.stderr
    return Market(**json.loads(done.stdout.splitlines()[-1]))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def bids(given: dict[str, Any]) -> Ask:
    """The only bidder of an auction, who raises the own maximum."""
    base = 1000 + int(time.monotonic() * 1000)  # Beyond what an earlier load has bid.

    def ask(client: httpx.Client, number: int, headers: dict[str, str]) -> httpx.Response:
        body = {"amount": f"{base + number}.00"}
        return client.post(
            f"/api/auctions/{given['auction']}/bids", json=body, headers=headers | bearer(given["token"])
        )

    return ask


def bookings(lot: int, token: str, *, first_day: int) -> Ask:
    """A driver who books and cancels by turns; one may hold a hundred reservations."""
    begin = datetime.now(UTC).replace(microsecond=0) + timedelta(days=first_day)
    plate = f"P {time.monotonic_ns() % 10**9}"
    booked: list[int] = []

    def ask(client: httpx.Client, number: int, headers: dict[str, str]) -> httpx.Response:
        headers = headers | bearer(token)
        if number % 2 == 0:
            return client.post(f"/api/parking/reservations/{booked[-1]}/cancel", json={}, headers=headers)
        start = begin + timedelta(minutes=number)
        stay = {"starts_at": start.isoformat(), "ends_at": (start + timedelta(minutes=30)).isoformat()}
        answer = client.post("/api/parking/reservations", json={"lot": lot, "plate": plate} | stay, headers=headers)
        if answer.is_success:
            booked.append(answer.json()["id"])
        return answer

    return ask


def reports(payments: list[dict[str, Any]]) -> Ask:
    """The provider, who reports every payment, and every second one again."""
    from auctions.providers.sandbox import SIGNATURE_HEADER

    due = [payment for place, payment in enumerate(payments) for _ in range(1 + place % 2)]

    def ask(client: httpx.Client, number: int, _: dict[str, str]) -> httpx.Response | None:
        if number > len(due):
            return None
        given = due[number - 1]
        headers = {"Content-Type": "application/json", SIGNATURE_HEADER: given["signature"]}
        return client.post("/api/webhooks/sandbox", content=given["body"], headers=headers)

    return ask


def prints(invoice: dict[str, str]) -> Ask:
    """A buyer who prints an invoice again and again."""

    def ask(client: httpx.Client, number: int, _: dict[str, str]) -> httpx.Response:
        return client.get(invoice["url"], headers=bearer(invoice["token"]))

    return ask


def everyday_work(market: Market, *, first_day: int) -> dict[str, Ask]:
    """All bidders, all drivers, and a buyer who prints."""
    return {
        **{f"bidder-{place}": bids(given) for place, given in enumerate(market.bidders)},
        **{
            f"driver-{place}": bookings(market.lot, token, first_day=first_day)
            for place, token in enumerate(market.drivers)
        },
        "reader": prints(market.invoice),
    }


def made(database: Any, market: Market) -> set[Any]:
    """The ids of all bids and bookings that are there, as JSON writes them."""
    auctions = [given["auction"] for given in market.bidders]
    found = database.execute(
        "SELECT id FROM auctions_auctionlogentry WHERE kind = 'bid' AND auction_id = ANY(%s)", [auctions]
    ).fetchall()
    booked = database.execute("SELECT id FROM parking_reservation WHERE lot_id = %s", [market.lot]).fetchall()
    return {str(row[0]) for row in found} | {row[0] for row in booked}


def make(
    *, bidders: int = 0, clocked: int = 0, drivers: int = 0, payments: int = 0, people: int = 0, intent: str = ""
) -> Market:
    """Auctions with one bidder each, more whose end a test sets, a lot, payments that are on their way with the
    webhooks that report them, an invoice to print, people who parked in the month before; and with an `intent`, which
    Stripe was paid, a refund of it that waits for finance, and a payout. Those two come from rows that the ledger's
    audit would not believe."""
    orders = [_unpaid() for _ in range(payments)]
    return Market(
        bidders=[_auction() for _ in range(bidders)],
        clocked=[_auction()["auction"] for _ in range(clocked)],
        lot=_lot(),
        drivers=[_token() for _ in range(drivers)],
        payments=[_payment(order) for order in orders],
        invoice=_invoice(orders[0] if orders else _unpaid()),
        parked=_parked(people),
        payout=_payout() if intent else None,
        refund=_refund(intent) if intent else None,
    )


def _refund(intent: str) -> dict[str, Any]:
    """Nobody has approved it: the jobs of the schedule are at work already."""
    from auctions.models import Payment
    from tests.auctions.refunding import paid, requested

    payment = paid(provider="stripe")
    Payment.objects.filter(pk=payment.pk).update(provider_ref=intent)
    row = requested(payment)
    token = _token(is_superuser=True)
    return {"refund": row.pk, "order": row.order_id, "buyer": row.order.buyer_id, "token": token}


def _parked(people: int) -> list[int]:
    """The ids of the drivers."""
    from django.utils import timezone

    from tests.factories import UserFactory
    from tests.parking.factories import LotFactory, ReservationFactory

    now, lot, drivers = timezone.now(), LotFactory(), UserFactory.create_batch(people)
    for number, driver in enumerate(drivers):
        before = now.replace(day=1) - timedelta(days=10, hours=3 * number)
        for end in (before, now):  # Another month may have begun when the reports are written.
            times = {"starts_at": end - timedelta(hours=2), "ends_at": end, "released_at": end}
            ReservationFactory(user=driver, lot=lot, status="completed", cost=6, **times)
    return [driver.pk for driver in drivers]


def _payout() -> dict[str, Any]:
    """One that is due, and somebody of finance who may pay it."""
    from auctions.models import Payout
    from tests.auctions.orders import delivered_order

    row = Payout.objects.get(order=delivered_order())
    return {"payout": row.pk, "order": row.order_id, "token": _token(is_superuser=True)}


def _token(user: Any = None, **fields: Any) -> str:
    from django.utils import timezone

    from accounts.tokens import issue_tokens
    from tests.factories import UserFactory

    return issue_tokens(user=user or UserFactory(**fields), now=timezone.now()).access


def _auction() -> dict[str, Any]:
    from tests.auctions.factories import AuctionFactory, BidderFactory

    return {"auction": AuctionFactory(soft_close_window_s=0).pk, "token": _token(BidderFactory())}


def _lot() -> int:
    from tests.parking.factories import LotFactory

    return int(LotFactory(spots=4).pk)


def _unpaid() -> Any:
    from tests.auctions.orders import invoiced_order

    return invoiced_order()


def _payment(order: Any) -> dict[str, Any]:
    """With the webhook that reports its success."""
    from django.utils import timezone

    from auctions.providers.sandbox import signed
    from tests.auctions.factories import PaymentFactory
    from tests.auctions.paying import event_of

    payment = PaymentFactory(order=order)
    body = event_of(payment)
    return {"payment": payment.pk, "body": body.decode(), "signature": signed(body, at=timezone.now())}


def _invoice(order: Any) -> dict[str, Any]:
    from tests.auctions.orders import invoice_of

    return {"url": f"/api/invoices/{invoice_of(order).pk}/pdf", "token": _token(order.buyer)}


def main(given: str) -> None:
    django.setup()
    from django.conf import settings

    settings.PASSWORD_HASHERS = HASHERS
    factory.Factory._setup_next_sequence = classmethod(lambda cls: 1000)  # Beside the rows of others.
    print(json.dumps(asdict(make(**json.loads(given)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
