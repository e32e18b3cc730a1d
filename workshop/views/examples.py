"""What requests and answers of tickets look like, in the published document."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample

from common.examples import sent, shown

_LABOUR: dict[str, Any] = {
    "id": 501,
    "mechanic": 3,
    "mechanic_name": "Dana",
    "hours": "1.50",
    "rate": "60.00",
    "net": "90.00",
    "tax": "18.00",
}
_PART: dict[str, Any] = {
    "id": 701,
    "part": 42,
    "name": "Front brake pads",
    "sku": "BP-1042",
    "unit": "set",
    "quantity": "1.000",
    "price": "64.90",
    "cost": "38.20",
    "stock": "reserved",
    "net": "64.90",
    "tax": "12.98",
}
_FEE: dict[str, Any] = {"id": 801, "title": "Disposal", "amount": "5.00", "net": "5.00", "tax": "1.00"}
_JOB: dict[str, Any] = {
    "id": 311,
    "ticket": 123,
    "title": "Replace the front brake pads",
    "state": "authorised",
    "tax_rate": "20.00",
    "labour_lines": [_LABOUR],
    "part_lines": [_PART],
    "fee_lines": [_FEE],
    "subtotal": "159.90",
    "tax_total": "31.98",
    "total": "191.88",
    "authorised_at": "2026-11-25T10:05:00Z",
    "finished_at": None,
    "created_at": "2026-11-25T09:40:00Z",
    "updated_at": "2026-11-25T10:05:00Z",
}
_ROW: dict[str, Any] = {
    "id": 123,
    "number": "RO-000123",
    "customer": 17,
    "customer_name": "Casey Customer",
    "vehicle": 12,
    "vin": "1HGCM82633A004352",
    "service_date": "2026-11-25",
    "description": "Squeals when braking.",
    "promised_at": "2026-11-27T16:00:00Z",
    "odometer_in": 182400,
    "odometer_out": None,
    "odometer_unit": "km",
    "status": "authorised",
    "hold_reason": "",
    "mechanics": [{"id": 3, "display_name": "Dana"}],
    "subtotal": "159.90",
    "tax_total": "31.98",
    "total": "191.88",
    "created_at": "2026-11-25T09:30:00Z",
    "updated_at": "2026-11-25T10:05:00Z",
}


def _sent(name: str, value: dict[str, Any]) -> OpenApiExample:
    return sent(name, value)


def _answered(name: str, value: dict[str, Any]) -> OpenApiExample:
    return shown(name, value)


TICKET_ROW = _answered("a ticket", _ROW)
TICKET = _answered("a ticket", {**_ROW, "jobs": [_JOB]})
LINK = {
    "token": "41.Zp0sJk3mB8wq1VtYH6rXcFzN2uGdEo7aLiQx5TnRb9M",
    "url": "https://forecourt.example/estimates/41.Zp0sJk3mB8wq1VtYH6rXcFzN2uGdEo7aLiQx5TnRb9M",
    "expires_at": "2026-12-09T09:30:00Z",
}
SENT = _answered(
    "the ticket and its link", {**_ROW, "status": "awaiting_authorisation", "jobs": [_JOB], "estimate": LINK}
)
NEW_TICKET = _sent(
    "taken in by staff",
    {
        "customer": 17,
        "vin": "1HGCM82633A004352",
        "service_date": "2026-11-25",
        "description": "Squeals when braking.",
        "promised_at": "2026-11-27T16:00:00Z",
        "odometer_in": 182400,
    },
)
REQUEST = _sent("asked for by a customer", {"vehicle": 12, "service_date": "2026-11-25", "description": "It squeals."})
EVENT = _answered(
    "the customer agreed",
    {
        "id": 9001,
        "kind": "job_state",
        "job": 311,
        "old": "authorisation_required",
        "new": "authorised",
        "note": "",
        "via": "link",
        "actor": None,
        "at": "2026-11-25T10:05:00Z",
    },
)
JOB = _answered("a job", _JOB)
NEW_JOB = _sent("a job", {"title": "Replace the front brake pads"})
LABOUR_LINE = _answered("hours", _LABOUR)
NEW_LABOUR_LINE = _sent("hours", {"mechanic": 3, "hours": "1.50"})
PART_LINE = _answered("a part", _PART)
NEW_PART_LINE = _sent("a part", {"part": 42, "quantity": "1"})
FEE_LINE = _answered("a fee", _FEE)
NEW_FEE_LINE = _sent("a fee", {"title": "Disposal", "amount": "5.00"})
TIME_ENTRY = _answered(
    "a running clock",
    {
        "id": 77,
        "job": 311,
        "mechanic": 3,
        "mechanic_name": "Dana",
        "started_at": "2026-11-25T10:10:00Z",
        "ended_at": None,
    },
)
