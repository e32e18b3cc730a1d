"""/api/workshop/mechanics/leaderboard: who works on how many tickets, cached and never stale."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from accounts.tokens import issue_tokens
from tests.concurrency.second_server import second_server
from tests.concurrency.served import served
from tests.workshop.factories import LabourLineFactory, MechanicFactory, TicketFactory
from workshop import caches
from workshop.models import Mechanic, ServiceTicket
from workshop.services.mechanics import create_mechanic, delete_mechanic, update_mechanic
from workshop.services.states import lock_ticket, move_ticket

pytestmark = pytest.mark.django_db
URL = "/api/workshop/mechanics/leaderboard"
Status = ServiceTicket.Status


@pytest.fixture(autouse=True)
def _nothing_is_kept(user: User) -> None:
    """A cache in the database outlives a test with real transactions."""
    caches.leaderboard.bump()


@pytest.fixture
def client(as_user: Any, user: User) -> APIClient:
    return as_user(user)


def board(client: APIClient, query: str = "") -> list[tuple[str, int]]:
    answer = client.get(URL + query)
    assert answer.status_code == 200, answer.content
    return [(row["display_name"], row["ticket_count"]) for row in answer.json()["results"]]


def cancel(ticket: ServiceTicket) -> None:
    with transaction.atomic():
        move_ticket(lock_ticket(ticket.pk), Status.CANCELLED, actor=None, now=timezone.now())


def test_the_busiest_come_first_then_by_name_then_by_id(client: APIClient) -> None:
    zoe, amy, bob, second_bob = [MechanicFactory(display_name=name) for name in ("Zoe", "Amy", "Bob", "Bob")]
    for _ in range(2):
        TicketFactory(mechanics=[zoe, second_bob])
    TicketFactory(mechanics=[bob, second_bob, zoe])
    TicketFactory(mechanics=[bob, zoe])
    shown = client.get(URL).json()
    assert [(row["mechanic"], row["ticket_count"]) for row in shown["results"]] == [
        (zoe.pk, 4),
        (second_bob.pk, 3),
        (bob.pk, 2),
        (amy.pk, 0),
    ]
    assert shown["count"] == 4
    assert set(shown["results"][0]) == {"mechanic", "display_name", "ticket_count"}


def test_equals_are_ordered_by_name_and_then_by_id(client: APIClient) -> None:
    last, first, second = [MechanicFactory(display_name=name) for name in ("Cy", "Amy", "Amy")]
    TicketFactory(mechanics=[last, first, second])
    rows = client.get(URL).json()["results"]
    assert [row["mechanic"] for row in rows] == [first.pk, second.pk, last.pk]


def test_a_ticket_counts_once_however_many_jobs_it_has(client: APIClient) -> None:
    mia = MechanicFactory(display_name="Mia")
    ticket = TicketFactory(mechanics=[mia])
    for _ in range(3):
        LabourLineFactory(job__ticket=ticket, mechanic=mia)
    assert board(client) == [("Mia", 1)]


def test_cancelled_tickets_do_not_count(client: APIClient) -> None:
    mia = MechanicFactory(display_name="Mia")
    TicketFactory(mechanics=[mia], status=Status.CANCELLED)
    TicketFactory(mechanics=[mia], status=Status.DECLINED)
    assert board(client) == [("Mia", 1)]


def test_the_range_is_that_of_the_service_date_and_includes_both_ends(client: APIClient) -> None:
    mia = MechanicFactory(display_name="Mia")
    for day in (1, 10, 20):
        TicketFactory(mechanics=[mia], service_date=date(2026, 11, day))
    assert board(client, "?from=2026-11-10") == [("Mia", 2)]
    assert board(client, "?to=2026-11-10") == [("Mia", 2)]
    assert board(client, "?from=2026-11-10&to=2026-11-10") == [("Mia", 1)]
    assert board(client, "?from=2026-12-01") == [("Mia", 0)]


@pytest.mark.parametrize(
    "query", ["from=2026-11-31", "from=today", "from=2026-12-01&to=2026-11-01", "since=2026-01-01", "limit=0", "from="]
)
def test_a_bad_query_is_400(client: APIClient, query: str) -> None:
    assert client.get(f"{URL}?{query}").status_code == 400


def test_who_left_is_shown_for_what_they_did(client: APIClient) -> None:
    TicketFactory(mechanics=[MechanicFactory(display_name="Mia", active=False)])
    MechanicFactory(display_name="Noor", active=False)
    assert board(client) == [("Mia", 1)]


def test_it_comes_in_pages(client: APIClient) -> None:
    for name in "ABCDE":
        MechanicFactory(display_name=name)
    page = client.get(f"{URL}?limit=2&page=2")
    assert [row["display_name"] for row in page.json()["results"]] == ["C", "D"]
    assert (page.json()["count"], 'rel="next"' in page["Link"]) == (5, True)
    assert [name for name, _ in board(client, "?skip=4")] == ["E"]


def test_it_carries_a_tag(client: APIClient) -> None:
    TicketFactory(mechanics=[MechanicFactory()])
    tag = client.get(URL)["ETag"]
    assert client.get(URL, HTTP_IF_NONE_MATCH=tag).status_code == 304
    TicketFactory(mechanics=list(Mechanic.objects.all()))
    assert client.get(URL, HTTP_IF_NONE_MATCH=tag).status_code == 200


def test_it_shows_nothing_but_names_and_is_for_people_who_are_signed_in(api: APIClient, client: APIClient) -> None:
    mechanic = MechanicFactory()
    assert mechanic.user.email not in client.get(URL).content.decode()
    assert api.get(URL).status_code == 401


@pytest.mark.parametrize("query", ["?limit=100", "?limit=100&from=2026-01-01"])
def test_the_number_of_queries_does_not_grow_with_the_rows(
    client: APIClient, query: str, django_assert_num_queries: Any, django_assert_max_num_queries: Any
) -> None:
    TicketFactory(mechanics=[MechanicFactory()])
    with django_assert_max_num_queries(5) as few:
        board(client, query)
    for _ in range(5):
        TicketFactory(mechanics=MechanicFactory.create_batch(2))
    with django_assert_num_queries(len(few)):
        board(client, query)


@pytest.mark.django_db(transaction=True)
def test_a_change_is_right_with_the_next_request_and_nothing_else_is_asked_twice(client: APIClient) -> None:
    mia = MechanicFactory(display_name="Mia")
    ticket = TicketFactory(mechanics=[mia])
    assert board(client) == [("Mia", 1)]
    for _ in range(2):
        TicketFactory(mechanics=[mia])  # Behind the services' back.
    assert board(client) == [("Mia", 1)]
    cancel(ticket)
    assert board(client) == [("Mia", 2)]


@pytest.mark.django_db(transaction=True)
def test_mechanics_who_come_change_and_go_show_at_once(client: APIClient, other_user: User) -> None:
    assert board(client) == []
    mechanic = create_mechanic(data={"user": other_user, "display_name": "Mia", "hourly_rate": 60})
    assert board(client) == [("Mia", 0)]
    update_mechanic(mechanic=mechanic, data={"display_name": "Mia B."})
    assert board(client) == [("Mia B.", 0)]
    delete_mechanic(mechanic=mechanic)
    assert board(client) == []


@pytest.mark.django_db(transaction=True)
def test_without_a_time_to_live_nothing_is_kept(client: APIClient, settings: Any) -> None:
    settings.CACHE_TTL_S = 0
    mia = MechanicFactory(display_name="Mia")
    assert board(client) == [("Mia", 0)]
    TicketFactory(mechanics=[mia])
    assert board(client) == [("Mia", 1)]


def get_as(user: User) -> Callable[[str], Any]:
    token = issue_tokens(user=user, now=timezone.now()).access

    def get(server: str) -> Any:
        # One host name for both, so that both read the same entry of the cache.
        headers = {"Authorization": f"Bearer {token}", "Host": "localhost"}
        with urllib.request.urlopen(urllib.request.Request(server + URL, headers=headers), timeout=60) as answer:
            return json.load(answer)["results"]

    return get


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_change_in_one_process_shows_with_the_next_request_to_another(user: User) -> None:
    get = get_as(user)
    mia = MechanicFactory(display_name="Mia")
    ticket = TicketFactory(mechanics=[mia])
    with served() as here, second_server() as there:
        assert [get(server)[0]["ticket_count"] for server in (here, there, here)] == [1, 1, 1]
        for _ in range(2):
            TicketFactory(mechanics=[mia])  # Behind the services' back: both go on reading what is kept.
        assert [get(server)[0]["ticket_count"] for server in (here, there)] == [1, 1]
        cancel(ticket)
        assert [get(server)[0]["ticket_count"] for server in (there, here)] == [2, 2]
        update_mechanic(mechanic=mia, data={"display_name": "Mia B."})
        assert [get(server)[0]["display_name"] for server in (there, here)] == ["Mia B.", "Mia B."]
