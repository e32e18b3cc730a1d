"""Making, reading, renaming and revoking one's API keys."""

from __future__ import annotations

import re
import zlib
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.core import mail
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.api_keys import LONGEST, MOST_LIVE
from accounts.models import ApiKey, IdempotencyRecord, Notification
from accounts.notifications import due_mail
from accounts.tasks import sweep_mail
from tests.accounts.keys import by, made

pytestmark = pytest.mark.django_db
KEYS = "/api/auth/keys"
PARTS = "workshop.view_part"


def first_error(answer):
    return answer.json()["errors"][0]


def test_a_key_is_answered_once_and_signs_in(user, as_user):
    client = as_user(user)
    answer = client.post(KEYS, {"name": "Stock screen"})
    assert answer.status_code == 201
    body = answer.json()
    assert answer["Location"].endswith(f"{KEYS}/{body['id']}")
    assert by(body["key"]).get("/api/auth/me").json()["id"] == user.pk
    read = client.get(answer["Location"])
    assert read.json() == {name: value for name, value in body.items() if name != "key"} | {
        "last_used_at": read.json()["last_used_at"]
    }
    assert body["key"] not in client.get(KEYS).content.decode()


def test_the_etag_of_the_answer_is_that_of_the_key_as_it_is_read(user, as_user):
    client = as_user(user)
    answer = client.post(KEYS, {"name": "A"})
    assert client.get(answer["Location"])["ETag"] == answer["ETag"]


def test_a_key_has_a_form_that_scanners_find_and_its_checksum_proves(user):
    _, text = made(user)
    assert re.fullmatch("fck_[0-9a-f]{16}_[0-9a-f]{72}", text)
    assert f"{zlib.crc32(text[:-8].encode()):08x}" == text[-8:]


def test_only_a_hash_of_the_secret_is_stored(user):
    key, text = made(user)
    secret = text.split("_")[2]
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM accounts_apikey")
        row = str(cursor.fetchall())
    assert key.prefix in row
    assert secret[:20] not in row
    assert made(user)[0].secret_hash != key.secret_hash


def test_defaults_are_no_permissions_and_no_end(user, as_user):
    body = as_user(user).post(KEYS, {"name": "A"}).json()
    assert (body["permissions"], body["read_only"], body["expires_at"], body["last_used_at"]) == ([], False, None, None)
    assert (body["revoked_at"], body["revoked_reason"]) == (None, "")


def test_permissions_are_among_those_that_one_has(make_user, as_user):
    client = as_user(make_user(perms=[PARTS]))
    assert client.post(KEYS, {"name": "A", "permissions": [PARTS, PARTS]}).json()["permissions"] == [PARTS]
    for name in ("workshop.change_part", "workshop.no_such_thing"):
        answer = client.post(KEYS, {"name": name, "permissions": [PARTS, name]})
        assert answer.status_code == 422
        error = first_error(answer)
        assert (error["code"], error["attr"]) == ("permission_not_held", "permissions.1")
        assert error["meta"] == {"permissions": [name]}


def test_an_administrator_names_any_permission_that_there_is(admin_user, as_user):
    client = as_user(admin_user)
    everything = sorted(
        f"{row.content_type.app_label}.{row.codename}" for row in Permission.objects.select_related("content_type")
    )
    assert client.post(KEYS, {"name": "A", "permissions": everything}).json()["permissions"] == everything
    assert client.post(KEYS, {"name": "B", "permissions": ["cars.fly_car"]}).status_code == 422


@pytest.mark.parametrize("shift", [timedelta(seconds=-1), timedelta(0), LONGEST + timedelta(minutes=1)])
def test_a_key_ends_in_the_future_and_within_a_year(user, as_user, shift):
    answer = as_user(user).post(KEYS, {"name": "A", "expires_at": (timezone.now() + shift).isoformat()})
    assert (answer.status_code, first_error(answer)["code"]) == (422, "expiry_out_of_range")
    assert not ApiKey.objects.exists()


