"""GET /api/workshop/invoices: who sees which, and how they are found."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from tests.workshop.factories import CustomerFactory
from tests.workshop.invoices import completed_ticket, issued_invoice
from workshop.models import Invoice
from workshop.services.invoicing import issue_invoice

pytestmark = pytest.mark.django_db
URL = "/api/workshop/invoices"


@pytest.fixture
def own(user: User) -> Invoice:
    return issued_invoice(customer=CustomerFactory(user=user, name="Alice"))


@pytest.fixture
def finance(as_user: Any, make_user: Any) -> APIClient:
    return as_user(make_user(roles=["finance"]))


def ids(answer: Any) -> list[int]:
    return [row["id"] for row in answer.json()["results"]]


def test_customers_see_their_own_and_staff_all(as_user: Any, user: User, finance: APIClient, own: Invoice) -> None:
    other = issued_invoice()
    assert ids(as_user(user).get(URL)) == [own.pk]
    assert ids(finance.get(URL)) == [other.pk, own.pk]
    assert "lines" not in finance.get(URL).json()["results"][0]


def test_another_persons_invoice_is_like_one_that_does_not_exist(
    as_user: Any, other_user: User, make_user: Any, own: Invoice
) -> None:
    for path in ("", "/pdf", "/payments", "/credit-notes"):
        for stranger in (other_user, make_user(roles=["mechanic"])):
            client = as_user(stranger)
            hidden, missing = client.get(f"{URL}/{own.pk}{path}"), client.get(f"{URL}/999999{path}")
            assert (hidden.status_code, hidden.content) == (404, missing.content)
    assert APIClient().get(URL).status_code == 401


def test_customers_do_not_see_what_parts_cost(as_user: Any, user: User, finance: APIClient, own: Invoice) -> None:
    def costs(client: APIClient) -> list[Any]:
        return [line["unit_cost"] for line in client.get(f"{URL}/{own.pk}").json()["lines"]]

    assert costs(as_user(user)) == [None, None, None]
    assert costs(finance) == [None, "6.00", None]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?status=open", True),
        ("?status=paid", False),
        ("?customer={customer}", True),
        ("?customer=999999", False),
        ("?ticket={ticket}", True),
        ("?number={number}", True),
        ("?number=INV-1999-000001", False),
        ("?search=alice", True),
        ("?search=bob", False),
        ("?ordering=-total,issued_at", True),
    ],
)
def test_it_is_found(finance: APIClient, own: Invoice, query: str, found: bool) -> None:
    facts = {"customer": own.customer_id, "ticket": own.ticket_id, "number": own.number.lower()}
    assert ids(finance.get(URL + query.format(**facts))) == ([own.pk] if found else [])


def test_days_are_those_of_the_workshop(finance: APIClient, user: User, settings: Any) -> None:
    settings.DEFAULT_USER_TIMEZONE = "Asia/Tokyo"
    late = datetime(2026, 11, 24, 16, 0, tzinfo=UTC)  # The 25th in Tokyo.
    invoice = issue_invoice(ticket=completed_ticket(), actor=user, now=late)
    assert ids(finance.get(f"{URL}?from=2026-11-25&to=2026-11-25")) == [invoice.pk]
    assert ids(finance.get(f"{URL}?to=2026-11-24")) == []
    assert ids(finance.get(f"{URL}?from=2026-11-26")) == []


@pytest.mark.parametrize("query", ["?from=25.11.2026", "?status=late", "?from=2026-11-26&to=2026-11-25", "?paid=1"])
def test_a_query_that_makes_no_sense_is_400(finance: APIClient, query: str) -> None:
    assert finance.get(URL + query).status_code == 400


def test_an_invoice_is_read_with_its_version(finance: APIClient, own: Invoice) -> None:
    answer = finance.get(f"{URL}/{own.pk}")
    assert answer.json()["ticket_number"] == own.ticket.number
    assert finance.get(f"{URL}/{own.pk}", HTTP_IF_NONE_MATCH=answer["ETag"]).status_code == 304


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_nobody_edits_an_invoice(as_user: Any, admin_user: User, own: Invoice, method: str) -> None:
    assert getattr(as_user(admin_user), method)(f"{URL}/{own.pk}", {}).status_code == 405


def test_the_number_of_queries_does_not_grow_with_the_rows(
    finance: APIClient, django_assert_num_queries: Any, django_assert_max_num_queries: Any
) -> None:
    issued_invoice()
    with django_assert_max_num_queries(5) as few:
        finance.get(URL)
    for _ in range(5):
        issued_invoice()
    with django_assert_num_queries(len(few)):
        assert len(ids(finance.get(URL))) == 6
