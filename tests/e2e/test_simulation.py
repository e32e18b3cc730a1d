"""Auctions under load with everything real: two server processes, the closer of the schedule, and some who buy at once
while others bid."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.e2e.processes import ROOT, SERVERS, Platform, real_servers, running_platform

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.redis, pytest.mark.xdist_group("e2e")]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("simulation")
    with real_servers() as environment, running_platform(folder, SERVERS, **environment) as running:
        yield running


def simulate(platform: Platform, *arguments: str) -> tuple[str, int]:
    command = [sys.executable, "manage.py", "simulate_auction", "--url", platform.url, *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=platform.environment, capture_output=True, text=True, timeout=180, check=False
    )
    return done.stdout + done.stderr, done.returncode


def figure(text: str, name: str) -> int:
    found = re.search(rf"^{re.escape(name)} +(\d+)$", text, re.MULTILINE)
    return int(found.group(1)) if found else 0


def test_eight_bidders_at_one_auction_break_nothing(platform: Platform) -> None:
    text, status = simulate(platform, "--bidders", "8", "--bids", "25", "--duration", "12", "--seed", "1")
    assert status == 0, text + platform.logs()
    assert "No violations." in text
    assert (figure(text, "accepted") > 10, figure(text, "server errors")) == (True, 0), text


def test_bids_race_the_closer_and_those_who_buy_at_once(platform: Platform) -> None:
    """The bids go on past the end, and the closer is the schedule's."""
    race = ("--bidders", "8", "--bids", "25", "--auctions", "3", "--duration", "8", "--spread", "--buy-now")
    text, status = simulate(platform, *race, "--seed", "7")
    assert status == 0, text + platform.logs()
    assert (figure(text, "bought at once") > 0, figure(text, "closed by us")) == (True, 0), text
    assert figure(text, "refused: auction_ended") + figure(text, "refused: auction_not_live") > 0, text


def test_a_sale_that_was_tampered_with_is_a_violation(platform: Platform) -> None:
    """The control: a trigger that takes a dollar off each order."""
    take = """
        CREATE FUNCTION tamper() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN NEW.hammer_price = NEW.hammer_price - 1; RETURN NEW; END $$;
        CREATE TRIGGER tamper BEFORE INSERT ON auctions_order FOR EACH ROW EXECUTE FUNCTION tamper()
    """
    with platform.connect() as connection:
        connection.execute(take)
        text, status = simulate(platform, "--bidders", "3", "--bids", "4", "--duration", "3", "--buy-now")
        connection.execute("DROP TRIGGER tamper ON auctions_order")
    assert status == 1
    assert "VIOLATION" in text
    assert "order_differs hammer_price" in text
