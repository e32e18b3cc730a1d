"""Title transfers: how they begin, who moves them and in which order, what completes with them, and late ones."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from auctions.models import Listing, Order, Payout, Refund, SettlementEvent, TitleDeadline, TitleTransfer
from auctions.models.orders import DEAD_ORDER
from auctions.services import titles
from auctions.services.orders import dispute_order, resolve_dispute
from auctions.tasks import chase_titles
from cars.models import Vehicle, VehicleEvent
from cars.services import transfer_vehicle
from tests.answers import refused
from tests.auctions.deliveries import history, paid_order, staff, title_of
from tests.auctions.factories import ListingFactory, OrderFactory
from tests.auctions.refunding import refunded
from tests.factories import UserFactory, VehicleFactory

pytestmark = pytest.mark.django_db

URL = "/api/title-transfers"
STEPS = ("receive", "review", "reject-documents", "hold-lien", "release-lien", "ready", "send", "complete")
BODIES: dict[str, dict[str, str]] = {
    "reject-documents": {"reason": "Unsigned."},
    "hold-lien": {"lien_holder": "First Bank"},
    "send": {"tracking_reference": "1Z999"},
}
# Which steps each status allows, and where they lead.
WAYS = {
    "awaiting_seller_documents": {"receive": "received"},
    "received": {"review": "under_review"},
    "under_review": {"reject-documents": "rejected_documents", "hold-lien": "lien_pending", "ready": "ready"},
    "rejected_documents": {"receive": "received"},
    "lien_pending": {"release-lien": "ready"},
    "ready": {"send": "sent"},
    "sent": {"complete": "completed"},
    "completed": {},
}


@pytest.fixture
def client(as_user: Any, make_user: Any) -> APIClient:
    """Finance's."""
    return as_user(make_user(roles=["finance"]))


def post(client: APIClient, title: TitleTransfer, step: str, **headers: str) -> Any:
    answer = client.post(f"{URL}/{title.pk}/{step}", BODIES.get(step, {}), headers=headers)
    title.refresh_from_db()
    return answer


def dispute(order: Order) -> None:
    dispute_order(order_id=order.pk, actor=order.buyer, reason="A dent.", now=timezone.now())


# --- The beginning


def test_a_paid_order_awaits_its_title_from_the_seller() -> None:
    before = timezone.now()
    title = title_of(paid_order())
    assert (title.status, title.title_state) == ("awaiting_seller_documents", "NY")
    assert before + timedelta(days=30) <= title.due_at <= timezone.now() + timedelta(days=30)
    assert history(title, "title_transfer") == ["pending", "awaiting_seller_documents"]


@pytest.mark.parametrize(("state", "days"), [("CA", 10), ("NY", 30), ("", 30)])
def test_the_due_date_is_that_of_the_titles_state(settings: Any, state: str, days: int) -> None:
    settings.TITLE_DUE_DAYS = 30
    TitleDeadline.objects.create(state="CA", days=10)
    listing = ListingFactory(status=Listing.Status.PENDING_SALE, title_state=state)
    title = title_of(paid_order(listing=listing))
    assert (title.due_at - title.created_at).days in (days, days - 1)


# --- The steps


@pytest.mark.parametrize("status", WAYS)
@pytest.mark.parametrize("step", STEPS)
def test_each_step_is_for_its_status(client: APIClient, status: str, step: str) -> None:
    title = title_of(paid_order(), status)
    answer = post(client, title, step)
    expected = WAYS[status].get(step)
    if expected is None:
        assert refused(answer) == (409, "invalid_transition")
        assert title.status == status
    else:
        assert (answer.status_code, answer.json()["status"], title.status) == (200, expected, expected)
        assert history(title, "title_transfer")[-1] == expected


def test_received_documents_begin_title_processing_and_the_payout(client: APIClient) -> None:
    order = paid_order()
    title = title_of(order)
    assert post(client, title, "receive").json()["received_at"] is not None
    order.refresh_from_db()
    assert order.status == "title_processing"
    assert Payout.objects.get(order=order).amount == order.hammer_price


