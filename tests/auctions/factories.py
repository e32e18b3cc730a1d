"""Rows of auctions for tests. Each factory makes the smallest valid row; a test names only what it is about."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import factory
from django.db import transaction
from django.utils import timezone

from auctions.fees import DEFAULT_SCHEDULE
from auctions.models import Auction, Invoice, Listing, Offer, Order, Payment
from auctions.models.orders import PAID_ORDER
from auctions.services.states import lock_auction, open_auction
from common.text import new_reference
from tests.factories import UserFactory, VehicleFactory


class BidderFactory(UserFactory):
    """Somebody who may bid."""

    email_verified_at = factory.LazyFunction(timezone.now)
    identity_verified_at = factory.LazyFunction(timezone.now)
    payment_provider = "sandbox"
    payment_reference = factory.Sequence(lambda n: f"pm_{n}")
    payment_last4 = "4242"


class ListingFactory(factory.django.DjangoModelFactory):
    """A complete listing on the marketplace, without photos, of a vehicle in its seller's garage."""

    seller = factory.SubFactory(UserFactory)
    vehicle = factory.SubFactory(VehicleFactory, owner=factory.SelfAttribute("..seller"))
    status = Listing.Status.ACTIVE
    vin = factory.SelfAttribute("vehicle.vin")
    year = 2018
    make = "Honda"
    model = "Accord"
    mileage = 62_000
    condition = "runs_drives"
    title_type = "clean"
    title_state = "NY"
    starting_price = Decimal("1000.00")
    currency = "USD"
    location_city = "Albany"
    location_state = "NY"
    location_zip = "12207"
    published_at = factory.LazyAttribute(
        lambda listing: None if listing.status in ("draft", "pending_review") else timezone.now()
    )

    class Meta:
        model = Listing


class AuctionFactory(factory.django.DjangoModelFactory):
    """A live auction from an hour ago until in an hour, opened as the sweep does it, with the steps for vehicles (100
    up to 4,999.99). `status="scheduled"` begins in an hour. `starting_price`, `reserve_price` and `buy_now_price` are
    the auction's."""

    class Meta:
        model = Auction

    @classmethod
    def _create(cls, model_class: type[Auction], *args: Any, **fields: Any) -> Auction:
        status = fields.pop("status", "live")
        now = timezone.now()
        listing = fields.pop("listing", None) or ListingFactory(**fields.pop("listing_fields", {}))
        start = now - timedelta(hours=1) if status == "live" else now + timedelta(hours=1)
        ends_at = fields.pop("ends_at", now + timedelta(hours=1 if status == "live" else 25))
        reserve = fields.pop("reserve_price", None)
        defaults = {
            "listing": listing,
            "seller": listing.seller,
            "created_by": listing.seller,
            "currency": listing.currency,
            "starts_at": min(start, ends_at - timedelta(minutes=10)),
            "ends_at": ends_at,
            "original_ends_at": ends_at,
            "starting_price": Decimal("1000.00"),
            "reserve_price": reserve,
            "original_reserve_price": reserve,
        }
        auction = model_class.objects.create(**defaults | fields)
        Listing.objects.filter(pk=listing.pk).update(status=Listing.Status.IN_AUCTION, auction=auction)
        if status == "live":
            with transaction.atomic():
                open_auction(lock_auction(auction.pk), at=auction.starts_at)
        return model_class.objects.get(pk=auction.pk)


class OrderFactory(factory.django.DjangoModelFactory):
    """An unpaid order of a listing that is sold subject to payment."""

    listing = factory.SubFactory(ListingFactory, status=Listing.Status.PENDING_SALE)
    buyer = factory.SubFactory(BidderFactory)
    seller = factory.SelfAttribute("listing.seller")
    order_number = factory.LazyFunction(lambda: new_reference("FO"))
    hammer_price = Decimal("1000.00")
    currency = "USD"
    status = "awaiting_payment"
    fee_schedule = factory.LazyFunction(lambda: dict(DEFAULT_SCHEDULE))
    payment_due_at = factory.LazyFunction(lambda: timezone.now() + timedelta(days=7))
    default_at = factory.LazyAttribute(lambda order: order.payment_due_at + timedelta(days=7))
    paid_at = factory.LazyAttribute(lambda order: timezone.now() if order.status in PAID_ORDER else None)

    class Meta:
        model = Order


class OfferFactory(factory.django.DjangoModelFactory):
    """A buyer's offer for an active listing, which its seller may decide on for a day."""

    kind = "pre_auction"
    listing = factory.SubFactory(ListingFactory)
    buyer = factory.SubFactory(BidderFactory)
    seller = factory.SelfAttribute("listing.seller")
    made_by = "buyer"
    amount = Decimal("900.00")
    currency = "USD"
    expires_at = factory.LazyFunction(lambda: timezone.now() + timedelta(days=1))
    decided_at = factory.LazyAttribute(lambda offer: None if offer.status == "pending" else timezone.now())
    status = "pending"

    class Meta:
        model = Offer


class InvoiceFactory(factory.django.DjangoModelFactory):
    """An open invoice over 1,000.00 + 250.00 + 75.00 of an unpaid order, without its lines' rows."""

    order = factory.SubFactory(OrderFactory)
    year = 2020
    sequence = factory.Sequence(lambda n: n + 1)
    number = factory.LazyAttribute(lambda invoice: f"SINV-{invoice.year}-{invoice.sequence:06d}")
    buyer_name = "Ada Bidder"
    buyer_email = factory.SelfAttribute("order.buyer.email")
    vehicle_text = "2018 Honda Accord"
    currency = "USD"
    subtotal = Decimal("1325.00")
    tax_total = Decimal("0.00")
    total = Decimal("1325.00")
    issued_at = factory.LazyFunction(timezone.now)
    due_at = factory.SelfAttribute("order.payment_due_at")

    class Meta:
        model = Invoice


class PaymentFactory(factory.django.DjangoModelFactory):
    """A payment by the sandbox that is on its way."""

    order = factory.SubFactory(OrderFactory)
    provider = "sandbox"
    provider_ref = factory.Sequence(lambda n: f"sb_{n}")
    amount = Decimal("1325.00")
    currency = "USD"
    status = "processing"
    created_by = factory.SelfAttribute("order.buyer")
    succeeded_at = factory.LazyAttribute(lambda payment: timezone.now() if payment.status == "succeeded" else None)

    class Meta:
        model = Payment
