"""Changing and resetting a password, and confirming an address: mailed tokens are good once."""

from datetime import timedelta

import pytest
import time_machine
from django.core import mail
from django.utils import timezone

from accounts.models import Notification, User
from accounts.notifications import deliver
from accounts.registry import on_verified
from accounts.sign_in import reserve_attempt
from accounts.tokens import issue_tokens
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db
NEW = "copper-lantern-77"
CHANGE, VERIFY = "/api/auth/change-password", "/api/auth/verify-email"
RESET, CONFIRM = "/api/auth/password-reset", "/api/auth/password-reset/confirm"


def code(answer):
    return answer.json()["errors"][0]["code"]


def mailed_token(kind):
    """Sends the waiting mail of this kind, and reads the token in it."""
    row = Notification.objects.filter(kind=kind).latest("id")
    deliver(notification_id=row.pk, now=timezone.now())
    body = mail.outbox[-1].body
    return next(line for line in body.splitlines() if line.count("-") == 2 and " " not in line)


def login(api, password):
    return api.post("/api/auth/login", {"email": "alice@example.com", "password": password}).status_code


def test_changing_the_password_ends_every_session(api, user, as_user):
    here, there = as_user(user), as_user(user)
    refresh = issue_tokens(user=user, now=timezone.now()).refresh
    answer = here.post(CHANGE, {"current_password": PASSWORD, "new_password": NEW})
    assert answer.status_code == 204
    assert [client.get("/api/auth/me").status_code for client in (here, there)] == [401, 401]
    assert api.post("/api/auth/refresh", {"refresh_token": refresh}).status_code == 401
    assert [login(api, PASSWORD), login(api, NEW)] == [401, 200]


def test_a_password_set_by_other_means_ends_the_tokens_too(user, as_user):
    client = as_user(user)
    user.set_password(NEW)  # As the admin and `manage.py changepassword` do.
    user.save()
    assert client.get("/api/auth/me").status_code == 401


def test_changing_it_tells_the_owner(user, as_user):
    as_user(user).post(CHANGE, {"current_password": PASSWORD, "new_password": NEW})
    assert Notification.objects.get().title == "Your password was changed"


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        ({"current_password": "wrong-guess", "new_password": NEW}, 422, "wrong_password"),
        ({"current_password": PASSWORD, "new_password": "password123"}, 422, "password_too_common"),
        ({"current_password": PASSWORD, "new_password": "alice@example.com"}, 422, "password_too_similar"),
        ({"current_password": PASSWORD, "new_password": "short-7"}, 400, "min_length"),
        ({"new_password": NEW}, 400, "required"),
    ],
)
def test_a_change_that_is_refused_changes_nothing(user, as_user, body, status, why):
    client = as_user(user)
    answer = client.post(CHANGE, body)
    assert (answer.status_code, code(answer)) == (status, why)
    assert client.get("/api/auth/me").status_code == 200
    user.refresh_from_db()
    assert user.check_password(PASSWORD)


def test_guesses_of_the_current_password_are_limited(user, as_user):
    client = as_user(user)
    body = {"current_password": "wrong-guess", "new_password": NEW}
    assert [client.post(CHANGE, body).status_code for _ in range(6)] == [422] * 5 + [429]


def test_a_reset_sets_the_password_and_ends_every_session(api, user, as_user):
    signed_in = as_user(user)
    assert api.post(RESET, {"email": "ALICE@example.com"}).status_code == 202
    token = mailed_token("password_reset")
    assert api.post(CONFIRM, {"token": token, "new_password": NEW}).status_code == 204
    assert signed_in.get("/api/auth/me").status_code == 401
    assert login(api, NEW) == 200


def test_a_reset_lifts_the_lock_of_the_account(api, user):
    for _ in range(5):
        reserve_attempt(account=f"user:{user.pk}", address="", now=timezone.now())
    assert login(api, PASSWORD) == 429
    api.post(RESET, {"email": user.email})
    api.post(CONFIRM, {"token": mailed_token("password_reset"), "new_password": NEW})
    assert login(api, NEW) == 200


