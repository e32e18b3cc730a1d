"""GET /api/orders, /api/orders/{id} and /api/orders/{id}/events: who sees what of a sale."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from auctions.models import Auction, Order, TransportOrder
from auctions.services.gate_passes import revoke_pass
from auctions.services.orders import dispute_order, resolve_dispute
from auctions.services.settling import move, record
from tests.auctions.factories import AuctionFactory, OrderFactory
from tests.auctions.orders import TOTAL, delivered_order, invoice_of, invoiced_order, paid_order, pay

pytestmark = pytest.mark.django_db

URL = "/api/orders"


def transport_of(order: Order, **fields: Any) -> TransportOrder:
    addresses = {"pickup_address": "1 Lot Road", "delivery_address": "2 Home Street"}
    return TransportOrder.objects.create(order=order, currency="USD", **addresses | fields)


def ids(client: APIClient, query: str = "") -> list[int]:
    answer = client.get(f"{URL}{query}")
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]


# --- An order


def test_an_order_that_nobody_has_touched_yet(as_user: Any) -> None:
    auction: Auction = AuctionFactory()
    order = OrderFactory(listing=auction.listing, auction=auction)
    answer = as_user(order.buyer).get(f"{URL}/{order.pk}")
    assert answer.status_code == 200, answer.content
    found = answer.json()
    times = {name: found.pop(name) for name in ("payment_due_at", "default_at", "created_at", "updated_at")}
    assert found == {
        "id": order.pk,
        "order_number": order.order_number,
        "auction": auction.pk,
        "listing": auction.listing_id,
        "vehicle": "2018 Honda Accord",
        "buyer": order.buyer_id,
        "seller": order.seller_id,
        "hammer_price": "1000.00",
        "currency": "USD",
        "status": "awaiting_payment",
        "delivery": "",
        "paid_at": None,
        "invoice": None,
        "title_transfer": None,
        "transport_order": None,
    }
    assert all(text.endswith("Z") for text in times.values())
    assert as_user(order.buyer).get(f"{URL}/{order.pk}", HTTP_IF_NONE_MATCH=answer["ETag"]).status_code == 304


def test_a_paid_order_shows_what_belongs_to_it(as_user: Any) -> None:
    order = paid_order()
    found = as_user(order.buyer).get(f"{URL}/{order.pk}").json()
    assert (found["status"], found["delivery"], found["paid_at"] is None) == ("paid", "self_pickup", False)
    assert found["invoice"].pop("due_at").endswith("Z")
    assert found["invoice"] == {
        "id": order.invoice.pk,
        "number": order.invoice.number,
        "status": "paid",
        "total": "1325.00",
        "paid": "1325.00",
        "credited": "0.00",
        "balance": "0.00",
        "credit": "0.00",
    }
    assert found["title_transfer"] == {"id": order.title_transfer.pk, "status": "awaiting_seller_documents"}


def test_money_beyond_what_is_owed_is_a_visible_credit(as_user: Any) -> None:
    order = invoiced_order()
    pay(order, TOTAL + Decimal("0.50"))
    invoice = as_user(order.buyer).get(f"{URL}/{order.pk}").json()["invoice"]
    assert (invoice["balance"], invoice["credit"], invoice["paid"]) == ("0.00", "0.50", "1325.50")


def test_a_transport_that_was_cancelled_is_not_shown(as_user: Any) -> None:
    order = OrderFactory()
    transport_of(order, status="cancelled")
    client = as_user(order.buyer)
    assert client.get(f"{URL}/{order.pk}").json()["transport_order"] is None
    standing = transport_of(order)
    shown = client.get(f"{URL}/{order.pk}").json()["transport_order"]
    assert shown == {"id": standing.pk, "status": "quote_requested"}


# --- Who sees it


def test_buyer_seller_and_staff_see_it_and_nobody_else(as_user: Any, make_user: Any, api: APIClient) -> None:
    order = invoiced_order()
    shown = {"moderator": 200, "finance": 200, "mechanic": 404, "service_advisor": 404, "parking_attendant": 404}
    for role, status in shown.items():
        client = as_user(make_user(roles=[role]))
        assert client.get(f"{URL}/{order.pk}").status_code == status, role
        assert ids(client) == ([order.pk] if status == 200 else [])
    for party in (order.buyer, order.seller):
        assert ids(as_user(party)) == [order.pk]
    stranger = as_user(make_user())
    assert (ids(stranger), stranger.get(f"{URL}/{order.pk}").status_code) == ([], 404)
    assert api.get(URL).status_code == api.get(f"{URL}/{order.pk}").status_code == 401


def test_the_invoice_is_between_the_buyer_and_the_house(as_user: Any, make_user: Any) -> None:
    order = invoiced_order()
    people = {name: make_user(roles=[name]) for name in ("moderator", "finance")}
    seen = {}
    for name, person in ({"buyer": order.buyer, "seller": order.seller} | people).items():
        client = as_user(person)
        row, detail = client.get(URL).json()["results"][0], client.get(f"{URL}/{order.pk}").json()
        assert row == detail
        seen[name] = detail["invoice"] is not None
    assert seen == {"buyer": True, "seller": False, "moderator": False, "finance": True}


def test_the_list_costs_as_many_queries_for_many_as_for_one(as_user: Any, make_user: Any) -> None:
    client = as_user(make_user(roles=["finance"]))

    def queries() -> int:
        with CaptureQueriesContext(connection) as made:
            client.get(URL)
        return len(made)

    for _ in range(2):
        transport_of(paid_order())
    few = queries()
    for _ in range(4):
        transport_of(paid_order())
    assert queries() == few
    assert len(ids(client)) == 6


# --- Filters


def test_the_filters_find_what_they_say(as_user: Any, user: User) -> None:
    auction = AuctionFactory()
    bought = OrderFactory(buyer=user, listing=auction.listing, auction=auction)
    sold = OrderFactory(listing__seller=user, status="overdue", hammer_price=Decimal(2000))
    OrderFactory()
    Order.objects.filter(pk=sold.pk).update(created_at=timezone.now() - timedelta(days=2))
    client, yesterday = as_user(user), (timezone.now() - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert ids(client) == [sold.pk, bought.pk]
    for query, found in {
        "?role=buyer": [bought],
        "?role=seller": [sold],
        "?status=overdue": [sold],
        f"?listing={bought.listing_id}": [bought],
        f"?auction={auction.pk}": [bought],
        f"?created_after={yesterday}": [bought],
        f"?created_before={yesterday}": [sold],
        "?ordering=id": [bought, sold],
        "?ordering=-hammer_price": [sold, bought],
        "?role=buyer&status=overdue": [],
    }.items():
        assert ids(client, query) == [order.pk for order in found], query


@pytest.mark.parametrize(
    "query",
    [
        "role=staff",
        "role=",
        "status=gone",
        "listing=x",
        "buyer=1",
        "created_after=monday",
        "created_after=2026-01-02T00:00:00Z&created_before=2026-01-01T00:00:00Z",
        "ordering=seller",
    ],
)
def test_bad_parameters_are_refused(as_user: Any, user: User, query: str) -> None:
    assert as_user(user).get(f"{URL}?{query}").status_code == 400


# --- The timeline


def timeline(client: APIClient, order: Order) -> list[tuple[str, str]]:
    answer = client.get(f"{URL}/{order.pk}/events")
    assert answer.status_code == 200, answer.content
    return [(row["subject"], row["new"]) for row in answer.json()["results"]]


def test_the_timeline_tells_each_party_what_it_may_know(as_user: Any, make_user: Any) -> None:
    order = delivered_order()
    everything = timeline(as_user(make_user(roles=["finance"])), order)
    assert everything == [
        ("invoice", "issued"),
        ("order", "paid"),
        ("title_transfer", "pending"),
        ("title_transfer", "awaiting_seller_documents"),
        ("gate_pass", "issued"),
        ("payout", "due"),
        ("order", "title_processing"),
        ("order", "delivered"),
    ]
    assert timeline(as_user(order.buyer), order) == [row for row in everything if row[0] != "payout"]
    assert timeline(as_user(order.seller), order) == [row for row in everything if row[0] != "invoice"]
    assert as_user(make_user()).get(f"{URL}/{order.pk}/events").status_code == 404


def test_an_event_says_who_why_and_when(as_user: Any) -> None:
    order = paid_order()
    moment = timezone.now()
    dispute_order(order_id=order.pk, actor=order.buyer, reason="Another engine.", now=moment)
    rows = as_user(order.seller).get(f"{URL}/{order.pk}/events").json()["results"]
    event = next(row for row in rows if row["new"] == "disputed")
    assert event == {
        "id": event["id"],
        "subject": "order",
        "subject_id": order.pk,
        "old": "paid",
        "new": "disputed",
        "reason": "Another engine.",
        "details": {},
        "actor": order.buyer_id,
        "at": moment.isoformat().replace("+00:00", "Z"),
    }


def test_the_price_of_the_transport_is_not_the_sellers_business(as_user: Any, make_user: Any) -> None:
    order = OrderFactory()
    asked = transport_of(order)
    details = {"amount": "450.00", "currency": "USD", "carrier": "Fast"}
    with transaction.atomic():
        quote = {"actor": None, "now": timezone.now(), "details": details, "quoted_price": Decimal(450)}
        move(asked, "quoted", **quote)
    finance = make_user(roles=["finance"])
    for person, shown in ((order.seller, {"carrier": "Fast"}), (order.buyer, details), (finance, details)):
        assert as_user(person).get(f"{URL}/{order.pk}/events").json()["results"][0]["details"] == shown


def test_staff_see_what_happened_to_the_rows_that_they_may_view(as_user: Any, make_user: Any) -> None:
    order = delivered_order()
    assert timeline(as_user(make_user(roles=["moderator"])), order) == [
        ("order", "paid"),
        ("order", "title_processing"),
        ("order", "delivered"),
    ]


def test_which_of_the_staff_did_it_is_told_to_staff(as_user: Any, make_user: Any) -> None:
    order, finance = paid_order(), make_user(roles=["finance"])
    dispute_order(order_id=order.pk, actor=order.buyer, reason="Another engine.", now=timezone.now())
    resolve_dispute(order_id=order.pk, actor=finance, outcome="back", now=timezone.now())

    def actors(viewer: User) -> list[int | None]:
        rows = as_user(viewer).get(f"{URL}/{order.pk}/events").json()["results"]
        return [row["actor"] for row in rows if row["subject"] == "order"][-2:]

    assert actors(order.buyer) == actors(order.seller) == [order.buyer_id, None]
    for role in ("moderator", "finance"):
        assert actors(make_user(roles=[role])) == [order.buyer_id, finance.pk]


def test_what_is_between_the_house_and_one_party_is_not_told_the_other(as_user: Any, make_user: Any) -> None:
    order, now = paid_order(), timezone.now()
    facts: dict[str, Any] = {"actor": None, "now": now}
    with transaction.atomic():
        title = {"row": order.title_transfer, "subject": "title_transfer", "old": "under_review"}
        record(new="rejected_documents", reason="Unsigned.", **title, **facts)
        record(new="lien_pending", details={"lien_holder": "First Bank", "due_at": "soon"}, **title, **facts)
        revoke_pass(order, reason="A refund.", **facts)

    def told(viewer: User) -> list[tuple[str, str, dict[str, str]]]:
        rows = as_user(viewer).get(f"{URL}/{order.pk}/events").json()["results"][-3:]
        return [(row["new"], row["reason"], row["details"]) for row in rows]

    rejected, held, revoked = told(make_user(roles=["finance"]))
    assert rejected == ("rejected_documents", "Unsigned.", {})
    assert held == ("lien_pending", "", {"lien_holder": "First Bank", "due_at": "soon"})
    assert revoked == ("revoked", "A refund.", {})
    assert told(order.buyer) == [("rejected_documents", "", {}), ("lien_pending", "", {"due_at": "soon"}), revoked]
    assert told(order.seller) == [rejected, held, ("revoked", "", {})]


def test_the_timeline_comes_in_pages_at_a_fixed_price(as_user: Any) -> None:
    order = delivered_order()
    client = as_user(order.buyer)
    answer = client.get(f"{URL}/{order.pk}/events?limit=2").json()
    assert len(answer["results"]) == 2
    with CaptureQueriesContext(connection) as made:
        client.get(f"{URL}/{order.pk}/events")
    assert len(made) <= 12, [query["sql"][:100] for query in made]


def test_the_invoice_of_the_test_is_what_the_quote_says() -> None:
    assert invoice_of(invoiced_order()).total == TOTAL
