"""Payouts: the price less the seller's fee, once per order, held while a dispute is open."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import Notification, User
from accounts.registry import notification_kinds
from auctions.fees import DEFAULT_SCHEDULE
from auctions.models import Order, Payout, Refund, SettlementEvent
from auctions.services.payouts import (
    MoneyGoesBack,
    cancel_payout,
    hold_payout,
    make_payout,
    pay_payout,
    release_payout,
    remind_of_payouts,
)
from auctions.services.settling import lock_order
from auctions.tasks import remind_of_payouts as remind_task
from common.errors import InvalidTransition, NotFound
from tests.answers import error
from tests.auctions.factories import InvoiceFactory, OrderFactory, PaymentFactory
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
URL = "/api/payouts"


@pytest.fixture
def client(as_user: Any, finance: User) -> APIClient:
    return as_user(finance)


@transaction.atomic
def due(**fields: Any) -> Payout:
    order = OrderFactory(**{"status": "paid"} | fields)
    return make_payout(lock_order(order.pk), actor=None, now=timezone.now())


def with_fee(percent: str | None, price: str = "1000.00") -> Payout:
    schedule = dict(DEFAULT_SCHEDULE)
    schedule.pop("seller_percent", None)
    if percent is not None:
        schedule["seller_percent"] = percent
    return due(fee_schedule=schedule, hammer_price=Decimal(price))


def pay(payout: Payout, by: User) -> Payout:
    return pay_payout(payout_id=payout.pk, reference="W-1", actor=by, now=timezone.now())


# --- What it comes to


@pytest.mark.parametrize(
    ("percent", "price", "fee", "amount"),
    [
        (None, "1000.00", "0.00", "1000.00"),
        ("0.00", "1000.00", "0.00", "1000.00"),
        ("2.00", "15000.00", "300.00", "14700.00"),
        ("4.50", "12345.00", "555.53", "11789.47"),
        ("5.00", "5000.10", "250.01", "4750.09"),
        ("100.00", "1000.00", "1000.00", "0.00"),
    ],
)
def test_the_price_less_the_sellers_fee(percent: str | None, price: str, fee: str, amount: str) -> None:
    payout = with_fee(percent, price)
    assert (payout.status, str(payout.fee), str(payout.amount)) == ("due", fee, amount)
    payout.refresh_from_db()
    assert (str(payout.price), str(payout.fee), str(payout.amount)) == (price, fee, amount)
    event = SettlementEvent.objects.get(subject="payout")
    assert (event.new, event.details) == ("due", {"amount": amount, "currency": "USD"})


def test_an_order_has_one() -> None:
    payout = due()
    with transaction.atomic():
        again = make_payout(lock_order(payout.order_id), actor=None, now=timezone.now())
    assert again == payout
    assert Payout.objects.count() == 1


# --- Paying


def test_finance_pays_with_a_reference(client: APIClient, finance: User) -> None:
    payout = due()
    answer = client.post(f"{URL}/{payout.pk}/pay", {"reference": "W-2025-0311"}, format="json")
    assert answer.status_code == 200, answer.content
    shown = answer.json()
    assert (shown["status"], shown["reference"], shown["paid_by"]) == ("paid", "W-2025-0311", finance.pk)
    assert shown["paid_at"] is not None
    event = SettlementEvent.objects.get(subject="payout", new="paid")
    assert event.details == {"amount": "1000.00", "currency": "USD", "reference": "W-2025-0311"}
    again = client.post(f"{URL}/{payout.pk}/pay", {"reference": "W-2"}, format="json")
    assert (again.status_code, error(again)["code"]) == (409, "invalid_transition")
    assert Payout.objects.get().reference == "W-2025-0311"


def test_the_same_key_pays_once(client: APIClient) -> None:
    url, body = f"{URL}/{due().pk}/pay", {"reference": "W-1"}
    answers = [client.post(url, body, format="json", headers={"Idempotency-Key": "p-1"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert SettlementEvent.objects.filter(subject="payout", new="paid").count() == 1


@pytest.mark.parametrize("body", [{}, {"reference": ""}, {"reference": " "}, {"reference": "x" * 65}, {"amount": "1"}])
def test_bad_input(client: APIClient, body: dict[str, Any]) -> None:
    payout = due()
    assert client.post(f"{URL}/{payout.pk}/pay", body, format="json").status_code == 400
    payout.refresh_from_db()
    assert payout.status == "due"


def test_what_is_not_there(finance: User) -> None:
    with pytest.raises(NotFound):
        pay_payout(payout_id=1, reference="W-1", actor=finance, now=timezone.now())


# --- Disputes


@transaction.atomic
def change(payout: Payout, how: Any, **more: Any) -> str:
    how(lock_order(payout.order_id), actor=None, now=timezone.now(), **more)
    payout.refresh_from_db()
    return payout.status


def test_held_while_disputed_and_due_again_afterwards(finance: User) -> None:
    payout = due()
    assert change(payout, hold_payout, reason="A scratch.") == "held"
    with pytest.raises(InvalidTransition):
        pay(payout, finance)
    assert change(payout, hold_payout, reason="Again.") == "held"
    assert change(payout, release_payout) == "due"
    assert change(payout, release_payout) == "due"
    assert pay(payout, finance).status == "paid"
    events = SettlementEvent.objects.filter(subject="payout").order_by("id")
    assert list(events.values_list("new", flat=True)) == ["due", "held", "due", "paid"]


@pytest.mark.parametrize("held", [False, True])
def test_cancelled_with_the_sale(finance: User, held: bool) -> None:
    payout = due()
    if held:
        change(payout, hold_payout, reason="A scratch.")
    assert change(payout, cancel_payout, reason="Refunded.") == "cancelled"
    with pytest.raises(InvalidTransition):
        pay(payout, finance)


def test_what_was_paid_stays_paid(finance: User) -> None:
    payout = due()
    pay(payout, finance)
    assert change(payout, hold_payout, reason="Late.") == "paid"
    assert change(payout, cancel_payout, reason="Late.") == "paid"
    assert change(payout, release_payout) == "paid"


def test_an_order_without_one_is_left_alone() -> None:
    order = OrderFactory(status="paid")
    with transaction.atomic():
        locked = lock_order(order.pk)
        hold_payout(locked, actor=None, now=timezone.now(), reason="No.")
        release_payout(locked, actor=None, now=timezone.now())
        cancel_payout(locked, actor=None, now=timezone.now(), reason="No.")
    assert not Payout.objects.exists()


# --- Money that goes back


@pytest.mark.parametrize("status", ["approved", "in_transit", "failed"])
def test_nobody_is_paid_while_money_goes_back(client: APIClient, finance: User, status: str) -> None:
    payout = due()
    payment = PaymentFactory(order=payout.order, provider="sandbox", status="succeeded")
    refund = Refund.objects.create(
        payment=payment, order=payout.order, amount="100.00", currency="USD", reason="A scratch.", status=status
    )
    refused = client.post(f"{URL}/{payout.pk}/pay", {"reference": "W-1"}, format="json")
    assert (refused.status_code, error(refused)["code"]) == (409, "money_goes_back")
    payout.refresh_from_db()
    assert payout.status == "due"
    Refund.objects.filter(pk=refund.pk).update(status="rejected")
    assert pay(payout, finance).status == "paid"


def test_a_refund_that_was_only_asked_for_stands_in_nobodys_way(finance: User) -> None:
    payout = due()
    payment = PaymentFactory(order=payout.order, provider="sandbox", status="succeeded")
    Refund.objects.create(payment=payment, order=payout.order, amount="100.00", currency="USD", reason="A scratch.")
    assert pay(payout, finance).status == "paid"


def test_of_a_sale_whose_money_went_back_nothing_is_owed(finance: User) -> None:
    payout, order = due(), OrderFactory(status="paid")
    InvoiceFactory(order=payout.order, status="void", credited=Decimal("1325.00"))
    with pytest.raises(MoneyGoesBack):
        pay(payout, finance)
    InvoiceFactory(order=order, status="void", credited=Decimal("1325.00"))
    with pytest.raises(MoneyGoesBack):
        make_payout(order, actor=None, now=timezone.now())


# --- Who sees them


def test_sellers_see_theirs_and_buyers_none(as_user: Any, finance: User) -> None:
    payout = due()
    other = due()
    pay(payout, finance)
    order = Order.objects.get(pk=payout.order_id)
    seller = as_user(order.seller)
    assert [row["id"] for row in seller.get(URL).json()["results"]] == [payout.pk]
    shown = seller.get(f"{URL}/{payout.pk}").json()
    assert (shown["reference"], shown["paid_by"], shown["order_number"]) == ("W-1", None, order.order_number)
    assert seller.get(f"{URL}/{other.pk}").status_code == 404
    assert seller.post(f"{URL}/{payout.pk}/pay", {"reference": "W-2"}, format="json").status_code == 403
    buyer = as_user(order.buyer)
    assert buyer.get(f"{URL}/{payout.pk}").status_code == 404
    assert buyer.get(URL).json()["results"] == []


def test_filters_and_order(client: APIClient, finance: User) -> None:
    first, second = due(hammer_price=Decimal(3000)), due(hammer_price=Decimal(2000))
    pay(first, finance)

    def ids(query: str) -> list[int]:
        answer = client.get(f"{URL}?{query}")
        assert answer.status_code == 200, answer.content
        return [row["id"] for row in answer.json()["results"]]

    assert ids("") == [second.pk, first.pk]
    assert ids("status=due") == [second.pk]
    assert ids(f"order={first.order_id}") == [first.pk]
    assert ids(f"seller={second.order.seller_id}") == [second.pk]
    assert ids("ordering=-amount") == [first.pk, second.pk]
    assert client.get(f"{URL}?status=lost").status_code == 400


def test_the_list_takes_the_same_number_of_queries(
    client: APIClient, django_assert_max_num_queries: Any, django_assert_num_queries: Any
) -> None:
    due()
    with django_assert_max_num_queries(8) as few:
        client.get(URL)
    for _ in range(3):
        due()
    with django_assert_num_queries(len(few)):
        assert len(client.get(URL).json()["results"]) == 4


# --- The reminder


def test_who_pays_is_reminded_once_a_day(finance: User, make_user: Any) -> None:
    make_user(roles=["moderator"])
    due(hammer_price=Decimal(12345))
    paid, held = due(), due()
    pay(paid, finance)
    change(held, hold_payout, reason="A scratch.")
    now = timezone.now()
    remind_of_payouts(now=now)
    remind_of_payouts(now=now)
    told = Notification.objects.get(kind="payouts_due")
    assert (told.user, told.title, told.body) == (
        finance, "1 payout is due", "Sellers wait for 12,345.00 USD.",
    )  # fmt: skip
    due()
    remind_of_payouts(now=now + timedelta(days=1))
    last = Notification.objects.filter(kind="payouts_due").latest("id")
    assert (last.title, last.body) == ("2 payouts are due", "Sellers wait for 13,345.00 USD.")
    mail = notification_kinds["payouts_due"].build_mail
    assert mail is not None
    content = mail(last)
    assert content is not None
    assert content.link.endswith("/admin/auctions/payout/?status__exact=due")


def test_currencies_are_told_apart(finance: User) -> None:
    due()
    due(currency="EUR")
    remind_task()
    assert Notification.objects.get(user=finance).body == "Sellers wait for 1,000.00 EUR, 1,000.00 USD."


def test_without_payouts_nobody_is_told(finance: User) -> None:
    pay(due(), UserFactory())
    assert remind_of_payouts(now=timezone.now()) == 0
    assert not Notification.objects.filter(kind="payouts_due").exists()
