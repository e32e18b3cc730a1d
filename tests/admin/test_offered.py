"""A page offers the buttons whose service accepts the row as it is, and no others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from django.contrib import admin, messages
from django.db import models, transaction
from django.http import HttpRequest
from django.test import RequestFactory
from django.utils import timezone

from accounts.models import User
from auctions.models import (
    Auction,
    Bid,
    GatePass,
    Listing,
    Order,
    Payment,
    Payout,
    Refund,
    TitleTransfer,
    TransportOrder,
)
from auctions.models.auctions import OPEN
from auctions.models.orders import PAID_ORDER, UNPAID_ORDER
from auctions.services.bids import place_bid
from auctions.services.corrections import void_bid
from cars.models import SyncRun
from parking.models import Reservation
from tests.auctions.factories import (
    AuctionFactory,
    BidderFactory,
    InvoiceFactory,
    ListingFactory,
    OrderFactory,
    PaymentFactory,
)
from tests.parking.factories import LotFactory, ReservationFactory
from tests.workshop.factories import (
    JobFactory,
    LabourLineFactory,
    MechanicFactory,
    SupplierFactory,
    TicketFactory,
)
from workshop.models import Invoice as TicketInvoice
from workshop.models import PurchaseOrder, ServiceTicket

pytestmark = pytest.mark.django_db

# What any form asks for.
ANSWERS = {
    "amount": "5.00", "reference": "W-1", "reason": "It is so.", "outcome": "back", "lien_holder": "First Bank",
    "tracking_reference": "1Z9", "quoted_price": "450", "carrier": "Hudson Hauling",
}  # fmt: skip
# They do nothing to the row, or ask for a page: they stand on each.
ALWAYS = {"pdf", "verify", "passport", "public_history"}
Rows = Iterator[tuple[str, models.Model]]


@dataclass
class Said:
    """What a page tells its user."""

    levels: list[int] = field(default_factory=list)

    def add(self, level: int, message: str, extra_tags: str = "") -> None:
        self.levels.append(level)


@pytest.fixture
def ask(rf: RequestFactory, admin_user: User) -> Callable[[], HttpRequest]:
    def request() -> HttpRequest:
        made = rf.post("/", ANSWERS)
        made.user, made._messages = admin_user, Said()
        return made

    return request


def statuses(model: type[Any]) -> list[str]:
    return list(model.Status.values)


def orders() -> Rows:
    """Without an invoice, with an open one, and with one that is paid; titles are the buyers' already."""
    now = timezone.now()
    for status, paid in product(statuses(Order), (None, 0, 1325)):
        disputed_from = "paid" if status == "disputed" else ""
        paid_at = now if status in (*PAID_ORDER, "disputed") else None
        order = OrderFactory(status=status, disputed_from=disputed_from, paid_at=paid_at)
        if paid is not None:
            InvoiceFactory(order=order, paid=paid)
        if status in ("delivered", "completed", "disputed"):
            TitleTransfer.objects.create(order=order, due_at=now, status="completed", completed_at=now)
        yield f"{status}, paid: {paid}", order
    yield "delivered without its title", OrderFactory(status="delivered")


def titles() -> Rows:
    now = timezone.now()
    for status, of_order in product(statuses(TitleTransfer), ("title_processing", "disputed", "cancelled")):
        order = OrderFactory(
            status=of_order, paid_at=now, disputed_from="title_processing" if of_order == "disputed" else ""
        )
        completed_at = now if status == "completed" else None
        title = TitleTransfer.objects.create(
            order=order, due_at=now, status=status, completed_at=completed_at, lien_holder="First Bank"
        )
        yield f"{status}, order {of_order}", title


