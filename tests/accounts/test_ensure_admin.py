"""`manage.py ensure_admin`, which runs at every start."""

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db
CHOSEN = "amber-signal-2031"


@pytest.fixture(autouse=True)
def _environment(settings):
    settings.ADMIN_EMAIL, settings.ADMIN_PASSWORD, settings.ADMIN_NAME = "Root@Example.com", CHOSEN, "Ada L. Byron"


def test_it_makes_the_administrator():
    call_command("ensure_admin")
    user = User.objects.get()
    assert (user.email, user.first_name, user.last_name) == ("root@example.com", "Ada", "L. Byron")
    assert user.is_superuser
    assert user.is_staff
    assert user.email_verified_at
    assert user.check_password(CHOSEN)


def test_the_second_run_changes_nothing(settings):
    call_command("ensure_admin")
    before = User.objects.values().get()
    settings.ADMIN_PASSWORD = "another-password-9"
    call_command("ensure_admin")
    assert User.objects.values().get() == before


def test_the_password_changes_on_demand_only_and_ends_all_sessions(settings, as_user):
    call_command("ensure_admin")
    client = as_user(User.objects.get())
    settings.ADMIN_PASSWORD = "another-password-9"
    call_command("ensure_admin", "--reset-password")
    assert User.objects.get().check_password("another-password-9")
    assert client.get("/api/auth/me").status_code == 401


def test_whoever_registered_the_address_first_does_not_become_administrator(make_user, capsys):
    make_user(email="root@example.com")
    call_command("ensure_admin")
    assert User.objects.get().is_superuser is False
    assert "--reset-password" in capsys.readouterr().out
    call_command("ensure_admin", "--reset-password")
    user = User.objects.get()
    assert user.is_superuser
    assert not user.check_password(PASSWORD)


@pytest.mark.parametrize("password", ["", "short-7", "password123", "x" * 129])
def test_a_weak_password_is_refused_without_being_shown(settings, password):
    settings.ADMIN_PASSWORD = password
    with pytest.raises(CommandError, match="ADMIN_PASSWORD") as refusal:
        call_command("ensure_admin")
    assert not password or password not in str(refusal.value)
    assert not User.objects.exists()


def test_without_an_address_nobody_is_made(settings):
    settings.ADMIN_EMAIL = ""
    call_command("ensure_admin")
    assert not User.objects.exists()


def test_a_name_instead_of_an_address_is_refused(settings):
    settings.ADMIN_EMAIL = "root"
    with pytest.raises(CommandError, match="ADMIN_EMAIL"):
        call_command("ensure_admin")
