"""The auctions' main job with everything real: a car is listed with a photo, approved, goes live on time, two bidders
drive the price, a late bid moves the end, a job closes it, both hear of it, and anybody can check the log."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.e2e.market import ACCORD, add_photo, bidder, verified
from tests.e2e.people import Desk, must
from tests.e2e.processes import SERVERS, Platform, real_servers, running_platform

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.redis, pytest.mark.xdist_group("e2e")]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("auctions")
    quick = {"AUCTION_MIN_DURATION_S": "5"}
    with real_servers() as servers, running_platform(folder, SERVERS, **servers, **quick) as running:
        yield running


@pytest.fixture(scope="module")
def desk(platform: Platform) -> Iterator[Desk]:
    with ExitStack() as stack:
        yield Desk(platform, stack)


class Stream:
    """Listens to an auction beside the test."""

    def __init__(self, url: str) -> None:
        self.url, self.frames = url, []
        self.changed = threading.Condition()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        frame: dict[str, str] = {}
        with httpx.stream("GET", self.url, timeout=60) as response:
            for line in response.iter_lines():
                if line:
                    name, _, value = line.partition(": ")
                    frame[name] = value
                elif "event" in frame:
                    with self.changed:
                        self.frames.append((int(frame["id"]), frame["event"], json.loads(frame["data"])))
                        self.changed.notify_all()
                    if frame["event"] == "closed":
                        return
                    frame = {}

    def wait_for(self, what: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(what, timeout=60), self.frames

    def kinds(self) -> list[str]:
        return [kind for _, kind, _ in self.frames]


def listed_after_refusals(platform: Platform, desk: Desk, seller: httpx.Client) -> int:
    """As `listed`, with what must not pass on the way."""
    assert desk.stranger.post("/api/vehicles", json=ACCORD).json()["errors"][0]["code"] == "email_not_verified"
    listing = int(must(seller.post("/api/vehicles", json=ACCORD))["id"])
    url = f"/api/vehicles/{listing}"
    refused = seller.post(f"{url}/submit")
    assert (refused.status_code, [error["attr"] for error in refused.json()["errors"]]) == (422, ["images"])
    add_photo(platform, seller, listing)
    must(seller.post(f"{url}/submit"))
    assert desk.anybody.get(url).status_code == 404
    must(desk.person("moderator@example.com", "moderator").post(f"{url}/approve"))
    assert "reserve_price" not in must(desk.anybody.get(url))
    return listing


def test_a_car_is_sold_to_the_highest_bidder(platform: Platform, desk: Desk) -> None:
    seller = verified(desk, "seller@example.com")
    ann, ben = bidder(desk, "ann@example.com"), bidder(desk, "ben@example.com")
    listing = listed_after_refusals(platform, desk, seller)
    starts_at = datetime.now(UTC) + timedelta(seconds=15)
    terms = {
        "listing": listing,
        "starts_at": starts_at.isoformat(),
        "ends_at": (starts_at + timedelta(seconds=20)).isoformat(),
        "soft_close_window_s": 60,
        "soft_close_extension_s": 20,
        "max_extensions": 2,
    }
    auction = must(seller.post("/api/auctions", json=terms))
    url = f"/api/auctions/{auction['id']}"
    stream = Stream(f"{platform.url}{url}/stream")
    early = ann.post(f"{url}/bids", json={"amount": "1200.00"})
    assert early.json()["errors"][0]["code"] == "auction_not_live"
    stream.wait_for(lambda: "opened" in stream.kinds())
    drive_the_price(seller, ann, ben, url)
    stream.wait_for(lambda: "closed" in stream.kinds())
    the_stream_was_gap_less(stream)
    the_sale_is_told(platform, ann, ben)
    assert must(desk.anybody.get(url))["status"] == "sold"
    the_log_proves_it(desk, url)


def drive_the_price(seller: httpx.Client, ann: httpx.Client, ben: httpx.Client, url: str) -> None:
    own = seller.post(f"{url}/bids", json={"amount": "1200.00"})
    assert (own.status_code, own.json()["errors"][0]["code"]) == (403, "seller_cannot_bid")
    first = must(ann.post(f"{url}/bids", json={"amount": "1200.00"}))
    assert (first["position"], first["price"]) == ("leading", "1200.00")  # Below the reserve the price jumps.
    low = ben.post(f"{url}/bids", json={"amount": "1250.00"})
    assert (low.json()["errors"][0]["code"], low.json()["errors"][0]["meta"]["min_next"]) == ("bid_too_low", "1300.00")
    second = must(ben.post(f"{url}/bids", json={"amount": "2000.00"}))
    assert (second["position"], second["price"], second["extended"]) == ("leading", "1500.00", True)
    third = must(ann.post(f"{url}/bids", json={"amount": "1700.00"}))
    assert (third["position"], third["price"]) == ("outbid", "1800.00")
    assert must(ben.get(url))["your_max"] == "2000.00"
    assert must(ann.get(url))["your_max"] == "1700.00"


def the_stream_was_gap_less(stream: Stream) -> None:
    numbers = [number for number, kind, _ in stream.frames if kind != "snapshot"]
    assert numbers == list(range(1, len(numbers) + 1))
    assert {"bid", "extended", "reserve_met"} <= set(stream.kinds())
    last = stream.frames[-1][2]
    assert (last["status"], last["price"], last["leader_alias"]) == ("sold", "1800.00", "Bidder 2")


def the_sale_is_told(platform: Platform, ann: httpx.Client, ben: httpx.Client) -> None:
    def kinds(client: httpx.Client) -> set[str]:
        return {row["kind"] for row in must(client.get("/api/notifications"))["results"]}

    platform.until("the winner hears of it", lambda: "auction_won" in kinds(ben), within=60)
    platform.until("the loser hears of it", lambda: {"auction_lost", "outbid"} <= kinds(ann), within=60)
    mails = platform.folder / "mails"
    platform.until("mail", lambda: any("ben@example.com" in mail.read_text() for mail in mails.glob("*")), within=60)


def the_log_proves_it(desk: Desk, url: str) -> None:
    """Checked by what is published alone: each row's hash is that of its content, which names the row before."""
    audit = must(desk.anybody.get(f"{url}/audit"))
    assert audit["valid"] is True
    previous = ""
    for row in audit["rows"]:
        content: dict[str, Any] = {name: value for name, value in row.items() if name != "hash"}
        assert content["previous"] == previous
        previous = hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
        assert row["hash"] == previous
    assert audit["head"] == previous
    assert "2000.00" not in json.dumps(audit)
