"""/api/workshop/customers: staff write them down, customers see and change themselves."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from accounts.notifications import notify_address
from tests.answers import error
from tests.factories import UserFactory
from tests.workshop.factories import CustomerFactory, TicketFactory
from workshop.models import Customer
from workshop.services import messages

pytestmark = pytest.mark.django_db
URL = "/api/workshop/customers"


@pytest.fixture
def advisor(make_user: Any) -> User:
    return make_user(roles=["service_advisor"])


@pytest.fixture
def client(as_user: Any, advisor: User) -> APIClient:
    return as_user(advisor)


@pytest.fixture
def own(user: User) -> Customer:
    return CustomerFactory(user=user, email=user.email, notes="Pays late.")


def test_an_advisor_writes_down_a_walk_in(client: APIClient) -> None:
    body = {"name": "Casey Jones", "email": "Casey@Example.com", "phone": "030 1234567", "notes": "After five."}
    answer = client.post(URL, body)
    assert answer.status_code == 201, answer.content
    shown = answer.json()
    assert (shown["name"], shown["email"], shown["user"]) == ("Casey Jones", "casey@example.com", None)
    assert shown["notes"] == "After five."
    assert client.get(answer["Location"]).json() == shown


def test_a_customer_may_be_linked_to_a_user_by_hand(client: APIClient) -> None:
    person = UserFactory()
    shown = client.post(URL, {"name": "Casey", "email": "other@example.com", "user": person.pk}).json()
    assert shown["user"] == person.pk
    again = client.post(URL, {"name": "Casey", "email": "third@example.com", "user": person.pk})
    assert (again.status_code, error(again)["code"], error(again)["attr"]) == (409, "user_is_customer", "user")


def test_a_user_that_does_not_exist_is_422(client: APIClient) -> None:
    answer = client.post(URL, {"name": "Casey", "email": "c@example.com", "user": 999999})
    assert (answer.status_code, error(answer)["attr"]) == (422, "user")


def test_an_address_is_that_of_one_customer_in_any_spelling(client: APIClient) -> None:
    CustomerFactory(email="casey@example.com")
    other = CustomerFactory()
    answer = client.post(URL, {"name": "Casey", "email": "CASEY@example.COM"})
    assert (answer.status_code, error(answer)["code"], error(answer)["attr"]) == (409, "customer_email_taken", "email")
    changed = client.patch(f"{URL}/{other.pk}", {"email": "Casey@example.com"})
    assert (changed.status_code, error(changed)["code"]) == (409, "customer_email_taken")


def test_a_repeated_post_with_a_key_makes_one_customer(client: APIClient) -> None:
    body = {"name": "Casey", "email": "c@example.com"}
    answers = [client.post(URL, body, HTTP_IDEMPOTENCY_KEY="k") for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert Customer.objects.count() == 1


@pytest.mark.parametrize(
    "body",
    [
        {"name": ""},
        {"name": "x" * 201},
        {"email": "casey"},
        {"email": None},
        {"phone": "1" * 33},
        {"id": 7},
        {"created_at": "2026-01-01T00:00:00Z"},
        {"user": "1"},
        {"nickname": "C"},
    ],
)
def test_what_the_schema_does_not_allow_is_400(client: APIClient, body: dict[str, Any]) -> None:
    customer = CustomerFactory()
    assert client.post(URL, {"name": "Casey", "email": "c@example.com"} | body).status_code == 400
    assert client.patch(f"{URL}/{customer.pk}", body).status_code == 400
    assert Customer.objects.count() == 1


def test_staff_list_everybody_and_customers_themselves(
    as_user: Any, client: APIClient, make_user: Any, user: User, other_user: User, own: Customer
) -> None:
    CustomerFactory()
    assert client.get(URL).json()["count"] == 2
    assert as_user(make_user(roles=["finance"])).get(URL).json()["count"] == 2
    assert [row["id"] for row in as_user(user).get(URL).json()["results"]] == [own.pk]
    assert as_user(other_user).get(URL).json()["results"] == []


@pytest.mark.parametrize("query", ["search=casey", "search=JONES%20casey", "search=4711", "email=Casey%40Example.com"])
def test_customers_are_found_by_name_address_and_phone(client: APIClient, query: str) -> None:
    casey = CustomerFactory(name="Casey Jones", email="casey@example.com", phone="+49 4711")
    CustomerFactory(name="Dana Smith", email="dana@example.com")
    assert [row["id"] for row in client.get(f"{URL}?{query}").json()["results"]] == [casey.pk]


def test_customers_are_ordered_and_found_by_user(client: APIClient, user: User, own: Customer) -> None:
    first = CustomerFactory(name="Aaron")
    assert client.get(f"{URL}?ordering=name").json()["results"][0]["id"] == first.pk
    assert [row["id"] for row in client.get(f"{URL}?user={user.pk}").json()["results"]] == [own.pk]
    assert client.get(f"{URL}?ordering=notes").status_code == 400
    assert client.get(f"{URL}?name=Aaron").status_code == 400


@pytest.mark.parametrize("query", ["", "?search=casey", "?user={user}", "?email=alice%40example.com"])
def test_nothing_of_others_shows_whatever_the_query(
    as_user: Any, user: User, other_user: User, own: Customer, query: str
) -> None:
    url = URL + query.format(user=user.pk)
    assert as_user(other_user).get(url).json()["results"] == []


def test_the_notes_are_for_staff(as_user: Any, client: APIClient, user: User, own: Customer) -> None:
    url = f"{URL}/{own.pk}"
    assert client.get(url).json()["notes"] == "Pays late."
    assert as_user(user).get(url).json()["notes"] is None
    assert as_user(user).get(URL).json()["results"][0]["notes"] is None
    assert as_user(user).patch(url, {"phone": "1"}).json()["notes"] is None
    own.refresh_from_db()
    assert own.notes == "Pays late."


def test_customers_change_their_own_name_and_phone(as_user: Any, user: User, own: Customer) -> None:
    me = as_user(user)
    shown = me.patch(f"{URL}/{own.pk}", {"name": "Alice B.", "phone": "030 1"}).json()
    assert (shown["name"], shown["phone"]) == ("Alice B.", "030 1")
    assert me.put(f"{URL}/{own.pk}", {"name": "Alice C.", "email": user.email}).json()["name"] == "Alice C."


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"notes": "Nice person."}, "staff_field"),
        ({"user": None}, "staff_field"),
        ({"email": "bob@example.com"}, "email_not_own"),
    ],
)
def test_customers_do_not_set_what_is_staffs(
    as_user: Any, user: User, own: Customer, body: dict[str, Any], code: str
) -> None:
    answer = as_user(user).patch(f"{URL}/{own.pk}", body)
    assert (answer.status_code, error(answer)["code"]) == (403, code)
    own.refresh_from_db()
    assert (own.user, own.email, own.notes) == (user, user.email, "Pays late.")


def test_customers_take_over_the_address_of_their_account(as_user: Any, user: User, own: Customer) -> None:
    Customer.objects.filter(pk=own.pk).update(email="old@example.com")
    assert as_user(user).patch(f"{URL}/{own.pk}", {"email": "ALICE@example.com"}).json()["email"] == user.email
    Customer.objects.filter(pk=own.pk).update(email="old@example.com")
    User.objects.filter(pk=user.pk).update(email_verified_at=None)
    assert as_user(user).patch(f"{URL}/{own.pk}", {"email": user.email}).status_code == 403


def test_to_customers_no_other_user_exists(as_user: Any, user: User, other_user: User, own: Customer) -> None:
    me = as_user(user)
    answers = [me.patch(f"{URL}/{own.pk}", {"user": pk}) for pk in (other_user.pk, 999999)]
    assert [answer.status_code for answer in answers] == [422, 422]
    assert me.patch(f"{URL}/{own.pk}", {"user": user.pk}).status_code == 200


@pytest.mark.parametrize(("method", "body"), [("get", None), ("put", {}), ("patch", {"name": "X"})])
def test_another_customer_is_like_one_that_does_not_exist(
    as_user: Any, other_user: User, own: Customer, method: str, body: Any
) -> None:
    call = getattr(as_user(other_user), method)
    hidden, missing = call(f"{URL}/{own.pk}", body), call(f"{URL}/999999", body)
    assert (hidden.status_code, hidden.content) == (404, missing.content)


def test_only_staff_with_the_permission_add_and_delete(as_user: Any, make_user: Any, user: User, own: Customer) -> None:
    for person in (user, make_user(roles=["finance"]), make_user(roles=["mechanic"])):
        client = as_user(person)
        assert client.post(URL, {"name": "Casey", "email": "c@example.com"}).status_code == 403
        assert client.delete(f"{URL}/{own.pk}").status_code == 403
    assert as_user(make_user(roles=["finance"])).patch(f"{URL}/{own.pk}", {"name": "X"}).status_code == 403
    assert Customer.objects.get().name == own.name


def test_nobody_sees_anything_without_signing_in(api: APIClient, own: Customer) -> None:
    assert {api.get(URL).status_code, api.get(f"{URL}/{own.pk}").status_code} == {401}
    assert api.post(URL, {"name": "Casey", "email": "c@example.com"}).status_code == 401


def test_a_customer_with_tickets_stays(client: APIClient) -> None:
    kept, gone = TicketFactory().customer, CustomerFactory()
    answer = client.delete(f"{URL}/{kept.pk}")
    assert (answer.status_code, error(answer)["code"]) == (409, "customer_in_use")
    assert client.delete(f"{URL}/{gone.pk}").status_code == 204
    assert client.delete(f"{URL}/{gone.pk}").status_code == 404
    assert list(Customer.objects.all()) == [kept]


def test_with_a_walk_in_goes_what_was_mailed_to_them(client: APIClient) -> None:
    from accounts.models import Notification

    customer = CustomerFactory()
    for address in (customer.email, "somebody.else@example.com"):
        notify_address(address=address, kind=messages.INVOICE_ISSUED, title="Your invoice")
    client.delete(f"{URL}/{customer.pk}")
    assert [row.address for row in Notification.objects.all()] == ["somebody.else@example.com"]


def test_of_two_edits_of_one_version_the_second_is_412(client: APIClient, own: Customer) -> None:
    url = f"{URL}/{own.pk}"
    tag = client.get(url)["ETag"]
    assert client.patch(url, {"phone": "1"}, HTTP_IF_MATCH=tag).status_code == 200
    assert client.patch(url, {"phone": "2"}, HTTP_IF_MATCH=tag).status_code == 412
    assert client.delete(url, HTTP_IF_MATCH=tag).status_code == 412


def test_a_hidden_change_does_not_show_in_the_customers_tag(
    as_user: Any, client: APIClient, user: User, own: Customer
) -> None:
    url = f"{URL}/{own.pk}"
    before = Customer.objects.get(pk=own.pk).updated_at
    tag = as_user(user).get(url)["ETag"]
    Customer.objects.filter(pk=own.pk).update(notes="Other.", updated_at=before)
    assert as_user(user).get(url)["ETag"] == tag


def test_the_number_of_queries_does_not_grow_with_the_rows(
    client: APIClient, django_assert_num_queries: Any, django_assert_max_num_queries: Any
) -> None:
    CustomerFactory()
    with django_assert_max_num_queries(5) as few:
        client.get(f"{URL}?count=exact")
    for person in UserFactory.create_batch(5):
        CustomerFactory(user=person)
    with django_assert_num_queries(len(few)):
        client.get(f"{URL}?count=exact")
