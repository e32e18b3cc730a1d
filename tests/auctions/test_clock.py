"""GET /api/clock."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from common.clock import database_now

pytestmark = pytest.mark.django_db


def test_everybody_reads_the_clock_by_which_auctions_end(api: APIClient) -> None:
    before = database_now()
    answer = api.get("/api/clock")
    told = datetime.fromisoformat(answer.json()["server_time"])
    assert (answer.status_code, list(answer.json())) == (200, ["server_time"])
    assert before <= told <= database_now()
    assert told.tzinfo is not None
    assert answer.json()["server_time"].endswith("Z")


def test_the_clock_is_never_kept_and_takes_no_parameters(api: APIClient) -> None:
    assert "no-store" in api.get("/api/clock")["Cache-Control"]
    assert api.get("/api/clock?zone=UTC").status_code == 400
    assert api.post("/api/clock").status_code == 405
    assert timezone.is_aware(database_now())
