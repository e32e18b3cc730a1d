"""Seller profiles: one's own, and the moderators' list and approval."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Notification, SellerProfile
from tests.concurrency.race import race

pytestmark = pytest.mark.django_db
OWN, ALL = "/api/seller-profile", "/api/seller-profiles"
BODY = {"business_name": "Alice Motors", "dealer_license_number": "D-1", "tax_id": "T-1"}


@pytest.fixture
def moderator(make_user):
    return make_user(roles=["moderator"])


@pytest.fixture
def profile(user) -> SellerProfile:
    return SellerProfile.objects.create(user=user, **BODY)


def approve(client: Any, profile: SellerProfile) -> Any:
    return client.post(f"{ALL}/{profile.pk}/approve")


def test_a_profile_is_put_and_got(user, as_user):
    client = as_user(user)
    assert client.get(OWN).status_code == 404
    made = client.put(OWN, BODY)
    assert made.status_code == 201
    assert made.json() | BODY | {"status": "pending", "user": user.pk} == made.json()
    assert client.put(OWN, BODY).status_code == 200
    etag = client.get(OWN)["ETag"]
    assert client.get(OWN, headers={"If-None-Match": etag}).status_code == 304
    assert client.put(OWN, BODY | {"tax_id": "T-2"}, headers={"If-Match": etag}).status_code == 200
    assert client.put(OWN, BODY, headers={"If-Match": etag}).status_code == 412
    assert client.get(OWN).json()["id"] == made.json()["id"]


@pytest.mark.parametrize(
    ("body", "code"),
    [({}, "required"), (BODY | {"approved_at": None}, "unknown_field"), (BODY | {"tax_id": 5}, "invalid")],
)
def test_a_body_that_breaks_the_schema_is_400(body, code, user, as_user):
    answer = as_user(user).put(OWN, body)
    assert answer.status_code == 400
    assert code in {error["code"] for error in answer.json()["errors"]}
    assert not SellerProfile.objects.exists()


def test_a_moderator_approves_and_the_owner_is_told(profile, user, moderator, as_user):
    answer = approve(as_user(moderator), profile)
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["approved_by"]) == ("approved", moderator.pk)
    assert Notification.objects.get(user=user).kind == "seller_approved"
    again = approve(as_user(moderator), profile)
    assert again.status_code == 409
    assert again.json()["errors"][0]["code"] == "already_approved"


@pytest.mark.parametrize("change", [{name: "Other"} for name in BODY])
def test_saying_something_else_asks_for_approval_anew(change, profile, user, moderator, as_user):
    SellerProfile.objects.update(approved_at=timezone.now(), approved_by=moderator)
    client = as_user(user)
    assert client.put(OWN, BODY).json()["status"] == "approved"
    changed = client.put(OWN, BODY | change).json()
    assert (changed["status"], changed["approved_at"], changed["approved_by"]) == ("pending", None, None)


def test_moderators_list_by_status(profile, other_user, moderator, as_user):
    approved = SellerProfile.objects.create(user=other_user, approved_at=timezone.now(), **BODY)
    client = as_user(moderator)
    for query, expected in (
        ("", [profile, approved]),
        ("?status=pending", [profile]),
        ("?status=approved", [approved]),
    ):
        assert [row["id"] for row in client.get(ALL + query).json()["results"]] == [row.pk for row in expected]
    assert client.get(f"{ALL}?status=odd").status_code == 400
    assert client.get(f"{ALL}/{profile.pk}").json()["tax_id"] == "T-1"


def test_owners_and_others_neither_list_nor_approve(profile, user, other_user, as_user):
    for outsider in (user, other_user):
        client = as_user(outsider)
        assert client.get(ALL).status_code == client.get(f"{ALL}/{profile.pk}").status_code == 403
        assert approve(client, profile).status_code == 403
    assert as_user(other_user).get(OWN).status_code == 404
    profile.refresh_from_db()
    assert profile.status == "pending"


def test_strangers_see_nothing(profile, api):
    assert api.get(OWN).status_code == api.put(OWN, BODY).status_code == api.get(ALL).status_code == 401
    assert approve(api, profile).status_code == 401


def test_a_missing_profile_is_404(moderator, as_user):
    client = as_user(moderator)
    assert client.post(f"{ALL}/999999/approve").status_code == client.get(f"{ALL}/999999").status_code == 404


@pytest.mark.django_db(transaction=True)
def test_two_first_puts_make_one_profile(user, as_user):
    clients = [as_user(user) for _ in range(4)]
    answers = race([lambda client=client: client.put(OWN, BODY) for client in clients])
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
    assert SellerProfile.objects.count() == 1
