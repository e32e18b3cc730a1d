"""The demo: one business in which everything that may happen has happened, made by the services, provable, the same
after a reset. All tests share one seed, since it takes longer than they do."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db.models import Model
from django.test import TestCase, override_settings
from rest_framework.test import APIClient

from accounts.demo import PASSWORD, PEOPLE, looks, path_of, story
from accounts.models import Export, Notification, SellerProfile, User
from accounts.roles import ROLES
from auctions.models import Auction, Listing, Offer, Order, Payout, Refund, TitleTransfer
from auctions.services.ledger import audit_ledger
from auctions.services.refunds import SecondPersonNeeded, approve_refund
from auctions.services.settlement_telling import tell_settlements
from auctions.services.telling import tell_events
from auctions.services.verification import verify_nightly
from cars.demo import ACCORD_SPORT, CIVIC, OUTBACK
from cars.models import Vehicle
from common.clock import now
from config import health
from parking.models import ParkingPayment, Reservation
from workshop.models import Invoice as WorkshopInvoice
from workshop.models import LowStockAlert, PurchaseOrder, ServiceTicket
from workshop.services.audit import audit_stock

APPS = ("accounts", "cars", "workshop", "parking", "auctions")
ORDERS = (
    "awaiting_payment", "overdue", "paid", "transport_scheduled", "in_transit", "delivered", "completed", "disputed",
    "cancelled", "defaulted", "refunded",
)  # fmt: skip


def by_status(model: Any) -> Counter[str]:
    return Counter(model.objects.values_list("status", flat=True))


def rows() -> dict[str, int]:
    """Of every table, but for those that keep what was; the numbers of documents beside them."""
    tables: list[type[Model]] = [model for name in APPS for model in apps.get_app_config(name).get_models()]
    kept = [model for model in tables if not model.__name__.startswith("Historical")]
    return {model._meta.label: model._default_manager.count() for model in kept}


def person(username: str) -> User:
    return User.objects.get(email=f"{username}@example.com")


def signed_in(username: str) -> APIClient:
    client = APIClient()
    client.force_login(person(username))
    return client


def first(answer: Any) -> dict[str, Any]:
    found: dict[str, Any] = answer.json()["results"][0]
    return found


@pytest.mark.xdist_group("demo")
class TestDemo(TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        folder = cls.enterClassContext(TemporaryDirectory())
        cls.enterClassContext(override_settings(MEDIA_ROOT=folder))
        super().setUpClass()

    @classmethod
    def setUpTestData(cls) -> None:
        call_command("seed_demo", verbosity=0)

    # --- What there is

    def test_there_is_somebody_for_every_role_who_can_sign_in(self) -> None:
        assert {somebody.role for somebody in PEOPLE} == {"administrator", "customer", *ROLES}
        for username in ("admin", "finance", "frank"):
            answer = APIClient().post("/api/auth/login", {"email": f"{username}@example.com", "password": PASSWORD})
            assert answer.status_code == 200
        able = {user.username for user in User.objects.all() if user.can_bid}
        assert able == {"grace", "henry", "carol", "alice", "bob"}
        assert [profile.status for profile in SellerProfile.objects.order_by("id")] == ["approved", "pending"]

    def test_the_workshop_has_a_ticket_in_every_state(self) -> None:
        found = by_status(ServiceTicket)
        assert set(found) == set(ServiceTicket.Status)
        assert found["paid"] == 9
        on_hold = ServiceTicket.objects.filter(status="on_hold").values_list("hold_reason", flat=True)
        assert set(on_hold) == {"parts", "customer"}
        assert by_status(PurchaseOrder) == {"sent": 1, "draft": 1}
        assert LowStockAlert.objects.filter(closed_at=None).count() == 2
        assert WorkshopInvoice.objects.filter(status="partially_paid").count() == 1

    def test_the_car_parks_have_a_past_a_present_and_a_future(self) -> None:
        found = by_status(Reservation)
        assert (found["active"], found["reserved"], found["cancelled"]) == (8, 3, 1)
        assert found["completed"] > 30
        assert ParkingPayment.objects.count() > 20
        late = Reservation.objects.filter(status="active", is_overstay=True).values_list("plate", flat=True)
        assert set(late) == {"LATE 1", "LATE 2"}

    def test_there_is_an_order_in_every_state(self) -> None:
        assert by_status(Order) == {**dict.fromkeys(ORDERS, 1), "title_processing": 2}
        assert {"awaiting_seller_documents", "under_review", "rejected_documents", "sent"} <= set(
            by_status(TitleTransfer)
        )
        assert set(by_status(Payout)) == set(Payout.Status)

    def test_listings_and_auctions_of_every_kind(self) -> None:
        assert {"draft", "pending_review", "changes_requested", "rejected", "active"} <= set(by_status(Listing))
        assert by_status(Auction) == {
            "live": 4, "scheduled": 2, "sold": 3, "no_bids": 1, "negotiating": 1,
        }  # fmt: skip
        pending = Offer.objects.filter(status="pending").values_list("kind", "buyer__username")
        assert set(pending) == {("pre_auction", "carol"), ("if_bid", "carol"), ("second_chance", "henry")}

    def test_one_auction_ends_within_minutes_and_others_run_for_hours(self) -> None:
        ends = Auction.objects.filter(status="live").order_by("ends_at").values_list("ends_at", flat=True)
        left = [end - now() for end in ends]
        assert left[0] < timedelta(minutes=10)
        assert left[-1] > timedelta(hours=12)
        assert all(auction.bid_count >= 3 for auction in Auction.objects.filter(status="live"))

    def test_a_refund_waits_for_a_second_person(self) -> None:
        refund = Refund.objects.get(status="requested")
        with pytest.raises(SecondPersonNeeded):
            approve_refund(refund_id=refund.pk, actor=person("felix"), now=now())
        approve_refund(refund_id=refund.pk, actor=person("finance"), now=now())
        assert by_status(Refund) == {"done": 2}

    def test_carol_has_the_civic_with_its_history_and_grace_a_doubtful_odometer(self) -> None:
        civic = Vehicle.objects.get(vin=CIVIC)
        assert civic.owner == person("carol")
        timeline = signed_in("carol").get(f"/api/garage/{civic.pk}/timeline").json()["results"]
        assert {"registered", "serviced", "listed", "title_transferred", "odometer"} <= {
            entry["kind"] for entry in timeline
        }
        moments = [event.at for event in civic.events.order_by("id")]
        assert moments == sorted(moments)
        assert moments[-1] - moments[0] > timedelta(days=500)
        outback = Vehicle.objects.get(vin=OUTBACK)
        assert outback.odometer_readings.exclude(forced_reason="").count() == 1

    def test_everybody_may_read_the_past_of_the_accord_that_is_live(self) -> None:
        listing = Listing.objects.get(vin=ACCORD_SPORT)
        told = APIClient().get(f"/api/vehicles/{listing.pk}/history").json()
        assert (told["shared"], told["history"]["odometer"]["verdict"]) == (True, "consistent")
        assert len(told["history"]["services"]) == 1

    def test_people_were_told_and_what_is_old_is_read(self) -> None:
        assert Notification.objects.filter(read_at=None).exists()
        read = Notification.objects.exclude(read_at=None)
        assert read.count() > 100
        assert not read.filter(mail_status="pending").exists()
        assert Export.objects.filter(owner=person("alice"), kind="parking").exists()

    # --- What it must hold

    def test_every_audit_finds_nothing(self) -> None:
        assert audit_ledger(now=now()).differences == 0
        assert audit_stock(now=now()).differences == 0
        assert verify_nightly(now=now()).failed == 0
        assert (tell_settlements(now=now()), tell_events(now=now())) == ((0, 0), (0, 0))
        assert {part.name for part in health.examine(now=now()) if part.is_up} >= {"database", "ledger"}

    def test_what_is_named_is_there_for_whom_it_is_named(self) -> None:
        for look in looks():
            client = signed_in(look.username) if look.username else APIClient()
            assert client.get(path_of(look)).status_code == 200, look
            if look.path.startswith("/api/") and "check?" not in look.path:
                assert client.get(path_of(look)).json()["results"], look

    @override_settings(BACKEND_URL="http://localhost:8123")
    def test_the_story_names_the_port_and_everybody(self) -> None:
        assert "http://localhost:8123/admin/auctions/refund/?status__exact=requested" in story()
        assert all(somebody.email in story() for somebody in PEOPLE)

    def test_the_walks_of_the_documentation_find_what_they_name(self) -> None:
        desk, anybody = signed_in("service_advisor"), APIClient()
        assert first(desk.get("/api/workshop/customers?search=bob"))["email"] == "bob@example.com"
        assert first(desk.get("/api/workshop/mechanics"))["display_name"] == "Max"
        assert first(desk.get("/api/workshop/inventory?search=pads"))["sku"] == "BP-F30"
        bus = first(signed_in("bob").get("/api/garage"))
        assert (bus["model"], bus["mileage"] <= 640_010) == ("102A3", True)
        assert first(anybody.get("/api/vehicles?search=beetle"))["status"] == "active"
        assert first(anybody.get("/api/vehicles?make=Honda"))["images"]
        assert first(anybody.get("/api/auctions?status=sold"))["id"]

    # --- Again

    def test_a_second_call_adds_nothing(self) -> None:
        User.objects.filter(email="alice@example.com").update(first_name="Alicia")
        before = rows()
        call_command("seed_demo", verbosity=0)
        assert rows() == before
        assert person("alice").first_name == "Alicia"

    def test_a_reset_puts_everything_back(self) -> None:
        states = (ServiceTicket, Reservation, Listing, Auction, Order, Offer, Payout, Refund, WorkshopInvoice)
        before, numbers = rows(), set(WorkshopInvoice.objects.values_list("number", flat=True))
        statuses = [by_status(model) for model in states]
        User.objects.filter(email="alice@example.com").update(first_name="Alicia", is_active=False, bid_limit=1)
        Vehicle.objects.update(color="pink")
        Auction.objects.filter(status="live").earliest("ends_at").watches.all().delete()
        approve_refund(refund_id=Refund.objects.get(status="requested").pk, actor=person("finance"), now=now())
        call_command("seed_demo", "--reset", verbosity=0)
        assert [by_status(model) for model in states] == statuses
        assert rows() == before
        assert set(WorkshopInvoice.objects.values_list("number", flat=True)) == numbers
        alice = person("alice")
        assert (alice.first_name, alice.is_active, alice.bid_limit) == ("Alice", True, None)
        assert alice.check_password(PASSWORD)
        assert not Vehicle.objects.filter(color="pink").exists()
        assert audit_ledger(now=now()).differences == 0
        assert verify_nightly(now=now()).failed == 0


@pytest.mark.django_db
def test_production_refuses_people_with_a_published_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "config.settings.production")
    with pytest.raises(CommandError, match="no place in production"):
        call_command("seed_demo")
    assert not User.objects.exists()
