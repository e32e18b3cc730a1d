"""How a person with an account becomes a customer: by the e-mail address that they have proven."""

from __future__ import annotations

from typing import Any

import jwt
import pytest
from django.utils import timezone

from accounts import mail
from accounts.models import User
from accounts.services import verify_email
from accounts.tokens import issue_tokens
from tests.factories import UserFactory
from tests.workshop.factories import CustomerFactory, MechanicFactory
from workshop.models import Customer
from workshop.services.customers import CustomerEmailTaken, EmailNotVerified, customer_of

pytestmark = pytest.mark.django_db


def prove_address(user: User) -> None:
    verify_email(token=mail.mailed_token(mail.email_tokens, user), now=timezone.now())


def claims(user: User) -> dict[str, Any]:
    access = issue_tokens(user=user, now=timezone.now()).access
    return jwt.decode(access, options={"verify_signature": False})


def test_who_proves_the_address_of_a_walk_in_is_that_customer() -> None:
    walk_in, person = (
        CustomerFactory(email="dana@example.com"),
        UserFactory(email="Dana@Example.com", email_verified_at=None),
    )
    prove_address(person)
    walk_in.refresh_from_db()
    assert walk_in.user == person


def test_an_address_that_is_not_proven_links_nobody() -> None:
    walk_in = CustomerFactory(email="dana@example.com")
    UserFactory(email="dana@example.com", email_verified_at=None)
    walk_in.refresh_from_db()
    assert walk_in.user is None


def test_a_customer_of_somebody_else_is_not_taken_over() -> None:
    owner = UserFactory()
    customer = CustomerFactory(email="dana@example.com", user=owner)
    person = UserFactory(email="dana@example.com", email_verified_at=None)
    prove_address(person)
    customer.refresh_from_db()
    assert customer.user == owner
    person.refresh_from_db()
    with pytest.raises(CustomerEmailTaken):
        customer_of(user=person)


def test_who_is_a_customer_already_stays_that_one() -> None:
    person = UserFactory(email="dana@example.com", email_verified_at=None)
    first, walk_in = CustomerFactory(user=person), CustomerFactory(email="dana@example.com")
    prove_address(person)
    walk_in.refresh_from_db()
    assert walk_in.user is None
    assert customer_of(user=person) == first


def test_a_customer_with_the_proven_address_of_a_user_is_linked_when_written_down(as_user: Any, make_user: Any) -> None:
    proven, unproven = UserFactory(), UserFactory(email_verified_at=None)
    client = as_user(make_user(roles=["service_advisor"]))
    shown = [
        client.post("/api/workshop/customers", {"name": "C", "email": who.email}).json() for who in (proven, unproven)
    ]
    assert [row["user"] for row in shown] == [proven.pk, None]
    kept = client.patch(f"/api/workshop/customers/{shown[0]['id']}", {"user": None})
    assert kept.json()["user"] is None


def test_an_address_that_staff_correct_links_its_user(as_user: Any, make_user: Any) -> None:
    walk_in, person = CustomerFactory(), UserFactory()
    client = as_user(make_user(roles=["service_advisor"]))
    shown = client.patch(f"/api/workshop/customers/{walk_in.pk}", {"email": person.email}).json()
    assert (shown["email"], shown["user"]) == (person.email, person.pk)


def test_the_first_request_makes_the_customer_and_the_next_finds_it() -> None:
    person = UserFactory(first_name="Dana", last_name="Smith", phone="+4930123")
    made = customer_of(user=person)
    assert (made.name, made.email, made.phone, made.user) == ("Dana Smith", person.email, "+4930123", person)
    assert customer_of(user=person) == made
    assert Customer.objects.count() == 1


def test_the_first_request_finds_the_walk_in() -> None:
    person, walk_in = UserFactory(), CustomerFactory(name="As written down")
    Customer.objects.filter(pk=walk_in.pk).update(email=person.email)
    found = customer_of(user=person)
    assert (found.pk, found.name, found.user) == (walk_in.pk, "As written down", person)


def test_without_a_proven_address_nobody_becomes_a_customer() -> None:
    person = UserFactory(email_verified_at=None)
    with pytest.raises(EmailNotVerified) as refused:
        customer_of(user=person)
    assert (refused.value.status, refused.value.code) == (403, "email_not_verified")


def test_who_is_a_customer_needs_no_further_proof() -> None:
    person = UserFactory(email_verified_at=None)
    linked = CustomerFactory(user=person)
    assert customer_of(user=person) == linked


def test_the_longest_names_fit() -> None:
    person = UserFactory(first_name="x" * 150, last_name="y" * 150)
    assert len(customer_of(user=person).name) == 200


def test_the_token_says_which_customer_and_which_mechanic_one_is(user: User) -> None:
    assert (claims(user)["customer_id"], claims(user)["mechanic_id"]) == (None, None)
    customer, mechanic = CustomerFactory(user=user), MechanicFactory(user=user)
    assert (claims(user)["customer_id"], claims(user)["mechanic_id"]) == (customer.pk, mechanic.pk)
    mechanic.active = False
    mechanic.save()
    assert claims(user)["mechanic_id"] is None
