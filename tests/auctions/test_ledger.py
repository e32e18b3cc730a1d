"""The audit of the ledger finds whatever went round the services, and nothing else."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models import F, Model
from django.utils import timezone
from structlog.testing import capture_logs

from auctions.fees import DEFAULT_SCHEDULE
from auctions.metrics import AuctionFigures
from auctions.models import (
    CreditNote,
    GatePass,
    Invoice,
    LedgerAudit,
    Order,
    Payment,
    Payout,
    Refund,
    SaleSequence,
    SettlementEvent,
    TitleTransfer,
    TransportOrder,
)
from auctions.services.balances import credit_invoice, lock_account, settle, take_money
from auctions.services.corrections import void_bid
from auctions.services.invoicing import issue_invoice
from auctions.services.ledger import audit_ledger, last_audit
from auctions.services.ledger_checks import checks
from auctions.services.refunds import approve_refund, ask_for_refund, finish_refund, reject_refund, send_refunds
from auctions.services.settling import begin, move
from auctions.services.titles import complete_title, ready_title, receive_title, review_title, send_title
from auctions.tasks import audit_ledger as task
from cars.models import VehicleEvent
from tests.auctions.factories import AuctionFactory, BidderFactory, OfferFactory, OrderFactory, PaymentFactory
from tests.auctions.trust import bid
from tests.conftest import MakeUser

pytestmark = pytest.mark.django_db
NOW = timezone.now()
TOTAL = Decimal("1431.00")  # 1,000.00, a premium of 250.00, 75.00 for the title, and 8 % tax on all of it.
TAXED = DEFAULT_SCHEDULE | {
    "seller_percent": "2.55",
    "tax_rates": {"NY": "8.000"},
    "taxable": ["hammer", "buyer_premium", "title_processing"],
}


class Sale(NamedTuple):
    """A sale by offer, with 69.00 more paid than was owed, of which and of the rest 100.00 were refunded; the title is
    under way, and the seller is to be paid."""

    order: Order
    invoice: Invoice
    payment: Payment
    refund: Refund
    note: CreditNote
    title: TitleTransfer
    payout: Payout
    gate_pass: GatePass


def unpaid(**fields: Any) -> Order:
    """With its invoice and the beginning of its history."""
    defaults: dict[str, Any] = {"fee_schedule": dict(TAXED), "delivery": "self_pickup"}
    if "offer" not in fields:
        offer = OfferFactory(status="accepted", amount="1000.00", buyer__address_state="NY")
        begin(offer, actor=None, now=NOW)
        defaults |= {"offer": offer, "listing": offer.listing, "buyer": offer.buyer}
        offer.listing.status = "pending_sale"
        offer.listing.save()
    order: Order = OrderFactory(**defaults | fields)
    begin(order, actor=None, now=NOW)
    with transaction.atomic():
        issue_invoice(lock_account(order.pk), actor=None, now=NOW)
    return order


def pay(order: Order, amount: Decimal, provider: str = "manual") -> Payment:
    payment: Payment = PaymentFactory(order=order, amount=amount, provider=provider)
    begin(payment, actor=None, now=NOW)
    with transaction.atomic():
        account = lock_account(order.pk)
        move(payment, "succeeded", actor=None, now=NOW, succeeded_at=NOW)
        take_money(account, amount, actor=None, now=NOW)
    return payment


def refunded(payment: Payment, amount: str) -> Refund:
    actor = BidderFactory()
    asked = ask_for_refund(payment_id=payment.pk, amount=Decimal(amount), reason="A dent.", actor=actor, now=NOW)
    return approve_refund(refund_id=asked.pk, actor=actor, now=NOW)


@pytest.fixture
def sale() -> Sale:
    order = unpaid()
    payment = pay(order, TOTAL + 69)
    receive_title(title_id=TitleTransfer.objects.get(order=order).pk, actor=order.seller, now=NOW)
    refund = refunded(payment, "100.00")
    return Sale(
        Order.objects.get(pk=order.pk),
        Invoice.objects.get(order=order),
        Payment.objects.get(pk=payment.pk),
        refund,
        CreditNote.objects.get(refund=refund),
        TitleTransfer.objects.get(order=order),
        Payout.objects.get(order=order),
        GatePass.objects.get(order=order, revoked_at=None),
    )


@pytest.fixture
def freely() -> Iterator[None]:
    """The database lets amounts be changed, as somebody with all rights could."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL forecourt.rewrite_log = 'on'")
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            yield
            return
        cursor.execute("PRAGMA ignore_check_constraints = ON")
        yield
        cursor.execute("PRAGMA ignore_check_constraints = OFF")