BAD = {
    "no name": {},
    "an empty name": {"name": ""},
    "a long name": {"name": "x" * 101},
    "NUL in the name": {"name": "a\0"},
    "an unknown member": {"name": "A", "scopes": []},
    "a member of the answer": {"name": "A", "prefix": "0" * 16},
    "a holder": {"name": "A", "user": 1},
    "no list": {"name": "A", "permissions": "cars.view_vehicle"},
    "a permission without an app": {"name": "A", "permissions": ["view_vehicle"]},
    "a text for a boolean": {"name": "A", "read_only": "true"},
    "no date": {"name": "A", "expires_at": "tomorrow"},
    "too many permissions": {"name": "A", "permissions": ["a.b"] * 501},
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD.keys())
def test_what_breaks_the_schema_is_400(user, as_user, body):
    assert as_user(user).post(KEYS, body).status_code == 400
    assert not ApiKey.objects.exists()


def test_a_name_is_taken_by_a_live_key_of_ones_own_only(user, other_user, as_user):
    client = as_user(user)
    made(other_user, name="A")
    first = client.post(KEYS, {"name": "A"}).json()
    again = client.post(KEYS, {"name": "A"})
    assert (again.status_code, first_error(again)["code"]) == (409, "api_key_name_taken")
    client.post(f"{KEYS}/{first['id']}/revoke")
    assert client.post(KEYS, {"name": "A"}).status_code == 201


def test_the_name_of_an_expired_key_is_free_again(user, as_user):
    now = timezone.now()
    key, _ = made(user, name="A", now=now - timedelta(days=2), expires_at=now - timedelta(days=1))
    assert as_user(user).post(KEYS, {"name": "A"}).status_code == 201
    key.refresh_from_db()
    assert (key.revoked_at, key.revoked_reason) == (key.expires_at, "expired")


def test_one_has_twenty_live_keys_at_most(user, as_user):
    client, now = as_user(user), timezone.now()
    keys = [made(user, name=f"Key {number}", expires_at=now + timedelta(days=1))[0] for number in range(MOST_LIVE)]
    answer = client.post(KEYS, {"name": "One more"})
    assert (answer.status_code, first_error(answer)["code"]) == (409, "too_many_api_keys")
    assert first_error(answer)["meta"] == {"most": MOST_LIVE}
    client.post(f"{KEYS}/{keys[0].pk}/revoke")
    assert client.post(KEYS, {"name": "One more"}).status_code == 201


def test_a_key_is_not_stored_to_be_answered_again(user, as_user):
    client = as_user(user)
    answers = [client.post(KEYS, {"name": "A"}, HTTP_IDEMPOTENCY_KEY="one") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 409]
    assert not IdempotencyRecord.objects.exists()


def test_the_holder_is_told_by_mail_whatever_the_preferences(user, as_user):
    client = as_user(user)
    text = client.post(KEYS, {"name": "Stock screen", "read_only": True}).json()["key"]
    row = Notification.objects.get(user=user, kind="api_key_created")
    assert "api_key_created" not in client.get("/api/auth/me/notification-preferences").json()
    assert due_mail(now=timezone.now()) == [row.pk]
    sweep_mail()
    said = mail.outbox[0].body + row.title + row.body + str(row.data)
    assert text[:20] in said
    assert "for reading only" in said
    assert text.split("_")[2][:10] not in said


def test_one_lists_ones_own_the_newest_first(user, other_user, as_user):
    made(other_user, name="Not mine")
    keys = [made(user, name=name)[0] for name in ("A", "B", "C")]
    body = as_user(user).get(f"{KEYS}?limit=2").json()
    assert [row["name"] for row in body["results"]] == ["C", "B"]
    assert body["count"] == len(keys)
    assert set(body["results"][0]) == {
        "id", "name", "prefix", "permissions", "read_only", "created_at", "expires_at", "last_used_at", "revoked_at",
        "revoked_reason",
    }  # fmt: skip


def test_the_list_tells_live_keys_from_others(user, as_user):
    now = timezone.now()
    made(user, name="Live")
    made(user, name="Expired", now=now - timedelta(days=2), expires_at=now - timedelta(days=1))
    client = as_user(user)
    client.post(f"{KEYS}/{made(user, name='Revoked')[0].pk}/revoke")
    assert [row["name"] for row in client.get(f"{KEYS}?live=true").json()["results"]] == ["Live"]
    assert {row["name"] for row in client.get(f"{KEYS}?live=false").json()["results"]} == {"Expired", "Revoked"}
    assert client.get(f"{KEYS}?live=yes").status_code == client.get(f"{KEYS}?alive=true").status_code == 400