def test_documents_come_again_after_a_rejection(client: APIClient) -> None:
    order = paid_order()
    title = title_of(order, "rejected_documents")
    rejected = SettlementEvent.objects.get(subject="title_transfer", new="rejected_documents")
    assert rejected.reason == "Unsigned."
    assert post(client, title, "receive").status_code == 200
    assert Payout.objects.filter(order=order).count() == 1


def test_the_facts_of_a_step_are_kept(client: APIClient) -> None:
    title = title_of(paid_order(), "lien_pending")
    assert title.lien_holder == "First Bank"
    post(client, title, "release-lien")
    shown = post(client, title, "send").json()
    assert (shown["tracking_reference"], shown["lien_holder"]) == ("1Z999", "First Bank")
    details = SettlementEvent.objects.get(subject="title_transfer", new="sent").details
    assert details["tracking_reference"] == "1Z999"


@pytest.mark.parametrize("step", BODIES)
def test_a_step_that_needs_a_text_is_400_without(client: APIClient, step: str) -> None:
    title = title_of(paid_order())
    for body in ({}, dict.fromkeys(BODIES[step], ""), BODIES[step] | {"extra": 1}, dict.fromkeys(BODIES[step], 5)):
        assert client.post(f"{URL}/{title.pk}/{step}", body).status_code == 400


@pytest.mark.parametrize("step", sorted(set(STEPS) - set(BODIES)))
def test_a_step_without_a_body_takes_none(client: APIClient, step: str) -> None:
    assert client.post(f"{URL}/{title_of(paid_order()).pk}/{step}", {"reason": "x"}).status_code == 400


def test_a_repeated_step_is_answered_and_not_done_again(client: APIClient) -> None:
    title = title_of(paid_order())
    first = post(client, title, "receive", **{"Idempotency-Key": "r-1"})
    again = post(client, title, "receive", **{"Idempotency-Key": "r-1"})
    assert (again.status_code, again.json()) == (200, first.json())
    assert history(title, "title_transfer").count("received") == 1
    assert refused(post(client, title, "receive")) == (409, "invalid_transition")


# --- Completion


def test_a_completed_title_makes_the_car_the_buyers(client: APIClient) -> None:
    order = paid_order()
    title = title_of(order, "sent")
    assert post(client, title, "complete").json()["completed_at"] is not None
    assert Vehicle.objects.get(pk=order.listing.vehicle_id).owner_id == order.buyer_id
    event = VehicleEvent.objects.get(vehicle=order.listing.vehicle_id, kind="title_transferred")
    assert (event.reference, event.owner_id) == (f"order:{order.pk}", order.buyer_id)


def test_a_car_that_staff_gave_to_the_buyer_before_is_no_obstacle(client: APIClient) -> None:
    order = paid_order()
    title = title_of(order, "sent")
    given = {"actor": None, "now": timezone.now(), "reference": "reassigned"}
    transfer_vehicle(vehicle=order.listing.vehicle, new_owner=order.buyer, **given)
    assert post(client, title, "complete").status_code == 200
    told = VehicleEvent.objects.filter(vehicle=order.listing.vehicle_id, kind="title_transferred").order_by("id")
    assert list(told.values_list("reference", flat=True)) == ["reassigned", f"order:{order.pk}"]


def test_a_car_of_somebody_else_stays_theirs(client: APIClient) -> None:
    order = paid_order()
    title = title_of(order, "sent")
    given: dict[str, Any] = {"actor": None, "now": timezone.now(), "reference": "reassigned"}
    transfer_vehicle(vehicle=order.listing.vehicle, new_owner=UserFactory(), **given)
    assert refused(post(client, title, "complete")) == (409, "vehicle_not_the_sellers")
    assert title.status == "sent"


def test_an_archived_car_is_not_given_away(client: APIClient) -> None:
    order = paid_order()
    title = title_of(order, "sent")
    Vehicle.objects.filter(pk=order.listing.vehicle_id).update(archived_at=timezone.now())
    assert refused(post(client, title, "complete")) == (409, "vehicle_not_the_sellers")


# --- Disputes and the end of a sale


