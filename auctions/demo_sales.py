"""The sales of the demo data, each brought by the services to where it is: to be paid, overdue, its title in work, on
the road, disputed, completed and paid out; and offers that wait for an answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Max, QuerySet

from accounts.models import User
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
from auctions.services import gate_passes, offers, orders, payments, payouts, titles, transport

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CIVIC, CAMRY, EXPLORER, ROGUE, MALIBU = (
    "1HGFC2F51GH500021", "4T1BF1FK7HU300043", "1FM5K8D81EGA40032", "JN8AS5MT5BW100065", "1G1ZD5ST3JF200054",
)  # fmt: skip
CARS = {
    CIVIC: {
        "year": 2016, "make": "Honda", "model": "Civic", "trim": "EX", "body_type": "sedan", "mileage": 88_400,
        "fuel_type": "gasoline", "transmission": "cvt", "exterior_color": "navy", "starting_price": "6000.00",
        "description": "Commuted to Troy and back.",
    },
    CAMRY: {
        "year": 2017, "make": "Toyota", "model": "Camry", "trim": "SE", "body_type": "sedan", "mileage": 71_900,
        "fuel_type": "gasoline", "transmission": "automatic", "exterior_color": "white", "starting_price": "9000.00",
        "description": "From a fleet, with all its papers.",
    },
    EXPLORER: {
        "year": 2014, "make": "Ford", "model": "Explorer", "body_type": "suv", "mileage": 121_000,
        "fuel_type": "gasoline", "drivetrain": "awd", "exterior_color": "darkgreen", "starting_price": "7000.00",
        "description": "Third row, tow hitch.",
    },
    ROGUE: {
        "year": 2011, "make": "Nissan", "model": "Rogue", "body_type": "suv", "mileage": 134_500,
        "exterior_color": "maroon", "starting_price": "3000.00", "description": "The gearbox was looked at last year.",
    },
    MALIBU: {
        "year": 2018, "make": "Chevrolet", "model": "Malibu", "trim": "LT", "body_type": "sedan", "mileage": 64_200,
        "fuel_type": "gasoline", "exterior_color": "black", "starting_price": "8000.00", "description": "",
    },
}  # fmt: skip


class Sales:
    """What Dora sold by accepted offers; `put_up(vin, when)` puts a car of hers on the marketplace."""

    def __init__(self, people: dict[str, User], now: datetime, put_up: Callable[[str, datetime], Listing]) -> None:
        self.people, self.now, self.put_up = people, now, put_up
        self.finance = User.objects.get(email="finance@example.com")
        self.gate = User.objects.get(email="parking_attendant@example.com")

    def tell(self) -> None:
        """The oldest first, as their invoices are numbered."""
        self._completed()
        self._disputed()
        self._overdue()
        self._on_the_road()
        self._title_in_work()

    def _completed(self) -> None:
        begin = self.now - 24 * DAY
        order = self._fetched(self._sold(CIVIC, "carol", "7250.00", begin), begin + DAY)
        self._title(order, begin + 3 * DAY, "receive", "review", "ready", "send")
        self._drive_off(order, begin + 5 * DAY)
        self._title(order, begin + 9 * DAY, "complete")
        orders.complete_order(order_id=order.pk, actor=order.buyer, now=begin + 10 * DAY)
        payouts.pay_payout(payout_id=order.payout.pk, reference="ACH 2204-17", actor=self.finance, now=begin + 11 * DAY)

    def _disputed(self) -> None:
        begin = self.now - 12 * DAY
        order = self._fetched(self._sold(ROGUE, "alice", "3900.00", begin), begin + DAY)
        self._title(order, begin + 3 * DAY, "receive")
        self._drive_off(order, begin + 4 * DAY)
        reason = "The gearbox slips in third, which the listing does not say."
        orders.dispute_order(order_id=order.pk, actor=order.buyer, reason=reason, now=self.now - DAY)

    def _overdue(self) -> None:
        begin = self.now - 9 * DAY
        order = self._sold(MALIBU, "bob", "9100.00", begin)
        orders.choose_self_pickup(order_id=order.pk, actor=order.buyer, now=begin + HOUR)
        orders.chase_orders(now=self.now)

    def _on_the_road(self) -> None:
        begin = self.now - 8 * DAY
        order, buyer = self._sold(EXPLORER, "bob", "8600.00", begin), self.people["bob"]
        row = transport.request_transport(
            order_id=order.pk, delivery_address="48 Congress St, Troy NY 12180", actor=buyer, now=begin + HOUR
        )
        known: dict[str, Any] = {"transport_id": row.pk, "actor": self.finance}
        days: dict[str, Any] = {"pickup_on": (self.now - DAY).date(), "delivery_on": (self.now + DAY).date()}
        transport.quote_transport(quoted_price=Decimal("450.00"), now=begin + 3 * HOUR, **known, **days)
        transport.book_transport(transport_id=row.pk, actor=buyer, now=begin + 5 * HOUR)
        self._wire(order, begin + 2 * DAY)
        self._title(order, begin + 4 * DAY, "receive", "review")
        driver: dict[str, Any] = {
            "carrier": "Hudson Hauling",
            "driver_name": "Joe Miller",
            "driver_phone": "+1 518 555 0142",
        }
        transport.assign_carrier(now=begin + 5 * DAY, **known, **driver)
        transport.pick_up(now=self.now - 20 * HOUR, **known)
        transport.depart(now=self.now - 19 * HOUR, **known)

    def _title_in_work(self) -> None:
        begin = self.now - 4 * DAY
        order = self._fetched(self._sold(CAMRY, "alice", "11400.00", begin), begin + DAY)
        self._title(order, begin + 3 * DAY, "receive", "review")

    # --- Steps

    def _sold(self, vin: str, buyer: str, amount: str, when: datetime) -> Order:
        listing = self.put_up(vin, when - 2 * DAY)
        offer = offer_for(listing, self.people[buyer], amount, when - HOUR)
        offers.accept_offer(offer_id=offer.pk, actor=listing.seller, clock=lambda: when)
        return Order.objects.get(offer=offer)

    def _fetched(self, order: Order, when: datetime) -> Order:
        """By the buyer, who pays at once."""
        orders.choose_self_pickup(order_id=order.pk, actor=order.buyer, now=when - 2 * HOUR)
        self._wire(order, when)
        return order

    def _wire(self, order: Order, when: datetime) -> None:
        amount = Invoice.objects.get(order=order).balance
        payments.start_payment(
            order_id=order.pk,
            provider=Payment.Provider.MANUAL,
            amount=amount,
            reference=f"Wire {order.order_number}",
            actor=self.finance,
            now=when,
        )

    def _title(self, order: Order, when: datetime, *steps: str) -> None:
        title_id = TitleTransfer.objects.values_list("pk", flat=True).get(order=order)
        known: dict[str, Any] = {"title_id": title_id, "actor": self.finance}
        for number, step in enumerate(steps):
            at = when + number * HOUR
            if step == "send":
                titles.send_title(tracking_reference="9400 1000 0000 0000 0017", now=at, **known)
            else:
                _TITLE_STEPS[step](now=at, **known)

    def _drive_off(self, order: Order, when: datetime) -> None:
        code = GatePass.objects.values_list("code", flat=True).get(order=order, revoked_at=None)
        gate_passes.use_pass(code=code, actor=self.gate, now=when)


_TITLE_STEPS: dict[str, Callable[..., TitleTransfer]] = {
    "receive": titles.receive_title,
    "review": titles.review_title,
    "ready": titles.ready_title,
    "complete": titles.complete_title,
}


def offer_for(listing: Listing, buyer: User, amount: str, when: datetime, *, message: str = "") -> Offer:
    return offers.create_offer(
        listing_id=listing.pk, buyer_id=buyer.pk, amount=Decimal(amount), message=message, clock=lambda: when
    )


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
