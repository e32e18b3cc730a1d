"""/api/workshop/price-proposals: prices to decide about."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from tests.workshop.factories import ProductFactory
from workshop.models import PriceProposal

pytestmark = pytest.mark.django_db
URL = "/api/workshop/price-proposals"


@pytest.fixture
def proposal() -> PriceProposal:
    product = ProductFactory(name="Wax", price="10.00", provider="file", external_id="1")
    return PriceProposal.objects.create(product=product, old_price="10.00", new_price="20.00", run_id=7)


@pytest.fixture
def advisor(make_user: Any) -> User:
    return make_user(roles=["service_advisor"])


@pytest.fixture
def client(as_user: Any, advisor: User) -> APIClient:
    return as_user(advisor)


def test_an_advisor_lists_them(client: APIClient, proposal: PriceProposal) -> None:
    PriceProposal.objects.create(product=proposal.product, old_price="1.00", new_price="2.00", status="rejected")
    page = client.get(f"{URL}?status=pending&product={proposal.product_id}").json()
    (row,) = page["results"]
    assert (row["product_name"], row["old_price"], row["new_price"], row["run_id"]) == ("Wax", "10.00", "20.00", 7)
    assert len(client.get(URL).json()["results"]) == 2
    assert client.get(f"{URL}?status=maybe").status_code == 400


def test_the_list_costs_the_same_for_one_and_for_many(client: APIClient, django_assert_num_queries: Any) -> None:
    for count in (1, 20):
        for _ in range(count):
            PriceProposal.objects.create(product=ProductFactory(), old_price="1.00", new_price="2.00")
        with django_assert_num_queries(2):
            client.get(f"{URL}?limit=50")


def test_accepting_writes_the_price(client: APIClient, advisor: User, proposal: PriceProposal) -> None:
    answer = client.post(f"{URL}/{proposal.pk}/accept")
    assert answer.status_code == 200, answer.content
    assert (answer.json()["status"], answer.json()["decided_by"]) == ("accepted", advisor.pk)
    proposal.product.refresh_from_db()
    assert (proposal.product.price, proposal.product.locked_fields) == (Decimal("20.00"), [])


def test_rejecting_leaves_it(client: APIClient, proposal: PriceProposal) -> None:
    assert client.post(f"{URL}/{proposal.pk}/reject", {}).json()["status"] == "rejected"
    proposal.product.refresh_from_db()
    assert proposal.product.price == Decimal("10.00")


@pytest.mark.parametrize("first", ["accept", "reject"])
@pytest.mark.parametrize("second", ["accept", "reject"])
def test_it_is_decided_once(client: APIClient, proposal: PriceProposal, first: str, second: str) -> None:
    client.post(f"{URL}/{proposal.pk}/{first}")
    answer = client.post(f"{URL}/{proposal.pk}/{second}")
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["code"]) == (409, "proposal_decided")
    assert error["meta"] == {"status": f"{first}ed"}


def test_one_key_decides_once_and_is_answered_again(client: APIClient, proposal: PriceProposal) -> None:
    first, second = (client.post(f"{URL}/{proposal.pk}/accept", headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert (first.status_code, second.status_code, second.json()) == (200, 200, first.json())


def test_others_see_and_decide_nothing(api: APIClient, as_user: Any, user: User, make_user: Any, proposal: Any) -> None:
    watcher = as_user(make_user(perms=["workshop.view_priceproposal"]))
    for client, read, write in ((api, 401, 401), (as_user(user), 403, 403), (watcher, 200, 403)):
        assert client.get(URL).status_code == read
        assert client.post(f"{URL}/{proposal.pk}/accept").status_code == write
        assert client.post(f"{URL}/{proposal.pk}/reject").status_code == write


def test_what_is_not_there_is_404_and_a_body_is_refused(client: APIClient, proposal: PriceProposal) -> None:
    assert client.post(f"{URL}/999999/accept").status_code == 404
    assert client.post(f"{URL}/{proposal.pk}/accept", {"price": "1.00"}).status_code == 400


def test_a_walk_by_the_time_of_the_decision_passes_those_that_wait(client: APIClient, proposal: PriceProposal) -> None:
    for status in ("accepted", "rejected"):
        PriceProposal.objects.create(
            product=proposal.product, old_price="1.00", new_price="2.00", status=status, decided_at=timezone.now()
        )
    met, url = [], f"{URL}?cursor=*&limit=1&ordering=decided_at"
    while url:
        page = client.get(url).json()
        met += [row["id"] for row in page["results"]]
        url = page["next"]
    assert sorted(met) == sorted(PriceProposal.objects.values_list("pk", flat=True))