@pytest.mark.parametrize(("status", "step"), [(status, step) for status, steps in WAYS.items() for step in steps])
def test_nobody_gets_the_title_of_a_car_that_was_refunded(client: APIClient, status: str, step: str) -> None:
    order = paid_order()
    title, payment = title_of(order, status), order.payments.get()
    refunded(payment, payment.amount)
    assert refused(post(client, title, step)) == (409, "sale_undone")
    assert title.status == status
    assert Vehicle.objects.get(pk=order.listing.vehicle_id).owner_id == order.seller_id


def test_a_part_that_was_refunded_is_no_obstacle(client: APIClient) -> None:
    order = paid_order()
    title = title_of(order, "sent")
    refunded(order.payments.get(), "100.00")
    assert post(client, title, "complete").status_code == 200


@pytest.mark.parametrize("status", DEAD_ORDER)
def test_an_order_that_is_over_has_no_title_to_move(client: APIClient, status: str) -> None:
    order = paid_order()
    title = title_of(order)
    Order.objects.filter(pk=order.pk).update(status=status)
    assert refused(post(client, title, "receive")) == (409, "sale_undone")


def test_no_vehicle_changes_hands_while_money_goes_back(client: APIClient) -> None:
    order = paid_order()
    title = title_of(order, "sent")
    given = {"order": order, "payment": order.payments.get(), "currency": "USD", "reason": "A scratch."}
    refund = Refund.objects.create(amount="10.00", status="in_transit", **given)
    assert refused(post(client, title, "complete")) == (409, "money_goes_back")
    title.refresh_from_db()
    assert title.status == "sent"
    Refund.objects.filter(pk=refund.pk).update(status="done", done_at=timezone.now())
    assert post(client, title, "complete").status_code == 200


def test_a_dispute_stops_the_title_until_it_is_resolved(client: APIClient) -> None:
    order = paid_order()
    title = title_of(order, "received")
    dispute(order)
    assert refused(post(client, title, "review")) == (409, "order_on_hold")
    order.refresh_from_db()
    assert order.status == "disputed"
    resolve_dispute(order_id=order.pk, actor=staff(), outcome="back", now=timezone.now())
    assert post(client, title, "review").status_code == 200


def test_documents_that_come_during_a_dispute_do_not_end_it(client: APIClient) -> None:
    order = paid_order()
    title = title_of(order)
    dispute(order)
    assert refused(post(client, title, "receive")) == (409, "order_on_hold")
    assert Order.objects.get(pk=order.pk).status == "disputed"
    assert not Payout.objects.filter(order=order).exists()


def test_an_undone_sale_cancels_its_title(client: APIClient) -> None:
    order = paid_order()
    title = title_of(order, "received")
    titles.cancel_title(order, actor=None, now=timezone.now(), reason="Undone.")
    titles.cancel_title(order, actor=None, now=timezone.now(), reason="Undone.")
    title.refresh_from_db()
    assert history(title, "title_transfer")[-2:] == ["received", "cancelled"]
    for step in STEPS:
        assert refused(post(client, title, step)) == (409, "invalid_transition")


def test_a_completed_title_is_not_cancelled() -> None:
    order = paid_order()
    title = title_of(order, "completed")
    titles.cancel_title(order, actor=None, now=timezone.now(), reason="Undone.")
    title.refresh_from_db()
    assert title.status == "completed"


def test_an_order_without_a_title_has_none_to_cancel() -> None:
    titles.cancel_title(OrderFactory(), actor=None, now=timezone.now(), reason="Undone.")


# --- Late titles


def test_a_late_title_is_marked_once() -> None:
    title = title_of(paid_order(), "received")
    assert titles.chase_titles(now=title.due_at - timedelta(seconds=1)) == (0, 0)
    assert titles.chase_titles(now=title.due_at) == (1, 0)
    assert titles.chase_titles(now=title.due_at + timedelta(days=1)) == (0, 0)
    title.refresh_from_db()
    assert (title.overdue_at, title.status) == (title.due_at, "received")
    assert history(title, "title_transfer")[-1] == "overdue"


