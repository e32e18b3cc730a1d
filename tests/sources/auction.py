"""Vehicle Auction: Clerk, listings, bids, and what follows the hammer."""

from __future__ import annotations

import json
from collections import defaultdict
from decimal import Decimal
from http import HTTPStatus
from typing import Any

from tests.clients.demo import METRICS_TOKEN
from tests.sources.visit import Visit, code_of, difference, must, walk, word

AUCTION = "Vehicle Auction"
SELLER = "dora"
CAR = {"year": 1970, "make": "Volkswagen", "model": "Type 2"}
SAMPLE_VIN = "12345678901234567"


def draft(visit: Visit) -> dict[str, Any]:
    """Of an old car with a short chassis number, of which there are as many as are wanted."""
    body = CAR | {"vin": word()[1:].upper(), "vin_exempt_reason": "Built before there were check digits."}
    return must(visit.as_(SELLER).post("/api/vehicles", json=body))


def rows(visit: Visit, name: str, path: str) -> list[dict[str, Any]]:
    return must(visit.as_(name).get(path))["results"]


@walk(AUCTION, "POST /api/auth/clerk-sync")
@difference("Signing in with Clerk takes Clerk's token")
def clerk(visit: Visit) -> None:
    said = {"clerk_user_id": "user_1", "email": "alice@example.com", "first_name": "Al", "last_name": "Ice"}
    for body in (said, said | {"token": "e30.e30.e30"}):
        assert visit.nobody.post("/api/auth/clerk-sync", json=body).status_code == HTTPStatus.UNAUTHORIZED


@walk(AUCTION, "GET /api/auth/me")
def me(visit: Visit) -> None:
    assert must(visit.as_("alice").get("/api/auth/me"))["email"] == "alice@example.com"
    assert visit.nobody.get("/api/auth/me").status_code == HTTPStatus.UNAUTHORIZED


@walk(AUCTION, "GET /api/vehicles, /api/vehicles/{id}")
def listings(visit: Visit) -> None:
    shown = must(visit.nobody.get("/api/vehicles?max_price=1000000"))
    assert shown["count"] > 0
    assert must(visit.nobody.get("/api/vehicles?max_price=1"))["count"] == 0
    assert visit.nobody.get("/api/vehicles?colour=red").status_code == HTTPStatus.BAD_REQUEST
    one = must(visit.nobody.get(f"/api/vehicles/{shown['results'][0]['id']}"))
    assert "reserve_price" not in one
    hidden = draft(visit)["id"]
    assert visit.nobody.get(f"/api/vehicles/{hidden}").status_code == HTTPStatus.NOT_FOUND
    assert must(visit.as_(SELLER).get(f"/api/vehicles/{hidden}"))["status"] == "draft"


@walk(AUCTION, "POST /api/vehicles")
def list_a_car(visit: Visit) -> None:
    made = draft(visit)
    assert made["status"] == "draft"
    same = {name: made[name] for name in ("year", "make", "model", "vin")} | {"vin_exempt_reason": "The same."}
    again = visit.as_(SELLER).post("/api/vehicles", json=same)
    assert again.status_code == HTTPStatus.CONFLICT
    url = f"/api/vehicles/{made['id']}"
    assert must(visit.as_(SELLER).patch(url, json={"mileage": 120000}))["mileage"] == 120000
    assert visit.as_(SELLER).delete(url).status_code == HTTPStatus.NO_CONTENT
    unverified = visit.newcomer().post("/api/vehicles", json=CAR | {"vin": "1M8GDM9AXKP042788"})
    assert unverified.status_code == HTTPStatus.FORBIDDEN


@walk(AUCTION, "POST /api/vehicles/{id}/submit")
def submit(visit: Visit) -> None:
    url = f"/api/vehicles/{draft(visit)['id']}/submit"
    answer = visit.as_(SELLER).post(url)
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert len(answer.json()["errors"]) > 1
    assert visit.as_("alice").post(url).status_code == HTTPStatus.NOT_FOUND


