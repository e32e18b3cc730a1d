"""The sales of the demo data, each brought by the services to where it is, so that there is an order in every state."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Max, QuerySet

from auctions import demo_cars as cars
from auctions.demo_market import DAY, HOUR, Market, at
from auctions.models import (
    CreditNote,
    GatePass,
    Invoice,
    InvoiceLine,
    Listing,
    Offer,
    Order,
    Payment,
    Payout,
    Refund,
    SaleSequence,
    SettlementEvent,
    TitleTransfer,
    TransportOrder,
)
from auctions.models.offers import MOST_ROUNDS
from auctions.services import gate_passes, offers, orders, payments, payouts, refunds, titles, transport
from auctions.services.chances import make_offers
from cars.demo import CIVIC, GOLF
from cars.services import record_odometer

MINUTE = timedelta(minutes=1)


class Sales:
    """What Dora, and Alice with her Golf, have sold."""

    def __init__(self, market: Market) -> None:
        self.market, self.people, self.now = market, market.people, market.now
        self.finance, self.felix = self.people["finance"], self.people["felix"]
        self.gate = self.people["parking_attendant"]

    def tell(self) -> None:
        """The oldest first, as their invoices are numbered; people hear of each as it ends."""
        unpaid = settings.ORDER_PAYMENT_DUE_S * timedelta(seconds=1)
        lost = self.now - unpaid - settings.ORDER_DEFAULT_AFTER_S * timedelta(seconds=1) - 2 * HOUR
        self._completed(self.now - 42 * DAY)
        self._refunded(self.now - 33 * DAY)
        self._delivered(self.now - 26 * DAY)
        silverado = self._hammered("dora", cars.SILVERADO, lost, (("henry", "11800"), ("grace", "12400")))
        self._disputed(self.now - 12 * DAY)
        self._overdue(self.now - unpaid - 2 * DAY)
        self._on_the_road(self.now - 8 * DAY)
        self._to_be_fetched(self.now - 7 * DAY)
        self._cancelled(self.now - 6 * DAY)
        self._title_rejected(self.now - 6.5 * DAY)
        self._hammered("alice", GOLF, self.now - 5 * DAY, (("bob", "1400"), ("carol", "1750"), ("bob", "2100")))
        self._title_in_work(self.now - 4 * DAY)
        self._paid(self.now - 2 * DAY)
        self._defaulted(silverado)

    def _completed(self, begin: datetime) -> None:
        """Carol's Civic, from the hammer into her garage."""
        bids = (("henry", "6400"), ("carol", "6900"), ("alice", "7100"), ("henry", "7600"), ("carol", "8000"))
        order = self._hammered("dora", CIVIC, begin, bids)
        self._wire(order, begin + DAY)
        self._title(order, begin + 3 * DAY, "receive", "review", "ready", "send")
        self._drive_off(order, begin + 5 * DAY)
        self._title(order, begin + 9 * DAY, "complete")
        orders.complete_order(order_id=order.pk, actor=order.buyer, now=begin + 10 * DAY)
        payouts.pay_payout(payout_id=order.payout.pk, reference="ACH 2204-17", actor=self.finance, now=begin + 11 * DAY)
        vehicle = order.listing.vehicle
        vehicle.refresh_from_db()
        record_odometer(vehicle=vehicle, value=89_100, unit="mi", actor=order.buyer, now=begin + 22 * DAY)
        self.market.tell(begin + 11 * DAY)

    def _refunded(self, begin: datetime) -> None:
        """Felix gave in to a dispute; Fiona has sent the money back."""
        order = self._fetched(self._sold(cars.ALTIMA, "alice", "6900.00", begin), begin + DAY)
        self._title(order, begin + 2 * DAY, "receive")
        reason = "The frame was welded after an accident that nobody spoke of."
        orders.dispute_order(order_id=order.pk, actor=order.buyer, reason=reason, now=begin + 3 * DAY)
        orders.resolve_dispute(order_id=order.pk, actor=self.felix, outcome="refund", now=begin + 5 * DAY)
        refund = Refund.objects.get(order=order)
        refunds.approve_refund(refund_id=refund.pk, actor=self.finance, now=begin + 5 * DAY + HOUR)
        self.market.tell(begin + 5 * DAY + HOUR)

    def _delivered(self, begin: datetime) -> None:
        """Felix has asked for a part of the money back, which is too much for him to approve himself."""
        order = self._fetched(self._sold(cars.CX5, "henry", "10900.00", begin), begin + DAY)
        self._title(order, begin + 3 * DAY, "receive", "review", "ready", "send")
        self._drive_off(order, begin + 4 * DAY)
        self.market.tell(begin + 4 * DAY)
        amount, reason = settings.REFUND_APPROVAL_LIMIT + 140, "Hail damage that the photos do not show."
        payment = Payment.objects.get(order=order)
        refunds.ask_for_refund(
            payment_id=payment.pk, amount=amount, reason=reason, actor=self.felix, now=self.now - 3 * HOUR
        )

    def _disputed(self, begin: datetime) -> None:
        order = self._fetched(self._sold(cars.ROGUE, "alice", "3900.00", begin), begin + DAY)
        self._title(order, begin + 3 * DAY, "receive")
        self._drive_off(order, begin + 4 * DAY)
        reason = "The gearbox slips in third, which the listing does not say."
        orders.dispute_order(order_id=order.pk, actor=order.buyer, reason=reason, now=self.now - DAY)

    def _overdue(self, begin: datetime) -> None:
        order = self._sold(cars.MALIBU, "bob", "9100.00", begin)
        orders.choose_self_pickup(order_id=order.pk, actor=order.buyer, now=begin + HOUR)
        orders.chase_orders(now=order.payment_due_at + MINUTE)

    def _on_the_road(self, begin: datetime) -> None:
        order = self._sold(cars.EXPLORER, "bob", "8600.00", begin)
        row = self._transport(order, begin, "450.00")
        known: dict[str, Any] = {"transport_id": row.pk, "actor": self.finance}
        self._title(order, begin + 4 * DAY, "receive", "review")
        driver: dict[str, Any] = {
            "carrier": "Hudson Hauling",
            "driver_name": "Joe Miller",
            "driver_phone": "+1 518 555 0142",
        }
        transport.assign_carrier(now=begin + 5 * DAY, **known, **driver)
        transport.pick_up(now=self.now - 20 * HOUR, **known)
        transport.depart(now=self.now - 19 * HOUR, **known)

    def _to_be_fetched(self, begin: datetime) -> None:
        """By a carrier who comes tomorrow."""
        order = self._sold(cars.PILOT, "henry", "16200.00", begin)
        row = self._transport(order, begin, "520.00")
        self._title(order, begin + 4 * DAY, "receive", "review", "ready")
        carrier = {"carrier": "Hudson Hauling", "driver_name": "Ann Ode"}
        transport.assign_carrier(transport_id=row.pk, actor=self.finance, now=begin + 5 * DAY, **carrier)

    def _cancelled(self, begin: datetime) -> None:
        order = self._sold(cars.VOLVO, "bob", "11300.00", begin)
        reason = "The buyer's bank has refused the loan."
        orders.cancel_order(order_id=order.pk, actor=self.finance, reason=reason, now=begin + 2 * DAY)

    def _title_rejected(self, begin: datetime) -> None:
        order = self._fetched(self._sold(cars.SONATA, "henry", "7600.00", begin), begin + DAY)
        self._title(order, begin + 2 * DAY, "receive", "review")
        known: dict[str, Any] = {"title_id": self._title_id(order), "actor": self.finance}
        titles.reject_documents(reason="The signature of the second owner is missing.", now=begin + 3 * DAY, **known)

    def _title_in_work(self, begin: datetime) -> None:
        order = self._fetched(self._sold(cars.CAMRY, "alice", "11400.00", begin), begin + DAY)
        self._title(order, begin + 3 * DAY, "receive", "review")

    def _paid(self, begin: datetime) -> None:
        """The title is awaited from Dora."""
        self._fetched(self._sold(cars.FORTE, "carol", "6700.00", begin), begin + DAY)

    def _defaulted(self, order: Order) -> None:
        """Grace never paid; now Henry, who bid less, is asked."""
        orders.chase_orders(now=order.payment_due_at + MINUTE)
        order.refresh_from_db()
        lost_at = order.default_at + MINUTE
        orders.chase_orders(now=lost_at)
        make_offers(now=lost_at)

    # --- Steps

    def _hammered(self, seller: str, vin: str, end: datetime, bids: tuple[tuple[str, str], ...]) -> Order:
        """Sold at an auction of three days, to be picked up by the buyer."""
        auction = self.market.held(seller, vin, end - 3 * DAY, end, bids)
        order = Order.objects.get(auction=auction)
        return orders.choose_self_pickup(order_id=order.pk, actor=order.buyer, now=end + HOUR)

    def _sold(self, vin: str, buyer: str, amount: str, when: datetime) -> Order:
        """By an offer that Dora took."""
        listing = self.market.put_up("dora", vin, when - 2 * DAY)
        offer = self.market.offer(listing, buyer, amount, when - HOUR)
        offers.accept_offer(offer_id=offer.pk, actor=listing.seller, clock=at(when))
        return Order.objects.get(offer=offer)

    def _fetched(self, order: Order, when: datetime) -> Order:
        """By the buyer, who pays at once."""
        orders.choose_self_pickup(order_id=order.pk, actor=order.buyer, now=when - 2 * HOUR)
        self._wire(order, when)
        return order

    def _transport(self, order: Order, begin: datetime, price: str) -> TransportOrder:
        """Quoted, booked and paid with the car."""
        address = "48 Congress St, Troy NY 12180"
        row = transport.request_transport(
            order_id=order.pk, delivery_address=address, actor=order.buyer, now=begin + HOUR
        )
        days = {"pickup_on": (self.now - DAY).date(), "delivery_on": (self.now + DAY).date()}
        quoted = Decimal(price)
        transport.quote_transport(
            transport_id=row.pk, quoted_price=quoted, actor=self.finance, now=begin + 3 * HOUR, **days
        )
        transport.book_transport(transport_id=row.pk, actor=order.buyer, now=begin + 5 * HOUR)
        self._wire(order, begin + 2 * DAY)
        return row

    def _wire(self, order: Order, when: datetime) -> None:
        payment = payments.start_payment(
            order_id=order.pk,
            provider=Payment.Provider.MANUAL,
            amount=Invoice.objects.get(order=order).balance,
            reference=f"Wire {order.order_number}",
            actor=self.finance,
            now=when,
        )
        Payment.objects.filter(pk=payment.pk).update(created_at=when)

    def _title_id(self, order: Order) -> int:
        return TitleTransfer.objects.values_list("pk", flat=True).get(order=order)

    def _title(self, order: Order, when: datetime, *steps: str) -> None:
        known: dict[str, Any] = {"title_id": self._title_id(order), "actor": self.finance}
        for number, step in enumerate(steps):
            moment = when + number * HOUR
            if step == "send":
                titles.send_title(tracking_reference="9400 1000 0000 0000 0017", now=moment, **known)
            else:
                _TITLE_STEPS[step](now=moment, **known)

    def _drive_off(self, order: Order, when: datetime) -> None:
        code = GatePass.objects.values_list("code", flat=True).get(order=order, revoked_at=None)
        gate_passes.use_pass(code=code, actor=self.gate, now=when)