def test_the_answer_does_not_tell_whether_there_is_an_account(api, user, make_user):
    make_user(email="gone@example.com", is_active=False)
    answers = [api.post(RESET, {"email": email}) for email in (user.email, "gone@example.com", "nobody@example.com")]
    assert {(answer.status_code, answer.content) for answer in answers} == {(202, b"{}")}
    assert list(Notification.objects.values_list("user_id", flat=True)) == [user.pk]


def test_asking_again_at_once_mails_once(api, user):
    with time_machine.travel(timezone.now().replace(minute=0, second=0), tick=False):
        for _ in range(3):
            api.post(RESET, {"email": user.email})
    assert Notification.objects.count() == 1


def test_no_row_holds_the_token(api, user):
    api.post(RESET, {"email": user.email})
    token = mailed_token("password_reset")
    stored = str(list(Notification.objects.values()))
    assert token not in stored
    assert token.partition("-")[2] not in stored


def test_a_reset_token_is_good_once(api, user):
    api.post(RESET, {"email": user.email})
    token = mailed_token("password_reset")
    assert api.post(CONFIRM, {"token": token, "new_password": NEW}).status_code == 204
    again = api.post(CONFIRM, {"token": token, "new_password": PASSWORD})
    assert (again.status_code, code(again)) == (422, "invalid_token")


@pytest.mark.parametrize("event", ["password", "sign-in", "address", "deactivated", "a day"])
def test_a_reset_token_dies_with(api, user, event):
    api.post(RESET, {"email": user.email})
    token = mailed_token("password_reset")
    changes = {
        "password": {"password": "x"},
        "sign-in": {"last_login": timezone.now()},
        "address": {"email": "other@example.com"},
        "deactivated": {"is_active": False},
        "a day": {},
    }[event]
    User.objects.filter(pk=user.pk).update(**changes) if changes else None
    with time_machine.travel(timezone.now() + timedelta(hours=25 if event == "a day" else 0)):
        assert api.post(CONFIRM, {"token": token, "new_password": NEW}).status_code == 422


@pytest.mark.parametrize("token", ["x", "1-2-3", "-", "999999999999999999999-a-b", "١-a-b", "1-" + "z" * 190])
def test_what_is_no_token_is_422(api, user, token):
    for url, body in ((CONFIRM, {"new_password": NEW}), (VERIFY, {})):
        answer = api.post(url, {"token": token, **body})
        assert (answer.status_code, code(answer)) == (422, "invalid_token")


def test_a_weak_password_does_not_use_the_token_up(api, user):
    api.post(RESET, {"email": user.email})
    token = mailed_token("password_reset")
    assert api.post(CONFIRM, {"token": token, "new_password": "password123"}).status_code == 422
    assert api.post(CONFIRM, {"token": token, "new_password": NEW}).status_code == 204


def test_a_token_of_one_kind_or_person_is_not_good_for_another(api, user, make_user):
    bob = make_user(email="bob2@example.com", email_verified_at=None)
    api.post(RESET, {"email": bob.email})
    token = mailed_token("password_reset")
    assert api.post(VERIFY, {"token": token}).status_code == 422
    stolen = f"{user.pk}-{token.partition('-')[2]}"
    assert api.post(CONFIRM, {"token": stolen, "new_password": NEW}).status_code == 422


def test_a_registered_address_is_confirmed_by_its_mail(api, monkeypatch):
    heard = []
    monkeypatch.setattr(on_verified, "entries", [lambda *, user, now: heard.append(user.email)])
    api.post("/api/auth/register", {"email": "new@example.com", "password": NEW})
    token = mailed_token("email_verification")
    assert api.post(VERIFY, {"token": token}).status_code == 204
    assert User.objects.get().email_verified_at is not None
    assert heard == ["new@example.com"]
    assert api.post(VERIFY, {"token": token}).status_code == 422


def test_a_confirmation_is_for_the_address_it_was_mailed_to(api):
    api.post("/api/auth/register", {"email": "new@example.com", "password": NEW})
    token = mailed_token("email_verification")
    User.objects.update(email="newer@example.com")
    assert api.post(VERIFY, {"token": token}).status_code == 422


def test_no_confirmation_is_mailed_once_the_address_is_confirmed(api):
    api.post("/api/auth/register", {"email": "new@example.com", "password": NEW})
    User.objects.update(email_verified_at=timezone.now())
    assert deliver(notification_id=Notification.objects.get().pk, now=timezone.now()) is False
    assert mail.outbox == []
