"""Transports: how they are quoted, booked and invoiced, how the car gets to its buyer, and how one goes back."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from auctions.fees import DEFAULT_SCHEDULE
from auctions.models import CreditNote, Order, SettlementEvent, TransportOrder
from auctions.services import transport
from auctions.services.balances import lock_account, take_money
from auctions.services.gate_passes import revoke_pass, use_pass
from auctions.services.invoicing import invoice_order
from auctions.services.orders import cancel_order, choose_self_pickup, dispute_order, resolve_dispute
from auctions.services.settling import lock_order
from auctions.services.transport import TransportExists
from tests.answers import refused
from tests.auctions.deliveries import ADDRESS, history, paid_order, pass_for, pay, staff, transport_of
from tests.auctions.factories import BidderFactory, ListingFactory, OrderFactory
from tests.auctions.orders import invoice_of
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

URL = "/api/transport-orders"
TAXED = DEFAULT_SCHEDULE | {"tax_rates": {"MA": "6.250"}, "taxable": ["hammer", "transport"]}
STEPS = ("quote", "book", "assign", "pick-up", "depart", "deliver", "cancel")
BODIES: dict[str, dict[str, str]] = {
    "quote": {"quoted_price": "500.00"},
    "assign": {"carrier": "Roadrunner", "driver_name": "Max", "driver_phone": "+1 555 0100"},
}
WAYS = {
    "quote_requested": {"quote": "quoted", "cancel": "cancelled"},
    "quoted": {"quote": "quoted", "book": "booked", "cancel": "cancelled"},
    "booked": {"assign": "assigned", "cancel": "cancelled"},
    "assigned": {"assign": "assigned", "pick-up": "picked_up", "cancel": "cancelled"},
    "picked_up": {"depart": "in_transit"},
    "in_transit": {"deliver": "delivered"},
    "delivered": {},
}


@pytest.fixture
def buyer() -> User:
    return BidderFactory()


@pytest.fixture
def order(buyer: User) -> Order:
    return OrderFactory(buyer=buyer)


@pytest.fixture
def client(as_user: Any, buyer: User) -> APIClient:
    """The buyer's."""
    return as_user(buyer)


def post(client: APIClient, row: TransportOrder, step: str, body: Any = None, **headers: str) -> Any:
    body = BODIES.get(step, {}) if body is None else body
    answer = client.post(f"{URL}/{row.pk}/{step}", body, headers=headers)
    row.refresh_from_db()
    return answer


def ask(client: APIClient, of: Order, **body: Any) -> Any:
    return client.post(URL, {"order": of.pk, "delivery_address": ADDRESS} | body)


# --- Asking


def test_a_buyer_asks_for_a_quote(client: APIClient, order: Order) -> None:
    answer = ask(client, order)
    shown = answer.json()
    assert (answer.status_code, shown["status"], shown["quoted_price"]) == (201, "quote_requested", None)
    assert answer["Location"].endswith(f"{URL}/{shown['id']}")
    assert (shown["pickup_address"], shown["delivery_address"]) == ("Albany, NY 12207", ADDRESS)
    assert history(TransportOrder.objects.get(), "transport_order") == ["quote_requested"]
    order.refresh_from_db()
    assert order.delivery == ""


def test_only_ones_own_order_is_transported(as_user: Any, order: Order, finance_client: APIClient) -> None:
    for client in (as_user(order.seller), as_user(UserFactory()), finance_client):
        assert refused(ask(client, order)) == (422, "does_not_exist")
    assert refused(ask(as_user(order.buyer), order, order=order.pk + 1)) == (422, "does_not_exist")


@pytest.mark.parametrize(
    "body",
    [
        {"delivery_address": ""},
        {"delivery_address": None},
        {"order": "x"},
        {"price": 1},
        {"delivery_address": "a" * 501},
    ],
)
def test_a_bad_question_is_400(client: APIClient, order: Order, body: dict[str, Any]) -> None:
    assert ask(client, order, **body).status_code == 400


