"""Reports on sales: right figures, reckoned by hand here, as JSON, as a file and as charts."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from auctions.admin import dashboard
from auctions.models import Auction, InvoiceLine, Order, Payout, TitleTransfer
from auctions.services.reports import REPORTS, Period, rows_of, totals_of
from common.dashboard import Visit
from tests.auctions.factories import AuctionFactory, BidderFactory, InvoiceFactory, OrderFactory
from tests.conftest import MakeUser

pytestmark = pytest.mark.django_db
URL = "/api/reports"
OCTOBER, NOVEMBER = datetime(2026, 10, 31, 23, 59, 59, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)


def ended(at: datetime, status: str = "no_bids", **fields: Any) -> Auction:
    """As the sweep leaves it."""
    auction = AuctionFactory()
    if "price" in fields:
        fields |= {"leader": BidderFactory(), "leader_number": 1, "leader_max": fields["price"]}
    Auction.objects.filter(pk=auction.pk).update(status=status, closed_at=at, **fields)
    return auction


def ordered(at: datetime, **fields: Any) -> Order:
    order: Order = OrderFactory(created_at=at, payment_due_at=at + timedelta(days=7), **fields)
    return order


def report(name: str, **period: date) -> tuple[list[Any], list[Any]]:
    asked = Period(**period)
    return list(rows_of(REPORTS[name], asked)), list(totals_of(REPORTS[name], asked))


# --- Figures


def test_sell_through() -> None:
    for status in ("sold", "bought_now", "unsold"):
        ended(OCTOBER, status, price=Decimal(1500))
    ended(NOVEMBER, "no_bids")
    ended(NOVEMBER, "cancelled")
    AuctionFactory()
    rows, totals = report("sell-through")
    assert rows == [
        {"month": "2026-10", "ended": 3, "sold": 2, "no_bids": 0, "percent": Decimal("66.7")},
        {"month": "2026-11", "ended": 1, "sold": 0, "no_bids": 1, "percent": Decimal("0.0")},
    ]
    assert totals == [{"ended": 4, "sold": 2, "no_bids": 1, "percent": Decimal("50.0")}]


def test_price_against_reserve() -> None:
    for price, reserve in (("5500.00", "5000.00"), ("2000.50", "4000.00")):
        ended(OCTOBER, "unsold", price=price, reserve_price=reserve, original_reserve_price="6000.00")
    ended(OCTOBER, "unsold", price=100_000, reserve_price=1, original_reserve_price=1, currency="CAD")
    ended(OCTOBER, "no_bids", reserve_price=9000, original_reserve_price=9000)
    ended(OCTOBER, "sold", price=7000)
    rows, totals = report("price-against-reserve", last=date(2026, 10, 31))
    dollars = {"currency": "USD", "lots": 2, "met": 1, "reserve": Decimal("9000.00"), "price": Decimal("7500.50")}
    assert rows[1] == {"month": "2026-10", **dollars, "percent": Decimal("83.3")}
    assert [row["currency"] for row in rows] == [row["currency"] for row in totals] == ["CAD", "USD"]
    assert totals[1] == dollars | {"percent": Decimal("83.3")}


def test_bids_per_lot() -> None:
    ended(OCTOBER, "sold", price=1500, bid_count=9, bidder_count=3)
    ended(OCTOBER, "sold", price=1500, bid_count=2, bidder_count=2)
    ended(OCTOBER)
    rows, _ = report("bids-per-lot")
    assert rows == [
        {
            "month": "2026-10",
            "lots": 3,
            "bids": 11,
            "mean_bids": Decimal("3.7"),
            "most_bids": 9,
            "mean_bidders": Decimal("1.7"),
            "bidders": 5,
        }
    ]


def test_time_to_pay() -> None:
    for days in (1.5, 10):
        ordered(OCTOBER - timedelta(days=days), paid_at=OCTOBER, status="paid")
    ordered(OCTOBER)
    rows, totals = report("time-to-pay")
    figures = {
        "orders": 2,
        "late": 1,
        "mean_days": Decimal("5.8"),
        "shortest_days": Decimal("1.5"),
        "longest_days": Decimal("10.0"),
    }
    assert (rows, totals) == ([{"month": "2026-10", **figures}], [figures])


def test_days_to_title() -> None:
    for days in (12, 31):
        begun = NOVEMBER - timedelta(days=days)
        TitleTransfer.objects.create(
            order=OrderFactory(status="completed", paid_at=begun), status="completed", completed_at=NOVEMBER,
            due_at=begun + timedelta(days=30),
        )  # fmt: skip
    TitleTransfer.objects.create(order=OrderFactory(), due_at=NOVEMBER)
    rows, _ = report("days-to-title")
    assert rows == [
        {
            "month": "2026-11",
            "titles": 2,
            "late": 1,
            "mean_days": Decimal("21.5"),
            "shortest_days": Decimal("12.0"),
            "longest_days": Decimal("31.0"),
        }
    ]


def test_fees() -> None:
    for fee in ("25.10", None):
        invoice = InvoiceFactory(issued_at=OCTOBER, credited="5.05", subtotal="1325.00")
        for position, (kind, amount) in enumerate(
            (("hammer", 1000), ("buyer_premium", 250), ("title_processing", 75)), start=1
        ):
            InvoiceLine.objects.create(invoice=invoice, position=position, kind=kind, description="D", amount=amount)
        if fee:
            price = Decimal(1000)
            Payout.objects.create(
                order=invoice.order, price=price, fee=fee, amount=price - Decimal(fee), currency="USD", due_at=OCTOBER
            )
    InvoiceFactory(issued_at=OCTOBER, status="void", credited="1325.00")
    rows, totals = report("fees")
    figures = {
        "currency": "USD",
        "invoices": 2,
        "hammer": Decimal("2000.00"),
        "buyer_premium": Decimal("500.00"),
        "title_processing": Decimal("150.00"),
        "transport": Decimal("0.00"),
        "tax": Decimal("0.00"),
        "total": Decimal("2650.00"),
        "credited": Decimal("10.10"),
        "seller_fees": Decimal("25.10"),
    }
    assert (rows, totals) == ([{"month": "2026-10", **figures}], [figures])


def test_defaults() -> None:
    for status in ("defaulted", "cancelled", "refunded", "awaiting_payment", "overdue", "defaulted"):
        ordered(OCTOBER, status=status)
    rows, totals = report("defaults")
    figures = {"orders": 6, "defaulted": 2, "cancelled": 1, "refunded": 1, "percent": Decimal("33.3")}
    assert (rows, totals) == ([{"month": "2026-10", **figures}], [figures])


@pytest.mark.parametrize(
    ("period", "months"),
    [
        ({}, ["2026-10", "2026-11"]),
        ({"first": date(2026, 11, 1)}, ["2026-11"]),
        ({"last": date(2026, 10, 31)}, ["2026-10"]),
        ({"first": date(2026, 10, 31), "last": date(2026, 11, 1)}, ["2026-10", "2026-11"]),
        ({"first": date(2026, 11, 2)}, []),
    ],
)
def test_a_period_includes_its_days(period: dict[str, date], months: list[str]) -> None:
    ordered(OCTOBER)
    ordered(NOVEMBER)
    rows, totals = report("defaults", **period)
    assert [row["month"] for row in rows] == months
    assert sum(row["orders"] for row in totals) == len(months)


# --- Answers


def test_a_report_as_json(finance_client: APIClient) -> None:
    ended(OCTOBER, "sold", price=1500)
    answer = finance_client.get(f"{URL}/sell-through", {"from": "2026-10-01"})
    assert answer.status_code == 200
    assert answer.json() == {
        "name": "sell-through",
        "from": "2026-10-01",
        "to": None,
        "rows": [{"month": "2026-10", "ended": 1, "sold": 1, "no_bids": 0, "percent": "100.0"}],
        "totals": [{"ended": 1, "sold": 1, "no_bids": 0, "percent": "100.0"}],
    }


def test_a_report_as_a_file(finance_client: APIClient) -> None:
    ended(OCTOBER, "unsold", price="2000.50", reserve_price=4000, original_reserve_price=4000)
    answer: Any = finance_client.get(f"{URL}/price-against-reserve.csv", HTTP_ACCEPT="text/csv")
    assert (answer.status_code, answer.streaming) == (200, True)
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"] == 'attachment; filename="price-against-reserve.csv"'
    body = b"".join(answer.streaming_content).decode()
    assert body.endswith("\r\n")
    assert list(csv.reader(io.StringIO(body))) == [
        ["month", "currency", "lots", "met", "reserve", "price", "percent"],
        ["2026-10", "USD", "1", "0", "4000.00", "2000.50", "50.0"],
    ]


@pytest.mark.parametrize("name", REPORTS)
def test_every_report_answers_with_nothing_and_with_something(name: str, finance_client: APIClient) -> None:
    assert finance_client.get(f"{URL}/{name}").json() == {
        "name": name,
        "from": None,
        "to": None,
        "rows": [],
        "totals": [],
    }
    order = ordered(OCTOBER, paid_at=OCTOBER, status="paid")
    InvoiceFactory(order=order, issued_at=OCTOBER)
    TitleTransfer.objects.create(order=order, status="completed", completed_at=NOVEMBER, due_at=NOVEMBER)
    ended(OCTOBER, "unsold", price=1500, reserve_price=4000, original_reserve_price=4000)
    body = finance_client.get(f"{URL}/{name}").json()
    assert len(body["rows"]) == len(body["totals"]) == 1
    assert list(body["rows"][0]) == list(REPORTS[name].columns)
    file: Any = finance_client.get(f"{URL}/{name}.csv")
    assert len(b"".join(file.streaming_content).splitlines()) == 2


@pytest.mark.parametrize("suffix", ["", ".csv"])
@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"from": "2026-02-30"}, "invalid"),
        ({"from": "2026-02-02", "to": "2026-02-01"}, "invalid_range"),
        ({"month": "2026-02"}, "unknown_parameter"),
    ],
)
def test_a_bad_period_is_refused(finance_client: APIClient, suffix: str, query: dict[str, str], code: str) -> None:
    answer = finance_client.get(f"{URL}/fees{suffix}", query, HTTP_ACCEPT="text/csv" if suffix else "application/json")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, code)


@pytest.mark.parametrize("name", ["profits", "profits.csv", "fees.pdf"])
def test_another_report_does_not_exist(finance_client: APIClient, name: str) -> None:
    assert finance_client.get(f"{URL}/{name}").status_code == 404


@pytest.mark.parametrize("roles", [[], ["parking_manager"], ["service_advisor"]])
def test_others_do_not_read_reports(
    make_user: MakeUser, as_user: Callable[[User], APIClient], roles: list[str]
) -> None:
    client = as_user(make_user(roles=roles))
    assert [client.get(f"{URL}/fees{suffix}").status_code for suffix in ("", ".csv")] == [403, 403]


@pytest.mark.parametrize("name", REPORTS)
def test_the_number_of_queries_does_not_grow(name: str, django_assert_num_queries: Any) -> None:
    for months in range(3):
        at = OCTOBER - timedelta(days=31 * months)
        ended(at, "unsold", price=1500, reserve_price=4000, original_reserve_price=4000)
        InvoiceFactory(order=ordered(at, paid_at=at, status="paid"), issued_at=at)
        with django_assert_num_queries(2):
            report(name)


# --- Charts


def test_the_charts_of_finance() -> None:
    ended(OCTOBER, "sold", price=3000, reserve_price=2000, original_reserve_price=2000, bid_count=8, bidder_count=2)
    order = ordered(OCTOBER - timedelta(days=3), paid_at=OCTOBER, status="paid")
    invoice = InvoiceFactory(order=order, issued_at=OCTOBER)
    InvoiceLine.objects.create(invoice=invoice, position=1, kind="buyer_premium", description="D", amount=250)
    TitleTransfer.objects.create(
        order=order, status="completed", created_at=OCTOBER, completed_at=OCTOBER + timedelta(days=20), due_at=NOVEMBER
    )
    charts = {chart.title: chart for chart in dashboard.reports_panel(Visit(None, datetime(2026, 11, 26, tzinfo=UTC)))}
    assert list(charts) == [
        "Sell-through and price of reserve, percent",
        "Bids per lot",
        "Days to pay and to the title, on average",
        "Fees, USD",
        "Orders that came to nothing",
    ]
    assert all(chart.labels[-2:] == ["Oct 2026", "Nov 2026"] and len(chart.labels) == 12 for chart in charts.values())
    sold, bids, days, fees, lost = charts.values()
    assert (sold.series["Sold"][-2:], sold.series["Price of reserve"][-2:]) == ([100.0, None], [150.0, None])
    assert bids.series["Bids"][-2:] == [8.0, None]
    assert (days.series["To pay"][-2:], days.series["To the title"][-2:]) == ([3.0, None], [None, 20.0])
    assert fees.series["Buyers' premiums"][-2:] == [250.0, None]
    assert lost.series["Defaulted"][-2:] == [0.0, None]
