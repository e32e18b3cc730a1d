"""GET /api/parking/reservations and /{id}: who sees which, and the filters."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from parking.models import Lot, Reservation
from tests.parking.factories import LotFactory, ReservationFactory

pytestmark = pytest.mark.django_db

URL = "/api/parking/reservations"
DAY = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.fixture
def client(as_user: Any, user: User) -> APIClient:
    return as_user(user)


@pytest.fixture
def lot(db: None) -> Lot:
    return LotFactory()


@pytest.fixture
def own(user: User, lot: Lot) -> Reservation:
    return ReservationFactory(user=user, lot=lot, plate="AB 1", starts_at=DAY)


def ids(answer: Any) -> list[int]:
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]


def test_a_driver_sees_their_own_and_staff_see_all(
    as_user: Any, user: User, make_user: Any, lot: Lot, own: Reservation
) -> None:
    theirs = ReservationFactory(lot=LotFactory())
    assert ids(as_user(user).get(URL)) == [own.pk]
    for role in ("parking_manager", "parking_attendant"):
        assert ids(as_user(make_user(roles=[role])).get(URL)) == [theirs.pk, own.pk]
    assert ids(as_user(make_user(roles=["mechanic"])).get(URL)) == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("get", "", None),
        ("get", "/events", None),
        ("post", "/check-in", {}),
        ("post", "/release", {}),
        ("post", "/cancel", {}),
        ("post", "/extend", {"ends_at": "2030-01-01T00:00:00Z"}),
    ],
)
def test_a_strangers_reservation_is_like_one_that_does_not_exist(
    as_user: Any, other_user: User, own: Reservation, method: str, path: str, body: Any
) -> None:
    call = getattr(as_user(other_user), method)
    hidden, missing = call(f"{URL}/{own.pk}{path}", body), call(f"{URL}/999999{path}", body)
    assert (hidden.status_code, hidden.content) == (404, missing.content)
    own.refresh_from_db()
    assert own.status == "reserved"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status=reserved", True),
        ("status=active", False),
        ("lot={lot}", True),
        ("lot=999999", False),
        ("plate=a-b1", True),
        ("plate=AB", False),
        ("from=2026-03-10", True),
        ("from=2026-03-11", False),
        ("to=2026-03-10", True),
        ("to=2026-03-09", False),
        ("from=2026-03-10T12:00:00Z", True),
        ("from=2026-03-10T12:00:01Z", False),
        ("to=2026-03-10T12:00:00Z", False),
        ("to=2026-03-10T14:00:00%2B01:00", True),
        ("ordering=-starts_at", True),
    ],
)
def test_the_filters_find_what_fits(client: APIClient, lot: Lot, own: Reservation, query: str, found: bool) -> None:
    assert ids(client.get(f"{URL}?{query.format(lot=lot.pk)}")) == ([own.pk] if found else [])


@pytest.mark.parametrize(
    "query",
    ["status=gone", "lot=x", "from=yesterday", "from=2026-03-10T12:00:00", "from=2026-03-11&to=2026-03-09", "user=1",
     "from=2026-03-10%0A", "plate=", "status=active&status=active"],
)  # fmt: skip
def test_a_bad_parameter_is_400(client: APIClient, query: str) -> None:
    assert client.get(f"{URL}?{query}").status_code == 400


def test_nothing_of_others_shows_whatever_the_query(as_user: Any, other_user: User, own: Reservation) -> None:
    for query in ("", "?plate=AB1", "?status=reserved", "?ordering=id", "?count=exact", "?cursor=*"):
        assert ids(as_user(other_user).get(URL + query)) == []


def test_the_shape_is_that_of_the_specification(client: APIClient, user: User, lot: Lot, own: Reservation) -> None:
    answer = client.get(f"{URL}/{own.pk}")
    shown = answer.json()
    assert shown == client.get(URL).json()["results"][0]
    assert shown["spot"] == {"id": own.spot_id, "number": 1, "type": "standard"}
    assert (shown["reference"], shown["lot"], shown["lot_name"]) == (own.reference, lot.pk, lot.name)
    assert shown["starts_at"] == "2026-03-10T12:00:00Z"
    assert client.get(f"{URL}/{own.pk}", HTTP_IF_NONE_MATCH=answer["ETag"]).status_code == 304


def test_an_hourly_rate_is_rounded_half_up(client: APIClient, user: User) -> None:
    lot = LotFactory(rate={"price": "1.00", "increment_min": 7})
    own = ReservationFactory(user=user, lot=lot)
    assert client.get(f"{URL}/{own.pk}").json()["hourly_rate"] == "8.57"


def test_who_may_only_look_changes_nothing(as_user: Any, make_user: Any, own: Reservation) -> None:
    viewer = as_user(make_user(perms=["parking.view_reservation"]))
    assert viewer.get(f"{URL}/{own.pk}").status_code == 200
    for path in ("check-in", "release", "cancel"):
        assert viewer.post(f"{URL}/{own.pk}/{path}").status_code == 403
    assert viewer.post(f"{URL}/{own.pk}/extend", {"ends_at": "2030-01-01T00:00:00Z"}).status_code == 403


def test_an_attendant_neither_cancels_nor_extends(as_user: Any, make_user: Any, own: Reservation) -> None:
    attendant = as_user(make_user(roles=["parking_attendant"]))
    assert attendant.post(f"{URL}/{own.pk}/cancel").status_code == 403
    assert attendant.post(f"{URL}/{own.pk}/extend", {"ends_at": "2030-01-01T00:00:00Z"}).status_code == 403


def test_a_history_names_each_step(as_user: Any, user: User, lot: Lot) -> None:
    client = as_user(user)
    booked = client.post(URL, {"lot": lot.pk, "plate": "AB 1"}).json()
    client.post(f"{URL}/{booked['id']}/release")
    events = client.get(f"{URL}/{booked['id']}/events").json()
    assert events["count"] is None
    assert [(row["kind"], row["old"], row["new"], row["actor"]) for row in events["results"]] == [
        ("status", "active", "completed", user.pk),
        ("booked", "", "active", user.pk),
    ]


def test_the_number_of_queries_does_not_grow_with_the_rows(
    client: APIClient, user: User, django_assert_num_queries: Any, django_assert_max_num_queries: Any
) -> None:
    lot = LotFactory(spots=25)
    for number, spot in enumerate(lot.spots.all()):
        ReservationFactory(user=user, lot=lot, spot=spot, starts_at=DAY + timedelta(days=number))
    with django_assert_max_num_queries(4) as few:
        client.get(URL + "?limit=5")
    with django_assert_num_queries(len(few)):
        assert len(ids(client.get(URL + "?limit=20"))) == 20