def test_one_transport_per_order(client: APIClient, order: Order) -> None:
    first = ask(client, order).json()
    answer = ask(client, order)
    assert refused(answer) == (409, "transport_exists")
    assert answer.json()["errors"][0]["meta"] == {"transport_order": first["id"]}
    post(client, TransportOrder.objects.get(), "cancel")
    assert ask(client, order).status_code == 201


def test_the_constraint_says_the_same(order: Order) -> None:
    transport._insert(order, ADDRESS)
    with pytest.raises(TransportExists):
        transport._insert(order, ADDRESS)


@pytest.mark.parametrize("status", ["paid", "cancelled", "defaulted"])
def test_nothing_is_asked_of_an_order_that_is_not_to_be_paid(client: APIClient, buyer: User, status: str) -> None:
    assert refused(ask(client, OrderFactory(buyer=buyer, status=status))) == (409, "delivery_decided")


def test_who_fetches_the_car_asks_for_no_transport(client: APIClient, order: Order) -> None:
    choose_self_pickup(order_id=order.pk, actor=order.buyer, now=timezone.now())
    assert refused(ask(client, order)) == (409, "delivery_decided")


def test_an_invoice_without_transport_stays_without(client: APIClient, order: Order) -> None:
    row = transport_of(order, "quoted")
    invoice_order(order_id=order.pk, actor=staff(), now=timezone.now())
    assert refused(post(client, row, "book")) == (409, "already_invoiced")
    assert (row.status, Order.objects.get(pk=order.pk).delivery) == ("quoted", "")
    post(client, row, "cancel")
    assert refused(ask(client, order)) == (409, "delivery_decided")


def test_a_repeated_question_is_answered_and_not_asked_again(client: APIClient, order: Order) -> None:
    first, again = (
        client.post(URL, {"order": order.pk, "delivery_address": ADDRESS}, headers={"Idempotency-Key": "t-1"})
        for _ in range(2)
    )
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())


# --- The steps


@pytest.mark.parametrize("status", WAYS)
@pytest.mark.parametrize("step", STEPS)
def test_each_step_is_for_its_status(
    client: APIClient, finance_client: APIClient, order: Order, status: str, step: str
) -> None:
    row = transport_of(order, status)
    if status == "booked":
        pay(order)
    answer = post(client if step == "book" else finance_client, row, step)
    expected = WAYS[status].get(step)
    if expected is None:
        assert refused(answer) == (409, "invalid_transition")
        assert row.status == status
    else:
        assert (answer.status_code, answer.json()["status"], row.status) == (200, expected, expected)
        assert history(row, "transport_order")[-1] == expected


def test_a_quote_names_price_and_days(finance_client: APIClient, order: Order) -> None:
    row = transport_of(order)
    body = {"quoted_price": "512.50", "pickup_on": "2027-01-10", "delivery_on": "2027-01-12"}
    shown = post(finance_client, row, "quote", body).json()
    assert {name: shown[name] for name in body} == body
    later = post(finance_client, row, "quote", {"quoted_price": "480.00", "pickup_on": None}).json()
    assert (later["quoted_price"], later["pickup_on"], later["delivery_on"]) == ("480.00", None, None)
    details = SettlementEvent.objects.filter(subject="transport_order").order_by("id")[1].details
    assert details == {
        "amount": "512.50",
        "currency": "USD",
        "pickup_on": "2027-01-10",
        "delivery_on": "2027-01-12",
    }


@pytest.mark.parametrize("step", ["quote", "cancel"])
def test_the_houses_answer_leaves_a_day_to_pay(finance_client: APIClient, order: Order, step: str) -> None:
    before, late = timezone.now(), timezone.now() - timedelta(days=30)
    row = transport_of(order)
    Order.objects.filter(pk=order.pk).update(payment_due_at=late, default_at=late + timedelta(days=7))
    assert post(finance_client, row, step).status_code == 200
    order.refresh_from_db()
    assert order.payment_due_at >= before + timedelta(days=1)
    assert order.default_at - order.payment_due_at == timedelta(days=7)


