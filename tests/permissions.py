"""Who may do what: one row for every operation of the published schema. An operation without a row fails the build.

A row names the status that each kind of person gets. `others` is every signed-in person whom the row does not name;
`owner` owns the target, and `customer` is somebody else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

ROLES = (
    "mechanic",
    "service_advisor",
    "parking_manager",
    "parking_attendant",
    "moderator",
    "finance",
)
PEOPLE = ("anonymous", "customer", "owner", *ROLES, "administrator")


@dataclass(frozen=True)
class Row:
    """What each person gets. `target` names what `{id}` is (see `tests.targets`); `body` is sent as JSON,
    where "$name" stands for the target's fact of that name."""

    anonymous: int
    others: int
    named: dict[str, int] = field(default_factory=dict)
    target: str = ""
    body: dict[str, Any] | None = None
    query: str = ""

    def status(self, person: str) -> int:
        return self.anonymous if person == "anonymous" else self.named.get(person, self.others)


def public(status: int, **more: Any) -> Row:
    return Row(anonymous=status, others=status, **more)


def signed_in(status: int, **more: Any) -> Row:
    return Row(anonymous=401, others=status, **more)


def only(status: int, *people: str, others: int = 403, **more: Any) -> Row:
    """`people` get `status`, other signed-in people `others`: 403, or 404 where the thing does not exist for them."""
    return Row(anonymous=401, others=others, named=dict.fromkeys(people, status), **more)


def by_manager(**more: Any) -> Row:
    """A driver's own reservation; the attendant sees it and may not."""
    allowed = dict.fromkeys(("owner", *PARKING_MANAGERS), 200)
    return Row(anonymous=401, others=404, named={"parking_attendant": 403} | allowed, **more)


ADMINISTRATOR = ("administrator",)
OWNER = ("owner",)
GARAGE_STAFF = ("owner", "service_advisor", "administrator")
MODERATORS = ("moderator", "administrator")
PARKING_MANAGERS = ("parking_manager", "administrator")
PARKING_STAFF = ("owner", "parking_attendant", *PARKING_MANAGERS)
LOT = {"name": "North", "address": "1 Road", "pin_code": "10557", "capacity": 2, "rate": {"price": "3.00"}}

