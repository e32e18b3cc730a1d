"""A few buyers, sellers and two of finance, who do at random whatever the services of the settlement offer: mostly what
is next, sometimes what is not allowed, twice or too late. Refusals of the domain are part of it; anything else that is
raised is a failure."""

from __future__ import annotations

import itertools
import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from django.db.models import F, Model, QuerySet
from django.utils import timezone

from accounts.models import User
from auctions.models import (
    Auction,
    FeeSchedule,
    GatePass,
    Listing,
    Offer,
    Order,
    Payment,
    Payout,
    Refund,
    TitleTransfer,
    TransportOrder,
)
from auctions.models.orders import PAID_ORDER, UNPAID_ORDER
from auctions.providers.sandbox import SIGNATURE_HEADER, _event_of, signed
from auctions.services import (
    chances,
    gate_passes,
    invoicing,
    offers,
    orders,
    payments,
    payouts,
    refunds,
    titles,
    webhooks,
)
from auctions.services import transport as transports
from auctions.services.auctions import create_auction
from auctions.services.bids import place_bid
from auctions.services.closing import close_due, open_due
from auctions.services.settlement_telling import tell_settlements
from common.errors import DomainError
from common.renderers import dump_json
from tests.auctions.factories import BidderFactory, ListingFactory
from tests.factories import UserFactory

Row = TypeVar("Row", bound=Model)
STRAYING = 0.1  # How often somebody takes any row, whatever its state.
TICK = timedelta(minutes=12)  # Between two operations; the deadlines of orders are days.
LISTINGS = 40  # For sale at a time.
BANKS = itertools.count(1)


@dataclass
class Tally:
    """What happened: operations by name, refusals by code, and what should never be."""

    done: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        self.done += other.done
        self.refused += other.refused
        self.failures += other.failures


class World:
    """What all people share: who they are, and a clock that goes on with every operation."""

    def __init__(self, *, buyers: int = 8, sellers: int = 4) -> None:
        state = {"address_state": "NY", "address_country": "US"}
        self.buyers = [BidderFactory(bid_limit=None if n % 2 else Decimal(40_000), **state) for n in range(buyers)]
        self.sellers = UserFactory.create_batch(sellers)
        self.finance = UserFactory.create_batch(2, is_superuser=True)
        # Long before any sale: the limits hold since then.
        User.objects.update(updated_at=timezone.now() - timedelta(days=30))
        FeeSchedule.objects.update(
            tax_rates={"NY": "8.875"}, taxable=["buyer_premium", "transport"], seller_percent=Decimal("2.35")
        )
        self._begun, self._ticks, self._making = timezone.now(), itertools.count(), threading.Lock()

    def tick(self) -> datetime:
        return self._begun + TICK * next(self._ticks)

    def skip(self, time: timedelta) -> None:
        """Nobody does anything for a while."""
        with self._making:
            self._begun += time

    def make(self, factory: Callable[..., Any], **fields: Any) -> Any:
        """The factories' counters are not for several threads."""
        with self._making:
            return factory(**fields)


