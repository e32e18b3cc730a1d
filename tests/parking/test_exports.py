"""One's parking history as a file: what stands in it, who gets it, and that it comes once."""

from __future__ import annotations

import csv
import io
import random
import uuid
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from accounts.exports import LEASE, due_exports, request_export, run_export
from accounts.models import Export, Notification
from accounts.notifications import deliver, due_mail
from common.clock import database_now
from parking.costs import parked_seconds
from parking.exports import KIND
from parking.models import Rate, Reservation
from tests.accounts.killed_worker import kill_worker
from tests.parking.factories import LotFactory, ReservationFactory

pytestmark = pytest.mark.django_db
URL = "/api/parking/exports"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TITLES = (
    '"reservation","lot_name","lot_address","spot_number","spot_type","plate","started_at","released_at",'
    '"duration_hours","hourly_rate","cost","currency","status","remarks","created_at"\r\n'
)


@pytest.fixture(autouse=True)
def folder(tmp_path, settings) -> Path:
    settings.EXPORT_FOLDER = tmp_path / "exports"
    return settings.EXPORT_FOLDER


def stay(user, lot, **fields: Any) -> Reservation:
    """A finished stay of an hour and a half."""
    ends = {"released_at": NOON + timedelta(minutes=90), "cost": Decimal("4.50"), "created_at": NOON}
    return ReservationFactory(user=user, lot=lot, starts_at=NOON, status="completed", **ends | fields)


def written(client, **body: Any) -> str:
    """The text of the caller's export, from asking to download."""
    export_id = client.post(URL, body).json()["id"]
    assert run_export(export_id=export_id, now=database_now())
    return content(client.get(client.get(f"{URL}/{export_id}").json()["download_url"]))


def content(answer) -> str:
    assert answer.status_code == 200
    return b"".join(answer.streaming_content).decode()


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_asking_without_a_body_answers_202_and_where_to_look(user, as_user):
    client = as_user(user)
    answer = client.post(URL)
    body = answer.json()
    assert answer.status_code == 202
    assert answer["Location"].endswith(f"{URL}/{body['id']}")
    assert (body["kind"], body["status"], body["rows"], body["percent"]) == (KIND, "queued", 0, 0)
    assert client.get(answer["Location"]).json() == body
    assert client.post(URL).json()["id"] == body["id"]


def test_the_file_says_what_was_parked_where_and_for_how_much(user, as_user):
    lot = LotFactory(name="Station", address="1 Main Street", rate={"price": Decimal("2.00"), "increment_min": 40})
    done = stay(user, lot, plate="FC 2003", remarks='=1+1, "quoted"')
    parked = ReservationFactory(user=user, lot=lot, starts_at=NOON, status="active", plate="-X", created_at=NOON)
    booked = ReservationFactory(user=user, lot=lot, spot=lot.spots.last(), created_at=NOON)
    assert written(as_user(user)) == (
        TITLES + f'"{booked.pk}","Station","1 Main Street","2","standard","{booked.plate}","","",'
        '"","3.00","","USD","reserved","","2026-03-01T12:00:00Z"\r\n'
        f'"{parked.pk}","Station","1 Main Street","1","standard","\'-X","2026-03-01T12:00:00Z","",'
        '"","3.00","","USD","active","","2026-03-01T12:00:00Z"\r\n'
        f'"{done.pk}","Station","1 Main Street","1","standard","FC 2003","2026-03-01T12:00:00Z","2026-03-01T13:30:00Z",'
        '"1.50","3.00","4.50","USD","completed","\'=1+1, ""quoted""","2026-03-01T12:00:00Z"\r\n'
    )


def test_hours_and_rates_are_right_to_the_last_digit(user, as_user):
    lot, source = LotFactory(), random.Random(4)
    halves = [(5, 40), (115, 40), (1, 8), (0, 60), (9_999_999, 7)]  # 7.5, 172.5 and 7.5 cents an hour...
    prices = halves + [(source.randrange(100_000), source.randrange(1, 1440)) for _ in range(60)]
    stays = [timedelta(seconds=s) for s in (-5, 0, 17, 18, 54, 3600, 86_400 * 40)]
    stays += [timedelta(seconds=source.randrange(200_000), microseconds=source.randrange(10**6)) for _ in range(60)]
    expected = {}
    for number, (cents, increment) in enumerate(prices):
        length, price = stays[number % len(stays)], Decimal(cents) / 100
        rate = Rate.objects.create(lot=lot, version=number + 2, price=price, increment_min=increment, currency="USD")
        row = stay(user, lot, rate=rate, released_at=NOON + length)
        hours = Decimal(parked_seconds(NOON, NOON + length)) / 3600
        expected[str(row.pk)] = [str(_half_up(hours)), str(_half_up(price * 60 / increment))]
    found = {row["reservation"]: [row["duration_hours"], row["hourly_rate"]] for row in rows(written(as_user(user)))}
    assert found == expected


def _half_up(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)


def test_the_newest_booking_stands_first(user, as_user):
    made = [stay(user, LotFactory()).pk for _ in range(3)]
    assert [row["reservation"] for row in rows(written(as_user(user)))] == [str(pk) for pk in reversed(made)]