def test_another_quote_and_ones_own_change_of_mind_leave_no_more_time(
    client: APIClient, finance_client: APIClient, order: Order
) -> None:
    late = timezone.now() - timedelta(days=1)
    row = transport_of(order, "quoted")
    Order.objects.filter(pk=order.pk).update(payment_due_at=late)
    assert post(finance_client, row, "quote").status_code == post(client, row, "cancel").status_code == 200
    assert post(client, transport_of(order), "cancel").status_code == 200
    order.refresh_from_db()
    assert order.payment_due_at == late


@pytest.mark.parametrize("first", ["quote_requested", "quoted"])
@pytest.mark.parametrize("step", ["quote", "cancel"])
def test_only_the_first_transport_leaves_a_day_to_pay(
    client: APIClient, finance_client: APIClient, order: Order, first: str, step: str
) -> None:
    """Else a buyer would ask again and again, and never be late."""
    assert post(client, transport_of(order, first), "cancel").status_code == 200
    again, late = transport_of(order), timezone.now() - timedelta(days=1)
    Order.objects.filter(pk=order.pk).update(payment_due_at=late, default_at=late + timedelta(days=7))
    assert post(finance_client, again, step).status_code == 200
    order.refresh_from_db()
    assert (order.payment_due_at, order.default_at) == (late, late + timedelta(days=7))


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"quoted_price": "1.00", "pickup_on": "2027-01-10", "delivery_on": "2027-01-09"}, 422),
        ({"quoted_price": "1.00", "pickup_on": "2027-01-10", "delivery_on": "2027-01-10"}, 200),
        ({"quoted_price": "-1.00"}, 400),
        ({"quoted_price": "1.001"}, 400),
        ({"quoted_price": None}, 400),
        ({"quoted_price": "1.00", "pickup_on": "tomorrow"}, 400),
        ({}, 400),
    ],
)
def test_quotes_are_checked(finance_client: APIClient, order: Order, body: dict[str, Any], status: int) -> None:
    assert post(finance_client, transport_of(order), "quote", body).status_code == status


def test_nothing_is_quoted_for_a_sale_that_is_decided(finance_client: APIClient, order: Order) -> None:
    row = transport_of(order)
    Order.objects.filter(pk=order.pk).update(status="defaulted")
    assert refused(post(finance_client, row, "quote")) == (409, "delivery_decided")


# --- Booking


def test_a_booked_transport_is_on_the_invoice(client: APIClient, order: Order) -> None:
    row = transport_of(order, "quoted")
    assert post(client, row, "book").json()["booked_at"] is not None
    order.refresh_from_db()
    invoice = invoice_of(order)
    assert (order.delivery, order.status) == ("transport", "awaiting_payment")
    assert dict(invoice.lines.values_list("kind", "amount"))["transport"] == Decimal("450.00")
    assert invoice.total == Decimal("1000.00") + Decimal("250.00") + Decimal("75.00") + Decimal("450.00")


def test_a_buyer_may_insist_on_the_price(client: APIClient, order: Order) -> None:
    row = transport_of(order, "quoted")
    answer = post(client, row, "book", {"quoted_price": "449.99"})
    assert refused(answer) == (409, "quote_changed")
    assert answer.json()["errors"][0]["meta"] == {"quoted_price": "450.00"}
    assert post(client, row, "book", {"quoted_price": "450.00"}).status_code == 200


def test_nobody_books_for_the_buyer(as_user: Any, finance_client: APIClient, order: Order) -> None:
    row = transport_of(order, "quoted")
    assert post(as_user(order.seller), row, "book").status_code == 403
    assert post(finance_client, row, "book").status_code == 403


def test_a_transport_for_nothing_is_booked_too(client: APIClient, order: Order) -> None:
    row = transport_of(order, "quoted", price="0.00")
    assert post(client, row, "book").status_code == 200


