"""What a program may do with an API key: what the key names as long as the holder may, what every customer may with
the holder's own data, and nothing that changes the account."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import IdempotencyRecord, User
from accounts.tokens import issue_tokens
from auctions.models import Auction
from common import fastlane
from tests.accounts.keys import by, made, program
from tests.auctions.factories import AuctionFactory
from tests.conftest import permission, role
from tests.factories import CarFactory, VehicleFactory
from tests.parking.factories import ReservationFactory
from tests.permissions import TABLE
from tests.targets import TARGETS
from tests.test_permissions import rolled_back
from tests.workshop.factories import PartFactory

pytestmark = pytest.mark.django_db
ME = "GET /api/auth/me"
# What is under /api/auth and needs a sign-in, but for reading one's account; and whose business one's sales are.
IN_PERSON = {name for name, row in TABLE.items() if "/api/auth/" in name and row.anonymous == 401} - {ME} | {
    "PUT /api/seller-profile"
}
STREAM = "GET /api/auctions/{id}/stream"  # It has no end to be read to, and looks at no credentials.
# What looks at no credentials either.
NO_CREDENTIALS = {
    "POST /api/auth/clerk-sync",
    "POST /api/auth/login",
    "POST /api/auth/password-reset",
    "POST /api/auth/password-reset/confirm",
    "POST /api/auth/refresh",
    "POST /api/auth/register",
    "POST /api/auth/signup",
    "POST /api/auth/verify-email",
    "POST /api/uploads",
    "POST /api/webhooks/{provider}",
    "POST /api/workshop/estimates/{token}",
}


def code_of(answer: Any) -> str:
    return str(answer.json()["errors"][0]["code"])


def call(client: APIClient, operation: str, facts: dict[str, Any]) -> Any:
    """Its answer; what it did is undone."""
    (method, path), row = operation.split(" "), TABLE[operation]
    body = None if row.body is None else {key: facts.get(str(value)[1:], value) for key, value in row.body.items()}
    url = path.format(**facts) + (f"?{row.query}" if row.query else "")
    with rolled_back():
        answer = getattr(client, method.lower())(url, body, format="json")
        if answer.streaming:
            list(answer.streaming_content)
    return answer


def facts_of(operations: set[str], person_named: Callable[[str], User]) -> dict[str, dict[str, Any]]:
    """By operation: one row of each kind that they need, the owner's."""
    kinds = {TABLE[operation].target for operation in operations}
    rows = {kind: TARGETS[kind](person_named("owner")) | {"customer": person_named("customer").pk} for kind in kinds}
    return {operation: rows[TABLE[operation].target] for operation in operations}


# --- The whole table ------------------------------------------------------------------------------------------------


def granted(role: Group) -> list[str]:
    found = role.permissions.select_related("content_type")
    return [f"{row.content_type.app_label}.{row.codename}" for row in found]


def test_a_key_of_an_administrator_may_what_it_names_and_not_more(person_named: Callable[[str], User]) -> None:
    operations = TABLE.keys() - IN_PERSON - {STREAM}
    facts, holder = facts_of(operations, person_named), person_named("administrator")
    rights = granted(role("moderator"))
    clients = {"customer": program(holder), "moderator": program(holder, *rights)}
    reader = program(holder, *rights, read_only=True)
    wrong, read_past = {}, set()
    for operation in operations:
        row = TABLE[operation]
        for acts_as, client in clients.items():
            expected = row.status(acts_as)
            if acts_as == "customer" or expected != row.status("customer"):
                status = call(client, operation, facts[operation]).status_code
                wrong |= {(operation, acts_as): (status, expected)} if status != expected else {}
        if not operation.startswith("GET "):
            answer = call(reader, operation, facts[operation])
            read_past |= {operation} if b"api_key_read_only" not in answer.content else set()
    assert wrong == {}
    assert read_past == NO_CREDENTIALS