def drop_check(model: type[Model], name: str) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {model._meta.db_table} DROP CONSTRAINT {name}")


def drop_index(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DROP INDEX {name}")


def change(row: Model, **fields: Any) -> None:
    """Round the services."""
    type(row)._default_manager.filter(pk=row.pk).update(**fields)


def found() -> list[tuple[str, int, str, str]]:
    return [(row["kind"], row["id"], row["expected"], row["found"]) for row in audit_ledger(now=NOW).details]


# --- What is right


def test_what_the_services_wrote_adds_up(sale: Sale) -> None:
    assert sale.note.amount == Decimal("31.00")
    assert found() == []
    assert LedgerAudit.objects.get().orders == 1


def test_an_empty_ledger_adds_up() -> None:
    assert found() == []


def test_a_completed_sale_adds_up(sale: Sale) -> None:
    for step in (review_title, ready_title):
        step(title_id=sale.title.pk, actor=sale.order.seller, now=NOW)
    send_title(title_id=sale.title.pk, tracking_reference="1Z", actor=sale.order.seller, now=NOW)
    complete_title(title_id=sale.title.pk, actor=sale.order.seller, now=NOW)
    assert found() == []


def test_a_part_that_was_refunded_before_all_was_paid_adds_up() -> None:
    order = unpaid()
    refunded(pay(order, Decimal("400.00")), "400.00")
    assert found() == []
    pay(order, TOTAL)
    assert found() == []


def test_a_credit_note_for_a_refund_before_all_was_paid_is_found() -> None:
    order = unpaid()
    refund = refunded(pay(order, Decimal("400.00")), "400.00")
    with transaction.atomic():
        account = lock_account(order.pk)
        credit_invoice(account, Decimal("400.00"), reason="A dent.", actor=None, now=NOW, refund=refund)
        settle(account, actor=None, now=NOW)
    assert found() == [("refund_credit_note", refund.pk, "0.00", "400.00")]


def test_a_part_that_is_on_its_way_back_pays_for_nothing() -> None:
    order = unpaid()
    refund = refunded(pay(order, Decimal("400.00"), "sandbox"), "400.00")
    pay(order, TOTAL - 400)
    assert (refund.status, found()) == ("approved", [])
    send_refunds(now=NOW)
    with transaction.atomic():
        assert finish_refund(lock_account(order.pk), refund, succeeded=True, actor=None, now=NOW)
    assert found() == []
    pay(order, Decimal("400.00"))
    assert (found(), Order.objects.get().status) == ([], "paid")


@pytest.mark.parametrize("kind", ["order_unpaid", "invoice_status"])
def test_an_order_that_was_paid_beside_what_goes_back_is_found_unpaid(kind: str, freely: None) -> None:
    order = unpaid()
    payment = pay(order, Decimal("400.00"), "sandbox")
    refunded(payment, "400.00")
    pay(order, TOTAL)
    assert found() == []
    change(order, status="overdue")
    change(Invoice.objects.get(), status="paid" if kind == "order_unpaid" else "overdue")
    assert kind in {row[0] for row in found()}


def test_a_failed_refund_that_was_given_up_adds_up() -> None:
    order = unpaid()
    refund = refunded(pay(order, Decimal("400.00"), "sandbox"), "400.00")
    pay(order, TOTAL - 400)
    send_refunds(now=NOW)
    with transaction.atomic():
        assert finish_refund(lock_account(order.pk), refund, succeeded=False, actor=None, now=NOW)
    assert found() == []
    reject_refund(refund_id=refund.pk, reason="It stays.", actor=order.buyer, now=NOW)
    assert (found(), Order.objects.get().status) == ([], "paid")


def test_an_order_that_came_to_nothing_with_money_in_it_adds_up() -> None:
    order = unpaid()
    payment = pay(order, Decimal("400.00"))
    with transaction.atomic():
        account = lock_account(order.pk)
        credit_invoice(account, TOTAL, reason="Not paid.", actor=None, now=NOW)
        settle(account, actor=None, now=NOW)
        move(account.order, "cancelled", actor=None, now=NOW)
    refunded(payment, "400.00")
    assert found() == []


def test_a_late_title_is_no_other_status(sale: Sale) -> None:
    SettlementEvent.objects.create(
        subject="title_transfer", subject_id=sale.title.pk, order=sale.order, new="overdue", at=NOW
    )
    assert found() == []


# --- What is wrong, of each kind


def _another_refund(sale: Sale) -> None:
    extra = Refund.objects.create(
        payment=sale.payment, order=sale.order, amount="1400.01", currency="USD", reason="Too much."
    )
    begin(extra, actor=None, now=NOW)


def _refund_of_no_money(sale: Sale) -> None:
    change(sale.payment, status="failed", succeeded_at=None, refund_reserved=0)


def _payment_without_invoice(sale: Sale) -> None:
    order = OrderFactory()
    begin(order, actor=None, now=NOW)
    begin(PaymentFactory(order=order, status="succeeded"), actor=None, now=NOW)


def _second_order(sale: Sale) -> None:
    drop_index("order_live_listing")
    OrderFactory(listing=sale.order.listing)


def _second_pass(sale: Sale) -> None:
    drop_index("gate_pass_one_per_order")
    GatePass.objects.create(code="GP-2", order=sale.order, issued_at=NOW)


def _limit(sale: Sale) -> None:
    buyer = BidderFactory(bid_limit=Decimal("1499.99"))
    change(buyer, updated_at=NOW - timedelta(days=1))
    OrderFactory.create_batch(2, buyer=buyer, hammer_price=Decimal("750.00"))


def _payout_amount(sale: Sale) -> None:
    drop_check(Payout, "payout_adds_up")
    change(sale.payout, amount="970.00")


def _invoice_total(sale: Sale) -> None:
    change(sale.invoice, total=F("total") + 1, subtotal=F("subtotal") + 1)


def _transport_currency(sale: Sale) -> None:
    transport = TransportOrder.objects.create(
        order=sale.order, pickup_address="A", delivery_address="B", currency="CAD"
    )
    begin(transport, actor=None, now=NOW)


def _transport_event(sale: Sale) -> None:
    TransportOrder.objects.create(order=sale.order, pickup_address="A", delivery_address="B", currency="USD")


def _events(subject: str) -> Callable[[Sale], object]:
    return lambda sale: SettlementEvent.objects.filter(subject=subject).delete()


def _title_event(sale: Sale) -> None:
    change(sale.title, status="completed", completed_at=NOW)


PLANTED: dict[str, Callable[[Sale], object]] = {
    "payment_refund_reserved": lambda sale: change(sale.payment, refund_reserved=99),
    "payment_refunds": _another_refund,
    "refund_of_no_money": _refund_of_no_money,
    "refund_order": lambda sale: change(sale.refund, order=unpaid()),
    "payment_without_invoice": _payment_without_invoice,
    "invoice_paid": lambda sale: change(sale.invoice, paid="1400.01"),
    "invoice_credited": lambda sale: change(sale.invoice, credited=32),
    "invoice_subtotal": lambda sale: sale.invoice.lines.filter(kind="buyer_premium").update(amount=249),
    "invoice_tax_total": lambda sale: sale.invoice.lines.filter(kind="tax").delete(),
    "invoice_total": _invoice_total,
    "invoice_hammer": lambda sale: sale.invoice.lines.filter(kind="hammer").update(amount=999),
    "invoice_status": lambda sale: change(sale.invoice, status="open"),
    "credit_note_refund": lambda sale: change(sale.note, amount="100.01"),
    "refund_credit_note": lambda sale: change(sale.note, amount="31.01"),
    "invoice_number_gap": lambda sale: change(sale.invoice, sequence=3),
    "invoice_number_last": lambda sale: SaleSequence.objects.filter(kind="invoice").update(last=9),
    "credit_note_number_gap": lambda sale: change(sale.note, sequence=3),
    "credit_note_number_last": lambda sale: SaleSequence.objects.filter(kind="credit_note").update(last=9),
    "order_paid": lambda sale: change(sale.invoice, paid=F("paid") - Decimal("0.01")),
    "order_unpaid": lambda sale: change(sale.order, status="overdue"),
    "dead_order_invoice": lambda sale: change(sale.order, status="cancelled"),
    "listing_live_orders": _second_order,
    "order_price": lambda sale: change(sale.order, hammer_price=1001),
    "order_offer": lambda sale: change(sale.order.offer, status="declined"),
    "exposure": _limit,
    "payout_price": lambda sale: change(sale.payout, price=1001, amount="975.50"),
    "payout_amount": _payout_amount,
    "payout_fee": lambda sale: change(sale.payout, fee="25.51", amount="974.49"),
    "payout_status": lambda sale: change(sale.payout, status="held"),
    "order_gate_passes": _second_pass,
    "gate_pass_on_hold": lambda sale: change(sale.order, status="disputed", disputed_from="paid"),
    "title_vehicle_event": _title_event,
    "order_currency": lambda sale: change(sale.order, currency="CAD"),
    "invoice_currency": lambda sale: change(sale.invoice, currency="CAD"),
    "payment_currency": lambda sale: change(sale.payment, currency="CAD"),
    "refund_currency": lambda sale: change(sale.refund, currency="CAD"),
    "payout_currency": lambda sale: change(sale.payout, currency="CAD"),
    "transportorder_currency": _transport_currency,
    "offer_event": lambda sale: change(sale.order.offer, status="expired"),
    "order_event": lambda sale: change(sale.order, status="paid"),
    "payment_event": _events("payment"),
    "refund_event": _events("refund"),
    "title_transfer_event": lambda sale: change(sale.title, status="ready"),
    "transport_order_event": _transport_event,
    "payout_event": lambda sale: change(sale.payout, status="cancelled"),
    "invoice_event": _events("invoice"),
    "credit_note_event": _events("credit_note"),
    "gate_pass_event": lambda sale: change(sale.gate_pass, used_at=NOW),
}


def test_every_check_is_tried() -> None:
    assert [check.kind for check in checks()] == list(PLANTED)


@pytest.mark.parametrize("kind", PLANTED)
def test_a_corruption_is_found(kind: str, sale: Sale, freely: None) -> None:
    assert found() == []
    PLANTED[kind](sale)
    assert kind in {row[0] for row in found()}


def test_it_says_what_it_expected_and_what_it_found(sale: Sale, freely: None) -> None:
    change(sale.invoice, paid="1400.01")
    assert found() == [("invoice_paid", sale.invoice.pk, "1400.00", "1400.01")]
    change(sale.invoice, paid="1400.00")
    change(sale.note, amount="30.99")
    assert found() == [
        ("invoice_credited", sale.invoice.pk, "30.99", "31.00"),
        ("refund_credit_note", sale.refund.pk, "31.00", "30.99"),
    ]


def test_a_refund_that_credits_nothing_is_found(sale: Sale, freely: None) -> None:
    """Also where the invoice's own figures agree."""
    SettlementEvent.objects.filter(subject="credit_note").delete()
    sale.note.delete()
    change(sale.invoice, credited=0)
    kinds = {row[0] for row in found()}
    assert {"refund_credit_note", "order_paid", "credit_note_number_last"} <= kinds


def test_the_price_of_an_auction_is_that_of_its_order(freely: None) -> None:
    auction = AuctionFactory()
    order = unpaid(auction=auction, listing=auction.listing, offer=None, hammer_price=Decimal("1500.00"))
    change(auction, leader=order.buyer, leader_number=1, leader_max=2000, price=1600)
    assert found() == [("order_price", order.pk, "1600.00", "1500.00")]


def test_a_limit_that_was_changed_since_proves_nothing(sale: Sale) -> None:
    _limit(sale)
    Order.objects.filter(buyer__bid_limit__isnull=False).update(created_at=NOW - timedelta(days=2))
    assert "exposure" not in {row[0] for row in found()}


@pytest.mark.parametrize("is_voided", [False, True])
def test_what_a_void_brought_may_exceed_the_limit(make_user: MakeUser, is_voided: bool) -> None:
    """The limit held when the bid was accepted, and somebody else led then."""
    buyer = BidderFactory(bid_limit=Decimal("1500.00"))
    auction = AuctionFactory()
    bid(auction, buyer, "1200")
    rival = bid(auction, BidderFactory(), "3000")
    OrderFactory(buyer=buyer, hammer_price=Decimal("1400.00"))
    if is_voided:
        void_bid(bid_id=rival, actor=make_user(roles=["moderator"]), reason="Not serious.")
    OrderFactory(buyer=buyer, auction=auction, listing=auction.listing, hammer_price=Decimal("1000.00"))
    change(buyer, updated_at=NOW - timedelta(days=1))
    assert ("exposure" in {row[0] for row in found()}) is not is_voided


def test_a_title_in_the_vehicle_s_history_without_its_completion_is_found(sale: Sale) -> None:
    VehicleEvent.objects.create(
        vehicle=sale.order.listing.vehicle, kind="title_transferred", at=NOW, reference=f"order:{sale.order.pk}"
    )
    assert found() == [("title_vehicle_event", sale.title.pk, "0", "1")]


# --- Who learns of it


def test_the_command_fails_and_says_what_differs(sale: Sale) -> None:
    out = io.StringIO()
    call_command("audit_ledger", stdout=out)
    assert out.getvalue() == "1 orders, 0 differences.\n"
    change(sale.invoice, status="open")
    with pytest.raises(CommandError, match="1 differences") as failure:
        call_command("audit_ledger", stdout=out)
    assert failure.value.returncode == 1
    assert f"invoice_status of {sale.invoice.pk}: expected paid, found open." in out.getvalue()


def test_the_nightly_task_complains_and_leaves_a_row(sale: Sale) -> None:
    change(sale.invoice, status="open")
    with capture_logs() as lines:
        task()
    assert [(line["event"], line["differences"]) for line in lines if line["log_level"] == "error"] == [
        ("ledger_audit_differences", 1)
    ]
    row = last_audit()
    assert row is not None
    assert (row.orders, row.differences) == (1, 1)


def test_its_result_is_a_metric(sale: Sale) -> None:
    assert "ledger_audit_differences" not in figures()
    change(sale.invoice, status="open")
    audit_ledger(now=NOW)
    assert figures()["ledger_audit_differences"] == 1
    assert figures()["ledger_audit_run_seconds"] == NOW.timestamp()


def figures() -> dict[str, Any]:
    return {family.name: family.samples[0].value for family in AuctionFigures().collect() if family.samples}


def test_the_number_of_queries_does_not_grow(sale: Sale, django_assert_num_queries: Any) -> None:
    number = len(PLANTED) + 2
    with django_assert_num_queries(number):
        audit_ledger(now=NOW)
    for _ in range(3):
        refunded(pay(unpaid(), TOTAL), "5.00")
    with django_assert_num_queries(number):
        audit_ledger(now=NOW)


def test_the_home_of_finance_says_whether_it_adds_up(make_user: MakeUser, sale: Sale) -> None:
    from auctions.admin.dashboard import ledger_panel
    from common.dashboard import Visit

    def shown() -> tuple[Any, bool]:
        (figure,) = ledger_panel(Visit(None, NOW))
        return figure.value, figure.alarm

    assert shown() == ("none yet", False)
    audit_ledger(now=NOW)
    assert shown() == ("adds up", False)
    change(sale.invoice, status="open")
    audit_ledger(now=NOW)
    assert shown() == ("1 differences", True)
