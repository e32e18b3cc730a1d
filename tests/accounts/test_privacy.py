"""A copy of one's data, and the end of one's account."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.admin.models import LogEntry
from django.db import models
from django.utils import timezone

from accounts import registry
from accounts.exports import run_export
from accounts.models import Export, Notification, NotificationPreference, SellerProfile, TokenFamily, User
from accounts.registry import PersonalData
from common.clock import database_now
from common.errors import Conflict
from tests.accounts.exporters import KIND
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db
COPY, ME = "/api/auth/me/export", "/api/auth/me"


@pytest.fixture
def share(monkeypatch):
    """Adds another app's share of the data for one test."""

    def add(*, keeps: bool = False, erase=None) -> None:
        entry = PersonalData(export=lambda user: {"tickets": [user.pk]}, erase=erase or (lambda user, now: keeps))
        monkeypatch.setitem(registry.personal_data._entries, "garage_of_tests", entry)

    return add


def person(make_user) -> User:
    user = make_user(first_name="Alice", phone="+4915112345678", username="alice", address_city="Berlin")
    SellerProfile.objects.create(user=user, business_name="Alice Motors", dealer_license_number="D", tax_id="T")
    NotificationPreference.objects.create(user=user, kind="security", email=False)
    Notification.objects.create(user=user, kind="security", title="Hello", dedupe_key="1")
    return user


def test_the_copy_holds_what_every_app_knows(make_user, as_user, share):
    share()
    user = person(make_user)
    answer = as_user(user).get(COPY)
    data = answer.json()["apps"]
    assert answer["Content-Disposition"] == 'attachment; filename="personal-data.json"'
    assert data["account"]["profile"]["phone"] == "+4915112345678"
    assert data["account"]["seller_profile"]["business_name"] == "Alice Motors"
    assert [row["title"] for row in data["account"]["notifications"]] == ["Hello"]
    assert len(data["account"]["sign_ins"]) == 1
    assert data["garage_of_tests"] == {"tickets": [user.pk]}


def test_the_copy_holds_no_secret_and_nobody_else(user, other_user, as_user):
    Notification.objects.create(user=other_user, kind="k", title="For Bob")
    text = as_user(user).get(COPY).content.decode()
    user.refresh_from_db()
    for secret in (user.password, TokenFamily.objects.get(user=user).current_jti, "For Bob", other_user.email):
        assert secret not in text


@pytest.mark.parametrize("proven", [True, False])
def test_mail_to_ones_address_is_ones_own_once_the_address_is_proven(user, as_user, proven):
    Notification.objects.create(address=user.email, kind="security", title="To the walk-in of old")
    if not proven:
        User.objects.filter(pk=user.pk).update(email_verified_at=None)
    client = as_user(user)
    assert ("To the walk-in of old" in client.get(COPY).content.decode()) is proven
    assert client.delete(ME).status_code == 204
    assert Notification.objects.exists() is not proven


def test_an_account_that_nothing_refers_to_is_deleted(make_user, as_user):
    user = person(make_user)
    client = as_user(user)
    assert client.delete(ME).status_code == 204
    assert not User.objects.filter(pk=user.pk).exists()
    assert not SellerProfile.objects.exists()
    assert client.get(ME).status_code == 401


def test_where_others_refer_to_it_the_person_is_taken_out(make_user, as_user, api, share):
    share(keeps=True)
    user = person(make_user)
    client, email = as_user(user), user.email
    assert client.delete(ME).status_code == 204
    user.refresh_from_db()
    assert user.email == f"deleted-{user.pk}@deleted.invalid"
    assert {user.first_name, user.last_name, user.phone, user.address_city} == {""}
    assert (user.username, user.username_key, user.is_active) == (None, None, False)
    assert user.anonymised_at is not None
    assert not user.has_usable_password()
    for model in (Notification, NotificationPreference, SellerProfile, TokenFamily):
        assert not model.objects.filter(user=user).exists()
    assert client.get(ME).status_code == 401
    assert api.post("/api/auth/login", {"email": email, "password": PASSWORD}).status_code == 401


def test_every_text_column_of_a_kept_row_is_blank_or_neutral(make_user, as_user, share):
    share(keeps=True)
    user = person(make_user)
    texts = [field.name for field in User._meta.get_fields() if isinstance(field, models.CharField)]
    client = as_user(user)
    values = {name: "X9" for name in texts if name not in {"password", "email"}}
    User.objects.filter(pk=user.pk).update(**values)
    client.delete(ME)
    kept = User.objects.filter(pk=user.pk).values(*texts).get()
    kept.pop("password")  # Unusable, and random: it may hold the mark by chance.
    assert {name for name, value in kept.items() if value and "X9" in value} == set()


def test_a_row_that_nobody_registered_keeps_the_account_too(user, as_user, monkeypatch):
    def protected(self: User) -> None:
        raise models.ProtectedError("still referred to", set())

    monkeypatch.setattr(User, "delete", protected)
    assert as_user(user).delete(ME).status_code == 204
    assert User.objects.get(pk=user.pk).anonymised_at is not None


def test_who_acted_in_the_admin_stays_in_its_log(make_user, as_user):
    user = make_user(roles=["finance"])
    LogEntry.objects.create(user=user, action_flag=1, object_repr="car")
    as_user(user).delete(ME)
    assert LogEntry.objects.get().user.anonymised_at is not None
    assert not LogEntry.objects.get().user.groups.exists()


def test_an_app_can_refuse_and_then_nothing_is_changed(make_user, as_user, share):
    def refuse(user: User, *, now: object) -> bool:
        raise Conflict("Pay first.", code="unpaid_order")

    share(erase=refuse)
    user = person(make_user)
    answer = as_user(user).delete(ME)
    assert answer.status_code == 409
    assert answer.json()["errors"][0]["code"] == "unpaid_order"
    assert Notification.objects.filter(user=user).exists()
    assert User.objects.get(pk=user.pk).is_active


def test_the_last_administrator_cannot_leave(admin_user, make_user, as_user):
    answer = as_user(admin_user).delete(ME)
    assert answer.status_code == 409
    assert answer.json()["errors"][0]["code"] == "last_administrator"
    make_user(is_superuser=True)
    assert as_user(admin_user).delete(ME).status_code == 204


@pytest.mark.django_db(transaction=True)
def test_the_files_of_a_deleted_account_go_with_it(user, as_user, settings, tmp_path):
    settings.EXPORT_FOLDER = Path(tmp_path)
    export = Export.objects.create(owner=user, kind=KIND, created_at=timezone.now())
    assert run_export(export_id=export.pk, now=database_now())
    assert as_user(user).delete(ME).status_code == 204
    assert list(tmp_path.iterdir()) == []


def test_strangers_have_neither(api):
    assert api.get(COPY).status_code == api.delete(ME).status_code == 401


def test_the_copy_and_the_end_take_no_parameters(user, as_user):
    client = as_user(user)
    assert client.get(f"{COPY}?user=1").status_code == client.delete(f"{ME}?user=1").status_code == 400
    assert User.objects.filter(pk=user.pk).exists()
