"""Processes that are killed in the middle of what must happen once: a refund at the provider, notifications, reports, a
payout, bids and bookings, and the hand-over of a mail."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest

from tests.e2e.processes import SERVERS, Platform
from tests.faults import market as people
from tests.faults.conftest import reporting, schedule
from tests.faults.load import PERSON, resending
from tests.faults.market import Market, bearer
from tests.faults.processes import children
from tests.standins.base import Request
from tests.standins.mail import MailServer
from tests.standins.stripe_server import StripeServer

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.redis, pytest.mark.xdist_group("faults")]
REPORT = "Subject: Your parking in"
RESET = "Subject: Choose a new password"
WAITING = """
SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
   AND application_name = %s AND query LIKE %s
"""
# As slow as a very busy server, so that there is a middle.
SLOWLY = """
CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep({seconds}); RETURN NEW; END';
CREATE TRIGGER slowly BEFORE INSERT ON accounts_notification
   FOR EACH ROW WHEN (NEW.kind = '{kind}') EXECUTE FUNCTION slowly();
"""
WRITING = """
SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'
   AND application_name = 'forecourt-worker'
"""


@contextmanager
def telling_takes_time(database: Any, kind: str, *, seconds: float) -> Iterator[None]:
    """Each notification of that kind."""
    database.execute(SLOWLY.format(kind=kind, seconds=seconds))
    try:
        yield
    finally:
        database.execute("DROP FUNCTION slowly CASCADE")


def is_waiting(database: Any, who: str, query: str) -> bool:
    """Whether a process of that kind waits for a lock in such a statement."""
    return database.execute(WAITING, [f"forecourt-{who}", query]).fetchone() is not None


@contextmanager
def holding(platform: Platform, statement: str, *values: Any) -> Iterator[None]:
    """The locks of the statement, while the block runs."""
    with platform.connect(autocommit=False) as holder:
        holder.execute(statement, values)
        yield


@pytest.mark.fault(
    "F18",
    "worker killed before the provider of payments hears of a refund, after its answer and while people are told",
    expected="one refund at the provider, credited once, its buyer told once",
)
def test_a_refund_whose_workers_are_killed_is_paid_once(
    platform: Platform, market: Market, stripe: StripeServer, database: Any, witness: Callable[..., None]
) -> None:
    assert market.refund is not None
    refund, order = market.refund["refund"], market.refund["order"]
    asked: list[Request] = []

    def kill_the_first(request: Request) -> None:
        if request.method == "POST" and request.path.endswith("/refunds"):
            asked.append(request)
            if len(asked) == 1:
                platform.kill("worker")

    stripe.on_request(kill_the_first)
    schedule(platform, "auctions: Refunds", every_s=2)
    with platform.client(market.refund["token"]) as finance:
        assert finance.post(f"/api/refunds/{refund}/approve").status_code == 200
    platform.until("the first is killed", lambda: "worker" not in platform.processes, within=180)
    with holding(platform, "SELECT 1 FROM auctions_order WHERE id = %s FOR UPDATE", order):
        platform.start("worker", SERVERS["worker"])
        # It was answered, and waits to write that down; or does not get to begin, which is no less in the middle.
        platform.until("the second waits", lambda: is_waiting(database, "worker", "%auctions_order%"), within=180)
        platform.kill("worker")
    with telling_takes_time(database, "refund_update", seconds=2):
        platform.start("worker", SERVERS["worker"])
        platform.until("the third tells", lambda: database.execute(WRITING).fetchone(), within=180)
        platform.kill("worker")
    platform.start("worker", SERVERS["worker"])
    told = "SELECT title || ' ' || body FROM accounts_notification WHERE kind = 'refund_update' AND user_id = %s"
    done = "SELECT 1 FROM auctions_refund WHERE id = %s AND status = 'done'"
    platform.until("it is done", lambda: database.execute(done, [refund]).fetchone(), within=180)
    untold = "SELECT 1 FROM auctions_settlementevent WHERE told_at IS NULL"
    platform.until("all is told", lambda: database.execute(untold).fetchone() is None, within=180)
    news = [row[0] for row in database.execute(told, [market.refund["buyer"]])]
    at_stripe = [row for row in stripe.rows() if row["object"] == "refund"]
    credited = database.execute("SELECT credited FROM auctions_invoice WHERE order_id = %s", [order]).fetchone()
    assert len({request.headers["idempotency-key"] for request in asked}) == 1 < len(asked)
    assert [row["amount"] for row in at_stripe] == [10_000]
    assert credited == (100,)
    assert len(news) == len(set(news)) > 0
    witness(kills=3, requests=len(asked), refunds=len(at_stripe), notifications=len(news), lost=0, twice=0)


@pytest.mark.fault(
    "F18",
    "worker killed while it tells twenty people of their month of parking",
    expected="the next run tells the others, everybody once; nobody is mailed twice",
)
def test_a_monthly_report_whose_worker_is_killed_reaches_everybody_once(
    platform: Platform, market: Market, mails: MailServer, database: Any, witness: Callable[..., None]
) -> None:
    rows = "SELECT user_id, mail_status FROM accounts_notification WHERE kind = 'parking_report'"
    everybody, sent_before = len(market.parked), mails.count(REPORT)
    with ExitStack() as due:
        with telling_takes_time(database, "parking_report", seconds=0.5):
            due.enter_context(reporting(platform, database))
            platform.until("some are told", lambda: len(database.execute(rows).fetchall()) >= 5, within=180)
            platform.kill("worker")
            before = len(database.execute(rows).fetchall())
        # Whose mail was being handed over is given up in two minutes, for which nobody has to wait.
        database.execute("UPDATE accounts_notification SET mail_due_at = now() WHERE mail_status = 'sending'")
        platform.start("worker", SERVERS["worker"])
        assert before < everybody
        platform.until("all are told", lambda: len(database.execute(rows).fetchall()) == everybody, within=180)
    final = {"sent", "failed"}  # Failed: killed in the hand-over, where nobody knows whether the mail is out.
    platform.until("all are mailed", lambda: {row[1] for row in database.execute(rows)} <= final, within=180)
    told = database.execute(rows).fetchall()
    assert sorted(row[0] for row in told) == sorted(market.parked)
    sent, statuses = mails.count(REPORT) - sent_before, [row[1] for row in told]
    assert statuses.count("sent") <= sent <= everybody
    witness(told_before_the_kill=before, told=len(told), mails=sent, lost=0, twice=len(told) - everybody)


@pytest.mark.fault(
    "F18",
    "worker killed when the mail server has the message and has not said so yet",
    expected="marked as failed for a person to look at, never sent again",
)
def test_a_mail_whose_worker_is_killed_in_the_hand_over_is_not_sent_twice(
    platform: Platform, client: httpx.Client, mails: MailServer, database: Any, witness: Callable[..., None]
) -> None:
    handed_over = threading.Event()

    def kill(message: str) -> None:
        if RESET in message and not handed_over.is_set():
            platform.kill("worker")
            handed_over.set()

    mails.on_message = kill
    before = mails.count(RESET)
    assert client.post("/api/auth/password-reset", json={"email": PERSON["email"]}).is_success
    platform.until("the hand-over", handed_over.is_set, within=180)
    mails.on_message = lambda message: None
    state = "SELECT mail_status, mail_attempts FROM accounts_notification WHERE kind = 'password_reset'"
    # Instead of waiting for two minutes.
    database.execute("UPDATE accounts_notification SET mail_due_at = now() WHERE mail_status = 'sending'")
    platform.start("worker", SERVERS["worker"])
    platform.until("it is given up", lambda: database.execute(state).fetchall() == [("failed", 1)], within=180)
    sent = mails.count(RESET) - before
    assert sent <= 1
    witness(mails=sent, status="failed", twice=0)


@pytest.mark.fault(
    "F18",
    "server killed while finance writes down that a payout was sent",
    expected="nothing is written; the same request again pays it once",
)
def test_a_payout_whose_server_is_killed_is_paid_once(
    platform: Platform, market: Market, database: Any, witness: Callable[..., None]
) -> None:
    assert market.payout is not None
    payout, order = market.payout["payout"], market.payout["order"]
    headers = bearer(market.payout["token"]) | {"Idempotency-Key": "payout-1"}
    seen: list[Any] = []

    def pay() -> None:
        try:
            url = f"{platform.url}/api/payouts/{payout}/pay"
            seen.append(httpx.post(url, json={"reference": "W-1"}, headers=headers, timeout=30).status_code)
        except httpx.TransportError:
            seen.append("no answer")

    status = "SELECT status FROM auctions_payout WHERE id = %s"
    with holding(platform, "SELECT 1 FROM auctions_order WHERE id = %s FOR UPDATE", order):
        thread = threading.Thread(target=pay)
        thread.start()
        platform.until("it waits", lambda: is_waiting(database, "web", "%auctions_order%"), within=60)
        platform.kill("web")
        thread.join()
        assert database.execute(status, [payout]).fetchone() == ("due",)
    platform.start("web", SERVERS["web"])
    platform.until("it answers", lambda: httpx.get(f"{platform.url}/health").is_success, within=180)
    pay()
    pay()
    paid = "SELECT count(*) FROM auctions_settlementevent WHERE subject = 'payout' AND subject_id = %s AND new = 'paid'"
    assert seen == ["no answer", 200, 200]
    assert database.execute(status, [payout]).fetchone() == ("paid",)
    assert database.execute(paid, [payout]).fetchone() == (1,)
    witness(answers=seen, lost=0, twice=0)


@pytest.mark.fault(
    "F18",
    "every web process killed under bids, bookings and cancellations",
    expected="what was sent again until it was acked is there once; new processes answer by themselves",
)
def test_web_processes_that_are_killed_make_nothing_twice(
    platform: Platform, market: Market, database: Any, witness: Callable[..., None]
) -> None:
    work = people.everyday_work(market, first_day=90)
    before = people.made(database, market)
    with resending(platform.url, work) as load:
        load.wait_for_each(work, 3)
        for pid in children(platform.processes["web"].pid):
            os.kill(pid, signal.SIGKILL)
        load.wait_for_each(work, 4)
    assert load.oddities == []
    bids, bookings = load.made("bidder", field="bid"), load.made("driver")
    assert people.made(database, market) - before == {*bids, *bookings}
    witness(acked=load.all_acked, bids=len(bids), bookings=len(bookings), other=load.answers, lost=0, twice=0)