TABLE: dict[str, Row] = {
    "GET /health": public(200),
    "GET /api/health": public(200),
    "GET /health/detailed": public(200),
    "GET /api": public(200),
    # --- Signing in ---------------------------------------------------------------------------------------------
    "POST /api/auth/register": public(400, body={}),
    "POST /api/auth/signup": public(400, body={}),
    "POST /api/auth/login": public(400, body={}),
    "POST /api/auth/refresh": public(400, body={}),
    "POST /api/auth/clerk-sync": public(503, body={"token": "x"}),
    "POST /api/auth/password-reset": public(202, body={"email": "nobody@example.com"}),
    "POST /api/auth/password-reset/confirm": public(400, body={}),
    "POST /api/auth/verify-email": public(400, body={}),
    "POST /api/auth/logout": signed_in(204),
    "POST /api/auth/change-password": signed_in(400, body={}),
    # --- One's own account --------------------------------------------------------------------------------------
    "GET /api/auth/me": signed_in(200),
    "PATCH /api/auth/me": signed_in(200, body={"first_name": "Sam"}),
    "DELETE /api/auth/me": only(409, *ADMINISTRATOR, others=204),
    "GET /api/auth/me/export": signed_in(200),
    "POST /api/auth/me/identity-request": signed_in(200),
    "PUT /api/auth/me/payment-profile": signed_in(200, body={"provider": "sandbox", "reference": "pm_1"}),
    "GET /api/auth/me/notification-preferences": signed_in(200),
    "PUT /api/auth/me/notification-preferences": signed_in(200, body={}),
    "GET /api/notifications": signed_in(200),
    "GET /api/notifications/unread-count": signed_in(200),
    "POST /api/notifications/read-all": signed_in(200),
    "POST /api/notifications/{id}/read": only(200, *OWNER, others=404, target="notification"),
    "DELETE /api/notifications/{id}": only(204, *OWNER, others=404, target="notification"),
    "GET /api/exports": signed_in(200),
    "POST /api/exports": signed_in(202, body={"kind": "cars"}),
    "GET /api/exports/{id}": only(200, *OWNER, others=404, target="export"),
    "GET /api/exports/{id}/download": only(200, *OWNER, others=404, target="export"),
    "GET /api/seller-profile": only(200, *OWNER, others=404, target="seller_profile"),
    "PUT /api/seller-profile": signed_in(
        201, body={"business_name": "Cars Ltd", "dealer_license_number": "D-1", "tax_id": "T-1"}
    ),
    # --- Other people -------------------------------------------------------------------------------------------
    "GET /api/users": only(200, *ADMINISTRATOR),
    "GET /api/users/{id}": only(200, *ADMINISTRATOR, target="owner"),
    "PATCH /api/users/{id}": only(200, *ADMINISTRATOR, target="owner", body={"bid_limit": "5000.00"}),
    "POST /api/users/{id}/verify-identity": only(200, *MODERATORS, target="owner"),
    "GET /api/seller-profiles": only(200, *MODERATORS),
    "GET /api/seller-profiles/{id}": only(200, *MODERATORS, target="seller_profile"),
    "POST /api/seller-profiles/{id}/approve": only(200, *MODERATORS, target="seller_profile"),
    # --- Registry -----------------------------------------------------------------------------------------------
    "GET /api/cars": signed_in(200),
    "POST /api/cars": signed_in(201, body={"make": "Volvo", "model": "P1800", "year": 1970}),
    "GET /api/cars/{id}": signed_in(200, target="car"),
    "PUT /api/cars/{id}": only(
        200, *OWNER, *ADMINISTRATOR, target="car", body={"make": "Volvo", "model": "P1800", "year": 1971}
    ),
    "PATCH /api/cars/{id}": only(200, *OWNER, *ADMINISTRATOR, target="car", body={"category": "Coupe"}),
    "DELETE /api/cars/{id}": only(204, *OWNER, *ADMINISTRATOR, target="car"),
    "GET /api/cars/{id}/history": only(200, *ADMINISTRATOR, target="car"),
    "POST /api/cars/{id}/unlock": only(200, *ADMINISTRATOR, target="car"),
    "GET /api/cars/makes": signed_in(200),
    "GET /api/cars/makes/{make}/models": signed_in(200, target="make"),
    # --- Sync ---------------------------------------------------------------------------------------------------
    "POST /api/cars/sync-cars": signed_in(202),
    "POST /api/sync/trigger": only(202, *ADMINISTRATOR),
    "GET /api/sync/status": only(200, *ADMINISTRATOR),
    "GET /api/sync/sources": only(200, *ADMINISTRATOR),
    "POST /api/sync/sources/{name}/reset-breaker": only(200, *ADMINISTRATOR, target="source"),
    "GET /api/sync/runs": only(200, *ADMINISTRATOR),
    "GET /api/sync/runs/{id}": only(200, *OWNER, *ADMINISTRATOR, others=404, target="sync_run"),
    "POST /api/sync/runs/{id}/cancel": only(200, *ADMINISTRATOR, target="sync_run"),
    # --- Garage -------------------------------------------------------------------------------------------------
    "GET /api/garage": signed_in(200),
    "POST /api/garage": signed_in(201, body={"plate": "NEW 1", "make": "Volvo"}),
    "GET /api/garage/{id}": only(200, *GARAGE_STAFF, others=404, target="vehicle"),
    "PUT /api/garage/{id}": only(200, *GARAGE_STAFF, others=404, target="vehicle", body={"plate": "NEW 2"}),
    "PATCH /api/garage/{id}": only(200, *GARAGE_STAFF, others=404, target="vehicle", body={"color": "red"}),
    "DELETE /api/garage/{id}": only(204, *GARAGE_STAFF, others=404, target="vehicle"),
    "GET /api/garage/{id}/timeline": only(200, *GARAGE_STAFF, others=404, target="vehicle"),
    "GET /api/garage/{id}/odometer": only(200, *GARAGE_STAFF, others=404, target="vehicle"),
    "POST /api/garage/{id}/odometer": only(
        201, *GARAGE_STAFF, others=404, target="vehicle", body={"value": 100, "unit": "km"}
    ),
    "POST /api/garage/{id}/reassign": only(
        200, "service_advisor", "administrator", target="vehicle", body={"owner": "$customer"}
    ),
    # --- VIN ----------------------------------------------------------------------------------------------------
    "POST /api/vin/decode": signed_in(200, body={"vin": "1HGCM82633A004352"}),
    "GET /api/vin/{vin}": signed_in(200, target="vin"),
    # --- Parking: exports ---------------------------------------------------------------------------------------
    "POST /api/parking/exports": signed_in(202),
    "GET /api/parking/exports/{id}": only(200, *OWNER, others=404, target="parking_export"),
    "GET /api/parking/exports/{id}/download": only(200, *OWNER, others=404, target="parking_export"),
    # --- Parking: lots ------------------------------------------------------------------------------------------
    "GET /api/parking/lots": signed_in(200),
    "POST /api/parking/lots": only(201, *PARKING_MANAGERS, body=LOT),
    "GET /api/parking/lots/{id}": signed_in(200, target="lot"),
    "PUT /api/parking/lots/{id}": only(200, *PARKING_MANAGERS, target="lot", body=LOT),
    "PATCH /api/parking/lots/{id}": only(200, *PARKING_MANAGERS, target="lot", body={"capacity": 1}),
    "DELETE /api/parking/lots/{id}": only(204, *PARKING_MANAGERS, target="lot"),
    "GET /api/parking/lots/{id}/rates": only(200, *PARKING_MANAGERS, target="lot"),
    "GET /api/parking/lots/{id}/spots": only(200, "parking_attendant", *PARKING_MANAGERS, target="lot"),
    "GET /api/parking/spots/{id}": only(200, "parking_attendant", *PARKING_MANAGERS, target="spot"),
    "PATCH /api/parking/spots/{id}": only(200, *PARKING_MANAGERS, target="spot", body={"type": "ev"}),
    "GET /api/parking/lots/{id}/quote": signed_in(200, target="lot"),
    # --- Parking: figures and checks ----------------------------------------------------------------------------
    "GET /api/parking/stats/occupancy": only(200, *PARKING_MANAGERS),
    "GET /api/parking/stats/revenue": only(200, *PARKING_MANAGERS),
    "GET /api/parking/check": only(200, "parking_attendant", *PARKING_MANAGERS, query="plate=FC%202003"),
    # --- Parking: reservations ----------------------------------------------------------------------------------
    "GET /api/parking/reservations": signed_in(200),
    "POST /api/parking/reservations": signed_in(201, target="lot", body={"lot": "$id", "plate": "NEW 1"}),
    "GET /api/parking/reservations/{id}": only(200, *PARKING_STAFF, others=404, target="reservation"),
    "GET /api/parking/reservations/{id}/events": only(200, *PARKING_STAFF, others=404, target="reservation"),
    "POST /api/parking/reservations/{id}/check-in": only(200, *PARKING_STAFF, others=404, target="reservation"),
    "POST /api/parking/reservations/{id}/release": only(200, *PARKING_STAFF, others=404, target="parked"),
    "GET /api/parking/reservations/{id}/payments": only(200, *PARKING_STAFF, others=404, target="stay"),
    "POST /api/parking/reservations/{id}/payments": only(
        201, "parking_attendant", *PARKING_MANAGERS, target="stay", body={"amount": "1.00", "method": "cash"}
    ),
    "POST /api/parking/reservations/{id}/cancel": by_manager(target="reservation"),
    "POST /api/parking/reservations/{id}/extend": by_manager(target="reservation", body={"ends_at": "$later"}),
}
