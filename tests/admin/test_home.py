"""The home tells each role what waits for it, and each figure leads to just the rows that it counts."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from accounts.models import ApiKey, Export, Heartbeat, Notification, User
from auctions.models import (
    Auction,
    LedgerAudit,
    Payout,
    Refund,
    TitleTransfer,
    TransportOrder,
    WebhookEvent,
)
from common.dashboard import PANELS, Area, Chart, Figure, Visit, areas
from parking.models import Spot
from tests.admin.rows import one_of_everything
from tests.auctions.factories import AuctionFactory, ListingFactory, OrderFactory, PaymentFactory
from tests.conftest import MakeUser
from tests.factories import UserFactory
from tests.parking.factories import LotFactory, ReservationFactory
from tests.workshop.factories import JobFactory, MechanicFactory, SupplierFactory, TicketFactory
from workshop.models import Mechanic, PurchaseOrder, TimeEntry

pytestmark = pytest.mark.django_db

STAYS = {"Staying too long", "Arriving", "Unpaid stays", "Spots out of order", "Riverside"}
# Who is told what. The mechanic has a ticket and a clock of their own.
SEEN = {
    "mechanic": {"My tickets", "My tickets on hold", "Clocked in"},
    "service_advisor": {
        "Requests to look at", "Estimates out", "Tickets under way", "Waiting for parts", "Past the promise",
        "Ready to invoice", "Owed by customers", "Parts running low", "Orders to send", "Deliveries due",
        "Stock audit", "Prices to review",
    },
    "parking_manager": STAYS,
    "parking_attendant": STAYS,
    "moderator": {
        "Listings to review", "Listings suspended", "Live auctions", "Ending within the hour", "Not closed in time",
        "Paused", "Verification", "Orders to be paid", "Orders overdue", "Disputes", "Identities to confirm",
        "Sellers to approve",
    },
    "finance": {
        "Requests to look at", "Estimates out", "Tickets under way", "Waiting for parts", "Past the promise",
        "Ready to invoice", "Owed by customers", "Live auctions", "Ending within the hour", "Not closed in time",
        "Paused", "Orders to be paid", "Orders overdue", "Disputes", "Refunds to decide", "Refunds failed",
        "Payouts due", "Titles late", "Titles to review", "Transports to quote", "Carriers to find",
        "Webhooks failed", "Ledger of sales",
    },
}  # fmt: skip


def waiting_rows() -> None:
    """Somebody in every queue, beside rows that wait for nobody."""
    one_of_everything(1)
    one_of_everything(2)
    tickets()
    stays()
    sales()
    now, user = timezone.now(), UserFactory(identity_requested_at=timezone.now())
    Notification.objects.create(user=user, kind="security", title="Hello", mail_status="pending")
    Export.objects.create(owner=user, kind="cars", status="failed")
    ApiKey.objects.create(
        user=user, name="Old", prefix="old", secret_hash="x", token_version=1, expires_at=now + timedelta(days=1)
    )
    Heartbeat.objects.create(name="beat", beat_at=now)
    PeriodicTask.objects.filter(pk=PeriodicTask.objects.order_by("pk").values("pk")[:1]).update(enabled=False)


def tickets() -> None:
    yesterday = timezone.now() - timedelta(days=1)
    TicketFactory(status="awaiting_authorisation")
    TicketFactory(status="on_hold", hold_reason="parts", held_from="authorised")
    TicketFactory(status="on_hold", hold_reason="other", held_from="authorised")
    TicketFactory(status="review", promised_at=yesterday)
    TicketFactory(status="completed", odometer_out=10, promised_at=yesterday)
    PurchaseOrder.objects.create(supplier=SupplierFactory(), status="sent")
    PurchaseOrder.objects.create(supplier=SupplierFactory(), status="received")


def stays() -> None:
    now = timezone.now()
    lot = LotFactory(name="Riverside", spots=4)
    spots = list(lot.spots.order_by("number"))
    ReservationFactory(lot=lot, spot=spots[0], status="active", is_overstay=True)
    ReservationFactory(lot=lot, spot=spots[1])
    ReservationFactory(lot=lot, spot=spots[1], starts_at=now + timedelta(days=3))
    over = {"status": "completed", "starts_at": now - timedelta(hours=9), "released_at": now, "cost": Decimal(9)}
    ReservationFactory(lot=lot, spot=spots[2], **over)
    ReservationFactory(lot=lot, spot=spots[2], **over | {"starts_at": now - timedelta(hours=20)}, paid=Decimal(9))
    Spot.objects.filter(pk=spots[3].pk).update(status=Spot.Status.OUT_OF_ORDER)


def sales() -> None:
    now = timezone.now()
    ListingFactory(status="pending_review")
    ListingFactory(status="suspended")
    AuctionFactory(ends_at=now - timedelta(minutes=5))
    Auction.objects.filter(pk=AuctionFactory().pk).update(status="paused", paused_at=now)
    OrderFactory(status="overdue")
    OrderFactory(status="disputed", disputed_from="paid", paid_at=now)
    payment = PaymentFactory(status="succeeded", order__status="paid")
    money = {"order": payment.order, "currency": "USD"}
    for status in ("failed", "rejected"):
        Refund.objects.create(payment=payment, amount=5, reason="R", status=status, **money)
    Payout.objects.create(price=1000, fee=0, amount=1000, due_at=now, status="held", **money)
    TitleTransfer.objects.create(order=payment.order, due_at=now, overdue_at=now)
    TitleTransfer.objects.create(order=OrderFactory(status="paid"), due_at=now, status="received")
    TitleTransfer.objects.create(
        order=OrderFactory(status="completed"), due_at=now, overdue_at=now, status="completed", completed_at=now
    )
    TransportOrder.objects.create(
        pickup_address="A", delivery_address="B", status="booked", quoted_price=1, booked_at=now, **money
    )
    WebhookEvent.objects.create(
        provider="sandbox", event_id="f", kind="k", body="{}", received_at=now, processed_at=now, outcome="failed"
    )


def work(mechanic: Mechanic) -> None:
    """A ticket under way, one on hold, and a running clock."""
    ticket = TicketFactory(status="in_progress", mechanics=[mechanic])
    TicketFactory(status="on_hold", hold_reason="other", held_from="authorised", mechanics=[mechanic])
    TimeEntry.objects.create(job=JobFactory(ticket=ticket), mechanic=mechanic, started_at=timezone.now())


def home_of(client: Client) -> list[Area]:
    shown: list[Area] = client.get(reverse("admin:index")).context["areas"]
    return shown


def follow(client: Client, figure: Figure, whose: str) -> None:
    """Open what the figure leads to: the list has as many rows as were counted."""
    answer = client.get(figure.url)
    assert answer.status_code == 200, (whose, figure)
    if figure.counted is not None:
        assert answer.context["cl"].result_count == figure.counted, (whose, figure)


def test_each_role_sees_its_own_figures_and_each_leads_to_the_rows_that_it_counts(
    client: Client, make_user: MakeUser
) -> None:
    waiting_rows()
    for role, titles in SEEN.items():
        user = make_user(roles=[role])
        if role == "mechanic":
            work(MechanicFactory(user=user))
        client.force_login(user)
        figures = [figure for area in home_of(client) for figure in area.figures]
        assert {figure.title for figure in figures if not is_other_lot(figure)} == titles, role
        for figure in figures:
            follow(client, figure, role)


def is_other_lot(figure: Figure) -> bool:
    """One of those that the factories named: nobody waits there."""
    return figure.title.startswith("Lot ")


def test_an_administrator_sees_somebody_in_every_queue(client: Client, admin_user: User) -> None:
    """So none of the links above was proved by an empty list."""
    waiting_rows()
    work(MechanicFactory(user=admin_user))
    LedgerAudit.objects.create(at=timezone.now(), orders=1, differences=0)
    client.force_login(admin_user)
    figures = [figure for area in home_of(client) for figure in area.figures]
    assert [figure.title for figure in figures if figure.counted == 0 and not is_other_lot(figure)] == []
    for figure in figures:
        follow(client, figure, "administrator")
    uncounted = {figure.title for figure in figures if figure.counted is None}
    assert uncounted == {"Stock audit", "Verification", "Ledger of sales", "Last sync", "Schedule"}
    assert set().union(*SEEN.values()) <= {figure.title for figure in figures}


def test_a_panel_asks_twice_at_most(admin_user: User) -> None:
    """For its figures; a chart may ask twice too. However much there is."""
    one_of_everything(1)
    MechanicFactory(user=admin_user)
    visit = Visit(admin_user, timezone.now())
    few = [statements(panel, visit) for panel in PANELS]
    for panel, (count, items) in zip(PANELS, few, strict=True):
        assert count <= max(2, 2 * sum(isinstance(item, Chart) for item in items)), panel
    one_of_everything(2)
    many = [statements(panel, visit) for panel in PANELS]
    assert [count for count, _ in many] == [count for count, _ in few]


def statements(panel: Any, visit: Visit) -> tuple[int, list[Figure | Chart]]:
    """How many questions the panel asks of tables, and what it shows. Without Redis the cache is a table too."""
    with CaptureQueriesContext(connection) as queries:
        items = list(panel.show(visit))
    asked = [query["sql"] for query in queries if query["sql"].startswith("SELECT")]
    return sum("cache_entries" not in sql for sql in asked), items


def test_the_home_has_the_sidebars_headings_in_its_order(client: Client, admin_user: User) -> None:
    assert {panel.area for panel in PANELS} <= set(areas())
    one_of_everything(1)
    client.force_login(admin_user)
    shown = [area.title for area in home_of(client)]
    assert shown == [title for title in areas() if title in shown]


def test_who_has_no_figures_is_told_where_to_look(client: Client, make_user: MakeUser) -> None:
    """A mechanic whom nobody has given a row among the mechanics yet."""
    client.force_login(make_user(roles=["mechanic"]))
    home = client.get(reverse("admin:index"))
    assert home.context["areas"] == []
    assert "There are no figures for your roles." in home.content.decode()


def test_a_mechanic_opens_own_tickets_and_no_others(client: Client, make_user: MakeUser) -> None:
    user = make_user(roles=["mechanic"])
    work(MechanicFactory(user=user))
    own, other = TicketFactory(mechanics=[user.mechanic]), TicketFactory()
    client.force_login(user)
    page = client.get(reverse("admin:workshop_serviceticket_change", args=[own.pk]))
    assert page.status_code == 200
    assert reverse("admin:workshop_serviceticket_cancel", args=[own.pk]) not in page.content.decode()
    assert client.post(reverse("admin:workshop_serviceticket_change", args=[own.pk]), {}).status_code == 403
    assert client.get(reverse("admin:workshop_serviceticket_cancel", args=[own.pk])).status_code == 403
    assert client.get(reverse("admin:workshop_serviceticket_change", args=[other.pk])).status_code == 302
    assert client.get(reverse("admin:workshop_serviceticket_changelist")).context["cl"].result_count == 3


def test_a_moderator_finds_whom_to_confirm_and_nobody_else(client: Client, make_user: MakeUser) -> None:
    asked, other = UserFactory(identity_requested_at=timezone.now(), phone="+15550100"), UserFactory()
    client.force_login(make_user(roles=["moderator"]))
    people = reverse("admin:accounts_user_changelist")
    assert list(client.get(people).context["cl"].result_list) == [asked]
    page = client.get(reverse("admin:accounts_user_change", args=[asked.pk]))
    assert asked.email in page.content.decode()
    assert asked.phone not in page.content.decode()
    assert client.get(reverse("admin:accounts_user_change", args=[other.pk])).status_code == 302
    client.post(people, {"action": "verify_identity", "_selected_action": [asked.pk]})
    asked.refresh_from_db()
    assert asked.identity_verified_at is not None
