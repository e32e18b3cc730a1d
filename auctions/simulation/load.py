"""The bidders: each bids over HTTP with a token of its own, all at once. Knows no database."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import httpx

MOST_TRIES = 8  # Of one request that the server asked to send later, or whose connection broke.
LONGEST_WAIT_S = 65.0
TIMEOUT_S = 30.0
RACERS = 3  # Who buy at once at the same moment, per auction.
OVER = ("auction_ended", "auction_not_live")


class Bidder(NamedTuple):
    """A person with an access token."""

    user_id: int
    token: str


class Lot(NamedTuple):
    """An auction to bid in. `step` is about what a bid must be above the price."""

    auction_id: int
    start: Decimal
    step: Decimal
    has_buy_now: bool


class Accepted(NamedTuple):
    """A bid that a server answered with 201."""

    bid: UUID
    auction_id: int
    user_id: int
    amount: Decimal


class Plan(NamedTuple):
    """What is to happen: `bids` per bidder; over `spread_s` seconds, or as fast as they go when that is 0."""

    urls: Sequence[str]
    bids: int
    spread_s: float
    seed: int


@dataclass
class Tally:
    """What the servers answered. `latencies` in seconds, of all bids that were answered other than by 429."""

    accepted: list[Accepted] = field(default_factory=list)
    bought: list[tuple[int, int]] = field(default_factory=list)  # Auction and buyer.
    refused: Counter[str] = field(default_factory=Counter)
    server_errors: Counter[int] = field(default_factory=Counter)
    unexpected: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    held_back: int = 0  # Answers 429.
    broken: int = 0  # Connections that broke before the answer came.
    unanswered: int = 0  # Requests given up after all tries: nobody knows whether they counted.
    seconds: float = 0.0


class Load:
    """One run of a plan."""

    def __init__(self, plan: Plan, bidders: Sequence[Bidder], lots: Sequence[Lot]) -> None:
        self.plan, self.bidders, self.lots = plan, bidders, lots
        self.tally = Tally()
        self.lowest = {lot.auction_id: lot.start for lot in lots}  # What a bid must be at least, as last heard.
        self.over: set[int] = set()
        self.urls = [url.rstrip("/") for url in plan.urls]

    def run(self) -> Tally:
        asyncio.run(self._run())
        return self.tally

    async def _run(self) -> None:
        limits = httpx.Limits(max_connections=len(self.bidders) + RACERS * len(self.lots))
        began = time.monotonic()
        async with httpx.AsyncClient(timeout=TIMEOUT_S, limits=limits) as client, asyncio.TaskGroup() as group:
            for number, bidder in enumerate(self.bidders):
                group.create_task(self._bid_on(client, bidder, random.Random(self.plan.seed * 10_007 + number)))  # noqa: S311
            for lot in self.lots:
                if lot.has_buy_now:
                    group.create_task(self._race_to_buy(client, lot))
        self.tally.seconds = time.monotonic() - began

    async def _bid_on(self, client: httpx.AsyncClient, bidder: Bidder, rng: random.Random) -> None:
        """One bidder's evening."""
        for _ in range(self.plan.bids):
            if self.plan.spread_s:
                await asyncio.sleep(rng.uniform(0, 2 * self.plan.spread_s / self.plan.bids))
            running = [lot for lot in self.lots if lot.auction_id not in self.over]
            if not running:
                return
            lot = rng.choice(running)
            amount = self._amount(lot, rng)
            path, body = f"/api/auctions/{lot.auction_id}/bids", {"amount": str(amount)}
            answer = await self._post(client, rng.choice(self.urls) + path, bidder, body)
            if answer is not None:
                self._note(answer, lot, bidder, amount)

    def _amount(self, lot: Lot, rng: random.Random) -> Decimal:
        """Mostly what is needed or a little more; sometimes much more, and now and then too little."""
        steps = rng.choice((-1, 0, 1, 1, 2, 2, 3, 5, 9))
        cents = Decimal(rng.choice((0, 0, 0, 1, 50))) / 100
        return max(self.lowest[lot.auction_id] + steps * lot.step + cents, Decimal(1))

    def _note(self, answer: httpx.Response, lot: Lot, bidder: Bidder, amount: Decimal) -> None:
        body = answer.json()
        if answer.status_code == 201:
            self._hear(lot, body["min_next"])
            self.tally.accepted.append(Accepted(UUID(body["bid"]), lot.auction_id, bidder.user_id, amount))
            return
        code = self._refusal(body)
        if code == "bid_too_low":
            self._hear(lot, body["errors"][0]["meta"]["min_next"])
        elif code in OVER:
            self.over.add(lot.auction_id)

    def _hear(self, lot: Lot, min_next: str) -> None:
        self.lowest[lot.auction_id] = max(self.lowest[lot.auction_id], Decimal(min_next))

    def _refusal(self, body: Any) -> str:
        code = str(body["errors"][0]["code"])
        self.tally.refused[code] += 1
        return code

    async def _race_to_buy(self, client: httpx.AsyncClient, lot: Lot) -> None:
        """Some who want it at once, at the same moment and amid the bids."""
        rng = random.Random(self.plan.seed * 20_011 + lot.auction_id)  # noqa: S311 - a load, not a secret
        await asyncio.sleep(rng.uniform(0.1, 0.5) * (self.plan.spread_s or 2.0))
        racers = rng.sample(list(self.bidders), min(RACERS, len(self.bidders)))
        await asyncio.gather(*(self._buy(client, lot, racer, rng.choice(self.urls)) for racer in racers))

    async def _buy(self, client: httpx.AsyncClient, lot: Lot, bidder: Bidder, url: str) -> None:
        answer = await self._post(client, f"{url}/api/auctions/{lot.auction_id}/buy-now", bidder, {})
        if answer is None:
            return
        if answer.status_code == 201:
            self.tally.bought.append((lot.auction_id, bidder.user_id))
            self.over.add(lot.auction_id)
        else:
            self._refusal(answer.json())

    async def _post(
        self, client: httpx.AsyncClient, url: str, bidder: Bidder, body: dict[str, str]
    ) -> httpx.Response | None:
        """The answer that counts: 201, 403 or 409. What was held back or broke off is sent again under its key."""
        headers = {"Authorization": f"Bearer {bidder.token}", "Idempotency-Key": str(uuid4())}
        for _ in range(MOST_TRIES):
            began = time.perf_counter()
            try:
                answer = await client.post(url, json=body, headers=headers)
            except httpx.TransportError:
                self.tally.broken += 1
                await asyncio.sleep(0.3)
                continue
            if answer.status_code == 429:
                self.tally.held_back += 1
                await asyncio.sleep(min(float(answer.headers.get("Retry-After", 1)), LONGEST_WAIT_S))
                continue
            self.tally.latencies.append(time.perf_counter() - began)
            if answer.status_code in (201, 403, 409):
                return answer
            if answer.status_code >= 500:
                self.tally.server_errors[answer.status_code] += 1
            else:
                self.tally.unexpected[f"{answer.status_code} {answer.text[:200]}"] += 1
            return None
        self.tally.unanswered += 1
        return None