_TITLE_STEPS: dict[str, Callable[..., TitleTransfer]] = {
    "receive": titles.receive_title,
    "review": titles.review_title,
    "ready": titles.ready_title,
    "complete": titles.complete_title,
}


def clear_sales(listings: QuerySet[Listing]) -> None:
    """Remove the orders and offers for these listings, with all that belongs to them; the numbers of their invoices are
    given again, unless others were given since."""
    of_listing = Order.objects.filter(listing__in=listings)
    made = Offer.objects.filter(listing__in=listings)
    told = SettlementEvent.objects.filter(subject=SettlementEvent.Subject.OFFER, subject_id__in=made.values("pk"))
    told.delete()
    CreditNote.objects.filter(invoice__order__in=of_listing).delete()
    InvoiceLine.objects.filter(invoice__order__in=of_listing).delete()
    for model in (SettlementEvent, Refund, Payment, Invoice, Payout, TitleTransfer, TransportOrder, GatePass):
        model.objects.filter(order__in=of_listing).delete()
    of_listing.delete()
    for number in reversed(range(MOST_ROUNDS + 1)):  # An answer before what it answers.
        made.filter(round=number).delete()
    _give_numbers_again(SaleSequence.Kind.INVOICE, Invoice.objects.all())
    _give_numbers_again(SaleSequence.Kind.CREDIT_NOTE, CreditNote.objects.all())


def _give_numbers_again(kind: str, numbered: QuerySet[Invoice] | QuerySet[CreditNote]) -> None:
    for sequence in SaleSequence.objects.filter(kind=kind):
        last = numbered.filter(year=sequence.year).aggregate(last=Max("sequence"))["last"]
        SaleSequence.objects.filter(pk=sequence.pk).update(last=last or 0)
