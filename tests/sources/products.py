"""Products: roles, the catalogue and its sync."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from tests.e2e.processes import ROOT
from tests.sources.visit import Visit, difference, must, walk, word

PRODUCTS = "Products"
CATALOGUE = "/api/workshop/products"


def product(visit: Visit) -> dict[str, Any]:
    body = {"name": f"Test {word()}", "description": "A test product", "price": 29.99, "category": f"Test {word()}"}
    return must(visit.as_("admin").post(CATALOGUE, json=body))


def sync(visit: Visit) -> dict[str, Any]:
    """A finished run of the products."""
    client = visit.as_("admin")
    (run,) = must(client.post("/api/sync/trigger", json={"source": "products"}))["runs"]
    over = ("succeeded", "partial", "failed", "skipped")

    def finished() -> dict[str, Any] | None:
        found = must(client.get(run["status_url"]))
        return found if found["status"] in over else None

    return visit.platform.until("the sync", finished, within=90) or {}


@walk(PRODUCTS, "POST /auth/register, /auth/login, GET /auth/me")
def accounts(visit: Visit) -> None:
    body, _ = visit.register()
    pair = must(visit.nobody.post("/api/auth/login", json={"email": body["email"], "password": body["password"]}))
    with visit.platform.client(pair["access_token"]) as client:
        assert must(client.get("/api/auth/me"))["email"] == body["email"]


@walk(PRODUCTS, "roles admin, user")
@difference("Nobody registers as an administrator")
def roles(visit: Visit) -> None:
    person = {"email": f"{word()}@example.com", "password": "blue-Harbour-42", "role": "admin"}
    assert visit.nobody.post("/api/auth/register", json=person).status_code == HTTPStatus.FORBIDDEN
    _, plain = visit.register()
    assert plain["user"]["roles"] == []


@walk(PRODUCTS, "GET /products?skip&limit")
def list_products(visit: Visit) -> None:
    made = product(visit)
    assert len(must(visit.nobody.get(f"{CATALOGUE}?skip=0&limit=1"))["results"]) == 1
    found = must(
        visit.nobody.get(CATALOGUE, params={"category": made["category"], "min_price": "29", "ordering": "price"})
    )
    assert [row["id"] for row in found["results"]] == [made["id"]]


@walk(PRODUCTS, "GET /products/{id}")
def read_product(visit: Visit) -> None:
    made = product(visit)
    assert must(visit.nobody.get(f"{CATALOGUE}/{made['id']}"))["price"] == "29.99"
    assert visit.nobody.get(f"{CATALOGUE}/{2**62}").status_code == HTTPStatus.NOT_FOUND


@walk(PRODUCTS, "POST/PUT/DELETE /products")
def write_products(visit: Visit) -> None:
    url = f"{CATALOGUE}/{product(visit)['id']}"
    body = {"name": "Renamed", "description": "", "price": "31.00", "category": "Test"}
    assert visit.nobody.put(url, json=body).status_code == HTTPStatus.UNAUTHORIZED
    assert visit.as_("alice").put(url, json=body).status_code == HTTPStatus.FORBIDDEN
    assert must(visit.as_("service_advisor").put(url, json=body))["name"] == "Renamed"
    assert visit.as_("admin").delete(url).status_code == HTTPStatus.NO_CONTENT
    assert visit.nobody.get(url).status_code == HTTPStatus.NOT_FOUND


@walk(PRODUCTS, "POST /sync/trigger, GET /sync/status")
def trigger(visit: Visit) -> None:
    assert visit.as_("alice").post("/api/sync/trigger").status_code == HTTPStatus.FORBIDDEN
    run = sync(visit)
    assert (run["status"], run["counts"]["fetched"] > 0) == ("succeeded", True)
    names = {source["name"] for source in must(visit.as_("admin").get("/api/sync/status"))["sources"]}
    assert {"cars", "products"} <= names


@walk(PRODUCTS, "sync every 30 minutes, upsert by external_id")
def upsert(visit: Visit) -> None:
    sync(visit)
    counts, before = sync(visit)["counts"], must(visit.nobody.get(CATALOGUE))["count"]
    assert (counts["created"], counts["updated"]) == (0, 0)
    assert before >= counts["fetched"] > 0


@walk(PRODUCTS, "Alembic migrations, Docker Compose with health checks, .env, start scripts")
def start(visit: Visit) -> None:
    compose = (ROOT / "docker-compose.yml").read_text()
    for service in ("postgres", "redis", "api", "worker", "beat", "proxy"):
        assert f"\n  {service}:\n" in compose
    assert compose.count("healthcheck:") >= 4
    assert (ROOT / ".env.example").exists()
    assert must(visit.nobody.get("/health")) == {"status": "healthy"}