def transports() -> Rows:
    """Before the order is paid, with a gate pass and after it was used, and while it is disputed."""
    now = timezone.now()
    early, later = (
        ("quote_requested", "quoted", "booked", "cancelled"),
        ("booked", "assigned", "picked_up", "in_transit"),
    )
    ways = [
        *product(early, UNPAID_ORDER, ("",)),
        *product((*later, "delivered", "cancelled"), ("title_processing",), ("issued", "used", "")),
        *product(later, ("disputed",), ("issued", "used")),
    ]
    for status, of_order, passed in ways:
        delivery = "" if of_order in UNPAID_ORDER and status != "booked" else "transport"
        order = OrderFactory(
            status=of_order, delivery=delivery, paid_at=None if of_order in UNPAID_ORDER else now,
            disputed_from="title_processing" if of_order == "disputed" else "",
        )  # fmt: skip
        if passed:
            used_at = now if passed == "used" else None
            GatePass.objects.create(code=f"GP-{order.pk}", order=order, issued_at=now, used_at=used_at)
        row = TransportOrder.objects.create(
            order=order, status=status, pickup_address="A", delivery_address="B", currency="USD", carrier="C",
            quoted_price=1, picked_up_at=now if status in ("picked_up", "in_transit", "delivered") else None,
        )  # fmt: skip
        yield f"{status}, order {of_order}, pass {passed or 'none'}", row


def payments() -> Rows:
    for status in statuses(Payment):
        yield status, PaymentFactory(status=status, order=InvoiceFactory().order)
    payment = PaymentFactory(status="succeeded")
    refund_of(payment, status="done", amount=payment.amount, done_at=timezone.now())
    yield "all of it went back", payment


def refund_of(payment: Payment, **fields: Any) -> Refund:
    money = {"order": payment.order, "currency": "USD", "amount": 5, "reason": "R"}
    row: Refund = Refund.objects.create(**{"payment": payment, **money, **fields})
    return row


def refunds() -> Rows:
    for status in statuses(Refund):
        order = InvoiceFactory(order__status="paid", paid=1325).order
        done_at = timezone.now() if status == "done" else None
        reserved = 5 if status in Refund.GOING_BACK else 0
        payment = PaymentFactory(order=order, status="succeeded", refund_reserved=reserved)
        yield status, refund_of(payment, status=status, done_at=done_at)


def payouts() -> Rows:
    now = timezone.now()
    for status, going_back in product(statuses(Payout), (False, True)):
        payment = PaymentFactory(status="succeeded", order__status="paid")
        if going_back:
            refund_of(payment, status="approved")
        paid = {"paid_at": now, "reference": "W"} if status == "paid" else {}
        money = {"order": payment.order, "currency": "USD", "price": 1000, "fee": 0, "amount": 1000, "due_at": now}
        yield f"{status}, going back: {going_back}", Payout.objects.create(status=status, **money, **paid)
    order = InvoiceFactory(status="void", credited=1325, order__status="paid").order
    yield "void", Payout.objects.create(order=order, currency="USD", price=1, fee=0, amount=1, due_at=now)


def listings() -> Rows:
    for status in statuses(Listing):
        if status != "in_auction":
            yield status, ListingFactory(status=status)
    yield "in auction", AuctionFactory().listing
    yield "in auction, late", AuctionFactory(ends_at=timezone.now() - timedelta(minutes=5)).listing


def auctions() -> Rows:
    """With a leader, as of those that are sold; live ones also when their end has come."""
    now = timezone.now()
    for status in statuses(Auction):
        auction = bid_on(AuctionFactory()).auction
        changes = {"status": status, "closed_at": None if status in OPEN else now}
        changes |= {"paused_at": now} if status == "paused" else {}
        Auction.objects.filter(pk=auction.pk).update(**changes)
        yield status, Auction.objects.get(pk=auction.pk)
    yield "live, late", AuctionFactory(ends_at=now - timedelta(minutes=5))


def bid_on(auction: Auction) -> Bid:
    place_bid(user_id=BidderFactory().pk, auction_id=auction.pk, amount=Decimal("1200.00"))
    bid: Bid = Bid.objects.get(auction=auction)
    return bid


def bids() -> Rows:
    for status in ("live", "paused", "sold"):
        bid = bid_on(AuctionFactory())
        closed_at = timezone.now() if status == "sold" else None
        paused_at = timezone.now() if status == "paused" else None
        Auction.objects.filter(pk=bid.auction_id).update(status=status, closed_at=closed_at, paused_at=paused_at)
        yield status, bid
    bid = bid_on(AuctionFactory())
    void_bid(bid_id=bid.pk, actor=bid.bidder, reason="Typed wrongly.")
    yield "void", bid


