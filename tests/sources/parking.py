"""Parking: people, lots, reservations, exports."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

from tests.e2e.processes import ROOT
from tests.sources.visit import Visit, code_of, difference, must, walk, word

PARKING = "Parking"
LOT = {
    "address": "4 Railway Street, Berlin",
    "pin_code": "10557",
    "timezone": "Europe/Berlin",
    "capacity": 5,
    "rate": {"price": "3.00", "increment_min": 60, "currency": "USD"},
}


def lot(visit: Visit, **more: Any) -> dict[str, Any]:
    return must(visit.as_("parking_manager").post("/api/parking/lots", json=LOT | {"name": word(), **more}))


def plate() -> str:
    return word()[:9].upper()


@walk(PARKING, "/api/auth/login, register, refresh, logout, me")
def session(visit: Visit) -> None:
    _, pair = visit.register()
    refreshed = must(visit.nobody.post("/api/auth/refresh", json={"refresh_token": pair["refresh_token"]}))
    with visit.platform.client(refreshed["access_token"]) as client:
        assert must(client.get("/api/auth/me"))["id"] == pair["user"]["id"]
        assert client.post("/api/auth/logout").status_code == HTTPStatus.NO_CONTENT
        assert client.get("/api/auth/me").status_code == HTTPStatus.UNAUTHORIZED
    spent = visit.nobody.post("/api/auth/refresh", json={"refresh_token": refreshed["refresh_token"]})
    assert spent.status_code == HTTPStatus.UNAUTHORIZED


@walk(PARKING, "single admin from the environment")
def admin_from_the_environment(visit: Visit) -> None:
    email, first, second = f"{word()}@example.com", f"A long {word()}", f"A long {word()}"
    for password in (first, second):
        environment = visit.platform.environment | {"ADMIN_EMAIL": email, "ADMIN_PASSWORD": password}
        command = [sys.executable, "manage.py", "ensure_admin"]
        subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, timeout=60)
    token = must(visit.nobody.post("/api/auth/login", json={"email": email, "password": first}))["access_token"]
    with visit.platform.client(token) as client:
        must(client.get("/api/users"))
    again = visit.nobody.post("/api/auth/login", json={"email": email, "password": second})
    assert again.status_code == HTTPStatus.UNAUTHORIZED


@walk(PARKING, "GET /api/admin/users")
def users(visit: Visit) -> None:
    assert must(visit.as_("admin").get("/api/users"))["count"] > 1
    assert visit.as_("alice").get("/api/users").status_code == HTTPStatus.FORBIDDEN


@walk(PARKING, "/api/user/profile, /api/user/profile/update")
def profile(visit: Visit) -> None:
    client = visit.newcomer()
    assert must(client.patch("/api/auth/me", json={"first_name": "Casey"}))["first_name"] == "Casey"
    assert must(client.get("/api/auth/me"))["first_name"] == "Casey"


@walk(PARKING, "/api/admin/pkl/create, update, delete, <id>, list")
def lots(visit: Visit) -> None:
    client, made = visit.as_("parking_manager"), lot(visit)
    url = f"/api/parking/lots/{made['id']}"
    assert must(client.get(f"{url}/spots"))["count"] == 5
    assert must(client.patch(url, json={"capacity": 7}))["capacity"] == 7
    assert must(client.get(f"{url}/spots"))["count"] == 7
    stay = must(visit.as_("alice").post("/api/parking/reservations", json={"lot": made["id"], "plate": plate()}))
    must(visit.as_("alice").post(f"/api/parking/reservations/{stay['id']}/release"))
    assert client.delete(url).status_code == HTTPStatus.NO_CONTENT
    assert must(visit.as_("alice").get(f"/api/parking/reservations/{stay['id']}"))["lot_name"] == made["name"]
    assert client.get(f"/api/parking/lots/{2**62}").status_code == HTTPStatus.NOT_FOUND
    assert visit.as_("alice").post("/api/parking/lots", json=LOT | {"name": "x"}).status_code == HTTPStatus.FORBIDDEN


@walk(PARKING, "GET /api/user/pkl/list")
def free_spots(visit: Visit) -> None:
    made = lot(visit)
    (row,) = must(visit.as_("alice").get(f"/api/parking/lots?search={made['name']}"))["results"]
    assert (row["id"], row["capacity"], row["availability"]["free"]) == (made["id"], 5, 5)


@walk(PARKING, "POST /api/user/book/<lot_id>")
def book(visit: Visit) -> None:
    """The old system accepted all sixteen on five spots."""
    made, drivers = lot(visit), [visit.newcomer() for _ in range(4)]
    bodies = [{"lot": made["id"], "plate": plate()} for _ in range(16)]
    with ThreadPoolExecutor(16) as pool:
        book = [
            pool.submit(drivers[n % 4].post, "/api/parking/reservations", json=body) for n, body in enumerate(bodies)
        ]
    answers = [booking.result() for booking in book]
    spots = [answer.json()["spot"]["id"] for answer in answers if answer.status_code == HTTPStatus.CREATED]
    assert len(spots) == len(set(spots)) == 5
    refused = {code_of(answer) for answer in answers if answer.status_code == HTTPStatus.CONFLICT}
    assert refused == {"lot_full"}


@walk(PARKING, "POST /api/user/release")
def release(visit: Visit) -> None:
    client = visit.newcomer()
    stay = must(client.post("/api/parking/reservations", json={"lot": lot(visit)["id"], "plate": plate()}))
    url = f"/api/parking/reservations/{stay['id']}"
    left = must(client.post(f"{url}/release"))
    assert left["status"] == "completed"
    again = client.post(f"{url}/release")
    assert (again.status_code, code_of(again)) == (HTTPStatus.CONFLICT, "already_released")
    assert must(client.get(url))["cost"] == left["cost"]


@walk(PARKING, "GET /api/user/book/list")
def reservations(visit: Visit) -> None:
    client = visit.newcomer()
    stay = must(client.post("/api/parking/reservations", json={"lot": lot(visit)["id"], "plate": plate()}))
    assert [row["id"] for row in must(client.get("/api/parking/reservations"))["results"]] == [stay["id"]]


@walk(PARKING, "/api/user/export-csv, export-status/<task>, download-csv/<file>")
def export(visit: Visit) -> None:
    client = visit.newcomer()
    number = plate()
    must(client.post("/api/parking/reservations", json={"lot": lot(visit)["id"], "plate": number}))
    url = f"/api/parking/exports/{must(client.post('/api/parking/exports'))['id']}"
    visit.platform.until("the export", lambda: must(client.get(url))["status"] == "ready", within=60)
    assert number in client.get(f"{url}/download").text
    for path in (url, f"{url}/download"):
        assert visit.as_("alice").get(path).status_code == HTTPStatus.NOT_FOUND


@walk(PARKING, "daily reminders, monthly HTML report")
def told(visit: Visit) -> None:
    kinds = must(visit.as_("alice").get("/api/auth/me/notification-preferences"))
    assert {"parking_reminder", "parking_report"} <= kinds.keys()


@walk(PARKING, "Redis cache")
def cache(visit: Visit) -> None:
    """What the list showed a moment ago decides no booking."""
    made, client = lot(visit, capacity=1), visit.as_("alice")
    must(client.get(f"/api/parking/lots?search={made['name']}"))
    must(visit.newcomer().post("/api/parking/reservations", json={"lot": made["id"], "plate": plate()}))
    full = client.post("/api/parking/reservations", json={"lot": made["id"], "plate": plate()})
    assert (full.status_code, code_of(full)) == (HTTPStatus.CONFLICT, "lot_full")
    assert must(visit.nobody.get("/health/detailed"))["cache"]["state"] == "up"


@walk(PARKING, "GET /api/health")
def health(visit: Visit) -> None:
    assert must(visit.nobody.get("/api/health")) == {"status": "healthy"}


@difference("Databases and caches publish no ports")
def no_ports(visit: Visit) -> None:
    services = (ROOT / "docker-compose.yml").read_text().partition("\nservices:\n")[2].split("\n\n")
    assert [text.split(":")[0].strip() for text in services if "\n    ports:" in text] == ["proxy"]
    assert "url" not in visit.nobody.get("/health/detailed").text
