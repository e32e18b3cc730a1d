"""What staff see of API keys and do with them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Notification, User
from tests.accounts.keys import by, made
from tests.conftest import MakeUser

pytestmark = pytest.mark.django_db
LIST = "admin:accounts_apikey_changelist"


@pytest.fixture
def staff(client: Client, admin_user: User) -> Client:
    client.force_login(admin_user)
    return client


def test_staff_see_what_a_key_is_for_and_neither_it_nor_its_hash(staff: Client, make_user: MakeUser) -> None:
    user = make_user(perms=["cars.sync_cars"])
    key, text = made(user, "cars.sync_cars", name="Night sync")
    for url in (reverse(LIST), reverse("admin:accounts_apikey_change", args=[key.pk])):
        page = staff.get(url).content.decode()
        for shown in (user.email, "Night sync", key.prefix):
            assert shown in page
        assert key.secret_hash not in page
        assert text not in page
    assert staff.get(reverse("admin:accounts_apikey_add")).status_code == 403
    assert staff.post(reverse("admin:accounts_apikey_delete", args=[key.pk])).status_code == 403


def test_the_list_is_searched_and_filtered(staff: Client, user: User, other_user: User) -> None:
    now = timezone.now()
    made(user, name="Night sync"), made(other_user, name="Stock screen", read_only=True)
    made(user, name="Worn out", now=now - timedelta(days=2), expires_at=now - timedelta(days=1))
    for query in ({"q": "bob"}, {"q": "stock"}, {"read_only__exact": "1"}):
        page = staff.get(reverse(LIST), query).content.decode()
        assert ("Stock screen" in page, "Night sync" in page) == (True, False)
    assert "Night sync" in staff.get(reverse(LIST), {"revoked_at__isempty": "1"}).content.decode()


def test_staff_revoke_keys_and_their_holders_are_told(staff: Client, user: User, other_user: User) -> None:
    (key, text), (_, other) = made(user, name="Night sync"), made(other_user)
    for _ in range(2):
        staff.post(reverse(LIST), {"action": "revoke", "_selected_action": [key.pk]})
    key.refresh_from_db()
    assert key.revoked_reason == "staff"
    assert [client.get("/api/auth/me").status_code for client in (by(text), by(other))] == [401, 200]
    told = Notification.objects.get(user=user, kind="security")
    assert "Night sync" in told.title
    assert told.mail_status == Notification.MailStatus.PENDING


def test_who_may_only_look_revokes_nothing(client: Client, user: User, make_user: MakeUser) -> None:
    key, text = made(user)
    client.force_login(make_user(roles=["moderator"], perms=["accounts.view_apikey"]))
    assert client.get(reverse(LIST)).status_code == 200
    client.post(reverse(LIST), {"action": "revoke", "_selected_action": [key.pk]})
    assert by(text).get("/api/auth/me").status_code == 200
    client.force_login(make_user(roles=["moderator"]))
    assert client.get(reverse(LIST)).status_code == 403