# --- On the road


def test_the_order_shows_how_far_the_car_is(finance_client: APIClient, order: Order) -> None:
    row = transport_of(order, "booked")
    pay(order)
    seen = []
    for step in ("assign", "pick-up", "depart", "deliver"):
        assert post(finance_client, row, step).status_code == 200
        seen.append(Order.objects.get(pk=order.pk).status)
    assert seen == ["transport_scheduled", "transport_scheduled", "in_transit", "delivered"]
    assert history(order, "order")[-5:] == [
        "paid",
        "title_processing",
        "transport_scheduled",
        "in_transit",
        "delivered",
    ]


def test_no_carrier_is_sent_for_an_unpaid_car(finance_client: APIClient, order: Order) -> None:
    row = transport_of(order, "booked")
    assert refused(post(finance_client, row, "assign")) == (409, "order_not_paid")


def test_another_carrier_may_come(finance_client: APIClient, order: Order) -> None:
    row = transport_of(order, "assigned")
    shown = post(finance_client, row, "assign", {"carrier": "Coyote"}).json()
    assert (shown["carrier"], shown["driver_name"], row.status) == ("Coyote", "", "assigned")


@pytest.mark.parametrize(
    "body", [{}, {"carrier": ""}, {"carrier": "A", "driver_phone": "0" * 33}, {"driver_name": "B"}]
)
def test_a_bad_carrier_is_400(finance_client: APIClient, order: Order, body: dict[str, str]) -> None:
    assert post(finance_client, transport_of(order, "booked"), "assign", body).status_code == 400


def test_the_pick_up_uses_the_pass(finance_client: APIClient, order: Order) -> None:
    row = transport_of(order, "assigned")
    assert post(finance_client, row, "pick-up").json()["picked_up_at"] is not None
    assert pass_for(order).used_at is not None


def test_the_gate_may_have_used_the_pass_before(finance_client: APIClient, order: Order) -> None:
    row = transport_of(order, "assigned")
    use_pass(code=pass_for(order).code, actor=staff(), now=timezone.now())
    assert post(finance_client, row, "pick-up").status_code == 200
    assert Order.objects.get(pk=order.pk).status == "transport_scheduled"


def test_nothing_is_picked_up_without_a_pass(finance_client: APIClient, order: Order) -> None:
    row = transport_of(order, "assigned")
    with transaction.atomic():
        revoke_pass(lock_order(order.pk), reason="No.", actor=None, now=timezone.now())
    assert refused(post(finance_client, row, "pick-up")) == (409, "gate_pass_missing")


def test_a_dispute_keeps_the_car_where_it_is(finance_client: APIClient, order: Order) -> None:
    booked = transport_of(order, "booked")
    pay(order)
    dispute_order(order_id=order.pk, actor=order.buyer, reason="A dent.", now=timezone.now())
    for step in ("assign", "cancel"):
        assert refused(post(finance_client, booked, step)) == (409, "order_on_hold")
    resolve_dispute(order_id=order.pk, actor=staff(), outcome="back", now=timezone.now())
    assert post(finance_client, booked, "assign").status_code == 200
    assert post(finance_client, booked, "pick-up").status_code == 200
    dispute_order(order_id=order.pk, actor=order.buyer, reason="A dent.", now=timezone.now())
    assert refused(post(finance_client, booked, "depart")) == (409, "order_on_hold")
    assert (booked.status, Order.objects.get(pk=order.pk).status) == ("picked_up", "disputed")


def test_a_transport_ends_also_when_the_sale_was_undone_on_the_road(finance_client: APIClient, order: Order) -> None:
    row = transport_of(order, "picked_up")
    dispute_order(order_id=order.pk, actor=order.buyer, reason="A dent.", now=timezone.now())
    resolve_dispute(order_id=order.pk, actor=staff(), outcome="refund", now=timezone.now())
    for step in ("depart", "deliver"):
        assert post(finance_client, row, step).status_code == 200
    assert (row.status, Order.objects.get(pk=order.pk).status) == ("delivered", "refunded")