@walk(AUCTION, "POST /api/vehicles/{id}/upload-url")
@difference("Only photos and papers are uploaded, by their seller")
def upload(visit: Visit) -> None:
    url = f"/api/vehicles/{draft(visit)['id']}/upload-url"
    photo = {"filename": "front.jpg", "content_type": "image/jpeg", "size": 4}
    program = {"filename": "car.exe", "content_type": "application/x-msdownload", "size": 4}
    assert visit.as_(SELLER).post(url, json=program).status_code in (
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    )
    assert visit.nobody.post(url, json=photo).status_code == HTTPStatus.UNAUTHORIZED
    form = must(visit.as_(SELLER).post(url, json=photo))
    posted = visit.nobody.post(form["url"], data=form["fields"], files={"file": ("front.jpg", b"\xff\xd8\xff\xd9")})
    assert posted.status_code == HTTPStatus.NO_CONTENT


@walk(AUCTION, "models User, Role, SellerProfile")
def sellers(visit: Visit) -> None:
    client = visit.newcomer()
    body = {"business_name": "Harbour Motors", "dealer_license_number": word(), "tax_id": word()}
    made = must(client.put("/api/seller-profile", json=body))
    assert made["status"] == "pending"
    approved = must(visit.as_("moderator").post(f"/api/seller-profiles/{made['id']}/approve"))
    assert approved["status"] == "approved"
    (person,) = must(visit.as_("admin").get("/api/users?search=moderator@example.com"))["results"]
    assert person["groups"] == ["moderator"]


@walk(AUCTION, "models Vehicle, VehicleImage, VehicleDocument")
def files(visit: Visit) -> None:
    listing = next(row for row in rows(visit, "alice", "/api/vehicles") if row["status"] == "in_auction")
    images = must(visit.nobody.get(f"/api/vehicles/{listing['id']}/images"))
    assert images["count"] > 0
    must(visit.as_(SELLER).get(f"/api/vehicles/{listing['id']}/documents"))
    made = draft(visit)
    assert must(visit.as_(SELLER).get(f"/api/garage/{made['vehicle']}"))["model"] == made["model"]


@walk(AUCTION, "models Auction, Bid")
def bids(visit: Visit) -> None:
    (*_, auction) = rows(visit, "bob", "/api/auctions?status=live")
    url = f"/api/auctions/{auction['id']}"
    must(visit.as_("bob").post(f"{url}/bids", json={"amount": str(Decimal(auction["min_next"]) + 1000)}))
    low = visit.as_("carol").post(f"{url}/bids", json={"amount": "1"})
    assert low.status_code == HTTPStatus.CONFLICT
    assert code_of(low) in ("bid_too_low", "max_not_raised")  # The latter to whoever bids already.
    assert rows(visit, "bob", "/api/bids/mine")
    assert any(row["status"] == "sold" for row in rows(visit, "bob", "/api/auctions"))


@walk(AUCTION, "models Watchlist, SavedSearch, Notification")
def watching(visit: Visit) -> None:
    (*_, auction) = rows(visit, "carol", "/api/auctions?status=live")
    watch = f"/api/auctions/{auction['id']}/watch"
    client = visit.newcomer()
    must(client.put(watch))
    assert must(client.get("/api/watchlist"))["count"] == 1
    must(client.delete(watch))
    assert must(client.get("/api/watchlist"))["count"] == 0
    search = {"name": "Accords", "filters": {"make": "Honda"}, "cadence": "daily"}
    must(client.post("/api/saved-searches", json=search))
    assert must(client.get("/api/saved-searches"))["count"] == 1
    assert rows(visit, "alice", "/api/notifications")


@walk(AUCTION, "model Offer")
def offers(visit: Visit) -> None:
    (offer, *_) = rows(visit, "carol", "/api/offers?status=pending")
    countered = visit.as_(SELLER).post(f"/api/offers/{offer['id']}/counter", json={"amount": "17500.00"})
    assert must(countered)["made_by"] == "seller"
    assert must(visit.as_("carol").get(f"/api/offers/{offer['id']}"))["status"] == "countered"


@walk(AUCTION, "model Order")
def orders(visit: Visit) -> None:
    (order, *_) = rows(visit, "alice", "/api/orders")
    assert must(visit.as_("alice").get(f"/api/orders/{order['id']}/events"))["results"]
    assert visit.newcomer().get(f"/api/orders/{order['id']}").status_code == HTTPStatus.NOT_FOUND