def tickets() -> Rows:
    """Ready to be completed and to be invoiced, if only their status were so."""
    for status in statuses(ServiceTicket):
        held = {"hold_reason": "parts", "held_from": "authorised"} if status == "on_hold" else {}
        ticket = TicketFactory(status=status, odometer_out=10, mechanics=[MechanicFactory()], **held)
        LabourLineFactory(job=JobFactory(ticket=ticket, state="finished"))
        if status in ("invoiced", "paid"):
            invoice(ticket)
        yield status, ticket


def invoice(ticket: ServiceTicket) -> None:
    TicketInvoice.objects.create(
        number=f"INV-{ticket.pk}", year=2026, sequence=ticket.pk, ticket=ticket, customer=ticket.customer,
        customer_name="C", customer_email="c@example.com", service_date=ticket.service_date, currency="USD",
        subtotal=10, tax_total=0, total=10,
    )  # fmt: skip


def purchase_orders() -> Rows:
    for status in statuses(PurchaseOrder):
        yield status, PurchaseOrder.objects.create(supplier=SupplierFactory(), status=status)


def stays() -> Rows:
    now = timezone.now()
    begins = {"starts_at": now + timedelta(minutes=5), "ends_at": now + timedelta(hours=2)}
    for status in statuses(Reservation):
        over = {"released_at": now, "cost": Decimal(3)} if status == "completed" else {}
        yield status, ReservationFactory(status=status, **begins, **over)
    yield "reserved, long before", ReservationFactory(starts_at=now + timedelta(hours=3))
    yield "reserved, late", ReservationFactory(starts_at=now - timedelta(minutes=30))
    firm = LotFactory(cancel_cutoff_min=60)
    yield "reserved, too late to cancel", ReservationFactory(lot=firm, **begins)


def runs() -> Rows:
    for status in statuses(SyncRun):
        yield status, SyncRun.objects.create(source=status, provider="file", trigger="schedule", status=status)


PAGES: list[tuple[type[models.Model], Callable[[], Rows]]] = [
    (Order, orders),
    (TitleTransfer, titles),
    (TransportOrder, transports),
    (Payment, payments),
    (Refund, refunds),
    (Payout, payouts),
    (Listing, listings),
    (Auction, auctions),
    (Bid, bids),
    (ServiceTicket, tickets),
    (PurchaseOrder, purchase_orders),
    (Reservation, stays),
    (SyncRun, runs),
]


@pytest.mark.parametrize(("model", "rows"), PAGES, ids=lambda given: getattr(given, "__name__", None))
def test_a_page_offers_what_its_service_accepts(
    model: type[models.Model], rows: Callable[[], Rows], ask: Callable[[], HttpRequest]
) -> None:
    page: Any = admin.site.get_model_admin(model)
    names = [name for name in page._extract_action_names(page.actions_detail) if name not in ALWAYS]
    wrong, ever = [], set()
    for how, row in rows():
        offered = {one.method.__name__ for one in page.get_actions_detail(ask(), str(row.pk))} - ALWAYS
        accepted = {name for name in names if accepts(page, name, row, ask())}
        ever |= accepted
        if offered != accepted:
            wrong.append((how, offered - accepted, accepted - offered))
    assert wrong == []
    assert ever == set(names)  # None is refused always.


def accepts(page: Any, name: str, row: models.Model, request: HttpRequest) -> bool:
    """Press the button, and take back what it did."""
    with transaction.atomic():
        getattr(page, name)(request, object_id=str(row.pk))
        transaction.set_rollback(True)
    (level,) = request._messages.levels  # type: ignore[attr-defined]
    return bool(level == messages.SUCCESS)


def test_all_pages_with_buttons_are_tried() -> None:
    """But for those whose buttons do nothing to the row."""
    with_buttons = {
        model
        for model, page in admin.site._registry.items()
        if set(page._extract_action_names(page.actions_detail)) - ALWAYS  # type: ignore[attr-defined]
    }
    assert {model.__name__ for model in with_buttons} - {"IncrementTable"} == {model.__name__ for model, _ in PAGES}