def test_the_carrier_may_ask_another_price_of_the_house(
    client: APIClient, finance_client: APIClient, order: Order
) -> None:
    row = transport_of(order, "in_transit")
    total = invoice_of(order).total
    assert post(finance_client, row, "deliver", {"final_price": "430.00"}).json()["final_price"] == "430.00"
    assert client.get(f"{URL}/{row.pk}").json()["final_price"] is None
    assert invoice_of(order).total - invoice_of(order).credited == total


def test_a_repeated_step_is_answered_and_not_done_again(finance_client: APIClient, order: Order) -> None:
    row = transport_of(order, "assigned")
    first = post(finance_client, row, "pick-up", **{"Idempotency-Key": "p-1"})
    again = post(finance_client, row, "pick-up", **{"Idempotency-Key": "p-1"})
    assert (again.status_code, again.json()) == (200, first.json())
    assert history(row, "transport_order").count("picked_up") == 1


# --- Cancelling


@pytest.mark.parametrize(("status", "code"), [("quote_requested", 200), ("quoted", 200), ("booked", 409)])
def test_a_buyer_goes_back_before_booking(client: APIClient, order: Order, status: str, code: int) -> None:
    row = transport_of(order, status)
    answer = post(client, row, "cancel", {"reason": "A friend drives."})
    assert answer.status_code == code
    if code == 409:
        assert refused(answer) == (409, "transport_booked")
    else:
        assert SettlementEvent.objects.get(new="cancelled").reason == "A friend drives."


def test_a_cancelled_booking_is_credited_with_its_tax(finance_client: APIClient, client: APIClient) -> None:
    order = OrderFactory(buyer=BidderFactory(address_state="MA"), fee_schedule=TAXED)
    row = transport_of(order, "booked")
    before = invoice_of(order)
    assert before.tax_total == Decimal("90.63")
    assert post(finance_client, row, "cancel", {"reason": "No room."}).status_code == 200
    note = CreditNote.objects.get(invoice=before)
    assert note.amount == Decimal("450.00") + Decimal("28.13")
    after = invoice_of(order)
    assert (after.balance, after.status) == (before.total - note.amount, "open")
    order.refresh_from_db()
    assert (order.delivery, order.status) == ("", "awaiting_payment")
    choose_self_pickup(order_id=order.pk, actor=order.buyer, now=timezone.now())
    assert pay(order).status == "paid"


def test_a_cancelled_booking_of_a_paid_order_leaves_a_credit(finance_client: APIClient, order: Order) -> None:
    row = transport_of(order, "assigned")
    assert Order.objects.get(pk=order.pk).status == "transport_scheduled"
    assert post(finance_client, row, "cancel").status_code == 200
    order.refresh_from_db()
    invoice = invoice_of(order)
    assert (order.status, order.delivery) == ("title_processing", "")
    assert (invoice.balance, invoice.status) == (Decimal("-450.00"), "paid")


def test_a_credit_that_settles_the_rest_makes_the_order_paid(finance_client: APIClient, order: Order) -> None:
    row = transport_of(order, "booked")
    with transaction.atomic():
        take_money(lock_account(order.pk), Decimal("1325.00"), actor=None, now=timezone.now())
    assert Order.objects.get(pk=order.pk).status == "awaiting_payment"
    post(finance_client, row, "cancel")
    assert Order.objects.get(pk=order.pk).status == "paid"
    assert pass_for(order).used_at is None


def test_a_transport_for_nothing_is_cancelled_without_a_credit(finance_client: APIClient, order: Order) -> None:
    row = transport_of(order, "booked", price="0.00")
    assert post(finance_client, row, "cancel").status_code == 200
    assert not CreditNote.objects.exists()