def test_no_key_changes_the_account_whatever_it_names(person_named: Callable[[str], User]) -> None:
    owner = person_named("owner")
    owner.user_permissions.set(Permission.objects.filter(content_type__app_label="accounts"))
    facts = facts_of(IN_PERSON, person_named)
    client = program(owner, *(name for name in owner.get_all_permissions() if name.startswith("accounts.")))
    for operation in IN_PERSON:
        answer = call(client, operation, facts[operation])
        assert (answer.status_code, code_of(answer)) == (403, "api_key_not_allowed"), operation


def test_those_are_the_operations_that_need_a_person() -> None:
    """Written out, so that a new one under /api/auth is seen here."""
    paths = {name.split(" ")[1].removeprefix("/api/auth/") for name in IN_PERSON}
    assert paths == {
        "/api/seller-profile", "change-password", "keys", "keys/{id}", "keys/{id}/revoke", "logout", "me", "me/export",
        "me/identity-request", "me/notification-preferences", "me/payment-profile",
    }  # fmt: skip


# --- Rights ---------------------------------------------------------------------------------------------------------


def test_a_key_without_permissions_sees_its_holders_own_data_only(make_user: Any) -> None:
    manager = make_user(roles=["service_advisor", "parking_manager"])
    mine = VehicleFactory(owner=manager), ReservationFactory(user=manager)
    VehicleFactory(), ReservationFactory()
    client = program(manager)
    assert [row["id"] for row in client.get("/api/garage").json()["results"]] == [mine[0].pk]
    assert [row["id"] for row in client.get("/api/parking/reservations").json()["results"]] == [mine[1].pk]
    all_of_them = program(manager, "cars.view_vehicle", "parking.view_reservation")
    assert all_of_them.get("/api/garage").json()["count"] == 2
    assert all_of_them.get("/api/parking/reservations").json()["count"] == 2


def test_each_permission_counts_by_itself(make_user: Any) -> None:
    advisor = make_user(roles=["service_advisor"])
    part = PartFactory(cost="6.00")
    url = f"/api/workshop/inventory/{part.pk}"
    reader, buyer = program(advisor, "workshop.view_part"), program(advisor, "workshop.view_costs")
    for address in (url, "/api/workshop/inventory"):  # The list is cached, for each who sees costs and who does not.
        shown = [client.get(address).json() for client in (reader, buyer, reader)]
        costs = [body.get("cost", body.get("results", [{}])[0].get("cost")) for body in shown]
        assert costs == [None, "6.00", None]
    assert reader.patch(url, {"price": "1.00"}).status_code == 403
    assert program(advisor, "workshop.change_part").patch(url, {"price": "1.00"}).status_code == 200


def test_a_moderators_key_moderates_only_if_it_says_so(make_user: Any) -> None:
    moderator, auction = make_user(roles=["moderator"]), AuctionFactory()
    url = f"/api/auctions/{auction.pk}/pause"
    assert program(moderator, "auctions.view_auction").post(url, {"reason": "R"}).status_code == 403
    assert program(moderator, "auctions.moderate_auction").post(url, {"reason": "R"}).status_code == 200
    assert Auction.objects.get().status == "paused"


def test_a_role_that_is_withdrawn_takes_effect_at_the_next_request(make_user: Any) -> None:
    moderator = make_user(roles=["moderator"])
    client = program(moderator, "auctions.moderate_listing")
    assert client.get("/api/vehicles/queue").status_code == 200
    moderator.groups.clear()
    assert client.get("/api/vehicles/queue").status_code == 403
    moderator.user_permissions.add(permission("auctions.moderate_listing"))
    assert client.get("/api/vehicles/queue").status_code == 200


def test_who_is_no_administrator_any_more_has_no_administrators_key(make_user: Any) -> None:
    admin = make_user(is_superuser=True)
    client = program(admin, "cars.sync_cars")
    assert client.get("/api/sync/sources").status_code == 200
    User.objects.filter(pk=admin.pk).update(is_superuser=False)
    assert client.get("/api/sync/sources").status_code == 403


