"""Who is told what of an offer and an order, and that it is what happened then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from unittest import mock

import pytest
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import Notification, NotificationPreference, User
from auctions import tasks
from auctions.models import GatePass, Listing, Offer, Order, SettlementEvent
from auctions.services import settlement_telling
from auctions.services.settlement_telling import tell_settlements
from auctions.services.settling import begin, move, record
from common import doorbell
from tests.auctions.factories import ListingFactory, OfferFactory, OrderFactory
from tests.conftest import MakeUser
from tests.parking.mailing import parts_of_last_mail, send_due

pytestmark = pytest.mark.django_db
BUYER, SELLER, FINANCE = "buyer", "seller", "finance"
MONEY = {"amount": "16275.00", "currency": "USD"}


@pytest.fixture
def order() -> Order:
    return OrderFactory()


@pytest.fixture
def finance(make_user: MakeUser) -> User:
    return make_user(email="finance@example.com", roles=["finance"])


def happened(order: Order, subject: str, new: str, old: str = "", **fields: Any) -> SettlementEvent:
    event = {"subject": subject, "subject_id": fields.pop("pk", order.pk), "order": order, "old": old, "new": new}
    return SettlementEvent.objects.create(at=timezone.now(), **event | fields)


def tell() -> None:
    assert tell_settlements(now=timezone.now()).failed == 0


def told(**people: User) -> dict[str, list[tuple[str, str]]]:
    """Kinds and titles by person, the oldest first."""
    news = {
        name: [(row.kind, row.title.split(":")[0]) for row in Notification.objects.filter(user=user).order_by("id")]
        for name, user in people.items()
    }
    return {name: rows for name, rows in news.items() if rows}


# --- Offers
# ---------------------------------------------------------------------------------------------------------------------


def told_of(offer: Offer) -> dict[str, list[tuple[str, str]]]:
    tell()
    return told(buyer=offer.buyer, seller=offer.seller)


def test_an_offer_is_told_to_its_seller_with_the_price_and_until_when_it_stands():
    offer = OfferFactory(amount=Decimal("12345.60"), expires_at=datetime(2026, 11, 28, 18, 30, tzinfo=UTC))
    begin(offer, actor=offer.buyer, now=timezone.now())
    assert told_of(offer) == {SELLER: [("offer_received", "An offer")]}
    row = Notification.objects.get()
    assert row.body == "12,345.60 USD is offered to you. It stands until 28 Nov 2026 at 18:30 UTC."
    assert row.data == {
        "listing": offer.listing_id, "subject": "offer", "subject_id": offer.pk, "status": "pending",
    }  # fmt: skip
    assert send_due(timezone.now()) == [offer.seller.email]
    assert all("/api/offers" in part for part in parts_of_last_mail())


def test_a_counter_offer_is_told_once_to_the_one_who_decides_now():
    offer = OfferFactory()
    begin(offer, actor=offer.buyer, now=timezone.now())
    tell()
    Notification.objects.all().delete()
    move(offer, "countered", actor=offer.seller, now=timezone.now(), decided_at=timezone.now())
    fields = {"listing": offer.listing, "buyer": offer.buyer, "made_by": "seller", "parent": offer, "round": 1}
    counter = OfferFactory(amount=Decimal(950), **fields)
    begin(counter, actor=offer.seller, now=timezone.now())
    assert told_of(offer) == {BUYER: [("offer_countered", "Another price")]}
    assert "950.00 USD" in Notification.objects.get().body


@pytest.mark.parametrize(
    ("kind", "made_by", "expected"),
    [
        (
            "if_bid", "buyer",
            {BUYER: [("offer_made", "Your bid is now an offer")],
             SELLER: [("offer_received", "The highest bid is offered to you")]},
        ),
        (
            "second_chance", "seller",
            {BUYER: [("offer_received", "A second chance")], SELLER: [("offer_made", "Offered to the next bidder")]},
        ),
        (
            "second_chance", "buyer",
            {BUYER: [("offer_made", "Your bid is an offer again")],
             SELLER: [("offer_received", "The next bid is offered to you")]},
        ),
    ],
)  # fmt: skip
def test_offers_that_nobody_typed_are_told_to_both(kind, made_by, expected):
    offer = OfferFactory(kind=kind, made_by=made_by)
    begin(offer, actor=None, now=timezone.now())
    assert told_of(offer) == expected


@pytest.mark.parametrize(
    ("status", "made_by", "expected"),
    [
        ("accepted", "buyer", {BUYER: [("offer_accepted", "Your offer is accepted")]}),
        ("accepted", "seller", {SELLER: [("offer_accepted", "Your offer is accepted")]}),
        ("declined", "buyer", {BUYER: [("offer_declined", "Your offer is declined")]}),
        ("withdrawn", "buyer", {SELLER: [("offer_withdrawn", "An offer was taken back")]}),
        ("expired", "seller", {name: [("offer_expired", "An offer has run out")] for name in (BUYER, SELLER)}),
        ("superseded", "buyer", {BUYER: [("offer_superseded", "An offer was overtaken")]}),
        ("countered", "buyer", {}),
    ],
)
def test_the_end_of_an_offer_is_told_to_whom_it_concerns(status, made_by, expected):
    offer = OfferFactory(made_by=made_by)
    move(offer, status, actor=None, now=timezone.now(), decided_at=timezone.now())
    assert told_of(offer) == expected


# --- Orders, and what belongs to them
# ---------------------------------------------------------------------------------------------------------------------

STEPS: list[tuple[str, str, str, dict[str, str]]] = [
    ("order", "", "awaiting_payment", {BUYER: "order_made"}),
    ("order", "awaiting_payment", "overdue", {BUYER: "order_overdue", SELLER: "order_overdue"}),
    ("order", "overdue", "defaulted", {BUYER: "order_defaulted", SELLER: "order_defaulted"}),
    ("order", "paid", "cancelled", {BUYER: "order_cancelled", SELLER: "order_cancelled"}),
    ("order", "awaiting_payment", "paid", {BUYER: "order_paid", SELLER: "order_paid"}),
    ("order", "paid", "title_processing", {}),
    ("order", "in_transit", "delivered", {BUYER: "order_delivered", SELLER: "order_delivered"}),
    ("order", "delivered", "completed", {BUYER: "order_completed", SELLER: "order_completed"}),
    (
        "order", "paid", "disputed",
        {BUYER: "order_disputed", SELLER: "order_disputed", FINANCE: "dispute_to_resolve"},
    ),
    ("order", "disputed", "paid", {BUYER: "order_resolved", SELLER: "order_resolved"}),
    ("order", "disputed", "in_transit", {BUYER: "order_resolved", SELLER: "order_resolved"}),
    ("order", "disputed", "refunded", {BUYER: "order_resolved", SELLER: "order_resolved"}),
    ("invoice", "", "issued", {BUYER: "sale_invoice_issued"}),
    ("credit_note", "", "issued", {BUYER: "credit_note_issued"}),
    ("payment", "", "created", {}),
    ("payment", "processing", "succeeded", {BUYER: "payment_received"}),
    ("payment", "processing", "failed", {BUYER: "payment_failed"}),
    ("refund", "", "requested", {BUYER: "refund_update", FINANCE: "refund_to_decide"}),
    ("refund", "requested", "approved", {BUYER: "refund_update"}),
    ("refund", "requested", "rejected", {BUYER: "refund_update"}),
    ("refund", "approved", "in_transit", {}),
    ("refund", "in_transit", "done", {BUYER: "refund_update"}),
    ("refund", "in_transit", "failed", {BUYER: "refund_update", FINANCE: "refund_to_decide"}),
    ("payout", "", "due", {SELLER: "payout_update"}),
    ("payout", "due", "held", {SELLER: "payout_update"}),
    ("payout", "due", "cancelled", {SELLER: "payout_update"}),
    ("payout", "due", "paid", {SELLER: "payout_paid"}),
    ("title_transfer", "", "pending", {}),
    ("title_transfer", "pending", "awaiting_seller_documents", {SELLER: "title_update"}),
    ("title_transfer", "awaiting_seller_documents", "received", {BUYER: "title_update", SELLER: "title_update"}),
    ("title_transfer", "under_review", "rejected_documents", {SELLER: "title_update"}),
    ("title_transfer", "under_review", "lien_pending", {BUYER: "title_update", SELLER: "title_update"}),
    ("title_transfer", "under_review", "ready", {BUYER: "title_update"}),
    ("title_transfer", "ready", "sent", {BUYER: "title_update"}),
    ("title_transfer", "sent", "completed", {BUYER: "title_update", SELLER: "title_update"}),
    (
        "title_transfer", "awaiting_seller_documents", "overdue",
        {BUYER: "title_update", SELLER: "title_update", FINANCE: "title_late"},
    ),
    ("title_transfer", "under_review", "overdue", {BUYER: "title_update", FINANCE: "title_late"}),
    ("transport_order", "", "quote_requested", {FINANCE: "transport_to_arrange"}),
    ("transport_order", "quote_requested", "quoted", {BUYER: "transport_update"}),
    ("transport_order", "quoted", "booked", {}),
    ("transport_order", "booked", "assigned", {BUYER: "transport_update", SELLER: "transport_update"}),
    ("transport_order", "assigned", "picked_up", {BUYER: "transport_update", SELLER: "transport_update"}),
    ("transport_order", "picked_up", "in_transit", {BUYER: "transport_update"}),
    ("transport_order", "in_transit", "delivered", {}),
    ("transport_order", "quoted", "cancelled", {BUYER: "transport_update"}),
    ("transport_order", "assigned", "cancelled", {BUYER: "transport_update", SELLER: "transport_update"}),
    ("gate_pass", "", "issued", {BUYER: "gate_pass_update"}),
    ("gate_pass", "issued", "used", {BUYER: "gate_pass_update"}),
    ("gate_pass", "issued", "revoked", {BUYER: "gate_pass_update"}),
]  # fmt: skip


@pytest.mark.parametrize(("subject", "old", "new", "expected"), STEPS)
@pytest.mark.parametrize("details", [{}, MONEY], ids=["bare", "with an amount"])
def test_every_step_is_told_to_those_whom_it_concerns(subject, old, new, expected, details, order, finance):
    happened(order, subject, new, old, details=details)
    tell()
    rows = told(buyer=order.buyer, seller=order.seller, finance=finance)
    assert {name: [kind for kind, _ in kinds] for name, kinds in rows.items()} == {
        name: [kind] for name, kind in expected.items()
    }
    assert SettlementEvent.objects.get().told_at is not None
    for row in Notification.objects.all():
        assert ("  " not in row.body, " ." not in row.body, row.data["order"]) == (True, True, order.pk)


def test_every_message_has_its_step_here():
    missing = set(settlement_telling._MESSAGES) - {(subject, new) for subject, _, new, _ in STEPS}
    steps = {"paid", "transport_scheduled"}  # Of an order that goes on after a dispute.
    assert {new for subject, new in missing if subject != "offer"} <= steps | {"cancelled"}


def body_of(user: User) -> str:
    return Notification.objects.get(user=user).body


def test_texts_name_amount_number_and_date(order):
    due = {"number": "SINV-2026-000007", "due_at": "2026-12-03T09:05:00+00:00"}
    happened(order, "invoice", "issued", details=MONEY | due)
    tell()
    assert body_of(order.buyer) == (
        f"Invoice SINV-2026-000007 for order {order}: 16,275.00 USD. Please pay by 3 Dec 2026 at 09:05 UTC."
    )


def test_a_quote_names_price_and_days(order):
    days = {"pickup_on": "2026-12-03", "delivery_on": "2026-12-10"}
    happened(order, "transport_order", "quoted", "quote_requested", details=MONEY | days)
    tell()
    assert "for 16,275.00 USD. Pick-up on 3 Dec 2026. Delivery on 10 Dec 2026." in body_of(order.buyer)


def test_a_failed_payment_says_why(order):
    happened(order, "payment", "failed", "processing", details=MONEY, reason="The card was declined.")
    tell()
    assert "Your payment of 16,275.00 USD" in body_of(order.buyer)
    assert "Reason: The card was declined." in body_of(order.buyer)


def test_whose_lien_it_is_is_told_to_the_seller_alone(order):
    happened(order, "title_transfer", "lien_pending", "under_review", details={"lien_holder": "First Bank"})
    tell()
    assert "First Bank" in body_of(order.seller)
    assert "First Bank" not in body_of(order.buyer)


def test_a_buyer_who_opens_a_dispute_or_cancels_a_transport_is_not_told_so(order):
    happened(order, "order", "disputed", "paid", actor=order.buyer, reason="Scratches.")
    happened(order, "transport_order", "cancelled", "quoted", actor=order.buyer)
    tell()
    assert told(buyer=order.buyer) == {}
    assert "Reason: Scratches." in body_of(order.seller)


def test_of_staff_who_asks_for_a_refund_is_not_asked_to_decide(order, finance, make_user):
    other = make_user(email="second@example.com", roles=["finance"])
    make_user(email="moderator@example.com", roles=["moderator"])
    happened(order, "refund", "requested", actor=finance, reason="Wrong colour.", details=MONEY)
    tell()
    assert Notification.objects.filter(kind="refund_to_decide").get().user == other
    assert body_of(other) == "A refund of 16,275.00 USD is asked for. Reason: Wrong colour."


def test_mails_lead_to_the_order_and_those_to_staff_to_the_page_of_what_waits(order, finance):
    happened(order, "refund", "requested", pk=77)
    tell()
    assert send_due(timezone.now()) == sorted([order.buyer.email, finance.email])
    link = {message.to[0]: str(message.body) for message in mail.outbox}
    assert f"/api/orders/{order.pk}" in link[order.buyer.email]
    assert reverse("admin:auctions_refund_change", args=[77]) in link[finance.email]


@pytest.mark.parametrize("subject", ["order", "refund", "titletransfer", "transportorder"])
def test_the_pages_to_which_mails_to_staff_lead_exist(subject):
    assert reverse(f"admin:auctions_{subject}_change", args=[1])


def test_the_text_is_that_of_the_event_whatever_happened_since(order):
    happened(order, "order", "overdue", "awaiting_payment", details={"default_at": "2026-12-01T00:00:00+00:00"})
    moved = {"default_at": timezone.now() + timedelta(days=90)}
    Order.objects.filter(pk=order.pk).update(status="cancelled", **moved)
    tell()
    assert "Unpaid on 1 Dec 2026 at 00:00 UTC, the sale comes to nothing." in body_of(order.buyer)
    assert told(buyer=order.buyer) == {BUYER: [("order_overdue", "Your payment is late")]}


def test_the_code_of_a_pass_is_told_to_nobody(order):
    gate_pass = GatePass.objects.create(code="GP-SECRET99", order=order, issued_at=timezone.now())
    record(gate_pass, "gate_pass", new="issued", actor=None, now=timezone.now())
    tell()
    row = Notification.objects.get()
    assert "SECRET99" not in f"{row.title} {row.body} {row.data}"


def test_running_again_tells_nothing_again(order):
    happened(order, "order", "completed", "delivered")
    tell()
    SettlementEvent.objects.update(told_at=None)  # As if the mark of the first run had been lost.
    tell()
    assert Notification.objects.count() == 2
    assert not SettlementEvent.objects.filter(told_at=None).exists()


def test_preferences_are_heeded(order):
    NotificationPreference.objects.create(user=order.buyer, kind="order_completed", in_app=False, email=False)
    happened(order, "order", "completed", "delivered")
    tell()
    assert set(told(buyer=order.buyer, seller=order.seller)) == {SELLER}


def test_an_event_that_fails_does_not_stop_the_others_and_is_told_later(order):
    happened(order, "order", "completed", "delivered")
    happened(order, "payment", "succeeded", "processing")

    def fail(_news: object) -> Any:
        raise RuntimeError("planted")

    with mock.patch.dict(settlement_telling._MESSAGES, {("order", "completed"): fail}):
        assert tell_settlements(now=timezone.now()) == (1, 1)
    assert Notification.objects.get().kind == "payment_received"
    tell()
    assert Notification.objects.count() == 3


def test_a_change_rings_for_the_sweep_after_its_commit(django_capture_on_commit_callbacks):
    offer = OfferFactory()
    with mock.patch.object(doorbell, "_ring_in_turn") as ring, django_capture_on_commit_callbacks(execute=True):
        begin(offer, actor=offer.buyer, now=timezone.now())
        ring.assert_not_called()
    ring.assert_called_once_with("auctions.tasks.tell_settlements")
    tasks.tell_settlements()
    assert told(seller=offer.seller)


def test_the_title_is_cut_where_the_name_is_long():
    order = OrderFactory(listing=ListingFactory(status=Listing.Status.PENDING_SALE, model="X" * 160, make="Y" * 128))
    happened(order, "payment", "succeeded")
    tell()
    assert len(Notification.objects.get().title) == 200


def queries_of(members_of_staff: int, make_user: MakeUser) -> int:
    for _ in range(members_of_staff):
        make_user(roles=["finance"])
    happened(OrderFactory(), "refund", "requested")
    with CaptureQueriesContext(connection) as queries:
        tell()
    return len(queries)


def test_many_members_of_staff_cost_as_many_queries_as_one(make_user):
    assert queries_of(1, make_user) == queries_of(8, make_user) <= 12