def test_a_longer_list_costs_no_more(user, as_user):
    client = as_user(user)
    counts = []
    for _ in range(3):
        made(user)
        with CaptureQueriesContext(connection) as asked:
            client.get(KEYS)
        counts.append(len(asked))
    assert counts == [2, 2, 2]


def test_a_key_is_renamed_and_nothing_else_of_it_changes(user, as_user):
    client, (key, _) = as_user(user), made(user, name="A")
    made(user, name="B")
    url = f"{KEYS}/{key.pk}"
    assert client.patch(url, {"name": "A"}).status_code == 200
    assert first_error(client.patch(url, {"name": "B"}))["code"] == "api_key_name_taken"
    assert client.patch(url, {"permissions": ["cars.view_vehicle"]}).status_code == 400
    answer = client.patch(url, {"name": "C"}, HTTP_IF_MATCH=client.get(url)["ETag"])
    assert (answer.status_code, answer.json()["name"]) == (200, "C")
    assert client.patch(url, {"name": "D"}, HTTP_IF_MATCH='"old"').status_code == 412
    assert client.put(url, {"name": "D"}).status_code == client.delete(url).status_code == 405


def test_using_a_key_makes_no_other_version_of_it(user, as_user):
    client, (key, text) = as_user(user), made(user)
    url = f"{KEYS}/{key.pk}"
    before = client.get(url)
    assert by(text).get("/api/auth/me").status_code == 200
    after = client.get(url)
    assert before.json()["last_used_at"] is None is not after.json()["last_used_at"]
    assert after["ETag"] == before["ETag"]
    renamed = client.patch(url, {"name": "Renamed"}, HTTP_IF_MATCH=before["ETag"])
    assert (renamed.status_code, renamed["ETag"] != before["ETag"]) == (200, True)


def test_revoking_ends_a_key_at_the_next_request_and_again_changes_nothing(user, as_user):
    client, (key, text) = as_user(user), made(user)
    program = by(text)
    assert program.get("/api/auth/me").status_code == 200
    answers = [client.post(f"{KEYS}/{key.pk}/revoke") for _ in range(2)]
    assert program.get("/api/auth/me").status_code == 401
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json()["revoked_at"] == answers[1].json()["revoked_at"] is not None
    assert answers[0].json()["revoked_reason"] == "owner"
    assert client.post(f"{KEYS}/{key.pk}/revoke", {"why": "x"}).status_code == 400


def test_somebody_elses_key_is_not_there(user, other_user, as_user):
    key, _ = made(other_user)
    client = as_user(user)

    def answers(pk):
        return [
            client.get(f"{KEYS}/{pk}"),
            client.patch(f"{KEYS}/{pk}", {"name": "x"}),
            client.post(f"{KEYS}/{pk}/revoke"),
        ]

    for hidden, absent in zip(answers(key.pk), answers(2**62), strict=True):
        assert (hidden.status_code, hidden.content) == (absent.status_code, absent.content)
        assert hidden.status_code == 404
    key.refresh_from_db()
    assert (key.revoked_at, key.name) == (None, "Key 0")


def test_nobody_has_keys_without_signing_in(api, user):
    key, _ = made(user)
    url = f"{KEYS}/{key.pk}"
    answers = [
        api.get(KEYS),
        api.post(KEYS, {"name": "A"}),
        api.get(url),
        api.patch(url, {}),
        api.post(f"{url}/revoke"),
    ]
    assert {answer.status_code for answer in answers} == {401}


def test_the_database_refuses_what_makes_no_sense(user):
    now = timezone.now()
    good = {"user": user, "name": "A", "prefix": "0" * 16, "secret_hash": "x", "token_version": 0, "created_at": now}
    ApiKey.objects.create(**good)
    for change in (
        {},  # The prefix is taken.
        {"prefix": "1" * 16},  # So is the name.
        {"prefix": "2" * 16, "name": ""},
        {"prefix": "3" * 16, "name": "B", "expires_at": now},
        {"prefix": "4" * 16, "name": "C", "revoked_at": now},
        {"prefix": "5" * 16, "name": "D", "revoked_reason": "owner"},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            ApiKey.objects.create(**good | change)
    ApiKey.objects.create(**good | {"prefix": "6" * 16, "revoked_at": now, "revoked_reason": "owner"})
