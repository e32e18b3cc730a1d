"""`If-Match` under contention: of those who hold the same tag one writes, the others learn that somebody was first."""

from __future__ import annotations

from collections import Counter
from functools import partial
from threading import Barrier
from typing import Any
from unittest import mock

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from accounts.tokens import issue_tokens
from cars.models import Car
from common.conditional import check_if_match, etag_of
from common.views import ApiViewSet
from tests.concurrency.race import race

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.common.urls")]
AT_ONCE = 8


def write_at_once(user: User) -> Counter[int]:
    """Statuses of writers who all read the same version."""
    token = issue_tokens(user=user, now=timezone.now()).access
    car = Car.objects.create(make="Audi", model="Q3", year=2000)
    headers = {"HTTP_AUTHORIZATION": f"Bearer {token}"}
    tag = APIClient().get(f"/api/cars/{car.pk}", **headers)["ETag"]

    def write(year: int) -> int:
        answer = APIClient().patch(f"/api/cars/{car.pk}", {"year": year}, HTTP_IF_MATCH=tag, **headers)
        return answer.status_code

    return Counter(race([partial(write, 2001 + number) for number in range(AT_ONCE)]))


def test_one_of_many_with_the_same_tag_writes(user: User) -> None:
    assert write_at_once(user) == {200: 1, 412: AT_ONCE - 1}


@pytest.mark.postgres
def test_without_the_lock_several_would_write(user: User) -> None:
    """The control. On SQLite the transaction is a lock by itself."""
    all_compared = Barrier(AT_ONCE)

    def compare_without_lock(view: Any) -> Car:
        car = view.get_object()
        check_if_match(view.request, etag_of(view.represent(car, view.get_response_serializer_class())))
        all_compared.wait(timeout=30)
        return car

    with mock.patch.object(ApiViewSet, "locked_if_matched", compare_without_lock):
        assert write_at_once(user) == {200: AT_ONCE}
