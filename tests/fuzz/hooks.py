"""What OpenAPI cannot say, told to the fuzzer: parameters that exclude each other or must be in order, cursors, which
are the server's own words, and members that must name something that is there. Only cases that are meant to be valid
are mended; all others go out as generated."""

from __future__ import annotations

import itertools
import json
import os
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import schemathesis
from hypothesis.internal import lambda_sources

from cars.vin import check_digit

# How strategies are named in reports. To find the words of a lambda, its whole module is parsed again and again, which
# takes long, and which Python 3.11 cannot always do in two threads at once.
lambda_sources.lambda_description = lambda function: function.__name__

DEEPEST_ROW = 10_000
LATEST_YEAR = 2020  # The document's bound is fixed; what is accepted ends two years ahead.
ORDERED = (
    ("created_after", "created_before"),
    ("queued_from", "queued_to"),
    ("min_price", "max_price"),
    ("from", "to"),
)
ROWS = {
    "/api/notifications/{id}": "FUZZ_NOTIFICATION",
    "/api/exports/{id}": "FUZZ_EXPORT",
    "/api/parking/exports/{id}": "FUZZ_PARKING_EXPORT",
    "/api/seller-profiles/{id}": "FUZZ_SELLER_PROFILE",
}
POOLS = {
    operation: itertools.cycle(pool)
    for operation, pool in json.loads(os.environ.get("FUZZ_POOLS", "{}")).items()
    if pool
}
PLATES = itertools.count()
NUMBERS = itertools.count()
VIN = "1HGCM82633A004352"
# The second of two ways to say the same, what is not everybody's to say, and ids that would have to exist.
LEFT_OUT = {
    "/api/workshop/service-tickets": ("vehicle", "promised_at"),
    "/api/parking/reservations": ("vehicle", "starts_at", "ends_at", "spot_type"),
    "/api/parking/reservations/{id}/release": ("force", "reason"),
    "/api/auth/keys": ("permissions", "expires_at"),
    "/api/auctions": ("buy_now", "increments", "hard_end"),
    "/api/vehicles": ("vin_exempt_reason", "currency", "reserve_price", "buy_now_price", "latitude", "longitude"),
    "/api/workshop/customers": ("user",),
    "/api/workshop/customers/{id}": ("user",),
    "/api/workshop/products/{id}/adopt": ("part", "supplier"),
    "/api/workshop/inventory": ("supplier",),
    "/api/workshop/inventory/{id}": ("supplier",),
}
STEPS = [{"up_to": "999.99", "step": "10.00"}, {"up_to": None, "step": "25.00"}]
FEES = {
    "kind": "percent",
    "percent": "5.00",
    "minimum": None,
    "maximum": None,
    "tiers": [],
    "tax_rates": {},
    "taxable": [],
    "seller_percent": "0.00",
}
DAY = {"first": "2026-01-05T08:00:00Z", "second": "2026-01-05T18:00:00Z"}


@schemathesis.hook
def before_call(context: Any, case: Any, **kwargs: Any) -> None:
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if case.query:
        _leave_one_way_to_page(case.query)
        _put_in_order(case.query)
    if case.path.startswith("/api/parking/") and case.path != "/api/parking/reservations" and case.query is not None:
        _name_one_day(case.query)
    for start, variable in ROWS.items():
        if case.path.startswith(start) and variable in os.environ:
            case.path_parameters["id"] = os.environ[variable]
    if case.headers and "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = str(uuid4())  # The same one twice replays what was, by design.
    if isinstance(case.body, dict):
        for name in LEFT_OUT.get(case.path, ()):
            case.body.pop(name, None)
        case.body.update(_members_that_exist(case.path))
    _use_pool(case)
    if isinstance(case.body, dict) and isinstance(case.body.get("year"), int):
        case.body["year"] = min(case.body["year"], LATEST_YEAR)


def _use_pool(case: Any) -> None:
    """Rows in the state that the operation needs, one after the other; of the body only ids that must exist."""
    pool = POOLS.get(f"{case.method.upper()} {case.path}")
    if pool is None:
        return
    facts = next(pool)
    for name in case.path_parameters or {}:
        case.path_parameters[name] = facts["path"].get(name, case.path_parameters[name])
    if isinstance(case.body, dict):
        case.body.update({name: value for name, value in facts["body"].items() if name in case.body})


def _leave_one_way_to_page(query: dict[str, Any]) -> None:
    query.pop("cursor", None)
    if "skip" in query:
        query.pop("page", None)
    limit = int(query.get("limit", 20))
    if int(query.get("page", 1)) * limit > DEEPEST_ROW:
        query["page"] = DEEPEST_ROW // limit
    if int(query.get("skip", 0)) + limit > DEEPEST_ROW:
        query["skip"] = DEEPEST_ROW - limit


def _name_one_day(query: dict[str, Any]) -> None:
    """A window has two ends, in order, and statistics cover a bounded time."""
    for first, second in (("starts_at", "ends_at"), ("from", "to")):
        if first in query or second in query:
            query |= {first: DAY["first"], second: DAY["second"]}


def _put_in_order(query: dict[str, Any]) -> None:
    bounds = [(name, name.removesuffix("_min") + "_max") for name in query if name.endswith("_min")]
    for low, high in (*bounds, *ORDERED):
        if low in query and high in query:
            query[low], query[high] = sorted([query[low], query[high]], key=_rank)


def _rank(value: Any) -> tuple[float, str]:
    """Amounts by their value, moments and days by their place in time, whatever their zones."""
    try:
        return float(value), ""
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(str(value).upper())
    except ValueError:
        return 0.0, str(value)
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp(), ""


def _vin(number: int) -> str:
    """Another one each time: a vehicle is listed once."""
    vin = f"1HGCM82603A{number:06d}"
    return f"{vin[:8]}{check_digit(vin)}{vin[9:]}"


def _members_that_exist(path: str) -> dict[str, Any]:
    if path in {"/api/auth/register", "/api/auth/signup"}:
        return {"password": "violet-harbour-42", "role": "customer"}
    if path == "/api/garage":
        return {"vin": None, "car": None, "plate": "FC 1"}
    if path == "/api/exports":
        return {"kind": "cars"}
    if path == "/api/workshop/service-tickets":
        customer = os.environ.get("FUZZ_CUSTOMER")  # Others than staff ask for themselves, and promise nothing.
        return {"vin": VIN} | ({"customer": int(customer)} if customer else {})
    if path == "/api/parking/reservations" and "FUZZ_LOT" in os.environ:
        return {"lot": int(os.environ["FUZZ_LOT"]), "plate": f"FZ {next(PLATES)}"}
    if path == "/api/vehicles":
        return {"vin": _vin(next(NUMBERS))}
    if path.endswith("/scrap"):
        return {"quantity": "0.001"}
    if path == "/api/workshop/invoices/{id}/refunds":
        return {"amount": "0.01"}
    if path == "/api/orders/{id}/payments":
        return {"provider": "sandbox", "amount": "0.01"}  # Others have to be set up, and no sale is paid twice.
    if path in ("/api/increment-tables", "/api/increment-tables/{id}"):
        return {"tiers": STEPS}
    if path in ("/api/fee-schedules", "/api/fee-schedules/{id}"):
        return FEES | {"valid_from": "2036-01-01T00:00:00Z"}
    if path.endswith("/reserve"):
        return {"reserve_price": None}
    if path.endswith("/reassign") and "FUZZ_USER" in os.environ:
        return {"owner": int(os.environ["FUZZ_USER"])}
    return {}
