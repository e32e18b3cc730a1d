"""A short soak; the long one is `python -m tests.soak`."""

from __future__ import annotations

import pytest
from django.utils import timezone

from auctions.models import Order
from auctions.services.ledger import audit_ledger
from tests.soak.market import OPERATIONS, People, World

pytestmark = pytest.mark.django_db


def test_the_ledger_adds_up_after_whatever_people_did() -> None:
    tally = People(World(), seed=7).act(400)
    assert tally.failures == []
    assert audit_ledger(now=timezone.now()).details == []
    assert Order.objects.filter(invoice__paid__gt=0).exists()
    assert set(tally.done) <= set(OPERATIONS)
