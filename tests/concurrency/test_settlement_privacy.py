"""People who leave at the moment at which they are bound to something new."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from accounts.privacy import delete_account
from auctions.models import Offer
from auctions.services import offers, settlement_privacy
from auctions.services.offers import create_offer
from tests.auctions.factories import BidderFactory, ListingFactory
from tests.concurrency.race import race

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
ROUNDS = 6


def leaving(user: User) -> partial[None]:
    return partial(delete_account, user=user, now=timezone.now())


def offering(buyer: User) -> partial[Offer]:
    return partial(create_offer, listing_id=ListingFactory().pk, buyer_id=buyer.pk, amount=Decimal(900))


def test_of_who_offers_and_leaves_at_once_no_offer_stands() -> None:
    for _ in range(ROUNDS):
        buyer = BidderFactory()
        left, _made = race([leaving(buyer), offering(buyer)])
        assert left is None, left
        assert not Offer.objects.filter(buyer=buyer.pk, status="pending").exists()


def test_without_the_buyers_lock_an_offer_of_somebody_who_left_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the offer comes after those of the leaver were ended."""
    buyer = BidderFactory()
    offer, real = offering(buyer), settlement_privacy.end_offers

    def end_and_let_in(user: User, *, now: datetime) -> None:
        real(user, now=now)
        made: list[Any] = race([offer])
        assert isinstance(made[0], Offer), made

    monkeypatch.setattr(offers, "lock_bidder", lambda pk: User.objects.get(pk=pk))
    monkeypatch.setattr(settlement_privacy, "end_offers", end_and_let_in)
    delete_account(user=buyer, now=timezone.now())
    assert Offer.objects.filter(buyer=buyer.pk, status="pending").count() == 1
