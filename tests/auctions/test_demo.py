"""The demo's auctions and sales: one of each kind, provable, the same after a reset."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest
from django.conf import LazySettings
from django.core.management import call_command

from accounts.models import Notification, User
from auctions.models import Auction, Invoice, Listing, ListingImage, Offer, Order, Payment, Payout
from auctions.services.ledger import audit_ledger
from auctions.services.offers import counter_offer
from auctions.services.refunds import approve_refund, ask_for_refund
from auctions.services.settlement_telling import tell_settlements
from auctions.services.verification import verify_nightly
from common.clock import now

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_media(settings: LazySettings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path


class Made(NamedTuple):
    """What there is, by status."""

    listings: Counter[str]
    auctions: Counter[str]
    orders: Counter[str]
    offers: Counter[str]
    invoices: list[str]


def made() -> Made:
    models = (Listing, Auction, Order, Offer)
    by_status = (Counter(model.objects.values_list("status", flat=True)) for model in models)
    return Made(*by_status, list(Invoice.objects.order_by("id").values_list("number", flat=True)))


def test_there_are_auctions_and_sales_of_every_kind_and_logs_and_ledger_hold() -> None:
    call_command("seed_demo")
    found = made()
    assert found.listings == {
        "in_auction": 4, "pending_sale": 2, "sold": 4, "active": 1, "pending_review": 1, "draft": 1,
    }  # fmt: skip
    assert found.auctions == {"live": 2, "scheduled": 1, "sold": 1, "no_bids": 1, "negotiating": 1}
    assert found.orders == dict.fromkeys(
        ["awaiting_payment", "overdue", "title_processing", "in_transit", "disputed", "completed"], 1
    )
    pending = Offer.objects.filter(status="pending").order_by("kind")
    assert list(pending.values_list("kind", "buyer__email")) == [
        ("if_bid", "carol@example.com"), ("pre_auction", "carol@example.com"),
    ]  # fmt: skip
    order = Order.objects.get(status="awaiting_payment")
    assert (order.buyer.email, order.invoice.status) == ("bob@example.com", "open")
    assert set(Payout.objects.values_list("status", flat=True)) == {"paid", "held", "due"}
    assert set(ListingImage.objects.values_list("status", flat=True)) == {"ready"}
    assert verify_nightly(now=now()).failed == 0
    assert audit_ledger(now=now()).differences == 0
    assert tell_settlements(now=now()).failed == 0
    told = {body for body in Notification.objects.values_list("body", flat=True) if "of order" in body}
    assert any("We can bring you the vehicle" in body and "for 450.00 USD" in body for body in told)


def test_a_second_call_changes_nothing_and_a_reset_puts_all_back() -> None:
    call_command("seed_demo")
    before = made(), set(Listing.objects.values_list("vin", flat=True))
    call_command("seed_demo")
    assert (made(), set(Listing.objects.values_list("vin", flat=True))) == before
    Auction.objects.filter(status="live").first().watches.all().delete()
    finance = User.objects.get(email="finance@example.com")
    for payment in Payment.objects.all()[:2]:
        refund = ask_for_refund(payment_id=payment.pk, amount=Decimal(20), reason="Late.", actor=finance, now=now())
        approve_refund(refund_id=refund.pk, actor=finance, now=now())
    offer = Offer.objects.get(status="pending", kind="pre_auction")
    counter_offer(offer_id=offer.pk, actor=offer.seller, amount=Decimal(17200))
    call_command("seed_demo", "--reset")
    assert (made(), set(Listing.objects.values_list("vin", flat=True))) == before
    assert audit_ledger(now=now()).differences == 0
