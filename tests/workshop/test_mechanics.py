"""/api/workshop/mechanics: everybody reads them, advisors write them, rates are for few."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from tests.answers import error
from tests.factories import UserFactory
from tests.workshop.factories import JobFactory, LabourLineFactory, MechanicFactory, TicketFactory
from workshop.models import Mechanic, TimeEntry
from workshop.services.mechanics import mechanic_of

pytestmark = pytest.mark.django_db
URL = "/api/workshop/mechanics"


@pytest.fixture
def client(as_user: Any, make_user: Any) -> APIClient:
    return as_user(make_user(roles=["service_advisor"]))


def test_an_advisor_makes_a_user_a_mechanic(client: APIClient) -> None:
    person = UserFactory()
    body = {"user": person.pk, "display_name": "Mia", "hourly_rate": "72.50", "skills": ["brakes", "diagnostics"]}
    answer = client.post(URL, body)
    assert answer.status_code == 201, answer.content
    shown = answer.json()
    assert {name: shown[name] for name in body} == body
    assert shown["active"] is True
    assert client.get(answer["Location"]).json() == shown
    assert mechanic_of(person) == Mechanic.objects.get()


def test_a_user_is_one_mechanic(client: APIClient) -> None:
    mechanic = MechanicFactory()
    body = {"user": mechanic.user_id, "display_name": "Again", "hourly_rate": 1}
    answer = client.post(URL, body)
    assert (answer.status_code, error(answer)["code"], error(answer)["attr"]) == (409, "user_is_mechanic", "user")


def test_a_user_that_does_not_exist_is_422(client: APIClient) -> None:
    answer = client.post(URL, {"user": 999999, "display_name": "Mia", "hourly_rate": "1.00"})
    assert (answer.status_code, error(answer)["attr"]) == (422, "user")


def test_making_a_mechanic_gives_no_role(client: APIClient) -> None:
    person = UserFactory()
    client.post(URL, {"user": person.pk, "display_name": "Mia", "hourly_rate": "1.00"})
    person.refresh_from_db()
    assert not person.groups.exists()
    assert not person.is_staff


@pytest.mark.parametrize(
    "body",
    [
        {"hourly_rate": "-1.00"},
        {"hourly_rate": "1.005"},
        {"hourly_rate": "100000000.00"},
        {"hourly_rate": None},
        {"display_name": ""},
        {"display_name": "x" * 121},
        {"skills": "brakes"},
        {"skills": [""]},
        {"skills": ["x"] * 51},
        {"active": "yes"},
        {"id": 1},
        {"rate": "1.00"},
    ],
)
def test_what_the_schema_does_not_allow_is_400(client: APIClient, body: dict[str, Any]) -> None:
    mechanic = MechanicFactory()
    valid = {"user": UserFactory().pk, "display_name": "Mia", "hourly_rate": "1.00"}
    assert client.post(URL, valid | body).status_code == 400
    assert client.patch(f"{URL}/{mechanic.pk}", body).status_code == 400
    assert Mechanic.objects.count() == 1


def test_rates_are_for_those_who_may_see_them(as_user: Any, client: APIClient, make_user: Any, user: User) -> None:
    mechanic = MechanicFactory()
    assert client.get(f"{URL}/{mechanic.pk}").json()["hourly_rate"] == "60.00"
    for person in (user, mechanic.user, make_user(roles=["finance"])):
        assert as_user(person).get(f"{URL}/{mechanic.pk}").json()["hourly_rate"] is None
        assert as_user(person).get(URL).json()["results"][0]["hourly_rate"] is None


def test_only_advisors_write(as_user: Any, make_user: Any, user: User) -> None:
    mechanic = MechanicFactory()
    url, body = f"{URL}/{mechanic.pk}", {"user": user.pk, "display_name": "Me", "hourly_rate": "500.00"}
    for person in (user, mechanic.user, make_user(roles=["mechanic"]), make_user(roles=["finance"])):
        client = as_user(person)
        answers = [client.post(URL, body), client.put(url, body), client.patch(url, {}), client.delete(url)]
        assert [answer.status_code for answer in answers] == [403] * 4
    assert Mechanic.objects.get().hourly_rate == Decimal("60.00")


def test_nobody_sees_them_without_signing_in(api: APIClient) -> None:
    mechanic = MechanicFactory()
    assert {api.get(path).status_code for path in (URL, f"{URL}/{mechanic.pk}", f"{URL}/leaderboard")} == {401}


def test_mechanics_are_filtered_searched_and_ordered(client: APIClient) -> None:
    mia, noor = MechanicFactory(display_name="Mia"), MechanicFactory(display_name="Noor", active=False)

    def listed(query: str) -> list[int]:
        return [row["id"] for row in client.get(f"{URL}?{query}").json()["results"]]

    assert listed("active=true") == [mia.pk]
    assert listed("active=false") == [noor.pk]
    assert listed("search=NOO") == [noor.pk]
    assert listed("ordering=-display_name") == [noor.pk, mia.pk]
    assert listed(f"user={mia.user_id}") == [mia.pk]
    assert client.get(f"{URL}?ordering=hourly_rate").status_code == 400


def test_a_new_rate_leaves_written_lines_alone(client: APIClient) -> None:
    line = LabourLineFactory()
    shown = client.patch(f"{URL}/{line.mechanic_id}", {"hourly_rate": 75, "skills": []}).json()
    assert (shown["hourly_rate"], shown["skills"]) == ("75.00", [])
    line.refresh_from_db()
    assert line.rate == Decimal("60.00")


def test_a_mechanic_stays_the_same_person(client: APIClient, user: User) -> None:
    mechanic = MechanicFactory()
    body = {"user": mechanic.user_id, "display_name": "Mia", "hourly_rate": "1.00"}
    assert client.put(f"{URL}/{mechanic.pk}", body).status_code == 200
    answer = client.put(f"{URL}/{mechanic.pk}", body | {"user": user.pk})
    assert (answer.status_code, error(answer)["code"]) == (422, "mechanic_user_fixed")


def test_who_left_is_inactive_and_no_mechanic_any_more(client: APIClient) -> None:
    mechanic = MechanicFactory()
    assert client.patch(f"{URL}/{mechanic.pk}", {"active": False}).json()["active"] is False
    assert mechanic_of(mechanic.user) is None


def test_nobody_leaves_while_their_clock_is_running(client: APIClient) -> None:
    mechanic = MechanicFactory()
    entry = TimeEntry.objects.create(job=JobFactory(), mechanic=mechanic, started_at=timezone.now())
    answer = client.patch(f"{URL}/{mechanic.pk}", {"active": False})
    assert (answer.status_code, error(answer)["code"]) == (409, "mechanic_at_work")
    TimeEntry.objects.filter(pk=entry.pk).update(ended_at=timezone.now())
    assert client.patch(f"{URL}/{mechanic.pk}", {"active": False}).status_code == 200


def test_only_who_never_worked_is_deleted(client: APIClient) -> None:
    assigned, wrote, clocked, idle = MechanicFactory.create_batch(4)
    TicketFactory(mechanics=[assigned])
    job = LabourLineFactory(mechanic=wrote).job
    TimeEntry.objects.create(job=job, mechanic=clocked, started_at=timezone.now())
    for mechanic in (assigned, wrote, clocked):
        answer = client.delete(f"{URL}/{mechanic.pk}")
        assert (answer.status_code, error(answer)["code"]) == (409, "mechanic_in_use")
    assert client.delete(f"{URL}/{idle.pk}").status_code == 204
    assert client.delete(f"{URL}/{idle.pk}").status_code == 404
    assert User.objects.filter(pk=idle.user_id).exists()


def test_of_two_edits_of_one_version_the_second_is_412(client: APIClient) -> None:
    url = f"{URL}/{MechanicFactory().pk}"
    tag = client.get(url)["ETag"]
    assert client.get(url, HTTP_IF_NONE_MATCH=tag).status_code == 304
    assert client.patch(url, {"display_name": "A"}, HTTP_IF_MATCH=tag).status_code == 200
    assert client.patch(url, {"display_name": "B"}, HTTP_IF_MATCH=tag).status_code == 412


def test_a_repeated_post_with_a_key_makes_one_mechanic(client: APIClient) -> None:
    body = {"user": UserFactory().pk, "display_name": "Mia", "hourly_rate": "1.00"}
    answers = [client.post(URL, body, HTTP_IDEMPOTENCY_KEY="k") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert Mechanic.objects.count() == 1


def test_the_number_of_queries_does_not_grow_with_the_rows(
    client: APIClient, django_assert_num_queries: Any, django_assert_max_num_queries: Any
) -> None:
    MechanicFactory()
    with django_assert_max_num_queries(5) as few:
        client.get(f"{URL}?count=exact")
    MechanicFactory.create_batch(5)
    with django_assert_num_queries(len(few)):
        client.get(f"{URL}?count=exact")
