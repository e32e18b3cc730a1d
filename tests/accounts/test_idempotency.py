"""`Idempotency-Key`: the first answer again, never the effect again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import IdempotencyRecord, Notification, User
from tests.accounts.idempotent import TraceView

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.accounts.idempotent")]
URL = "/api/trace"


@pytest.fixture
def client(user, as_user):
    return as_user(user)


def executed() -> int:
    return Notification.objects.filter(kind="trace").count()


def test_the_same_key_and_body_get_the_first_answer_again(client):
    first = client.post(URL, {"n": 1}, headers={"Idempotency-Key": "k-1"})
    again = client.post(URL, {"n": 1}, headers={"Idempotency-Key": "k-1"})
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert again["Location"] == first["Location"] == "/x"
    assert again["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first
    assert executed() == 1


def test_an_answer_without_a_body_is_replayed_too(client):
    answers = [client.post(URL, {"answer": 204}, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [204, 204]
    assert [answer.content for answer in answers] == [b"", b""]
    assert executed() == 1


@pytest.mark.parametrize("body", [b'{"n": 2}', b'{"n":1}', b'{"n": 1} '])
def test_another_body_under_the_key_is_refused_byte_by_byte(body, client):
    client.post(URL, b'{"n": 1}', content_type="application/json", headers={"Idempotency-Key": "k"})
    answer = client.post(URL, body, content_type="application/json", headers={"Idempotency-Key": "k"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == "idempotency_key_reused"
    assert executed() == 1


def test_keys_belong_to_a_user_and_a_path(client, other_user, as_user):
    headers = {"Idempotency-Key": "shared"}
    for sender, url in ((client, URL), (client, "/api/other"), (as_user(other_user), URL)):
        answer = sender.post(url, {}, headers=headers)
        assert answer.status_code == 201
        assert "Idempotency-Replayed" not in answer
    assert executed() == 3


def test_a_refusal_is_rolled_back_and_not_stored(client):
    for _ in range(2):
        answer = client.post(URL, {"refuse": True}, headers={"Idempotency-Key": "k"})
        assert answer.status_code == 409
        assert answer.json()["errors"][0]["code"] == "refused"
    assert executed() == 0
    assert not IdempotencyRecord.objects.exists()


def test_answers_other_than_2xx_are_not_stored(client):
    for _ in range(2):
        assert client.post(URL, {"answer": 302}, headers={"Idempotency-Key": "k"}).status_code == 302
    assert executed() == 2


@pytest.mark.parametrize("key", ["", " ", "a b", "ü", "a\tb", "x" * 256])
def test_a_key_that_is_no_key_is_refused(key, client):
    answer = client.post(URL, {}, HTTP_IDEMPOTENCY_KEY=key)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "invalid_idempotency_key"
    assert executed() == 0


@pytest.mark.parametrize("key", ["!", "~" * 255, "0b9e7c1e-8f54-4c39-9f0e-6a1f0a8f6f1a"])
def test_every_visible_key_of_up_to_255_characters_is_good(key, client):
    assert client.post(URL, {}, headers={"Idempotency-Key": key}).status_code == 201


def test_strangers_have_no_keys_but_may_do_without(api, user):
    answer = api.post(URL, {"user": user.pk}, headers={"Idempotency-Key": "k"})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "idempotency_needs_sign_in"
    assert api.post(URL, {"user": user.pk}).status_code == 201


def test_without_the_header_every_request_counts(client):
    assert [client.post(URL, {}).status_code for _ in range(2)] == [201, 201]
    assert executed() == 2
    assert not IdempotencyRecord.objects.exists()


def test_a_key_is_free_again_after_24_hours(client):
    headers = {"Idempotency-Key": "k"}
    client.post(URL, {"n": 1}, headers=headers)
    IdempotencyRecord.objects.update(created_at=timezone.now() - timedelta(hours=24))
    assert "Idempotency-Replayed" not in client.post(URL, {"n": 2}, headers=headers)
    assert "Idempotency-Replayed" in client.post(URL, {"n": 2}, headers=headers)
    assert executed() == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}])
@pytest.mark.parametrize(("deadlocks", "status", "effects"), [(3, 201, 1), (4, 503, 0)])
def test_a_deadlock_is_tried_again_three_times(headers, deadlocks, status, effects, client, monkeypatch):
    monkeypatch.setattr(TraceView, "deadlocks", deadlocks)
    client.raise_request_exception = False
    answer = client.post(URL, {"n": 1}, headers=headers)
    assert answer.status_code == status
    assert executed() == effects
    assert ("Retry-After" in answer) == (status == 503)


def test_a_broken_body_is_no_use_of_the_key(client):
    headers = {"Idempotency-Key": "k"}
    answer = client.post(URL, b'{"n": ', content_type="application/json", headers=headers)
    assert answer.status_code == 400
    assert client.post(URL, {}, headers=headers).status_code == 201


def test_the_records_go_with_their_user(client, user):
    client.post(URL, {}, headers={"Idempotency-Key": "k"})
    User.objects.get(pk=user.pk).delete()
    assert not IdempotencyRecord.objects.exists()
