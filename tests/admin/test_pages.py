"""Every staff page opens, and each role sees only what is its own."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from uuid import uuid4

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Export, Notification, SellerProfile, TokenFamily, User
from auctions import models as auctions
from auctions.fees import DEFAULT_SCHEDULE
from auctions.increments import DEFAULT_TIERS
from auctions.services.bids import place_bid
from cars.models import OdometerReading, SyncIssue, SyncRun, SyncSource, SyncSuppression, VehicleEvent
from parking import models as parking
from tests.auctions.factories import (
    AuctionFactory,
    BidderFactory,
    InvoiceFactory,
    OfferFactory,
    OrderFactory,
    PaymentFactory,
)
from tests.conftest import MakeUser
from tests.factories import CarFactory, VehicleFactory
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

pytestmark = pytest.mark.django_db
MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)


@pytest.fixture
def staff(client: Client) -> Callable[[User], Client]:
    def sign_in(user: User) -> Client:
        client.force_login(user)
        return client

    return sign_in


@pytest.fixture
def rows(user: User) -> None:
    """One row of everything, so that no page is looked at empty."""
    now = timezone.now()
    CarFactory(created_by=user)
    vehicle = VehicleFactory(owner=user)
    VehicleEvent.objects.create(vehicle=vehicle, kind="registered", at=now, owner=user, actor=user)
    OdometerReading.objects.create(vehicle=vehicle, value=10, unit="km", at=now, source="owner", actor=user)
    run = SyncRun.objects.create(source="cars", provider="file", trigger="schedule", status="failed", finished_at=now)
    SyncIssue.objects.create(run=run, reason="year", raw="{}")
    SyncSource.objects.update_or_create(name="cars", defaults={"breaker_open_until": now.replace(year=now.year + 1)})
    SyncSuppression.objects.create(source="cars", provider="file", external_id="x")
    SellerProfile.objects.create(user=user, business_name="Cars", dealer_license_number="1", tax_id="2")
    TokenFamily.objects.create(user=user, current_jti="x", expires_at=now)
    Notification.objects.create(user=user, kind="security", title="Hello", mail_status="failed")
    Export.objects.create(owner=user, kind="cars")
    workshop_rows(user)
    parking_rows(user)
    auction_rows(user)
    settlement_rows(user)


def settlement_rows(user: User) -> None:
    now = timezone.now()
    OfferFactory()
    payment = PaymentFactory(status="succeeded")
    order = payment.order
    money = {"order": order, "currency": "USD"}
    refund = auctions.Refund.objects.create(payment=payment, amount=5, reason="R", requested_by=user, **money)
    invoice = InvoiceFactory(order=order)
    auctions.InvoiceLine.objects.create(invoice=invoice, position=1, kind="hammer", description="A car", amount=1000)
    auctions.CreditNote.objects.create(
        number="SCN-1", year=2026, sequence=1, invoice=invoice, refund=refund, amount=5, reason="R", issued_at=now
    )
    auctions.Payout.objects.create(price=1000, fee=0, amount=1000, due_at=now, **money)
    auctions.TitleDeadline.objects.create(state="NY", days=20)
    auctions.TitleTransfer.objects.create(order=order, due_at=now)
    auctions.TransportOrder.objects.create(pickup_address="A", delivery_address="B", **money)
    auctions.GatePass.objects.create(code="GP-1", order=order, issued_at=now)
    auctions.WebhookEvent.objects.create(provider="sandbox", event_id="e1", kind="k", body="{}", received_at=now)
    auctions.LedgerAudit.objects.create(at=now, orders=1, differences=1, details=[{"code": "x"}])
    for subject in auctions.SettlementEvent.Subject:
        auctions.SettlementEvent.objects.create(
            subject=subject, subject_id=1, order=order, new="issued", reason="R", actor=user, at=now
        )


def auction_rows(user: User) -> None:
    auction = AuctionFactory()
    place_bid(user_id=BidderFactory().pk, auction_id=auction.pk, amount=Decimal("1200.00"))
    OrderFactory()
    now = timezone.now()
    file = {"listing": auction.listing, "content_type": "image/png", "size": 1}
    auctions.ListingImage.objects.create(id=uuid4(), key="a.png", position=1, **file)
    auctions.ListingDocument.objects.create(id=uuid4(), key="b.png", filename="b.png", kind="title", **file)
    auctions.ListingEvent.objects.create(listing=auction.listing, kind="status", at=now, actor=user)
    auctions.IncrementTable.objects.create(name="Trucks", tiers=DEFAULT_TIERS)
    auctions.FeeSchedule.objects.create(name="Spring", **DEFAULT_SCHEDULE)
    auctions.Watch.objects.create(user=user, auction=auction)
    auctions.SavedSearch.objects.create(user=user, name="Hondas", filters={"make": "Honda"})


def parking_rows(user: User) -> None:
    stay = ReservationFactory(user=user, status="active")
    parking.ReservationEvent.objects.create(reservation=stay, kind="booked", actor=user)
    parking.PlateCheck.objects.create(lot=stay.lot, plate=stay.plate, reservation=stay, actor=user)
    parking.ParkingPayment.objects.create(reservation=stay, amount=1, method="cash", received_by=user)


def workshop_rows(user: User) -> None:
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
        number="INV-1", year=2026, sequence=1, ticket=ticket, customer=ticket.customer, customer_name="C",
        customer_email="c@example.com", service_date=now, currency="USD", subtotal=10, tax_total=0, total=10,
    )  # fmt: skip
    line = workshop.InvoiceLine.objects.create(
        invoice=invoice, position=1, kind="part", job_title="J", description="D", quantity=1, unit="piece",
        unit_price=10, unit_cost=5, tax_rate=0, net=10, tax=0,
    )  # fmt: skip
    workshop.Payment.objects.create(invoice=invoice, amount=5, method="cash", received_by=user)
    note = workshop.CreditNote.objects.create(
        number="CN-1",
        year=2026,
        sequence=1,
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


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_administrators_open_every_list_and_every_row(
    model: type, rows: None, admin_user: User, staff: Callable[[User], Client]
) -> None:
    client, label = staff(admin_user), f"{model._meta.app_label}_{model._meta.model_name}"
    assert client.get(reverse(f"admin:{label}_changelist")).status_code == 200
    assert client.get(reverse(f"admin:{label}_changelist"), {"q": "x"}).status_code == 200
    row = model.objects.first()
    if row is not None:
        assert client.get(reverse(f"admin:{label}_change", args=[row.pk])).status_code == 200


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_a_list_costs_the_same_number_of_queries_whatever_its_length(
    model: type, rows: None, admin_user: User, staff: Callable[[User], Client], django_assert_max_num_queries: object
) -> None:
    url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    client = staff(admin_user)
    with django_assert_max_num_queries(15):
        client.get(url)


def test_the_home_shows_figures_and_charts_of_what_one_may_see(
    rows: None, admin_user: User, make_user: MakeUser, staff: Callable[[User], Client]
) -> None:
    home = staff(admin_user).get(reverse("admin:index")).content.decode()
    assert "Cars per make" in home
    assert "Sync failures per day" in home
    assert "Sellers to approve" in home
    home = staff(make_user(roles=["moderator"])).get(reverse("admin:index")).content.decode()
    assert "Sellers to approve" in home
    assert "Cars per make" not in home
    assert "Sync runs per day" not in home


def test_a_role_sees_only_its_own_lists(make_user: MakeUser, staff: Callable[[User], Client]) -> None:
    client = staff(make_user(roles=["service_advisor"]))
    assert client.get(reverse("admin:cars_vehicle_changelist")).status_code == 200
    assert client.get(reverse("admin:accounts_user_changelist")).status_code == 403
    assert client.get(reverse("admin:cars_syncrun_changelist")).status_code == 403
    sidebar = client.get(reverse("admin:index")).content.decode()
    assert reverse("admin:cars_vehicle_changelist") in sidebar
    assert reverse("admin:accounts_user_changelist") not in sidebar


def test_a_customer_does_not_enter(user: User, staff: Callable[[User], Client]) -> None:
    answer = staff(user).get(reverse("admin:index"))
    assert answer.status_code == 302
    assert "login" in answer["Location"]