@pytest.mark.parametrize("status", ["completed", "cancelled"])
def test_a_title_that_is_over_is_never_late(status: str) -> None:
    order = paid_order()
    title = title_of(order, "completed" if status == "completed" else "received")
    titles.cancel_title(order, actor=None, now=timezone.now(), reason="Undone.")
    assert titles.chase_titles(now=title.due_at + timedelta(days=1)) == (0, 0)


def test_the_task_chases_titles() -> None:
    title = title_of(paid_order())
    TitleTransfer.objects.filter(pk=title.pk).update(due_at=timezone.now() - timedelta(days=1))
    chase_titles()
    assert TitleTransfer.objects.get(pk=title.pk).overdue_at is not None


# --- Who sees what


@pytest.fixture
def parties(as_user: Any, make_user: Any) -> dict[str, APIClient]:
    """Everybody with something to do with one order's title, and a stranger."""
    buyer, seller = make_user(), make_user()
    listing = ListingFactory(seller=seller, vehicle=VehicleFactory(owner=seller), status="pending_sale")
    paid_order(buyer=buyer, listing=listing)
    people: dict[str, User] = {"buyer": buyer, "seller": seller, "stranger": make_user()}
    people["finance"], people["moderator"] = make_user(roles=["finance"]), make_user(roles=["moderator"])
    return {name: as_user(person) for name, person in people.items()}


@pytest.mark.parametrize(
    ("who", "seen", "moved"),
    [("buyer", 200, 403), ("seller", 200, 403), ("stranger", 404, 404), ("moderator", 404, 404), ("finance", 200, 200)],
)
def test_the_parties_see_a_title_and_finance_moves_it(
    parties: dict[str, APIClient], who: str, seen: int, moved: int
) -> None:
    title = TitleTransfer.objects.get()
    client = parties[who]
    assert client.get(f"{URL}/{title.pk}").status_code == seen
    assert client.get(URL).json()["count"] == (seen == 200)
    assert post(client, title, "receive").status_code == moved


def test_nobody_signed_out_sees_titles(api: APIClient) -> None:
    assert api.get(URL).status_code == 401


def test_a_title_as_json(client: APIClient) -> None:
    order = paid_order()
    title = title_of(order)
    shown = client.get(f"{URL}/{title.pk}").json()
    assert shown == client.get(URL).json()["results"][0]
    assert (shown["order"], shown["order_number"], shown["vehicle"]) == (
        order.pk,
        order.order_number,
        "2018 Honda Accord",
    )
    assert (shown["overdue_at"], shown["completed_at"], shown["lien_holder"]) == (None, None, "")


def test_who_claims_the_vehicle_is_between_the_seller_and_the_house(parties: dict[str, APIClient]) -> None:
    title = title_of(Order.objects.get(), "lien_pending")
    for who, holder in (("buyer", ""), ("seller", "First Bank"), ("finance", "First Bank")):
        assert parties[who].get(f"{URL}/{title.pk}").json()["lien_holder"] == holder
        assert parties[who].get(URL).json()["results"][0]["lien_holder"] == holder


def test_the_list_is_filtered(client: APIClient) -> None:
    late, other = title_of(paid_order(), "received"), title_of(paid_order())
    titles.chase_titles(now=late.due_at)
    TitleTransfer.objects.filter(pk=other.pk).update(overdue_at=None)

    def found(query: str) -> list[int]:
        return [row["id"] for row in client.get(f"{URL}?{query}").json()["results"]]

    assert found("") == [other.pk, late.pk]
    assert found("status=received") == found("overdue=true") == found(f"order={late.order_id}") == [late.pk]
    assert found("overdue=false") == [other.pk]
    assert found("ordering=due_at") == [late.pk, other.pk]
    for query in ("status=lost", "overdue=yes", "order=x", "ordering=status", "colour=red"):
        assert client.get(f"{URL}?{query}").status_code == 400


def test_a_longer_list_costs_no_more_queries(client: APIClient) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(URL).status_code == 200
        return len(queries)

    title_of(paid_order())
    client.get(URL)
    one = cost()
    for _ in range(3):
        paid_order()
    assert cost() == one