class People:
    """One thread's share of what is done."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.random, self.tally = world, random.Random(seed), Tally()
        self.now = world.tick()
        self._names = list(OPERATIONS)
        self._weights = list(OPERATIONS.values())

    def act(self, operations: int) -> Tally:
        for _ in range(operations):
            (name,) = self.random.choices(self._names, self._weights)
            self.now = self.world.tick()
            try:
                getattr(self, name)()
            except DomainError as refusal:
                self.tally.refused[f"{name}: {refusal.code}"] += 1
            except Exception as error:
                self.tally.failures.append(f"{name}: {type(error).__name__}: {error}")
            self.tally.done[name] += 1
        return self.tally

    # --- Chance

    def one_of(self, rows: QuerySet[Row], *statuses: str) -> Row:
        """One of the rows in these states, sometimes of all. Raises Nothing."""
        if statuses and self.random.random() >= STRAYING:
            rows = rows.filter(status__in=statuses)
        row = rows.order_by("?").first()
        if row is None:
            raise Nothing
        return row

    def amount(self, low: int, high: int) -> Decimal:
        return Decimal(self.random.randint(low * 100, high * 100)) / 100

    def clerk(self) -> User:
        clerk: User = self.random.choice(self.world.finance)
        return clerk

    def clock(self) -> datetime:
        return self.now

    # --- Selling

    def put_up(self) -> None:
        if Listing.objects.filter(status="active").count() < LISTINGS:
            seller, price = self.random.choice(self.world.sellers), self.amount(1000, 4000)
            reserve = price * self.random.choice([1, 2]) if self.random.random() < 0.6 else None
            self.world.make(ListingFactory, seller=seller, starting_price=price, reserve_price=reserve)

    def auction(self) -> None:
        listing = self.one_of(Listing.objects.filter(offers=None), "active")
        window = {"starts_at": self.now + timedelta(minutes=10), "ends_at": self.now + timedelta(hours=12)}
        create_auction(listing_id=listing.pk, actor=listing.seller, data=window, now=self.now)

    def bid(self) -> None:
        auction = self.one_of(Auction.objects.filter(starts_at__lte=self.now), "scheduled", "live")
        bidder, amount = self.random.choice(self.world.buyers), self.amount(1000, 9000)
        place_bid(user_id=bidder.pk, auction_id=auction.pk, amount=amount, clock=self.clock)

    def close(self) -> None:
        close_due(now=self.now, clock=self.clock)

    def offer(self) -> None:
        listing = self.one_of(Listing.objects.all(), "active")
        buyer = self.random.choice(self.world.buyers)
        amount = self.amount(500, 9000)
        offers.create_offer(listing_id=listing.pk, buyer_id=buyer.pk, amount=amount, clock=self.clock)

    def accept(self) -> None:
        offer = self.one_of(Offer.objects.all(), "pending")
        offers.accept_offer(offer_id=offer.pk, actor=self._recipient(offer), clock=self.clock)

    def decline(self) -> None:
        offer = self.one_of(Offer.objects.all(), "pending")
        offers.decline_offer(offer_id=offer.pk, actor=self._recipient(offer), clock=self.clock)

    def counter(self) -> None:
        offer = self.one_of(Offer.objects.all(), "pending")
        actor, amount = self._recipient(offer), self.amount(500, 9000)
        offers.counter_offer(offer_id=offer.pk, actor=actor, amount=amount, clock=self.clock)

    def withdraw(self) -> None:
        offer = self.one_of(Offer.objects.all(), "pending")
        proposer = offer.buyer if offer.made_by == "buyer" else offer.seller
        offers.withdraw_offer(offer_id=offer.pk, actor=proposer, clock=self.clock)

    def _recipient(self, offer: Offer) -> User:
        return User.objects.get(pk=offer.recipient_id)

    # --- Delivery and papers

    def self_pickup(self) -> None:
        order = self.one_of(Order.objects.filter(delivery=""), *UNPAID_ORDER)
        orders.choose_self_pickup(order_id=order.pk, actor=order.buyer, now=self.now)

    def ask_transport(self) -> None:
        order = self.one_of(Order.objects.filter(delivery=""), *UNPAID_ORDER)
        transports.request_transport(order_id=order.pk, delivery_address="1 Road", actor=order.buyer, now=self.now)

    def quote(self) -> None:
        pk = self.one_of(TransportOrder.objects.all(), "quote_requested", "quoted").pk
        price = self.amount(100, 900)
        transports.quote_transport(transport_id=pk, quoted_price=price, actor=self.clerk(), now=self.now)

    def book(self) -> None:
        transport = self.one_of(TransportOrder.objects.all(), "quoted")
        transports.book_transport(transport_id=transport.pk, actor=transport.order.buyer, now=self.now)

    def assign(self) -> None:
        paid = TransportOrder.objects.filter(order__status__in=PAID_ORDER)
        pk = self.one_of(paid, "booked").pk
        transports.assign_carrier(transport_id=pk, carrier="Haulage Ltd", actor=self.clerk(), now=self.now)

    def pick_up(self) -> None:
        pk = self.one_of(TransportOrder.objects.all(), "assigned").pk
        transports.pick_up(transport_id=pk, actor=self.clerk(), now=self.now)

    def depart(self) -> None:
        pk = self.one_of(TransportOrder.objects.all(), "picked_up").pk
        transports.depart(transport_id=pk, actor=self.clerk(), now=self.now)

    def deliver(self) -> None:
        pk = self.one_of(TransportOrder.objects.all(), "in_transit").pk
        transports.deliver(transport_id=pk, actor=self.clerk(), now=self.now, final_price=self.amount(100, 900))

    def cancel_transport(self) -> None:
        pk = self.one_of(TransportOrder.objects.all(), "quoted", "booked", "assigned").pk
        transports.cancel_transport(transport_id=pk, actor=self.clerk(), now=self.now, reason="No lorry.")

    def let_out(self) -> None:
        code = self.one_of(GatePass.objects.all()).code
        gate_passes.use_pass(code=code, actor=self.clerk(), now=self.now)

    def title(self) -> None:
        """One step, whichever way."""
        title = self.one_of(TitleTransfer.objects.exclude(status__in=["completed", "cancelled"]))
        steps: dict[str, list[Callable[..., Any]]] = {
            "awaiting_seller_documents": [titles.receive_title],
            "received": [titles.review_title],
            "under_review": [titles.ready_title, titles.ready_title, titles.reject_documents, titles.hold_lien],
            "rejected_documents": [titles.receive_title],
            "lien_pending": [titles.release_lien],
            "ready": [titles.send_title],
            "sent": [titles.complete_title],
        }
        step = self.random.choice(steps.get(title.status, [titles.complete_title]))
        words = {
            titles.reject_documents: {"reason": "Not signed."},
            titles.hold_lien: {"lien_holder": "A bank"},
            titles.send_title: {"tracking_reference": "1Z"},
        }
        step(title_id=title.pk, actor=self.clerk(), now=self.now, **words.get(step, {}))

    # --- Money

    def invoice(self) -> None:
        order = self.one_of(Order.objects.filter(invoice=None), *UNPAID_ORDER)
        invoicing.invoice_order(order_id=order.pk, actor=self.clerk(), now=self.now)

    def wire(self) -> None:
        """All, a part, or too much."""
        order = self.one_of(Order.objects.filter(invoice__isnull=False), *UNPAID_ORDER)
        self._pay(order, "manual", self.clerk(), f"TX-{next(BANKS)}")

    def card(self) -> None:
        order = self.one_of(Order.objects.filter(invoice__isnull=False), *UNPAID_ORDER)
        words = "decline" if self.random.random() < 0.2 else ""
        attempt = self._pay(order, "sandbox", order.buyer, words)
        payments.ask_provider(payment_id=attempt.pk, now=self.now)

    def _pay(self, order: Order, provider: str, actor: User, reference: str) -> Payment:
        balance = order.invoice.balance if hasattr(order, "invoice") else Decimal(100)
        share = self.random.choice([1, 1, 1, Decimal("0.4"), Decimal("1.05")])
        amount = max((balance * share).quantize(Decimal("0.01")), Decimal("0.01"))
        return payments.start_payment(
            order_id=order.pk, provider=provider, amount=amount, reference=reference, actor=actor, now=self.now
        )

    def webhook(self) -> None:
        """What the sandbox reports, sometimes twice."""
        model: Any = self.random.choice([Payment, Refund])
        under_way = {Payment: ["processing"], Refund: ["in_transit"]}[model]
        row = self.one_of(model.objects.exclude(provider_ref="").filter(provider_ref__startswith="sb"), *under_way)
        body = dump_json(_event_of(row))
        for _ in range(self.random.choice([1, 1, 2])):
            headers = {SIGNATURE_HEADER: signed(body, at=timezone.now())}
            webhooks.receive(provider="sandbox", headers=headers, body=body, now=self.now)

    def refund(self) -> None:
        payment = self.one_of(Payment.objects.filter(refund_reserved__lt=F("amount")), "succeeded")
        part = self.random.choice([1, Decimal("0.3"), Decimal("0.05")])
        amount = max((payment.amount * part).quantize(Decimal("0.01")), Decimal("0.01"))
        reason = self.random.choice(["decline", "A dent."])
        refunds.ask_for_refund(payment_id=payment.pk, amount=amount, reason=reason, actor=self.clerk(), now=self.now)

    def approve(self) -> None:
        pk = self.one_of(Refund.objects.all(), "requested").pk
        refunds.approve_refund(refund_id=pk, actor=self.clerk(), now=self.now)

    def reject(self) -> None:
        pk = self.one_of(Refund.objects.all(), "requested").pk
        refunds.reject_refund(refund_id=pk, reason="No.", actor=self.clerk(), now=self.now)

    def retry(self) -> None:
        pk = self.one_of(Refund.objects.all(), "failed").pk
        refunds.retry_refund(refund_id=pk, actor=self.clerk(), now=self.now)

    def pay_out(self) -> None:
        pk = self.one_of(Payout.objects.all(), "due").pk
        payouts.pay_payout(payout_id=pk, reference=f"OUT-{pk}", actor=self.clerk(), now=self.now)

    # --- How it ends

    def complete(self) -> None:
        order = self.one_of(Order.objects.all(), "delivered")
        orders.complete_order(order_id=order.pk, actor=order.buyer, now=self.now)

    def dispute(self) -> None:
        order = self.one_of(Order.objects.all(), *PAID_ORDER)
        orders.dispute_order(order_id=order.pk, actor=order.buyer, reason="A dent.", now=self.now)

    def resolve(self) -> None:
        order = self.one_of(Order.objects.all(), "disputed")
        outcome = self.random.choice(["back", "back", "refund"])
        orders.resolve_dispute(order_id=order.pk, actor=self.clerk(), outcome=outcome, reason="Seen.", now=self.now)

    def cancel(self) -> None:
        order = self.one_of(Order.objects.all(), *UNPAID_ORDER, "paid", "title_processing")
        orders.cancel_order(order_id=order.pk, actor=self.clerk(), reason="By phone.", now=self.now)

    def let_pass(self) -> None:
        """Long enough for what is unpaid to be overdue, and then to come to nothing."""
        self.world.skip(timedelta(days=8))
        orders.chase_orders(now=self.world.tick())

    def sweep(self) -> None:
        """Whatever the schedule does."""
        sweeps: list[Callable[..., Any]] = [
            open_due,
            chances.make_offers,
            offers.expire_offers,
            orders.chase_orders,
            payments.end_stale,
            webhooks.process_due,
            refunds.send_refunds,
            titles.chase_titles,
            tell_settlements,
        ]
        self.random.choice(sweeps)(now=self.now)


class Nothing(DomainError):
    """There is no such row yet."""

    code = "nothing_there"


OPERATIONS = {
    "put_up": 6, "auction": 3, "bid": 12, "close": 3, "offer": 8, "accept": 6, "decline": 1, "counter": 2,
    "withdraw": 1, "self_pickup": 3, "ask_transport": 4, "quote": 4, "book": 4, "assign": 3, "pick_up": 3, "depart": 3,
    "deliver": 3, "cancel_transport": 1, "let_out": 2, "title": 14, "invoice": 1, "wire": 6, "card": 5, "webhook": 8,
    "refund": 2, "approve": 2, "reject": 1, "retry": 1, "pay_out": 2, "complete": 2, "dispute": 1, "resolve": 1,
    "cancel": 1, "let_pass": 1, "sweep": 6,
}  # fmt: skip
