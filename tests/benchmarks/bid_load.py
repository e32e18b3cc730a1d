"""The measured half of the bid benchmark, in a process that has Django set up for the benchmark's database:
`python -m tests.benchmarks.bid_load BIDS ROUNDS` prints one JSON object.

Ours and the ORM's way bid by four threads with connections of their own, the bare statement on one connection. Each
bid is a little higher than the one before, so nearly all are accepted; only accepted ones count.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import sys
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

import django
from django.db import connection, transaction

from common.prepared import _cursor_of
from tests.benchmarks.crew import THREADS, Crew, Figures, analyze
from tests.benchmarks.harness import in_turns

if TYPE_CHECKING:
    from accounts.models import User
    from auctions.models import Auction

USERS = 60
SPREAD = 100  # Auctions of the workload that spreads its bids.
# A proxy bid as one statement: judged by its own WHERE, priced by its own CASE, with all the rows that ours writes too.
# None of the other rules: no eligibility, no limit, no reserve, no soft close, no chain.
BARE = """
WITH old AS (
    SELECT a.*, b.number AS own_number, b.maximum AS own_max
      FROM auctions_auction a
      LEFT JOIN auctions_auctionbidder b ON b.auction_id = a.id AND b.user_id = %(user)s
     WHERE a.id = %(auction)s FOR NO KEY UPDATE OF a
), new AS (
    SELECT id, ends_at, status, previous, now, number,
           CASE WHEN amount > coalesce(leader_max, 0) THEN %(user)s ELSE leader_id END AS leader_id,
           CASE WHEN amount > coalesce(leader_max, 0) THEN number ELSE leader_number END AS leader_number,
           greatest(amount, leader_max) AS leader_max, second AS runner_up_max,
           CASE WHEN price IS NULL THEN starting_price WHEN leader_id = %(user)s THEN price
                ELSE greatest(price, least(greatest(amount, leader_max), second + 1)) END AS price,
           bid_count + 1 AS bid_count, bid_seq + 1 AS bid_seq, event_seq + 1 AS event_seq, log_seq + 1 AS log_seq,
           bidder_count + (own_number IS NULL)::int AS bidder_count
      FROM (SELECT *, leader_id AS previous, %(amount)s::numeric AS amount, clock_timestamp() AS now,
                   coalesce(own_number, bidder_count + 1) AS number,
                   CASE WHEN leader_id = %(user)s OR leader_id IS NULL THEN runner_up_max
                        ELSE greatest(runner_up_max, least(%(amount)s::numeric, leader_max)) END AS second
              FROM old) AS judged
     WHERE status = 'live' AND now < ends_at AND amount > coalesce(own_max, 0)
       AND (leader_id = %(user)s OR amount >= coalesce(price + 1, starting_price))
), written AS (
    UPDATE auctions_auction a SET price = new.price, leader_id = new.leader_id, leader_number = new.leader_number,
           leader_max = new.leader_max, runner_up_max = new.runner_up_max, bid_count = new.bid_count,
           bid_seq = new.bid_seq, event_seq = new.event_seq, log_seq = new.log_seq, bidder_count = new.bidder_count,
           updated_at = new.now
      FROM new WHERE a.id = new.id
), bidder AS (
    INSERT INTO auctions_auctionbidder (auction_id, user_id, number, maximum, first_bid_at)
    SELECT id, %(user)s, number, %(amount)s, now FROM new
        ON CONFLICT (auction_id, user_id) DO UPDATE SET maximum = excluded.maximum
), entry AS (
    INSERT INTO auctions_auctionlogentry (id, auction_id, seq, kind, at, bidder_id, alias, amount, price, leader_alias,
           ends_at, deadline, reason, salt, commitment, previous_hash, hash)
    SELECT %(id)s, id, log_seq, 'bid', now, %(user)s, 'Bidder ' || number, %(amount)s, price,
           'Bidder ' || leader_number, ends_at, ends_at, '', '', '', '', '' FROM new
), event AS (
    INSERT INTO auctions_auctionevent (auction_id, seq, kind, at, status, ends_at, price, min_next, bid_count,
           reserve_status, alias, leader_alias, bid_seq, is_voided, entry_id, leader_id, previous_leader_id)
    SELECT id, event_seq, 'bid', now, status, ends_at, price, price + 1, bid_count, 'none', 'Bidder ' || number,
           'Bidder ' || leader_number, bid_seq, false, %(id)s, leader_id, previous FROM new
)
SELECT price, leader_id FROM new
"""


@dataclass(frozen=True)
class Attempt:
    """One bid."""

    user: User
    auction: Auction
    amount: Decimal


def attempts(auctions: Sequence[Auction], users: Sequence[User], count: int) -> list[Attempt]:
    """The same bids for each contender, by people taken in turn from a shuffled row."""
    source, row = random.Random(5), list(users)
    source.shuffle(row)
    made = []
    for number in range(count):
        turn, place = divmod(number, len(auctions))
        made.append(Attempt(row[number % len(row)], auctions[place], Decimal(1000 + 10 * turn)))
    return made


def ours(attempt: Attempt) -> bool:
    """The service behind POST /api/auctions/{id}/bids, with all its rules."""
    from auctions.services.bids import place_bid
    from common.errors import DomainError

    try:
        place_bid(user_id=attempt.user.pk, auction_id=attempt.auction.pk, amount=attempt.amount)
    except DomainError:
        return False
    return True


@transaction.atomic
def orm(attempt: Attempt) -> bool:
    """As it is usually written: rows by select_for_update, the highest maxima from the bids, `create` and `save`."""
    from django.db.models import Max
    from django.utils import timezone

    from accounts.models import User
    from auctions.models import Auction, AuctionBidder, AuctionEvent, AuctionLogEntry

    user = User.objects.select_for_update().get(pk=attempt.user.pk)
    auction = Auction.objects.select_for_update().get(pk=attempt.auction.pk)
    now, amount = timezone.now(), attempt.amount
    least = auction.starting_price if auction.price is None else auction.price + 1
    own = AuctionLogEntry.objects.filter(auction=auction, bidder=user, kind="bid")
    mine = own.aggregate(most=Max("amount"))["most"]
    too_low = amount < least and auction.leader_id != user.pk
    if auction.status != "live" or now >= auction.ends_at or too_low or (mine is not None and amount <= mine):
        return False
    bidder, is_new = AuctionBidder.objects.update_or_create(
        auction=auction,
        user=user,
        defaults={"maximum": amount},
        create_defaults={"maximum": amount, "number": auction.bidder_count + 1, "first_bid_at": now},
    )
    standing = AuctionLogEntry.objects.filter(auction=auction, kind="bid").exclude(bidder=user)
    others = list(standing.values("bidder").annotate(most=Max("amount")).order_by("-most")[:2])
    previous, auction.runner_up_max = auction.leader_id, auction.runner_up_max
    if auction.leader_id is None:
        auction.price, auction.leader, auction.leader_max = auction.starting_price, user, amount
        auction.leader_number = bidder.number
    elif auction.leader_id == user.pk:
        auction.leader_max = amount
    else:
        rival = others[0]["most"]
        if amount > rival:
            auction.leader, auction.leader_max, auction.leader_number = user, amount, bidder.number
        auction.runner_up_max = max(min(amount, rival), auction.runner_up_max or 0)
        auction.price = max(auction.price, min(max(amount, rival), min(amount, rival) + 1))
    auction.bidder_count += is_new
    for counter in ("bid_count", "bid_seq", "event_seq", "log_seq"):
        setattr(auction, counter, getattr(auction, counter) + 1)
    entry = AuctionLogEntry.objects.create(
        auction=auction, seq=auction.log_seq, kind="bid", at=now, bidder=user, alias=str(bidder), amount=amount,
        price=auction.price, leader_alias=auction.leader_alias or "", ends_at=auction.ends_at,
        deadline=auction.ends_at, hash="",
    )  # fmt: skip
    AuctionEvent.objects.create(
        auction=auction, seq=auction.event_seq, kind="bid", at=now, status=auction.status, ends_at=auction.ends_at,
        price=auction.price, min_next=auction.price + 1, bid_count=auction.bid_count, reserve_status="none",
        alias=str(bidder), leader_alias=auction.leader_alias or "", bid_seq=auction.bid_seq, entry=entry,
        leader=auction.leader, previous_leader_id=previous,
    )  # fmt: skip
    auction.save()
    return True


def bare(attempt: Attempt) -> bool:
    """One statement by psycopg, prepared, committed by itself."""
    cursor = _cursor_of(connection.connection)
    facts = {"user": attempt.user.pk, "auction": attempt.auction.pk, "amount": attempt.amount, "id": uuid.uuid4()}
    return cursor.execute(BARE, facts).fetchone() is not None


def make_auctions(count: int) -> list[Auction]:
    """Live ones with steps of 1.00, each of a listing of its own, and all of one seller."""
    from django.utils import timezone

    from accounts.models import User
    from auctions.fees import DEFAULT_SCHEDULE
    from auctions.models import Auction, Listing
    from cars.models import Vehicle

    stamp, now = secrets.token_hex(4), timezone.now()
    seller = User.objects.create(email=f"seller-{stamp}@example.com")
    made = []
    for number in range(count):
        vehicle = Vehicle.objects.create(
            owner=seller, plate=f"{stamp} {number}", make="Honda", model="Accord", year=2018, vin_exempt_reason="test"
        )
        listing = Listing.objects.create(
            seller=seller, vehicle=vehicle, year=2018, make="Honda", model="Accord", mileage=62_000, currency="USD",
            condition="runs_drives", title_type="clean", title_state="NY", starting_price=1000, status="active",
            location_city="Albany", location_state="NY", location_zip="12207", published_at=now,
        )  # fmt: skip
        auction = Auction.objects.create(
            listing=listing, seller=seller, currency="USD", status="live", starts_at=now, opened_at=now,
            ends_at=now + timedelta(days=2), original_ends_at=now + timedelta(days=2), starting_price=1000,
            increments=[{"up_to": None, "step": "1.00"}], fee_schedule=DEFAULT_SCHEDULE,
        )  # fmt: skip
        Listing.objects.filter(pk=listing.pk).update(status="in_auction", auction=auction)
        made.append(auction)
    return made


def make_bidders() -> list[User]:
    from django.utils import timezone

    from accounts.models import User

    stamp, now = secrets.token_hex(4), timezone.now()
    return User.objects.bulk_create(
        User(
            email=f"{stamp}-{number}@example.com",
            email_verified_at=now,
            identity_verified_at=now,
            payment_reference="pm_1",
        )
        for number in range(USERS)
    )


def main(count: int, rounds: int) -> None:
    jobs: dict[str, Callable[[Attempt], bool]] = {"ours": ours, "orm": orm, "bare": bare}

    def measure(auctions: int, name: str) -> Figures:
        work = attempts(make_auctions(auctions), make_bidders(), count)
        analyze()
        return Crew(jobs[name], work, threads=1 if name == "bare" else THREADS).run()

    loads = {"hot": 1, "spread": SPREAD}
    seen = {load: in_turns(list(jobs), rounds, partial(measure, auctions)) for load, auctions in loads.items()}
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")
    django.setup()
    main(int(sys.argv[1]), int(sys.argv[2]))