def test_no_transport_is_cancelled_whose_car_has_left(finance_client: APIClient, order: Order) -> None:
    row = transport_of(order, "assigned")
    use_pass(code=pass_for(order).code, actor=staff(), now=timezone.now())
    assert refused(post(finance_client, row, "cancel")) == (409, "gate_pass_used")
    assert row.status == "assigned"


def test_an_undone_sale_credits_its_transport_once(finance_client: APIClient, order: Order) -> None:
    row = transport_of(order, "booked")
    cancel_order(order_id=order.pk, actor=staff(), reason="Undone.", now=timezone.now())
    row.refresh_from_db()
    assert (row.status, invoice_of(order).status) == ("cancelled", "void")
    assert CreditNote.objects.get().amount == invoice_of(order).total


# --- Who sees what


@pytest.mark.parametrize(
    ("who", "seen", "quoted", "cancelled"),
    [
        ("buyer", 200, 403, 200),
        ("seller", 200, 403, 403),
        ("stranger", 404, 404, 404),
        ("moderator", 404, 404, 404),
        ("finance", 200, 200, 200),
    ],
)
def test_the_parties_see_a_transport_and_finance_arranges_it(
    as_user: Any, make_user: Any, order: Order, who: str, seen: int, quoted: int, cancelled: int
) -> None:
    row = transport_of(order)
    people = {"buyer": order.buyer, "seller": order.seller, "stranger": UserFactory()}
    client = as_user(people.get(who) or make_user(roles=[who]))
    assert client.get(f"{URL}/{row.pk}").status_code == seen
    assert client.get(URL).json()["count"] == (seen == 200)
    assert post(client, row, "quote").status_code == quoted
    assert post(client, row, "cancel").status_code == cancelled


def test_nobody_signed_out_sees_transports(api: APIClient) -> None:
    assert api.get(URL).status_code == 401


def test_the_seller_learns_neither_address_nor_prices(as_user: Any, client: APIClient, order: Order) -> None:
    row = transport_of(order, "delivered")
    own, theirs = (one.get(f"{URL}/{row.pk}").json() for one in (client, as_user(order.seller)))
    assert (own["delivery_address"], own["quoted_price"], own["final_price"]) == (ADDRESS, "450.00", None)
    assert (theirs["delivery_address"], theirs["quoted_price"], theirs["final_price"]) == (None, None, None)
    assert theirs["carrier"] == "Roadrunner"


def test_the_list_is_filtered(finance_client: APIClient, order: Order) -> None:
    booked, asked = transport_of(order, "booked"), transport_of(OrderFactory())

    def found(query: str) -> list[int]:
        return [row["id"] for row in finance_client.get(f"{URL}?{query}").json()["results"]]

    assert found("") == found("ordering=-id") == [asked.pk, booked.pk]
    assert found("status=booked") == found(f"order={order.pk}") == [booked.pk]
    for query in ("status=lost", "order=0", "ordering=carrier", "colour=red"):
        assert finance_client.get(f"{URL}?{query}").status_code == 400


def test_a_longer_list_costs_no_more_queries(finance_client: APIClient, order: Order) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert finance_client.get(URL).status_code == 200
        return len(queries)

    transport_of(order)
    finance_client.get(URL)
    one = cost()
    for _ in range(3):
        transport_of(OrderFactory())
    assert cost() == one


def test_the_pick_up_address_is_the_listings(client: APIClient, buyer: User) -> None:
    listing = ListingFactory(status="pending_sale", location_address="5 Lot Road", location_zip="")
    assert ask(client, OrderFactory(buyer=buyer, listing=listing)).json()["pickup_address"] == "5 Lot Road, Albany, NY"


def test_a_late_buyer_may_still_decide(client: APIClient, buyer: User) -> None:
    order = OrderFactory(buyer=buyer, status="overdue", payment_due_at=timezone.now() - timedelta(hours=1))
    row = transport_of(order, "quoted")
    assert post(client, row, "book").status_code == 200
    assert paid_order(buyer=buyer).status == "paid"