@walk(AUCTION, "models Invoice, Payment, Refund")
def money(visit: Visit) -> None:
    years = defaultdict[str, list[int]](list)  # Each begins with 1 again; the demo's sales may lie in two.
    for row in rows(visit, "finance", "/api/invoices?limit=100"):
        _, year, number = row["number"].split("-")
        years[year].append(int(number))
    assert all(sorted(numbers) == list(range(1, len(numbers) + 1)) for numbers in years.values())
    (invoice, *_) = rows(visit, "alice", "/api/invoices")
    pdf = visit.as_("alice").get(f"/api/invoices/{invoice['id']}/pdf", headers={"Accept": "application/pdf"})
    assert pdf.content.startswith(b"%PDF")
    paid = next(row for row in rows(visit, "finance", "/api/payments") if row["status"] == "succeeded")
    asked = {"amount": "1.00", "reason": "A test."}
    refund = must(visit.as_("finance").post(f"/api/payments/{paid['id']}/refunds", json=asked))
    assert refund["status"] == "requested"
    assert refund["id"] in {row["id"] for row in rows(visit, "finance", "/api/refunds")}
    unsigned = visit.nobody.post("/api/webhooks/sandbox", json={})
    assert (unsigned.status_code, code_of(unsigned)) == (HTTPStatus.UNAUTHORIZED, "bad_signature")


@walk(AUCTION, "models TitleTransfer, TransportOrder")
def delivery(visit: Visit) -> None:
    for path in ("/api/title-transfers", "/api/transport-orders", "/api/payouts"):
        assert rows(visit, "admin", path), path
    transferred = next(row for row in rows(visit, "admin", "/api/title-transfers") if row["status"] == "completed")
    order = must(visit.as_("admin").get(f"/api/orders/{transferred['order']}"))
    listing = must(visit.as_("admin").get(f"/api/vehicles/{order['listing']}"))
    assert must(visit.as_("admin").get(f"/api/garage/{listing['vehicle']}"))["owner"] == order["buyer"]


@walk(AUCTION, "VIN decoding with a mock fallback")
def decode(visit: Visit) -> None:
    answer = must(visit.as_("alice").post("/api/vin/decode", json={"vin": "1HGCM82633A004352"}))
    assert (answer["source"], answer["verified"]) == ("vininfo", False)
    assert must(visit.as_("alice").get("/api/vin/1HGCM82633A004352"))["model_year"] == 2003


@walk(AUCTION, "WebSocket events")
@difference("Events come as server-sent events")
def stream(visit: Visit) -> None:
    (*_, auction) = rows(visit, "alice", "/api/auctions?status=live")
    with visit.nobody.stream("GET", f"/api/auctions/{auction['id']}/stream") as events:
        assert events.headers["content-type"].startswith("text/event-stream")
        data = next(line for line in events.iter_lines() if line.startswith("data: "))
    assert json.loads(data.removeprefix("data: "))["status"] == "live"


@walk(AUCTION, "structlog, X-Request-ID")
def request_id(visit: Visit) -> None:
    name = word()
    assert visit.nobody.get("/api/vehicles", headers={"X-Request-ID": name}).headers["X-Request-ID"] == name
    log = visit.platform.until("the log line", lambda: name in visit.platform.log("web"), within=60)
    assert log


@walk(AUCTION, "/health, /health/detailed, /metrics")
def health(visit: Visit) -> None:
    assert must(visit.nobody.get("/health")) == {"status": "healthy"}
    assert must(visit.nobody.get("/health/detailed"))["database"]["state"] == "up"
    figures = visit.nobody.get("/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"})
    assert "forecourt_component_up" in figures.text
    assert not visit.as_("alice").get("/metrics").is_success


@difference("The sample VIN is refused")
def sample_vin(visit: Visit) -> None:
    body = {"vin": SAMPLE_VIN, "year": 2020, "make": "Toyota", "model": "Camry"}
    answer = visit.as_(SELLER).post("/api/vehicles", json=body)
    assert (answer.status_code, code_of(answer)) == (HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_vin")