def test_people_are_managed_in_person_even_by_an_administrator(admin_user: User, user: User) -> None:
    client = program(admin_user, "accounts.change_user", "accounts.view_user")
    assert client.get("/api/users").status_code == 403
    assert client.patch(f"/api/users/{user.pk}", {"groups": ["finance"]}).status_code == 403
    admin_user.refresh_from_db()
    assert (admin_user.is_superuser, admin_user.is_staff) == (True, True)


def test_reading_ones_account_shows_what_the_key_may(admin_user: User, as_user: Any) -> None:
    body = program(admin_user, "cars.sync_cars").get("/api/auth/me").json()
    assert (body["roles"], body["permissions"]) == ([], ["cars.sync_cars"])
    whole = as_user(admin_user).get("/api/auth/me").json()
    assert (whole["roles"], len(whole["permissions"])) == (["administrator"], Permission.objects.count())


def test_a_key_opens_no_page_for_people(admin_user: User) -> None:
    client = program(admin_user, "accounts.view_user")
    assert client.get("/admin/").status_code == 302
    assert client.get("/admin/accounts/user/").status_code == 302


# --- Reading only ---------------------------------------------------------------------------------------------------


def test_a_key_that_reads_only_changes_nothing(make_user: Any) -> None:
    advisor, part = make_user(roles=["service_advisor"]), PartFactory()
    client = program(advisor, "workshop.view_part", "workshop.change_part", read_only=True)
    url = f"/api/workshop/inventory/{part.pk}"
    assert [client.get(url).status_code, client.head(url).status_code, client.options(url).status_code] == [200] * 3
    for answer in (client.patch(url, {"price": "1.00"}), client.delete(url), client.post(f"{url}/archive")):
        assert (answer.status_code, code_of(answer)) == (403, "api_key_read_only")
        assert answer.json()["type"] == "client_error"


def test_a_method_that_is_not_there_is_405_for_such_a_key_too(user: User) -> None:
    assert program(user, read_only=True).put("/api/cars", {}).status_code == 405


# --- The short way, and answers that are repeated -------------------------------------------------------------------


@pytest.mark.parametrize("url", ["/api/cars", "/api/parking/reservations", "/api/workshop/products"])
def test_a_key_takes_the_short_way_to_the_same_answer(
    user: User, as_user: Any, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    CarFactory(), ReservationFactory(user=user)
    actions = []
    answer = fastlane.Lane.answer

    def spy(lane: Any, request: Any, kwargs: Any) -> Any:
        found = answer(lane, request, kwargs)
        actions.append(found is not None)
        return found

    monkeypatch.setattr(fastlane.Lane, "answer", spy)
    answers = [client.get(url) for client in (as_user(user), program(user), program(user, read_only=True))]
    assert actions == [True] * 3
    assert len({answer.content for answer in answers}) == 1
    assert by("fck_0").get(url).status_code == 401


def test_an_answer_is_not_repeated_to_other_credentials(make_user: Any, as_user: Any) -> None:
    """It shows what the first may see."""
    advisor = make_user(roles=["service_advisor"])
    body = {"name": "Filter", "sku": "F-1", "price": "10.00", "cost": "6.00"}
    (_, wide), (_, narrow) = (made(advisor, "workshop.add_part", *more) for more in (["workshop.view_costs"], []))
    first, second, third, fourth = (
        client.post("/api/workshop/inventory", body, HTTP_IDEMPOTENCY_KEY="one")
        for client in (by(wide), by(wide), by(narrow), as_user(advisor))
    )
    assert (first.status_code, second.content) == (201, first.content)
    assert second["Idempotency-Replayed"] == "true"
    assert [code_of(answer) for answer in (third, fourth)] == ["idempotency_key_reused"] * 2
    assert IdempotencyRecord.objects.count() == 1


def test_a_session_repeats_its_answer_after_a_refresh(make_user: Any) -> None:
    advisor = make_user(roles=["service_advisor"])
    body = {"name": "Filter", "sku": "F-1", "price": "10.00"}
    clients = [by(issue_tokens(user=advisor, now=timezone.now()).access) for _ in range(2)]
    answers = [client.post("/api/workshop/inventory", body, HTTP_IDEMPOTENCY_KEY="one") for client in clients]
    assert answers[0].content == answers[1].content
