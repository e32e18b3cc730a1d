"""Rows of everything that the staff pages show."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.utils import timezone

from accounts.models import (
    ApiKey,
    Export,
    Heartbeat,
    LoginCounter,
    Notification,
    NotificationPreference,
    SellerProfile,
    TokenFamily,
    User,
)
from auctions import models as auctions
from auctions.fees import DEFAULT_SCHEDULE
from auctions.increments import DEFAULT_TIERS
from auctions.services.bids import place_bid
from cars.models import OdometerReading, SyncIssue, SyncRun, SyncSource, SyncSuppression, VehicleEvent, VinDecode
from parking import models as parking
from tests.auctions.factories import (
    AuctionFactory,
    BidderFactory,
    InvoiceFactory,
    OfferFactory,
    OrderFactory,
    PaymentFactory,
)
from tests.factories import CarFactory, UserFactory, VehicleFactory
from tests.parking.factories import ReservationFactory
from tests.workshop.factories import (
    CustomerFactory,
    FeeLineFactory,
    JobFactory,
    LabourLineFactory,
    MechanicFactory,
    PartFactory,
    PartLineFactory,
    ProductFactory,
    SupplierFactory,
    TicketFactory,
)
from workshop import models as workshop

STATES = ("NY", "NJ", "PA", "CT", "MA", "VT")


def one_of_everything(number: int) -> None:
    """A row of every kind, so that no page is looked at empty; another number for other rows."""
    user = UserFactory()
    account_rows(user, number)
    car_rows(user, number)
    workshop_rows(user, number)
    parking_rows(user)
    auction_rows(user, number)
    settlement_rows(user, number)


def account_rows(user: User, number: int) -> None:
    now = timezone.now()
    SellerProfile.objects.create(user=user, business_name="Cars", dealer_license_number="1", tax_id="2")
    TokenFamily.objects.create(user=user, current_jti=f"x{number}", expires_at=now)
    Notification.objects.create(user=user, kind="security", title="Hello", mail_status="failed")
    NotificationPreference.objects.create(user=user, kind="security")
    Export.objects.create(owner=user, kind="cars")
    ApiKey.objects.create(user=user, name="Shop", prefix=f"p{number}", secret_hash="x", token_version=1)
    LoginCounter.objects.create(scope="account", key=f"k{number}", window_started_at=now)
    Heartbeat.objects.create(name=f"part {number}", beat_at=now)
    kind = ContentType.objects.get_for_model(User)
    LogEntry.objects.create(user=user, content_type=kind, object_id=user.pk, object_repr="R", action_flag=CHANGE)


def car_rows(user: User, number: int) -> None:
    now = timezone.now()
    CarFactory(created_by=user)
    vehicle = VehicleFactory(owner=user)
    VehicleEvent.objects.create(vehicle=vehicle, kind="registered", at=now, owner=user, actor=user)
    OdometerReading.objects.create(vehicle=vehicle, value=10, unit="km", at=now, source="owner", actor=user)
    VinDecode.objects.create(
        vin=f"V{number}", provider="vpic", found=True, attributes={"make": "Volvo"}, fetched_at=now,
        expires_at=now + timedelta(days=365),
    )  # fmt: skip
    run = SyncRun.objects.create(
        source="cars", provider="file", trigger="schedule", status="failed", finished_at=now, triggered_by=user
    )
    SyncIssue.objects.create(run=run, reason="year", raw="{}")
    SyncSource.objects.create(name=f"source {number}", breaker_open_until=now + timedelta(days=365))
    SyncSuppression.objects.create(source="cars", provider="file", external_id=str(number), created_by=user)


def settlement_rows(user: User, number: int) -> None:
    now = timezone.now()
    OfferFactory()
    payment = PaymentFactory(status="succeeded")
    order = payment.order
    money = {"order": order, "currency": "USD"}
    refund = auctions.Refund.objects.create(payment=payment, amount=5, reason="R", requested_by=user, **money)
    invoice = InvoiceFactory(order=order)
    auctions.InvoiceLine.objects.create(invoice=invoice, position=1, kind="hammer", description="A car", amount=1000)
    auctions.CreditNote.objects.create(
        number=f"SCN-{number}",
        year=2026,
        sequence=number,
        invoice=invoice,
        refund=refund,
        amount=5,
        reason="R",
        issued_at=now,
    )
    auctions.Payout.objects.create(price=1000, fee=0, amount=1000, due_at=now, **money)
    auctions.TitleDeadline.objects.create(state=STATES[number], days=20)
    auctions.TitleTransfer.objects.create(order=order, due_at=now)
    auctions.TransportOrder.objects.create(pickup_address="A", delivery_address="B", **money)
    auctions.GatePass.objects.create(code=f"GP-{number}", order=order, issued_at=now)
    auctions.WebhookEvent.objects.create(
        provider="sandbox", event_id=f"e{number}", kind="k", body="{}", received_at=now
    )
    auctions.LedgerAudit.objects.create(at=now, orders=1, differences=1, details=[{"code": "x"}])
    for subject in auctions.SettlementEvent.Subject:
        auctions.SettlementEvent.objects.create(
            subject=subject, subject_id=1, order=order, new="issued", reason="R", actor=user, at=now
        )


def auction_rows(user: User, number: int) -> None:
    auction = AuctionFactory()
    place_bid(user_id=BidderFactory().pk, auction_id=auction.pk, amount=Decimal("1200.00"))
    OrderFactory()
    now = timezone.now()
    file = {"listing": auction.listing, "content_type": "image/png", "size": 1}
    auctions.ListingImage.objects.create(id=uuid4(), key=f"a{number}.png", position=1, **file)
    auctions.ListingDocument.objects.create(id=uuid4(), key=f"b{number}.png", filename="b.png", kind="title", **file)
    auctions.ListingEvent.objects.create(listing=auction.listing, kind="status", at=now, actor=user)
    auctions.IncrementTable.objects.create(name=f"Trucks {number}", tiers=DEFAULT_TIERS)
    auctions.FeeSchedule.objects.create(name=f"Spring {number}", **DEFAULT_SCHEDULE)
    auctions.Watch.objects.create(user=user, auction=auction)
    search = auctions.SavedSearch.objects.create(user=user, name="Hondas", filters={"make": "Honda"})
    auctions.SearchMatch.objects.create(search=search, listing=auction.listing)
    auctions.Upload.objects.create(
        listing=auction.listing, purpose="image", key=f"u{number}", filename="u.png", content_type="image/png",
        max_size=1, created_by=user, expires_at=now + timedelta(days=365),
    )  # fmt: skip


def parking_rows(user: User) -> None:
    stay = ReservationFactory(user=user, status="active")
    parking.ReservationEvent.objects.create(reservation=stay, kind="booked", actor=user)
    parking.PlateCheck.objects.create(lot=stay.lot, plate=stay.plate, reservation=stay, actor=user)
    parking.ParkingPayment.objects.create(reservation=stay, amount=1, method="cash", received_by=user)


def workshop_rows(user: User, number: int) -> None:
    now = timezone.now()
    part, mechanic, supplier = PartFactory(on_hand=3), MechanicFactory(user=user), SupplierFactory()
    ticket = TicketFactory(customer=CustomerFactory(user=user), mechanics=[mechanic], created_by=user)
    job = JobFactory(ticket=ticket)
    for line in (LabourLineFactory, PartLineFactory, FeeLineFactory):
        line(job=job)
    workshop.TicketEvent.objects.create(ticket=ticket, job=job, kind="status", actor=user)
    workshop.EstimateLink.objects.create(ticket=ticket, version=1, expires_at=now)
    workshop.TimeEntry.objects.create(job=job, mechanic=mechanic, started_at=now)
    workshop.LowStockAlert.objects.create(part=part, available=3, threshold=5)
    workshop.StockAudit.objects.create(parts=1, invoices=1, differences=1)
    order = workshop.PurchaseOrder.objects.create(supplier=supplier, created_by=user)
    workshop.PurchaseOrderLine.objects.create(order=order, part=part, quantity=2, unit_cost=1)
    workshop.Delivery.objects.create(order=order, note="DN-1", note_key="dn-1", lines={}, received_by=user)
    invoice = workshop.Invoice.objects.create(
        number=f"INV-{number}", year=2026, sequence=number, ticket=ticket, customer=ticket.customer, customer_name="C",
        customer_email="c@example.com", service_date=now, currency="USD", subtotal=10, tax_total=0, total=10,
    )  # fmt: skip
    line = workshop.InvoiceLine.objects.create(
        invoice=invoice, position=1, kind="part", job_title="J", description="D", quantity=1, unit="piece",
        unit_price=10, unit_cost=5, tax_rate=0, net=10, tax=0,
    )  # fmt: skip
    workshop.Payment.objects.create(invoice=invoice, amount=5, method="cash", received_by=user)
    note = workshop.CreditNote.objects.create(
        number=f"CN-{number}",
        year=2026,
        sequence=number,
        invoice=invoice,
        reason="R",
        subtotal=5,
        tax_total=0,
        total=5,
        issued_by=user,
    )
    workshop.CreditNoteLine.objects.create(credit_note=note, invoice_line=line, quantity=1, net=5, tax=0)
    product = ProductFactory()
    workshop.PriceProposal.objects.create(product=product, old_price=10, new_price=20)
