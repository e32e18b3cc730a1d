"""Low-stock alerts: one is open per part, it closes on recovery, and staff hear of it once, by supplier."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import Notification, User
from tests.workshop.factories import PartFactory, PartLineFactory, SupplierFactory
from workshop.models import LowStockAlert, Part
from workshop.services import stock
from workshop.services.alerts import mail_low_stock
from workshop.tasks import mail_low_stock as task

pytestmark = pytest.mark.django_db

NOW = timezone.now()


@pytest.fixture
def advisor(make_user: Any) -> User:
    return make_user(roles=["service_advisor"])


def take(part: Part, quantity: str) -> None:
    stock.scrap(part_id=part.pk, quantity=Decimal(quantity), reason="x", actor=None, now=NOW)


def bring(part: Part, quantity: str) -> None:
    stock.receive(part_id=part.pk, quantity=Decimal(quantity), actor=None, now=NOW)


def low_part(**fields: Any) -> Part:
    part: Part = PartFactory(**{"on_hand": 3, "low_stock_threshold": 2, **fields})
    take(part, "2")
    return part


def test_an_alert_opens_below_the_threshold_and_not_at_it() -> None:
    part = PartFactory(on_hand=3, low_stock_threshold=2)
    take(part, "1")
    assert not LowStockAlert.objects.exists()
    take(part, "0.5")
    alert = LowStockAlert.objects.get()
    assert (alert.part_id, alert.available, alert.threshold, alert.opened_at) == (part.pk, Decimal("1.5"), 2, NOW)


def test_what_is_reserved_is_missed_too() -> None:
    part = PartFactory(on_hand=3, low_stock_threshold=2)
    line = PartLineFactory(part=part)
    stock.reserve(lines=[line], actor=None, now=NOW)
    assert LowStockAlert.objects.get().closed_at is None
    stock.release(lines=[line], actor=None, now=NOW + timedelta(hours=1))
    assert LowStockAlert.objects.get().closed_at == NOW + timedelta(hours=1)


def test_one_is_open_per_part_and_it_closes_on_recovery() -> None:
    part = low_part()
    take(part, "0.5")
    assert LowStockAlert.objects.count() == 1
    bring(part, "5")
    assert LowStockAlert.objects.get().closed_at == NOW
    take(part, "5")
    assert list(LowStockAlert.objects.values_list("closed_at", flat=True)) == [None, NOW]


def test_the_database_refuses_a_second_open_alert() -> None:
    part = low_part()
    with pytest.raises(IntegrityError), transaction.atomic():
        LowStockAlert.objects.create(part=part, available=0, threshold=2)


def test_staff_are_told_once_with_one_message_per_supplier(advisor: User, user: User) -> None:
    anna, ben = SupplierFactory(name="Anna's Parts"), SupplierFactory(name="Ben & Co")
    pads = low_part(supplier=anna, name="Brake pads", sku="BP-1", unit="set")
    belt = low_part(supplier=anna, name="Belt", sku="BE-1", on_hand="2.5")
    low_part(supplier=ben, name="Bulb")
    low_part(name="Wiper")
    assert mail_low_stock(now=NOW) == 3
    told = Notification.objects.filter(user=advisor, kind="low_stock").order_by("id")
    assert [row.title for row in told] == [
        "2 parts run low: Anna's Parts", "1 part runs low: Ben & Co", "1 part runs low: no supplier",
    ]  # fmt: skip
    assert told[0].body == "BE-1 Belt: 0.5 piece available, threshold 2\nBP-1 Brake pads: 1 set available, threshold 2"
    assert told[0].data == {"supplier": anna.pk, "parts": [belt.pk, pads.pk]}
    assert (mail_low_stock(now=NOW), Notification.objects.filter(user=user).count()) == (0, 0)


def test_what_recovered_in_time_is_not_mailed(advisor: User) -> None:
    bring(low_part(), "5")
    assert mail_low_stock(now=NOW) == 0
    assert not Notification.objects.exists()


def test_a_part_that_runs_low_again_is_mailed_again(advisor: User) -> None:
    part = low_part()
    task()
    take(part, "1")
    task()
    assert Notification.objects.count() == 1
    bring(part, "5")
    take(part, "5")
    task()
    assert Notification.objects.count() == 2


def test_the_number_of_queries_does_not_grow_with_the_parts(django_assert_num_queries: Any) -> None:
    supplier = SupplierFactory()
    low_part(supplier=supplier)
    with django_assert_num_queries(5):
        mail_low_stock(now=NOW)
    for _ in range(5):
        low_part(supplier=supplier)
    with django_assert_num_queries(5):
        mail_low_stock(now=NOW)
