"""What staff do with accounts, roles and schedules."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from accounts.models import SellerProfile, TokenFamily, User
from accounts.tokens import issue_tokens
from common import clock
from tests.conftest import MakeUser

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(client: Client, admin_user: User) -> Client:
    client.force_login(admin_user)
    return client


def _account_form(user: User, **changes: Any) -> dict[str, Any]:
    form = {"is_active": "on", "bid_limit": "", "groups": [], "email_verified_at_0": "", "email_verified_at_1": ""}
    return {name: value for name, value in (form | changes).items() if value is not None}


def test_a_role_opens_the_admin_to_its_member(staff: Client, user: User) -> None:
    moderator = Group.objects.get(name="moderator")
    url = reverse("admin:accounts_user_change", args=[user.pk])
    assert staff.post(url, _account_form(user, groups=[moderator.pk])).status_code == 302
    user.refresh_from_db()
    assert (list(user.groups.all()), user.is_staff) == ([moderator], True)
    staff.post(url, _account_form(user))
    user.refresh_from_db()
    assert user.is_staff is False


def test_who_may_edit_accounts_cannot_hand_out_rights(client: Client, user: User, make_user: MakeUser) -> None:
    editor = make_user(roles=["moderator"], perms=["accounts.view_user", "accounts.change_user"])
    client.force_login(editor)
    form = _account_form(editor, is_superuser="on", groups=[Group.objects.get(name="finance").pk])
    client.post(reverse("admin:accounts_user_change", args=[editor.pk]), form)
    editor.refresh_from_db()
    assert not editor.is_superuser
    assert [group.name for group in editor.groups.all()] == ["moderator"]


def test_the_last_administrator_stays(staff: Client, admin_user: User) -> None:
    url = reverse("admin:accounts_user_change", args=[admin_user.pk])
    answer = staff.post(url, _account_form(admin_user, is_active="on", is_superuser=None), follow=True)
    admin_user.refresh_from_db()
    assert admin_user.is_superuser
    assert "last" in answer.content.decode()


def test_staff_make_an_account(staff: Client) -> None:
    form = {
        "email": "New@Example.com",
        "usable_password": "true",
        "password1": "violet-harbour-7",
        "password2": "violet-harbour-7",
    }
    assert staff.post(reverse("admin:accounts_user_add"), form).status_code == 302
    assert User.objects.get(email="new@example.com").check_password("violet-harbour-7")


def test_ending_all_sessions_signs_a_person_out(staff: Client, user: User) -> None:
    issue_tokens(user=user, now=clock.now())
    form = {"action": "end_sessions", "_selected_action": [user.pk]}
    staff.post(reverse("admin:accounts_user_changelist"), form)
    assert TokenFamily.objects.get(user=user).revoked_reason == "staff"


def test_a_seller_is_approved(staff: Client, user: User, admin_user: User) -> None:
    seller = SellerProfile.objects.create(user=user, business_name="C", dealer_license_number="1", tax_id="2")
    form = {"action": "approve", "_selected_action": [seller.pk]}
    staff.post(reverse("admin:accounts_sellerprofile_changelist"), form)
    seller.refresh_from_db()
    assert (seller.status, seller.approved_by) == ("approved", admin_user)


def test_a_schedule_is_edited_in_place(staff: Client) -> None:
    task = PeriodicTask.objects.filter(task="cars.tasks.sync_source").order_by("pk")[0]
    every = IntervalSchedule.objects.create(every=7, period=IntervalSchedule.MINUTES)
    form = {
        "name": task.name,
        "regtask": task.task,
        "task": task.task,
        "enabled": "on",
        "description": task.description,
        "interval": every.pk,
        "args": task.args,
        "kwargs": task.kwargs,
    }
    url = reverse("admin:django_celery_beat_periodictask_change", args=[task.pk])
    assert staff.post(url, form).status_code == 302
    task.refresh_from_db()
    assert task.interval == every
