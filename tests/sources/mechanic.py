"""Mechanic Shop: customers, mechanics, tickets and parts."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from tests.e2e.processes import ROOT
from tests.sources.visit import Visit, code_of, difference, must, walk, word

SHOP = "Mechanic Shop"
WORKSHOP = "/api/workshop"


def customer(visit: Visit) -> dict[str, Any]:
    body = {"name": "Casey Jones", "email": f"{word()}@example.com"}
    return must(visit.as_("service_advisor").post(f"{WORKSHOP}/customers", json=body))


def ticket(visit: Visit) -> dict[str, Any]:
    body = {"customer": customer(visit)["id"], "vin": "1M8GDM9AXKP042788", "description": "Squeals when braking."}
    body["service_date"] = "2030-01-15"
    return must(visit.as_("service_advisor").post(f"{WORKSHOP}/service-tickets", json=body))


def part(visit: Visit, **more: Any) -> dict[str, Any]:
    body = {"name": "Oil filter", "sku": word().upper(), "price": "12.90", "cost": "6.40", **more}
    return must(visit.as_("service_advisor").post(f"{WORKSHOP}/inventory", json=body))


@walk(SHOP, "POST /login")
def login(visit: Visit) -> None:
    body, registered = visit.register()
    answer = visit.nobody.post("/api/auth/login", json={"email": body["email"], "password": body["password"]})
    assert must(answer)["access_token"]
    assert registered["user"]["roles"] == []
    assert body["password"] not in answer.text


@walk(SHOP, "GET /customers")
def customers(visit: Visit) -> None:
    customer(visit)
    page = must(visit.as_("service_advisor").get(f"{WORKSHOP}/customers?page=1&limit=1"))
    assert len(page["results"]) == 1 <= page["count"]
    assert visit.nobody.get(f"{WORKSHOP}/customers").status_code == HTTPStatus.UNAUTHORIZED
    own = must(visit.as_("alice").get(f"{WORKSHOP}/customers"))["results"]
    assert {row["email"] for row in own} <= {"alice@example.com"}


@walk(SHOP, "POST/PUT/DELETE /customers")
def change_customers(visit: Visit) -> None:
    client, made = visit.as_("service_advisor"), customer(visit)
    url = f"{WORKSHOP}/customers/{made['id']}"
    assert "password" not in made
    assert must(client.put(url, json={"name": "Casey James", "email": made["email"]}))["name"] == "Casey James"
    assert client.delete(url).status_code == HTTPStatus.NO_CONTENT
    kept = client.delete(f"{WORKSHOP}/customers/{ticket(visit)['customer']}")
    assert kept.status_code == HTTPStatus.CONFLICT


@walk(SHOP, "GET /mechanics/leaderboard")
def leaderboard(visit: Visit) -> None:
    rows = must(visit.as_("mechanic").get(f"{WORKSHOP}/mechanics/leaderboard?from=2020-01-01&to=2030-12-31"))["results"]
    counts = [row["ticket_count"] for row in rows]
    assert counts == sorted(counts, reverse=True)
    assert {"Mia", "Max"} <= {row["display_name"] for row in rows}


@walk(SHOP, "/mechanics CRUD")
def mechanics(visit: Visit) -> None:
    _, registered = visit.register()
    client, body = visit.as_("service_advisor"), {"display_name": "Dana", "hourly_rate": "60.00", "skills": ["brakes"]}
    url = f"{WORKSHOP}/mechanics"
    made = must(client.post(url, json=body | {"user": registered["user"]["id"]}))
    assert must(client.patch(f"{url}/{made['id']}", json={"hourly_rate": "65.00"}))["hourly_rate"] == "65.00"
    assert client.delete(f"{url}/{made['id']}").status_code == HTTPStatus.NO_CONTENT
    busy = next(row for row in must(client.get(f"{url}?limit=100"))["results"] if row["display_name"] == "Max")
    assert client.delete(f"{url}/{busy['id']}").status_code == HTTPStatus.CONFLICT


@walk(SHOP, "POST /service_tickets")
def tickets(visit: Visit) -> None:
    assert ticket(visit)["number"].startswith("RO-")
    owner = visit.as_("alice")
    body = {"make": "Honda", "model": "Accord", "year": 2003, "plate": word()[:8].upper()}
    vehicle = must(owner.post("/api/garage", json=body))
    request = {"vehicle": vehicle["id"], "service_date": "2030-01-15", "description": "It squeals."}
    assert must(owner.post(f"{WORKSHOP}/service-tickets", json=request))["status"] == "draft"


@walk(SHOP, "PUT /service_tickets/<id>/edit")
def edit_ticket(visit: Visit) -> None:
    client = visit.as_("service_advisor")
    url = f"{WORKSHOP}/service-tickets/{ticket(visit)['id']}/edit"
    mechanic = must(client.get(f"{WORKSHOP}/mechanics"))["results"][0]["id"]
    assert [row["id"] for row in must(client.put(url, json={"add_ids": [mechanic]}))["mechanics"]] == [mechanic]
    unknown = client.put(url, json={"add_ids": [2**62], "remove_ids": [mechanic]})
    assert unknown.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert unknown.json()["errors"][0]["attr"].startswith("add_ids")
    assert must(client.put(url, json={"remove_ids": [mechanic]}))["mechanics"] == []


@walk(SHOP, "GET /my-tickets")
def my_tickets(visit: Visit) -> None:
    page = must(visit.as_("alice").get(f"{WORKSHOP}/my-tickets?limit=1"))
    assert page["count"] >= 1
    of_status = must(visit.as_("alice").get(f"{WORKSHOP}/my-tickets?status={page['results'][0]['status']}"))
    assert {row["status"] for row in of_status["results"]} == {page["results"][0]["status"]}


@walk(SHOP, "/inventory CRUD")
def inventory(visit: Visit) -> None:
    client, made = visit.as_("service_advisor"), part(visit)
    url = f"{WORKSHOP}/inventory/{made['id']}"
    assert visit.nobody.get(url).status_code == HTTPStatus.UNAUTHORIZED
    assert visit.as_("alice").patch(url, json={"price": "1.00"}).status_code == HTTPStatus.FORBIDDEN
    assert must(client.patch(url, json={"price": "13.90"}))["price"] == "13.90"
    for body in ({"price": "-1"}, {"on_hand": "5"}):
        assert client.patch(url, json=body).status_code == HTTPStatus.BAD_REQUEST
    assert must(client.post(f"{url}/receive", json={"quantity": "10"}))["on_hand"] == "10.000"
    assert client.delete(url).status_code == HTTPStatus.CONFLICT
    must(client.post(f"{url}/archive"))
    unused = part(visit)["id"]
    assert client.delete(f"{WORKSHOP}/inventory/{unused}").status_code == HTTPStatus.NO_CONTENT


@walk(SHOP, "rate limits per route and globally")
def rate_limits(visit: Visit) -> None:
    headers = visit.as_("alice").get("/api/cars").headers
    assert {"ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"} <= headers.keys()


@walk(SHOP, "response caching")
def caching(visit: Visit) -> None:
    client, made = visit.as_("service_advisor"), part(visit)
    url = f"{WORKSHOP}/inventory?search={made['sku']}"
    first = client.get(url)
    assert client.get(url, headers={"If-None-Match": first.headers["etag"]}).status_code == HTTPStatus.NOT_MODIFIED
    must(client.patch(f"{WORKSHOP}/inventory/{made['id']}", json={"price": "14.90"}))
    assert must(client.get(url))["results"][0]["price"] == "14.90"


@walk(SHOP, "mechanic_shop.postman_collection.json, static/swagger.yaml")
def published(visit: Visit) -> None:
    collection = json.loads((ROOT / "docs" / "forecourt.postman_collection.json").read_text())
    assert {"baseUrl", "token"} <= {variable["key"] for variable in collection["variable"]}
    assert must(visit.nobody.get("/api/schema"))["openapi"].startswith("3.1")
    assert "swagger" in visit.nobody.get("/api/docs", headers={"Accept": "text/html"}).text


@difference("Customers, inventory and leaderboard need a sign-in")
def sign_in(visit: Visit) -> None:
    for path in ("customers", "inventory", "mechanics/leaderboard"):
        answer = visit.nobody.get(f"{WORKSHOP}/{path}")
        assert (answer.status_code, code_of(answer)) == (HTTPStatus.UNAUTHORIZED, "not_authenticated")
        must(visit.as_("mechanic").get(f"{WORKSHOP}/{path}"))
