"""One person, many hands: first requests, advisors who write the same down. One row, whoever is first."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from accounts.privacy import delete_account
from common.errors import NotFound
from tests.concurrency.race import race
from tests.factories import UserFactory
from tests.workshop.factories import CustomerFactory
from workshop.models import Customer, Supplier
from workshop.services.customers import CustomerEmailTaken, create_customer, customer_of
from workshop.services.mechanics import UserIsMechanic, create_mechanic
from workshop.services.suppliers import SupplierExists, create_supplier

pytestmark = pytest.mark.django_db(transaction=True)
AT_ONCE = 8


def first_requests(person: User) -> list[Any]:
    return race([partial(customer_of, user=person)] * AT_ONCE)


def test_first_requests_at_once_make_one_customer() -> None:
    person = UserFactory()
    assert len({customer.pk for customer in first_requests(person)}) == 1
    assert Customer.objects.get().user == person


def test_first_requests_at_once_find_the_walk_in() -> None:
    person, walk_in = UserFactory(), CustomerFactory()
    Customer.objects.filter(pk=walk_in.pk).update(email=person.email)
    assert {customer.pk for customer in first_requests(person)} == {walk_in.pk}


@pytest.mark.postgres
def test_without_the_lock_they_refuse_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: all have read that there is no customer, none has the user's lock."""
    all_have_looked = threading.Barrier(AT_ONCE)

    def only_read(user_id: int) -> User:
        return User.objects.get(pk=user_id)

    def look(_: User) -> None:
        all_have_looked.wait(timeout=30)

    monkeypatch.setattr("workshop.services.customers.lock_user", only_read)
    monkeypatch.setattr("workshop.services.customers._take_walk_in", look)
    results = first_requests(UserFactory())
    assert sum(isinstance(result, CustomerEmailTaken) for result in results) == AT_ONCE - 1


def test_an_advisor_and_the_customers_first_request_end_in_one_row() -> None:
    for _ in range(5):
        person = UserFactory()
        made, written = race(
            [
                partial(customer_of, user=person),
                partial(create_customer, data={"name": "Casey", "email": person.email}),
            ]
        )
        row = Customer.objects.get(email=person.email)
        assert row.user == person
        assert all(result == row or isinstance(result, CustomerEmailTaken) for result in (made, written))


def test_of_who_leaves_during_a_first_request_nothing_stays() -> None:
    for _ in range(5):
        person, now = UserFactory(), timezone.now()
        left, asked = race([partial(delete_account, user=person, now=now), partial(customer_of, user=person)])
        assert left is None
        assert isinstance(asked, Customer | NotFound)
        assert not Customer.objects.exists()


def test_of_equal_suppliers_and_mechanics_one_is_written() -> None:
    person = UserFactory()
    suppliers = race([partial(create_supplier, data={"name": "North Parts"})] * AT_ONCE)
    assert sum(isinstance(result, SupplierExists) for result in suppliers) == AT_ONCE - 1
    assert Supplier.objects.count() == 1
    mechanic = {"user": person, "display_name": "Mia", "hourly_rate": 60}
    mechanics = race([partial(create_mechanic, data=mechanic)] * AT_ONCE)
    assert sum(isinstance(result, UserIsMechanic) for result in mechanics) == AT_ONCE - 1
