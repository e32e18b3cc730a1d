"""/api/invoices and POST /api/orders/{id}/invoice: what the buyer of a car owes, frozen under a number."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from auctions.models import Invoice, Order, SaleSequence, SettlementEvent
from auctions.services.balances import credit_invoice, lock_account
from auctions.services.invoicing import invoice_order
from auctions.us_states import state_code
from tests.answers import error
from tests.auctions.factories import OfferFactory
from tests.auctions.invoices import TAXED, VIN, buyer, credited, issued, order_of

pytestmark = pytest.mark.django_db
URL = "/api/invoices"
EXAMPLE = [
    ("hammer", "15000.00"), ("buyer_premium", "750.00"), ("title_processing", "75.00"), ("transport", "450.00"),
]  # fmt: skip


@pytest.fixture
def client(as_user: Any, finance: User) -> APIClient:
    return as_user(finance)


def path(order: Order) -> str:
    return f"/api/orders/{order.pk}/invoice"


# --- What an invoice says


def test_the_example_of_the_spec(client: APIClient, finance: User) -> None:
    """15,000 + 750 premium + 75 title + 450 transport = 16,275.00, before and (nothing is taxable) after tax."""
    order = order_of(buyer=buyer())
    answer = client.post(path(order))
    assert answer.status_code == 201, answer.content
    shown = answer.json()
    assert [(line["kind"], line["amount"]) for line in shown["lines"]] == EXAMPLE
    assert [shown[name] for name in ("subtotal", "tax_total", "total", "paid", "credited", "balance", "credit")] == [
        "16275.00", "0.00", "16275.00", "0.00", "0.00", "16275.00", "0.00",
    ]  # fmt: skip
    assert (shown["status"], shown["order"], shown["order_number"]) == ("open", order.pk, order.order_number)
    assert shown["number"] == f"SINV-{timezone.now().year}-000001"
    assert answer["Location"].endswith(f"{URL}/{shown['id']}")
    read = client.get(answer["Location"])
    assert (read.json(), read["ETag"]) == (shown, answer["ETag"])
    assert Invoice.objects.get().issued_by == finance


def test_it_keeps_who_buys_what_whatever_is_changed_later(client: APIClient) -> None:
    ada = buyer(address_line2="Flat 3")
    order = order_of(buyer=ada, listing__vin=VIN, listing__trim="Sport")
    issued(order)
    User.objects.filter(pk=ada.pk).update(first_name="Eve", address_city="Boston", address_state="MA")
    order.listing.make = "Toyota"
    order.listing.save()
    (shown,) = client.get(URL).json()["results"]
    assert (shown["buyer_name"], shown["buyer_email"], shown["buyer_state"]) == ("Ada Bidder", ada.email, "NY")
    assert shown["buyer_address"] == "12 Elm Street\nFlat 3\nAlbany, NY 12207\nUS"
    assert shown["vehicle"] == f"2018 Honda Accord Sport, VIN {VIN}"
    lines = client.get(f"{URL}/{shown['id']}").json()["lines"]
    assert [line["description"] for line in lines] == [
        "Hammer price, 2018 Honda Accord",
        "Buyer's premium",
        "Title processing",
        "Transport to 12 Elm Street, Albany",
    ]


def test_the_price_of_an_offer_was_under_no_hammer() -> None:
    offer = OfferFactory(status="accepted", listing__status="pending_sale")
    order = order_of(offer=offer, listing=offer.listing, buyer=offer.buyer)
    assert issued(order).lines.first().description == "Price, 2018 Honda Accord"


def test_the_tax_is_that_of_the_buyers_state() -> None:
    """8.875 % of 16,200 is 1,437.75; the title is not taxed."""
    invoice = issued(buyer=buyer(), fee_schedule=TAXED)
    tax = invoice.lines.last()
    assert (tax.kind, tax.description, tax.amount) == ("tax", "Sales tax NY 8.875 %", Decimal("1437.75"))
    assert (invoice.subtotal, invoice.tax_total, invoice.total) == (
        Decimal("16275.00"), Decimal("1437.75"), Decimal("17712.75"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("state", "country", "taxed"),
    [
        ("ny", "", True), ("New York", "US", True), ("new  york ", "US", True), ("NY", "CA", False), ("", "US", False),
        ("OR", "US", False), ("Bavaria", "DE", False), ("XX", "", False),
    ],
)  # fmt: skip
def test_a_state_is_found_however_it_is_written(state: str, country: str, taxed: bool) -> None:
    ada = buyer(address_state=state, address_country=country)
    assert issued(buyer=ada, fee_schedule=TAXED).lines.filter(kind="tax").exists() is taxed


def test_states_have_two_letters() -> None:
    assert [state_code(text) for text in ("dc", "District of Columbia", "West Virginia", "Virginia", "-", "")] == [
        "DC", "DC", "WV", "VA", "", "",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("transport", "charged"),
    [
        (None, False), ("quote_requested", False), ("quoted", False), ("cancelled", False), ("booked", True),
    ],
)  # fmt: skip
def test_only_transport_that_was_booked_is_charged(transport: str | None, charged: bool) -> None:
    assert issued(transport=transport).lines.filter(kind="transport").exists() is charged


def test_the_fees_are_those_that_the_order_took_over() -> None:
    tiers = [{"up_to": None, "percent": "10.00"}]
    own = {"kind": "marginal", "tiers": tiers, "title_processing": "0.00", "tax_rates": {}, "taxable": []}
    assert [str(line.amount) for line in issued(fee_schedule=own).lines.all()] == [
        "15000.00", "1500.00", "0.00", "450.00",
    ]  # fmt: skip


# --- When it is issued


def test_an_order_has_one_invoice(client: APIClient) -> None:
    order = order_of()
    first = client.post(path(order)).json()
    answer = client.post(path(order))
    assert (answer.status_code, error(answer)["code"]) == (409, "already_invoiced")
    assert error(answer)["meta"] == {"invoice": first["id"], "number": first["number"]}
    assert SaleSequence.objects.get().last == 1


def test_the_same_key_issues_once(client: APIClient) -> None:
    order = order_of()
    answers = [client.post(path(order), headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert Invoice.objects.count() == 1


@pytest.mark.parametrize("status", ["cancelled", "defaulted", "refunded", "paid", "delivered"])
def test_only_an_unpaid_order_is_invoiced(client: APIClient, status: str) -> None:
    answer = client.post(path(order_of(status=status)))
    assert (answer.status_code, error(answer)["code"]) == (409, "invalid_transition")
    assert error(answer)["meta"] == {"from": status, "to": "invoiced", "allowed": []}
    assert not SaleSequence.objects.exists()


def test_an_overdue_order_is_invoiced_and_gets_time_to_pay(client: APIClient) -> None:
    """Its due dates move together: whoever could not pay is not in default either."""
    now = timezone.now()
    due, default = now - timedelta(hours=1), now + timedelta(hours=2)
    order = order_of(status="overdue", payment_due_at=due, default_at=default)
    with transaction.atomic():
        invoice = invoice_order(order_id=order.pk, actor=None, now=now)
    order.refresh_from_db()
    assert invoice.due_at == order.payment_due_at == now + timedelta(days=1)
    assert order.default_at - order.payment_due_at == default - due


def test_an_order_with_time_to_pay_keeps_its_dates() -> None:
    order = order_of()
    assert issued(order).due_at == order.payment_due_at
    before = order.default_at
    order.refresh_from_db()
    assert order.default_at == before


def test_it_stands_in_the_orders_history(client: APIClient, finance: User) -> None:
    shown = client.post(path(order_of())).json()
    event = SettlementEvent.objects.get(subject="invoice")
    assert (event.subject_id, event.new, event.actor) == (shown["id"], "issued", finance)
    assert (event.details["number"], event.details["amount"]) == (shown["number"], "16275.00")
    assert datetime.fromisoformat(event.details["due_at"]) == Invoice.objects.get().due_at


def test_numbers_count_by_the_year_of_the_house(settings: Any) -> None:
    """In Auckland the year begins when London still has half a day of the old one."""
    settings.DEFAULT_USER_TIMEZONE = "Pacific/Auckland"
    moments = [datetime(2025, 12, 31, hour, tzinfo=UTC) for hour in (10, 12, 13)]
    invoices = [invoice_order(order_id=order_of().pk, actor=None, now=moment) for moment in moments]
    assert [invoice.number for invoice in invoices] == ["SINV-2025-000001", "SINV-2026-000001", "SINV-2026-000002"]
    with transaction.atomic():
        account = lock_account(invoices[0].order_id)
        note = credit_invoice(account, Decimal(1), reason="Sorry.", actor=None, now=moments[2])
    assert (note.number, note.year) == ("SCN-2026-000001", 2026)


def test_a_failed_transaction_leaves_no_gap() -> None:
    for place in range(1, 4):
        with transaction.atomic():
            issued()
            transaction.set_rollback(True)
        assert issued().sequence == place


# --- Who sees it


def test_buyers_see_theirs_finance_all_and_sellers_none(client: APIClient, as_user: Any, make_user: Any) -> None:
    first, second = issued(), issued()
    for person, seen in (
        (first.order.buyer, [first.pk]),
        (first.order.seller, []),
        (make_user(), []),
        (make_user(roles=["mechanic"]), []),
    ):
        mine = as_user(person)
        assert [row["id"] for row in mine.get(URL).json()["results"]] == seen
        assert mine.get(f"{URL}/{first.pk}").status_code == (200 if seen else 404)
        assert mine.get(f"{URL}/{second.pk}").status_code == 404
    assert [row["id"] for row in client.get(URL).json()["results"]] == [second.pk, first.pk]


@pytest.mark.parametrize(("party", "status"), [("buyer", 403), ("seller", 403), (None, 404)])
def test_only_finance_issues_at_once(as_user: Any, make_user: Any, party: str | None, status: int) -> None:
    order = order_of()
    person = getattr(order, party) if party else make_user()
    assert as_user(person).post(path(order)).status_code == status
    assert not Invoice.objects.exists()


def test_it_takes_no_body_and_no_query(client: APIClient) -> None:
    order = order_of()
    assert client.post(path(order), {"total": "1.00"}, format="json").status_code == 400
    assert client.post(f"{path(order)}?total=1").status_code == 400
    assert client.post("/api/orders/999999/invoice").status_code == 404


@pytest.mark.parametrize("method", ["put", "patch", "delete", "post"])
def test_nobody_edits_an_invoice(client: APIClient, method: str) -> None:
    assert getattr(client, method)(f"{URL}/{issued().pk}", {}, format="json").status_code == 405


# --- How it is found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status=open", True), ("status=paid", False), ("order={order}", True), ("order=999999", False),
        ("buyer={buyer}", True), ("buyer=999999", False), ("number={number}", True), ("number=SINV-1999-000001", False),
        ("search=bidder", True), ("search=zoe", False), ("ordering=-total,due_at", True), ("from={today}", True),
        ("to={yesterday}", False),
    ],
)  # fmt: skip
def test_it_is_found(client: APIClient, query: str, found: bool) -> None:
    invoice = issued(buyer=buyer())
    facts = {
        "order": invoice.order_id,
        "buyer": invoice.order.buyer_id,
        "number": invoice.number.lower(),
        "today": invoice.issued_at.date(),
        "yesterday": invoice.issued_at.date() - timedelta(days=1),
    }
    answer = client.get(f"{URL}?{query.format(**facts)}")
    assert answer.status_code == 200, answer.content
    assert bool(answer.json()["results"]) is found


@pytest.mark.parametrize(
    "query", ["status=late", "from=1.3.2025", "from=2025-03-02&to=2025-03-01", "total=1", "order=x"]
)
def test_a_query_that_makes_no_sense_is_400(client: APIClient, query: str) -> None:
    assert client.get(f"{URL}?{query}").status_code == 400


def test_the_number_of_queries_does_not_grow_with_the_rows(
    client: APIClient, django_assert_max_num_queries: Any
) -> None:
    for _ in range(5):
        issued()
    with django_assert_max_num_queries(6):
        assert len(client.get(URL).json()["results"]) == 5


# --- Credit notes


def test_credit_notes_stand_in_the_invoice(client: APIClient) -> None:
    invoice = issued()
    before = client.get(f"{URL}/{invoice.pk}")
    first, second = credited(invoice, "100.00"), credited(invoice, "50.00", "A second one.")
    answer = client.get(f"{URL}/{invoice.pk}", headers={"If-None-Match": before["ETag"]})
    shown = answer.json()
    assert [(note["number"], note["amount"], note["reason"]) for note in shown["credit_notes"]] == [
        (first.number, "100.00", "A scratch."), (second.number, "50.00", "A second one."),
    ]  # fmt: skip
    assert [shown[name] for name in ("total", "credited", "balance", "status")] == [
        "16275.00", "150.00", "16125.00", "open",
    ]  # fmt: skip
    alone = client.get(f"/api/credit-notes/{first.pk}").json()
    assert alone == shown["credit_notes"][0]
    assert (alone["invoice"], alone["invoice_number"], alone["currency"]) == (invoice.pk, invoice.number, "USD")


def test_an_invoice_that_is_taken_back_is_void(client: APIClient) -> None:
    invoice = issued()
    credited(invoice, "16275.00")
    shown = client.get(f"{URL}/{invoice.pk}").json()
    assert (shown["status"], shown["balance"], shown["credit"]) == ("void", "0.00", "0.00")


def test_what_was_paid_too_much_is_a_credit(client: APIClient) -> None:
    invoice = issued()
    Invoice.objects.filter(pk=invoice.pk).update(paid=Decimal("16300.00"), status="paid")
    shown = client.get(f"{URL}/{invoice.pk}").json()
    assert (shown["balance"], shown["credit"]) == ("0.00", "25.00")


def test_a_credit_note_is_seen_by_who_sees_its_invoice(client: APIClient, as_user: Any, make_user: Any) -> None:
    note = credited(issued(), "100.00")
    order = note.invoice.order
    for person, status in ((order.buyer, 200), (order.seller, 404), (make_user(), 404)):
        for url in (f"/api/credit-notes/{note.pk}", f"/api/credit-notes/{note.pk}/pdf"):
            assert as_user(person).get(url).status_code == status
    assert client.get(f"/api/credit-notes/{note.pk}").status_code == 200
