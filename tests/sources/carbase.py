"""CarBase: accounts, the registry and its sync."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus

from tests.sources.visit import Visit, code_of, difference, must, walk, word

CARBASE = "CarBase"


@walk(CARBASE, "POST /api/auth/signup")
def signup(visit: Visit) -> None:
    body, answer = visit.register()
    assert answer["access_token"]
    assert answer["user"]["email"] == body["email"]
    taken = visit.nobody.post("/api/auth/signup", json=body | {"email": body["email"].upper(), "username": word()})
    assert (taken.status_code, code_of(taken)) == (HTTPStatus.CONFLICT, "email_taken")
    taken = visit.nobody.post("/api/auth/signup", json=body | {"email": f"{word()}@example.com"})
    assert (taken.status_code, code_of(taken)) == (HTTPStatus.CONFLICT, "username_taken")
    assert visit.nobody.post("/api/auth/signup", json={"email": body["email"]}).status_code == HTTPStatus.BAD_REQUEST


@walk(CARBASE, "POST /api/auth/login")
def login(visit: Visit) -> None:
    body, _ = visit.register()
    for name in ("email", "username"):
        credentials = {name: body[name].upper(), "password": body["password"]}
        assert {"access_token", "refresh_token"} <= must(visit.nobody.post("/api/auth/login", json=credentials)).keys()
    wrong = visit.nobody.post("/api/auth/login", json={"email": body["email"], "password": "another-Harbour-42"})
    assert wrong.status_code == HTTPStatus.UNAUTHORIZED


@walk(CARBASE, "GET /api/cars?make&model&year&page&limit")
def list_cars(visit: Visit) -> None:
    client, make = visit.as_("alice"), word()
    for year in (2019, 2020, 2021):
        must(client.post("/api/cars", json={"make": make, "model": "Corolla", "year": year}))
    page = must(client.get(f"/api/cars?make={make}&page=2&limit=2"))
    assert (page["count"], [row["year"] for row in page["results"]]) == (3, [2021])
    assert must(client.get(f"/api/cars?make={make}&model=Corolla&year=2020"))["count"] == 1
    for bad in ("limit=101", "year=new", "colour=red"):
        assert client.get(f"/api/cars?{bad}").status_code == HTTPStatus.BAD_REQUEST, bad


@walk(CARBASE, "GET /api/cars/<id>")
def read_car(visit: Visit) -> None:
    client = visit.as_("alice")
    car = must(client.post("/api/cars", json={"make": word(), "model": "Corolla", "year": 2021}))
    assert must(client.get(f"/api/cars/{car['id']}")) == car
    assert client.get(f"/api/cars/{2**62}").status_code == HTTPStatus.NOT_FOUND


@walk(CARBASE, "POST /api/cars")
def create_car(visit: Visit) -> None:
    client, car = visit.as_("alice"), {"make": word(), "model": "Corolla", "year": 2021}
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: client.post("/api/cars", json=car), range(16)))
    (made,) = (answer.json()["id"] for answer in answers if answer.status_code == HTTPStatus.CREATED)
    refused = [answer.json()["errors"][0] for answer in answers if answer.status_code == HTTPStatus.CONFLICT]
    assert len(refused) == 15
    assert {(error["code"], error["meta"]["existing_id"]) for error in refused} == {("duplicate_car", made)}


@walk(CARBASE, "PUT/PATCH/DELETE /api/cars/<id>")
def change_car(visit: Visit) -> None:
    client, make = visit.as_("alice"), word()
    url = f"/api/cars/{must(client.post('/api/cars', json={'make': make, 'model': 'Corolla', 'year': 2021}))['id']}"
    assert must(client.patch(url, json={"model": "Camry"}))["model"] == "Camry"
    assert must(client.put(url, json={"make": make, "model": "Civic", "year": 2022}))["year"] == 2022
    for name in ("id", "created_at", "colour"):
        assert client.patch(url, json={name: 1}).status_code == HTTPStatus.BAD_REQUEST, name
    assert visit.as_("bob").delete(url).status_code == HTTPStatus.FORBIDDEN
    assert client.delete(url).status_code == HTTPStatus.NO_CONTENT
    assert client.get(url).status_code == HTTPStatus.NOT_FOUND


@walk(CARBASE, "POST /api/cars/sync-cars")
def sync_cars(visit: Visit) -> None:
    requested = visit.as_("admin").post("/api/cars/sync-cars")
    assert requested.status_code == HTTPStatus.ACCEPTED
    run = must(visit.as_("admin").get(requested.json()["status_url"]))
    assert (run["id"], run["source"]) == (requested.json()["run_id"], "cars")
    assert visit.nobody.post("/api/cars/sync-cars").status_code == HTTPStatus.UNAUTHORIZED


@walk(CARBASE, "sync every 5 minutes, logs/sync_cars.log")
def scheduled_sync(visit: Visit) -> None:
    client = visit.as_("admin")
    (cars,) = (row for row in must(client.get("/api/sync/status"))["sources"] if row["name"] == "cars")
    assert cars["next_run_at"] or cars["missing"]
    must(client.post("/api/sync/trigger", json={"source": "cars"}))
    log = visit.platform.folder / "logs" / "sync_cars.log"
    visit.platform.until("the sync's log", lambda: log.exists() and log.read_text(), within=60)
    assert {"event", "timestamp"} <= json.loads(log.read_text().splitlines()[0]).keys()


@walk(CARBASE, "400, 401, 404, 409, 500")
def errors(visit: Visit) -> None:
    client, car = visit.as_("alice"), {"make": word(), "model": "Corolla", "year": 2021}
    must(client.post("/api/cars", json=car))
    answers = {
        HTTPStatus.BAD_REQUEST: client.post("/api/cars", json={"make": "Toyota\0"}),
        HTTPStatus.UNAUTHORIZED: visit.nobody.get("/api/cars"),
        HTTPStatus.NOT_FOUND: client.get("/api/nothing"),
        HTTPStatus.CONFLICT: client.post("/api/cars", json=car),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        assert answer.json()["type"] in ("validation_error", "client_error")
        assert {"code", "detail", "attr"} <= answer.json()["errors"][0].keys()


@difference("Synced cars are written by staff, manual ones by their creator")
def whose_cars(visit: Visit) -> None:
    car = must(visit.as_("alice").post("/api/cars", json={"make": word(), "model": "Corolla", "year": 2021}))
    url = f"/api/cars/{car['id']}"
    assert visit.as_("bob").patch(url, json={"model": "Camry"}).status_code == HTTPStatus.FORBIDDEN
    assert must(visit.as_("admin").patch(url, json={"model": "Camry"}))["model"] == "Camry"


@difference("Passwords that are short or common are refused")
def weak_passwords(visit: Visit) -> None:
    person = {"username": word(), "email": f"{word()}@example.com"}
    for password, status, code in (
        ("pass123", HTTPStatus.BAD_REQUEST, "min_length"),
        ("password123", HTTPStatus.UNPROCESSABLE_ENTITY, "password_too_common"),
    ):
        answer = visit.nobody.post("/api/auth/register", json=person | {"password": password})
        assert (answer.status_code, code_of(answer)) == (status, code)
    assert must(visit.nobody.post("/api/auth/register", json=person | {"password": "blue-Harbour-42"}))