@pytest.mark.parametrize("role", ["parking_manager", "parking_attendant"])
def test_staff_get_their_own_history_and_nobody_elses(role, user, make_user, as_user):
    staff = make_user(roles=[role])
    lot = LotFactory()
    stay(user, lot)
    own = stay(staff, lot)
    assert [row["reservation"] for row in rows(written(as_user(staff)))] == [str(own.pk)]


def test_without_a_history_there_is_the_line_of_titles(user, as_user):
    assert written(as_user(user)) == TITLES
    assert written(as_user(user), bom=True) == "\ufeff" + TITLES


def test_the_file_is_an_attachment_of_text(user, as_user):
    client = as_user(user)
    export_id = client.post(URL).json()["id"]
    path = f"{URL}/{export_id}/download"
    assert client.get(path).json()["errors"][0]["code"] == "export_not_ready"
    assert run_export(export_id=export_id, now=database_now())
    answer = client.get(path, headers={"Accept": "text/csv"})
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"].startswith('attachment; filename="parking-')
    assert content(answer) == TITLES


def test_how_far_it_is_can_be_seen_while_it_runs(user, as_user):
    export = Export.objects.create(
        owner=user, kind=KIND, status=Export.Status.RUNNING, rows=120_000, total_rows=200_000
    )
    body = as_user(user).get(f"{URL}/{export.pk}").json()
    assert (body["status"], body["rows"], body["percent"], body["download_url"]) == ("running", 120_000, 60, None)


def test_its_owner_is_mailed_a_link_once_the_file_is_there(user, as_user, settings):
    stay(user, LotFactory())
    client = as_user(user)
    export_id = client.post(URL).json()["id"]
    assert due_mail(now=timezone.now()) == []
    assert run_export(export_id=export_id, now=database_now())
    for notification_id in due_mail(now=timezone.now() + timedelta(hours=1)):
        deliver(notification_id=notification_id, now=timezone.now())
    (message,) = mail.outbox
    assert message.to == [user.email]
    assert message.subject == "Your export is ready: Parking history"
    path = f"/api/exports/{export_id}/download"
    assert f"{settings.BACKEND_URL}{path}" in message.body
    assert len(rows(content(client.get(path)))) == 1


@pytest.mark.parametrize("body", [{"kind": "cars"}, {"params": {"user": 1}}, {"owner": 1}, {"bom": "yes"}, []])
def test_what_cannot_be_asked_for(body, user, as_user):
    assert as_user(user).post(URL, body).status_code == 400
    assert not Export.objects.exists()


@pytest.mark.parametrize("path", ["", "/download"])
def test_another_drivers_export_answers_like_a_missing_one(path, user, make_user, as_user, admin_user):
    export = request_export(owner=user, kind=KIND, now=timezone.now())
    assert run_export(export_id=export.pk, now=database_now())
    for outsider in (make_user(), make_user(roles=["parking_manager"]), admin_user):
        client = as_user(outsider)
        theirs, missing = (client.get(f"{URL}/{pk}{path}") for pk in (export.pk, uuid.uuid4()))
        assert theirs.status_code == missing.status_code == 404
        assert theirs.content == missing.content


def test_exports_of_another_kind_are_not_found_here(user, as_user):
    export = Export.objects.create(owner=user, kind="cars")
    assert as_user(user).get(f"{URL}/{export.pk}").status_code == 404


def test_it_stands_among_all_of_ones_exports(user, as_user):
    client = as_user(user)
    export_id = client.post(URL).json()["id"]
    assert client.get(f"/api/exports/{export_id}").json()["kind"] == KIND


def test_strangers_are_asked_to_sign_in(user, api):
    export = Export.objects.create(owner=user, kind=KIND)
    for answer in (api.post(URL), api.get(f"{URL}/{export.pk}"), api.get(f"{URL}/{export.pk}/download")):
        assert answer.status_code == 401


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("where", ["claimed", "2", "replaced"])
@pytest.mark.fault(
    "F18", "SIGKILL at each step of an export of parking", expected="the next worker writes one whole file, mailed once"
)
def test_a_worker_killed_in_between_is_followed_by_one_that_finishes_once(where, user, folder, as_user):
    folder.mkdir()
    lot = LotFactory()
    made = [stay(user, lot).pk for _ in range(4)]
    export = request_export(owner=user, kind=KIND, now=timezone.now())
    kill_worker(export, where, folder=folder)
    assert not run_export(export_id=export.pk, now=database_now())
    later = database_now() + LEASE
    assert due_exports(now=later) == [export.pk]
    assert [run_export(export_id=export.pk, now=later) for _ in range(2)] == [True, False]
    assert [path.name for path in folder.iterdir()] == [f"{export.pk}.2.csv"]
    found = rows(content(as_user(user).get(f"{URL}/{export.pk}/download")))
    assert [row["reservation"] for row in found] == [str(pk) for pk in reversed(made)]
    assert Notification.objects.filter(user=user, kind="export_ready").count() == 1
