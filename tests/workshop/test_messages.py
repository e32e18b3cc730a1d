"""What the workshop tells customers and staff, in the app and by mail."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from accounts.models import Notification, NotificationPreference, User
from accounts.notifications import deliver, set_preferences
from accounts.registry import notification_kinds
from tests.factories import UserFactory
from tests.workshop.factories import CustomerFactory
from workshop.models import Customer
from workshop.services import messages

pytestmark = pytest.mark.django_db


def tell(customer: Customer, **fields: Any) -> Notification | None:
    what = {"kind": messages.TICKET_COMPLETED, "title": "RO-000001 is done", "body": "Come and fetch it."}
    return messages.tell_customer(customer=customer, **(what | fields), now=timezone.now())


def tell_staff(**fields: Any) -> None:
    what = {"permission": "workshop.move_stock", "kind": messages.LOW_STOCK, "title": "Order filters"}
    messages.tell_staff(**(what | fields), now=timezone.now())


def test_a_customer_with_an_account_is_told_in_the_app_and_by_mail(user: User, as_user: Any) -> None:
    row = tell(CustomerFactory(user=user), data={"ticket": 1})
    assert row is not None
    assert deliver(notification_id=row.pk, now=timezone.now())
    assert mail.outbox[0].to == [user.email]
    assert as_user(user).get("/api/notifications").json()["results"][0]["data"] == {"ticket": 1}


def test_a_walk_in_is_mailed_at_the_address_that_staff_wrote_down() -> None:
    row = tell(CustomerFactory(email="casey@example.com"))
    assert row is not None
    assert (row.user, row.address, row.in_app) == (None, "casey@example.com", False)
    assert deliver(notification_id=row.pk, now=timezone.now())
    message = mail.outbox[0]
    assert (message.to, message.subject) == (["casey@example.com"], "RO-000001 is done")
    assert "List-Unsubscribe" not in message.extra_headers


def test_a_customer_whose_account_was_closed_is_mailed_as_a_walk_in() -> None:
    row = tell(CustomerFactory(user=UserFactory(is_active=False), email="casey@example.com"))
    assert row is not None
    assert row.address == "casey@example.com"


def test_a_customer_is_told_once_by_one_key(user: User) -> None:
    for customer in (CustomerFactory(user=user), CustomerFactory()):
        first, second = tell(customer, dedupe_key="ticket:1"), tell(customer, dedupe_key="ticket:1")
        assert first == second
    assert Notification.objects.count() == 2


def test_a_customer_can_turn_messages_off(user: User) -> None:
    set_preferences(user=user, choices={messages.TICKET_COMPLETED: {"in_app": False, "email": False}})
    assert tell(CustomerFactory(user=user)) is None


def test_nobody_writes_to_a_deleted_customer() -> None:
    assert tell(CustomerFactory(email="deleted-customer-1@deleted.invalid")) is None
    assert not Notification.objects.exists()


def test_staff_who_hold_the_permission_are_told_once_each(make_user: Any, user: User, admin_user: User) -> None:
    advisor, holder = make_user(roles=["service_advisor"]), make_user(perms=["workshop.move_stock"])
    make_user(roles=["mechanic"])
    make_user(roles=["service_advisor"], is_active=False)
    for _ in range(2):
        tell_staff(dedupe_key="2026-11-25")
    told = Notification.objects.values_list("user_id", flat=True)
    assert sorted(told) == sorted([advisor.pk, holder.pk, admin_user.pk])


def test_staff_choose_how_they_are_told(make_user: Any) -> None:
    advisor = make_user(roles=["service_advisor"])
    NotificationPreference.objects.create(user=advisor, kind=messages.LOW_STOCK, in_app=True, email=False)
    tell_staff()
    assert Notification.objects.get().mail_status == Notification.MailStatus.NONE


def test_every_kind_can_be_chosen_by_people(as_user: Any, user: User) -> None:
    shown = as_user(user).get("/api/auth/me/notification-preferences").json()
    assert set(messages.LABELS) <= set(shown)
    assert not any(notification_kinds[kind].mandatory for kind in messages.LABELS)
