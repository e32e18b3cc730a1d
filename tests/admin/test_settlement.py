"""What finance does in the pages of sales goes through the services, and nothing happens before it was confirmed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from accounts.models import User
from auctions.models import (
    GatePass,
    Invoice,
    Order,
    Payment,
    Refund,
    SettlementEvent,
    TitleDeadline,
    TransportOrder,
    WebhookEvent,
)
from auctions.services import orders, transport
from auctions.services.invoicing import invoice_order
from auctions.services.payments import start_payment
from tests.auctions.factories import InvoiceFactory, OrderFactory, PaymentFactory
from tests.conftest import MakeUser

pytestmark = pytest.mark.django_db
REASON = {"reason": "The buyer has withdrawn."}


@pytest.fixture
def person(make_user: MakeUser) -> User:
    return make_user(email="finance@example.com", roles=["finance"])


@pytest.fixture
def finance(client: Client, person: User) -> Client:
    client.force_login(person)
    return client


@pytest.fixture
def order() -> Order:
    return OrderFactory()


@pytest.fixture
def paid(order: Order, person: User) -> Order:
    """Invoiced, fetched by the buyer, and paid by wire."""
    orders.choose_self_pickup(order_id=order.pk, actor=order.buyer, now=timezone.now())
    pay(order, person)
    return order


def pay(order: Order, person: User) -> Payment:
    total = Invoice.objects.get(order=order).balance
    return start_payment(
        order_id=order.pk, provider="manual", amount=total, reference="W-1", actor=person, now=timezone.now()
    )


def page(row: Any, button: str = "change") -> str:
    return reverse(f"admin:auctions_{row._meta.model_name}_{button}", args=[row.pk])


def press(client: Client, row: Any, button: str, answers: dict[str, Any] | None = None) -> str:
    """What the page says afterwards."""
    answer = client.post(page(row, button), answers or {}, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def status_of(row: Any) -> str:
    row.refresh_from_db()
    return str(row.status)


# --- Orders


def test_an_order_is_invoiced_and_a_wire_recorded(finance: Client, order: Order) -> None:
    assert "The invoice is issued." in press(finance, order, "issue_invoice")
    invoice = Invoice.objects.get(order=order)
    wire = {"amount": str(invoice.total), "reference": "W-77"}
    assert "The payment is recorded." in press(finance, order, "record_payment", wire)
    assert (status_of(order), Payment.objects.get().reference) == ("paid", "W-77")


def test_nothing_happens_before_it_was_confirmed(finance: Client, order: Order) -> None:
    assert page(order, "issue_invoice") in finance.get(page(order)).content.decode()
    asked = finance.get(page(order, "issue_invoice")).content.decode()
    assert f"Issue the invoice: {order}?" in asked
    assert not Invoice.objects.exists()


@pytest.mark.parametrize("wire", [{"amount": "0", "reference": "W"}, {"amount": "1.001", "reference": "W"}, {}])
def test_what_is_typed_wrongly_is_asked_again(finance: Client, order: Order, wire: dict[str, str]) -> None:
    press(finance, order, "issue_invoice")
    answer = finance.post(page(order, "record_payment"), wire)
    assert answer.context["form"].errors
    assert not Payment.objects.exists()


def test_what_a_service_refuses_is_shown(finance: Client, order: Order) -> None:
    wire = {"amount": "10", "reference": "W-1"}
    assert "There is no invoice to pay yet." in press(finance, order, "record_payment", wire)


def test_an_order_is_cancelled_with_its_reason(finance: Client, order: Order) -> None:
    assert finance.post(page(order, "cancel"), {"reason": " "}).context["form"].errors
    press(finance, order, "cancel", REASON)
    assert status_of(order) == "cancelled"
    shown = finance.get(page(order)).content.decode()
    assert REASON["reason"] in shown


@pytest.mark.parametrize(("outcome", "status"), [("back", "paid"), ("refund", "refunded")])
def test_a_dispute_is_opened_and_resolved(finance: Client, paid: Order, outcome: str, status: str) -> None:
    press(finance, paid, "dispute", REASON)
    assert status_of(paid) == "disputed"
    press(finance, paid, "resolve", {"outcome": outcome, "reason": "We have looked into it."})
    assert status_of(paid) == status
    assert Refund.objects.exists() == (outcome == "refund")


def test_an_order_without_a_title_is_not_completed(finance: Client, paid: Order) -> None:
    press(finance, paid, "complete")
    assert status_of(paid) == "paid"


def test_the_page_of_an_order_shows_its_parts_with_links_and_its_history(finance: Client, paid: Order) -> None:
    answer = finance.get(page(paid))
    shown = answer.content.decode()
    assert f'<a href="{page(paid.invoice)}" class="text-primary-600' in shown
    assert "awaiting payment \N{RIGHTWARDS ARROW} paid" in shown
    parts = {formset.opts.model for formset in answer.context["inline_admin_formsets"]}
    assert GatePass in parts
    assert Refund not in parts  # Nothing was paid back.


def test_a_form_says_what_it_is_about(finance: Client, order: Order) -> None:
    assert f"Cancel: {order}?" in finance.get(page(order, "cancel")).content.decode()


def test_a_status_is_shown_by_its_name(finance: Client, order: Order) -> None:
    listed = finance.get(reverse("admin:auctions_order_changelist")).content.decode()
    assert str(order.get_status_display()) in listed
    assert order.status not in [text.strip() for text in listed.replace("<", ">").split(">")]


# --- Money


def test_finance_sees_the_lines_of_an_invoice(finance: Client, paid: Order) -> None:
    shown = finance.get(page(paid.invoice)).content.decode()
    lines = [line.description for line in paid.invoice.lines.all()]
    assert lines
    assert all(escape(line) in shown for line in lines)


def test_a_refund_is_asked_for_and_rejected_with_a_reason(finance: Client, paid: Order) -> None:
    payment = Payment.objects.get()
    press(finance, payment, "refund", {"amount": "20.00", "reason": "Too much."})
    refund = Refund.objects.get()
    press(finance, refund, "reject", REASON)
    assert status_of(refund) == "rejected"
    assert REASON["reason"] in finance.get(page(refund)).content.decode()


def test_a_small_refund_is_approved_by_the_same_person_and_a_large_one_is_not(finance: Client, paid: Order) -> None:
    payment = Payment.objects.get()
    for amount in ("500.00", "500.01"):
        press(finance, payment, "refund", {"amount": amount, "reason": "Scratches."})
    large, small = Refund.objects.order_by("-id")
    assert "somebody else" in press(finance, large, "approve")
    press(finance, small, "approve")
    assert (status_of(large), status_of(small)) == ("requested", "done")
    assert "done cannot become in_transit." in press(finance, small, "retry")


def test_the_invoice_is_opened_as_pdf(finance: Client, order: Order) -> None:
    invoice = invoice_order(order_id=order.pk, actor=None, now=timezone.now())
    assert finance.get(page(invoice, "pdf"))["Location"] == f"/api/invoices/{invoice.pk}/pdf"


def test_a_list_of_webhooks_reads_no_bodies(finance: Client) -> None:
    body = '{"card": "4242"}'
    event = WebhookEvent.objects.create(
        provider="sandbox", event_id="e1", kind="k", body=body, received_at=timezone.now()
    )
    with CaptureQueriesContext(connection) as queries:
        shown = finance.get(reverse("admin:auctions_webhookevent_changelist")).content.decode()
    assert "4242" not in shown
    assert not [query for query in queries if '"auctions_webhookevent"."body"' in query["sql"]]
    assert "4242" in finance.get(page(event)).content.decode()


# --- Delivery


def test_a_title_goes_its_way_and_the_seller_is_paid_out(finance: Client, paid: Order) -> None:
    title = paid.title_transfer
    for button, answers in (
        ("receive", {}), ("review", {}), ("reject_documents", REASON), ("receive", {}), ("review", {}),
        ("hold_lien", {"lien_holder": "First Bank"}), ("release_lien", {}), ("send", {"tracking_reference": "1Z9"}),
        ("complete", {}),
    ):  # fmt: skip
        press(finance, title, button, answers)
    assert status_of(title) == "completed"
    assert paid.listing.vehicle.__class__.objects.get(pk=paid.listing.vehicle_id).owner == paid.buyer
    payout = paid.payout
    press(finance, payout, "pay", {"reference": "SEPA-1"})
    payout.refresh_from_db()
    assert (payout.status, payout.reference, payout.paid_by.email) == ("paid", "SEPA-1", "finance@example.com")
    history = finance.get(page(title)).content.decode()
    for text in ("under review", REASON["reason"], "finance@example.com"):
        assert text in history


def test_a_title_without_a_lien_is_ready(finance: Client, paid: Order) -> None:
    for button in ("receive", "review", "ready"):
        press(finance, paid.title_transfer, button)
    assert status_of(paid.title_transfer) == "ready"


def test_a_transport_goes_its_way(finance: Client, order: Order, person: User) -> None:
    row = transport.request_transport(
        order_id=order.pk, delivery_address="1 Elm St, Troy", actor=order.buyer, now=timezone.now()
    )
    press(finance, row, "quote", {"quoted_price": "450", "pickup_on": "2026-12-03", "delivery_on": ""})
    row.refresh_from_db()
    assert (row.status, row.quoted_price, str(row.pickup_on)) == ("quoted", Decimal(450), "2026-12-03")
    transport.book_transport(transport_id=row.pk, actor=order.buyer, now=timezone.now())
    carrier = {"carrier": "Hudson Hauling", "driver_name": "Joe", "driver_phone": "+1 555 0100"}
    press(finance, row, "assign", carrier)
    assert status_of(row) == "booked"  # Not before the order is paid.
    pay(order, person)
    press(finance, row, "assign", carrier)
    title = order.title_transfer
    press(finance, title, "receive")
    for button, answers in (("pick_up", {}), ("depart", {}), ("deliver", {"final_price": "430.00"})):
        press(finance, row, button, answers)
    row.refresh_from_db()
    assert (row.status, row.final_price, status_of(order)) == ("delivered", Decimal(430), "delivered")


def test_a_transport_is_cancelled_with_its_reason(finance: Client, order: Order) -> None:
    row = transport.request_transport(
        order_id=order.pk, delivery_address="1 Elm St, Troy", actor=order.buyer, now=timezone.now()
    )
    press(finance, row, "cancel", REASON)
    assert (status_of(row), SettlementEvent.objects.last().reason) == ("cancelled", REASON["reason"])


def test_the_code_of_a_pass_stands_in_no_list(finance: Client, order: Order) -> None:
    gate_pass = GatePass.objects.create(code="GP-SECRET9", order=order, issued_at=timezone.now())
    assert "SECRET9" not in finance.get(reverse("admin:auctions_gatepass_changelist")).content.decode()
    assert "SECRET9" not in finance.get(page(order)).content.decode()
    assert "SECRET9" in finance.get(page(gate_pass)).content.decode()


def test_finance_lays_down_how_long_titles_may_take(finance: Client) -> None:
    add = reverse("admin:auctions_titledeadline_add")
    assert finance.post(add, {"state": "ny", "days": "20"}).status_code == 200
    assert finance.post(add, {"state": "NY", "days": "20"}).status_code == 302
    row = TitleDeadline.objects.get()
    assert finance.post(page(row), {"state": "NY", "days": "15"}).status_code == 302
    assert TitleDeadline.objects.get().days == 15
    assert finance.post(page(row, "delete"), {"post": "yes"}).status_code == 302
    assert not TitleDeadline.objects.exists()


# --- Who may


@pytest.mark.parametrize("button", ["issue_invoice", "record_payment", "dispute", "resolve", "complete", "cancel"])
def test_a_moderator_sees_orders_and_changes_none(
    client: Client, make_user: MakeUser, order: Order, button: str
) -> None:
    client.force_login(make_user(roles=["moderator"]))
    answer = client.get(page(order))
    assert answer.status_code == 200
    assert page(order, button) not in answer.content.decode()
    assert client.post(page(order, button), REASON).status_code == 403


def test_a_moderator_sees_no_money(client: Client, make_user: MakeUser, order: Order) -> None:
    client.force_login(make_user(roles=["moderator"]))
    PaymentFactory(order=order, reference="Wire of Ada")
    assert "Wire of Ada" not in client.get(page(order)).content.decode()
    for name in ("invoice", "payment", "refund", "payout", "webhookevent", "titletransfer", "gatepass", "creditnote"):
        assert client.get(reverse(f"admin:auctions_{name}_changelist")).status_code == 403


def test_no_row_of_money_is_added_changed_or_deleted_by_hand(finance: Client, order: Order) -> None:
    payment = PaymentFactory(order=order)
    assert finance.get(reverse("admin:auctions_payment_add")).status_code == 403
    assert finance.post(page(payment), {"amount": "1"}).status_code == 403
    assert finance.post(page(payment, "delete"), {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("path", ["9999", "nothing"])
def test_buttons_of_rows_that_do_not_exist_find_nothing(finance: Client, path: str) -> None:
    assert finance.post(reverse("admin:auctions_order_cancel", args=[path]), REASON).status_code == 404


def test_another_site_cannot_press_a_button(finance: Client, order: Order) -> None:
    answer = finance.post(page(order, "cancel"), REASON, headers={"Sec-Fetch-Site": "cross-site"})
    assert (answer.status_code, status_of(order)) == (403, "awaiting_payment")


# --- Constant query counts


def queries_for(client: Client, url: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(url).status_code == 200
    return len(queries)


def full_order() -> Order:
    order = OrderFactory()
    InvoiceFactory(order=order)
    for _ in range(3):
        payment = PaymentFactory(order=order, status="succeeded")
        Refund.objects.create(payment=payment, order=order, amount=1, currency="USD", reason="R")
        happened(order, "payment", payment.pk)
    return order


def happened(order: Order, subject: str, pk: int) -> None:
    SettlementEvent.objects.create(
        subject=subject, subject_id=pk, order=order, new="x", actor=order.buyer, at=timezone.now()
    )


@pytest.mark.parametrize("name", ["order", "payment", "refund", "settlementevent", "invoice"])
def test_lists_cost_as_many_queries_with_more_rows(finance: Client, name: str) -> None:
    url = reverse(f"admin:auctions_{name}_changelist")
    full_order()
    queries_for(finance, url)
    before = queries_for(finance, url)
    for _ in range(3):
        full_order()
    assert queries_for(finance, url) == before


def test_the_page_of_an_order_costs_as_many_queries_with_more_history(finance: Client) -> None:
    order = full_order()
    queries_for(finance, page(order))
    before = queries_for(finance, page(order))
    for number in range(9):
        happened(order, "order", number)
    assert queries_for(finance, page(order)) == before


def test_what_waits_is_found_by_filters(finance: Client) -> None:
    order = OrderFactory()
    TransportOrder.objects.create(order=order, pickup_address="A", delivery_address="B", currency="USD")
    url = reverse("admin:auctions_transportorder_changelist")
    assert order.order_number in finance.get(url, {"status__exact": "quote_requested"}).content.decode()
    assert order.order_number not in finance.get(url, {"status__exact": "booked"}).content.decode()
