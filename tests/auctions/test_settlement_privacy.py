"""A person's share of offers, orders and their money: a copy of it, and what stays when they leave."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from auctions.models import Invoice, Offer, Order, Payment, Payout, Refund, SettlementEvent, TransportOrder
from auctions.services.offers import counter_offer, create_offer
from auctions.services.orders import dispute_order, resolve_dispute
from auctions.services.settlement_privacy import purchases_of, sales_of
from tests.auctions.factories import BidderFactory, ListingFactory, OfferFactory, OrderFactory, PaymentFactory
from tests.auctions.orders import delivered_order, invoice_of, paid_order

pytestmark = pytest.mark.django_db
ME = "/api/auth/me"


def copy_of(client: APIClient) -> dict[str, Any]:
    told: dict[str, Any] = client.get(f"{ME}/export").json()["apps"]["auctions"]
    return told


def leave(client: APIClient) -> Any:
    return client.delete(ME)


def refused_for(client: APIClient) -> list[str]:
    answer = leave(client)
    assert answer.status_code == 409, answer.content
    error = answer.json()["errors"][0]
    assert error["code"] == "orders_open"
    numbers: list[str] = error["meta"]["orders"]
    return numbers


def completed_order(**fields: Any) -> Order:
    """With everything done but the payout."""
    order = delivered_order(**fields)
    Order.objects.filter(pk=order.pk).update(status="completed")
    Payout.objects.filter(order=order).update(status="paid", reference="SEPA-1", paid_at=timezone.now())
    return order


def transport_of(order: Order) -> TransportOrder:
    return TransportOrder.objects.create(
        order=order,
        status="cancelled",
        pickup_address="1 Elm St, Albany",
        delivery_address="9 Oak Ave, Troy",
        driver_name="Joe",
        driver_phone="+1 555 0100",
        currency="USD",
    )


# --- A copy


def test_the_buyers_copy_holds_invoice_payments_and_where_the_car_came(as_user):
    order = completed_order()
    transport_of(order)
    told = copy_of(as_user(order.buyer))["purchases"][0]
    assert told["invoice"]["number"] == invoice_of(order).number
    assert [line["description"] for line in told["invoice"]["lines"]]
    assert (told["invoice"]["total"], told["payments"][0]["amount"]) == ("1325.00", "1325.00")
    assert (told["title"]["status"], told["transports"][0]["delivery_address"]) == ("completed", "9 Oak Ave, Troy")
    assert not [secret for secret in ("SEPA-1", "1 Elm St", "+1 555") if secret in str(told)]


def test_the_sellers_copy_holds_the_payout_and_nothing_between_buyer_and_house(as_user):
    order = completed_order()
    transport_of(order)
    told = copy_of(as_user(order.seller))["sales"][0]
    assert (told["payout"]["amount"], told["payout"]["reference"]) == ("1000.00", "SEPA-1")
    assert told["pickup_addresses"] == ["1 Elm St, Albany"]
    assert not [secret for secret in ("1325", "9 Oak Ave", "SINV") if secret in str(told)]


def test_a_refund_is_in_the_copy_with_its_credit_note(as_user):
    order = paid_order()
    payment = order.payments.get()
    Refund.objects.create(payment=payment, order=order, amount=5, currency="USD", reason="Scratches.")
    told = copy_of(as_user(order.buyer))["purchases"][0]
    assert (told["refunds"][0]["amount"], told["refunds"][0]["reason"]) == ("5.00", "Scratches.")
    assert told["invoice"]["credit_notes"] == []


def test_an_order_without_an_invoice_is_in_the_copy_too(as_user):
    order = OrderFactory()
    told = copy_of(as_user(order.buyer))["purchases"][0]
    assert (told["order_number"], told["invoice"], told["title"], told["payments"]) == (
        order.order_number, None, None, [],
    )  # fmt: skip


def test_offers_are_in_both_copies_and_the_message_in_its_writers(as_user):
    offer = OfferFactory(message="Cash on Friday.")
    written, received = copy_of(as_user(offer.buyer))["offers"], copy_of(as_user(offer.seller))["offers"]
    assert (written[0]["amount"], written[0]["message"]) == ("900.00", "Cash on Friday.")
    assert (received[0]["id"], "message" in received[0]) == (offer.pk, False)


def test_what_somebody_wrote_as_a_reason_is_in_the_copy(as_user):
    order = paid_order()
    dispute_order(order_id=order.pk, actor=order.buyer, reason="It leaks.", now=timezone.now())
    told = copy_of(as_user(order.buyer))["reasons"]
    assert (told[0]["reason"], told[0]["number"]) == ("It leaks.", order.order_number)
    assert copy_of(as_user(order.seller))["reasons"] == []


def test_the_copy_costs_as_many_queries_with_more_orders(user):
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            purchases_of(user)
            sales_of(user)
        return len(captured)

    completed_order(buyer=user)
    before = queries()
    for _ in range(3):
        completed_order(buyer=user)
    assert queries() == before
    assert len(purchases_of(user)) == 4


# --- To be forgotten


@pytest.mark.parametrize("party", ["buyer", "seller"])
def test_nobody_is_forgotten_while_a_sale_is_on_its_way(as_user, party):
    order = paid_order()
    assert refused_for(as_user(getattr(order, party))) == [order.order_number]


@pytest.mark.parametrize("status", ["due", "held"])
def test_a_seller_is_not_forgotten_before_the_payout_and_the_buyer_is(as_user, status):
    order = completed_order()
    Payout.objects.filter(order=order).update(status=status, reference="", paid_at=None)
    assert refused_for(as_user(order.seller)) == [order.order_number]
    assert leave(as_user(order.buyer)).status_code == 204


def test_a_buyer_is_not_forgotten_while_money_goes_back_and_the_seller_is(as_user, make_user):
    order = paid_order()
    dispute_order(order_id=order.pk, actor=order.buyer, reason="It leaks.", now=timezone.now())
    finance = make_user(roles=["finance"])
    resolve_dispute(order_id=order.pk, actor=finance, outcome="refund", now=timezone.now())
    assert refused_for(as_user(order.buyer)) == [order.order_number]
    assert leave(as_user(order.seller)).status_code == 204
    Refund.objects.update(status="done", done_at=timezone.now())
    Invoice.objects.update(paid=0)
    assert leave(as_user(order.buyer)).status_code == 204


def test_a_buyer_is_not_forgotten_with_a_credit_or_a_payment_on_its_way(as_user):
    order = completed_order()
    Invoice.objects.filter(order=order).update(paid=Decimal("1400.00"))
    assert refused_for(as_user(order.buyer)) == [order.order_number]
    Invoice.objects.filter(order=order).update(paid=Decimal("1325.00"))
    payment = PaymentFactory(order=order)
    assert refused_for(as_user(order.buyer)) == [order.order_number]
    Payment.objects.filter(pk=payment.pk).update(status="failed")
    assert leave(as_user(order.buyer)).status_code == 204


def test_the_books_stay_and_places_drivers_and_messages_go(as_user):
    order = completed_order()
    row = transport_of(order)
    offer = OfferFactory(buyer=order.buyer, status="declined", message="Call 555.")
    before = (invoice_of(order).buyer_name, invoice_of(order).total, SettlementEvent.objects.count())
    assert leave(as_user(order.buyer)).status_code == 204
    row.refresh_from_db()
    offer.refresh_from_db()
    assert (row.delivery_address, row.pickup_address) == ("", "1 Elm St, Albany")
    assert (row.driver_name, row.driver_phone, offer.message) == ("", "", "")
    assert (invoice_of(order).buyer_name, invoice_of(order).total, SettlementEvent.objects.count()) == before
    assert User.objects.get(pk=order.buyer_id).anonymised_at is not None
    assert leave(as_user(order.seller)).status_code == 204
    row.refresh_from_db()
    assert row.pickup_address == ""


def test_a_buyer_who_leaves_takes_offers_back_and_declines_counters(as_user):
    listing, other, buyer = ListingFactory(), ListingFactory(), BidderFactory()
    mine = create_offer(listing_id=listing.pk, buyer_id=buyer.pk, amount=Decimal(900), message="Call 555.")
    answered = create_offer(listing_id=other.pk, buyer_id=buyer.pk, amount=Decimal(900))
    counter = counter_offer(offer_id=answered.pk, actor=other.seller, amount=Decimal(950))
    assert leave(as_user(buyer)).status_code == 204
    for offer, status in ((mine, "withdrawn"), (answered, "countered"), (counter, "declined")):
        offer.refresh_from_db()
        assert (offer.status, offer.message) == (status, "")
    listing.refresh_from_db()
    assert listing.status == "active"
    assert User.objects.get(pk=buyer.pk).anonymised_at is not None


def test_a_seller_who_leaves_declines_the_offers_for_what_leaves_the_marketplace(as_user):
    offer = OfferFactory()
    assert leave(as_user(offer.seller)).status_code == 204
    offer.refresh_from_db()
    offer.listing.refresh_from_db()
    assert (offer.status, offer.listing.status) == ("declined", "archived")
    assert Offer.objects.filter(status="pending").count() == 0
