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
BUYERS = ("service_advisor", "administrator")
ADVISORS = ("service_advisor", "administrator")
CHANGES_CUSTOMERS = {"owner": 200, "service_advisor": 200, "administrator": 200, "finance": 403}
# Finance and the customer see the ticket, and that is all.
SENDS_ESTIMATES = {"service_advisor": 200, "administrator": 200, "finance": 403, "owner": 403}
# Who sees an invoice, and who makes one, takes its money and credits it; the customer only reads.
SEES_INVOICES = ("owner", "finance", *ADVISORS)
KEEPS_BOOKS = {"service_advisor": 201, "finance": 201, "administrator": 201, "owner": 403}
# Who works on a ticket, who only sees it, and who has no clock on it.
RUNS_TICKETS = {"service_advisor": 200, "administrator": 200, "finance": 403, "owner": 403}
SEES_TICKETS = ("owner", "finance", *ADVISORS)
NO_CLOCK = dict.fromkeys(SEES_TICKETS, 403)
ADDS = RUNS_TICKETS | {"service_advisor": 201, "administrator": 201}
REMOVES = RUNS_TICKETS | {"service_advisor": 204, "administrator": 204}
PARKING_MANAGERS = ("parking_manager", "administrator")
PARKING_STAFF = ("owner", "parking_attendant", *PARKING_MANAGERS)
# Who sees a listing that is not public, who of them writes it, and who moves it.
SEES_LISTINGS = ("owner", "finance", *MODERATORS)
SELLS = dict.fromkeys(SEES_LISTINGS, 403) | {"owner": 200}
KEEPS_LISTINGS = dict.fromkeys(SEES_LISTINGS, 200) | {"finance": 403}
LOT = {"name": "North", "address": "1 Road", "pin_code": "10557", "capacity": 2, "rate": {"price": "3.00"}}
ACCOUNTANTS = ("finance", "administrator")
# Who sees an offer that is not theirs to decide on.
SEES_OFFERS = dict.fromkeys(("finance", *MODERATORS), 403)
STEPS = [{"up_to": None, "step": "25.00"}]
# Who sees an order, and who of them is its buyer; its seller is in the tests of orders.
SEES_ORDERS = ("owner", "finance", *MODERATORS)
BUYS = dict.fromkeys(SEES_ORDERS, 403) | {"owner": 200}
# The buyer sees titles and transports, and staff move them.
ARRANGES = dict.fromkeys(ACCOUNTANTS, 200) | {"owner": 403}
CANCELS = ARRANGES | {"owner": 200}

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
    "GET /api/auth/keys": signed_in(200),
    "POST /api/auth/keys": signed_in(201, body={"name": "Stock screen"}),
    "GET /api/auth/keys/{id}": only(200, *OWNER, others=404, target="api_key"),
    "PATCH /api/auth/keys/{id}": only(200, *OWNER, others=404, target="api_key", body={"name": "Hall 2"}),
    "POST /api/auth/keys/{id}/revoke": only(200, *OWNER, others=404, target="api_key"),
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
    "GET /api/garage/{id}/passport": only(200, *GARAGE_STAFF, others=404, target="vehicle"),
    "GET /api/garage/{id}/passport.pdf": only(200, *GARAGE_STAFF, others=404, target="vehicle"),
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
    # --- Customers, mechanics, suppliers ------------------------------------------------------------------------
    "GET /api/workshop/customers": signed_in(200),
    "POST /api/workshop/customers": only(201, *ADVISORS, body={"name": "Casey", "email": "casey@example.com"}),
    "GET /api/workshop/customers/{id}": only(200, "finance", *GARAGE_STAFF, others=404, target="workshop_customer"),
    "PUT /api/workshop/customers/{id}": Row(
        401, 404, CHANGES_CUSTOMERS, target="workshop_customer", body={"name": "Casey", "email": "$email"}
    ),
    "PATCH /api/workshop/customers/{id}": Row(
        401, 404, CHANGES_CUSTOMERS, target="workshop_customer", body={"phone": "030 1"}
    ),
    "DELETE /api/workshop/customers/{id}": only(204, *ADVISORS, target="workshop_customer"),
    "GET /api/workshop/mechanics": signed_in(200),
    "GET /api/workshop/mechanics/leaderboard": signed_in(200),
    "POST /api/workshop/mechanics": only(
        201, *ADVISORS, body={"user": "$customer", "display_name": "Mia", "hourly_rate": "72.50"}
    ),
    "GET /api/workshop/mechanics/{id}": signed_in(200, target="workshop_mechanic"),
    "PUT /api/workshop/mechanics/{id}": only(
        200,
        *ADVISORS,
        target="workshop_mechanic",
        body={"user": "$user", "display_name": "Mia", "hourly_rate": "72.50"},
    ),
    "PATCH /api/workshop/mechanics/{id}": only(200, *ADVISORS, target="workshop_mechanic", body={"active": False}),
    "DELETE /api/workshop/mechanics/{id}": only(204, *ADVISORS, target="workshop_mechanic"),
    "GET /api/workshop/suppliers": only(200, *ADVISORS),
    "POST /api/workshop/suppliers": only(201, *ADVISORS, body={"name": "North Parts"}),
    "GET /api/workshop/suppliers/{id}": only(200, *ADVISORS, target="supplier"),
    "PUT /api/workshop/suppliers/{id}": only(200, *ADVISORS, target="supplier", body={"name": "North Parts"}),
    "PATCH /api/workshop/suppliers/{id}": only(200, *ADVISORS, target="supplier", body={"phone": "1"}),
    "DELETE /api/workshop/suppliers/{id}": only(204, *ADVISORS, target="supplier"),
    # --- Purchase orders ----------------------------------------------------------------------------------------
    "GET /api/workshop/purchase-orders": only(200, *BUYERS),
    "POST /api/workshop/purchase-orders": only(
        201, *BUYERS, target="purchase_order", body={"supplier": "$supplier", "lines": "$lines"}
    ),
    "GET /api/workshop/purchase-orders/{id}": only(200, *BUYERS, target="purchase_order"),
    "PATCH /api/workshop/purchase-orders/{id}": only(200, *BUYERS, target="purchase_order", body={"lines": "$lines"}),
    "POST /api/workshop/purchase-orders/from-shortages": only(200, *BUYERS),
    "POST /api/workshop/purchase-orders/{id}/send": only(200, *BUYERS, target="purchase_order"),
    "POST /api/workshop/purchase-orders/{id}/cancel": only(200, *BUYERS, target="purchase_order"),
    "POST /api/workshop/purchase-orders/{id}/receive": only(
        200, *BUYERS, target="sent_purchase_order", body={"delivery_note": "DN-1", "lines": "$arrivals"}
    ),
    # --- Inventory ----------------------------------------------------------------------------------------------
    "GET /api/workshop/products": public(200),
    "GET /api/workshop/products/categories": public(200),
    "POST /api/workshop/products": only(201, *ADVISORS, body={"name": "Wax", "price": "9.90"}),
    "GET /api/workshop/products/{id}": public(200, target="product"),
    "PUT /api/workshop/products/{id}": only(200, *ADVISORS, target="product", body={"name": "Wax", "price": "9.90"}),
    "PATCH /api/workshop/products/{id}": only(200, *ADVISORS, target="product", body={"price": "9.90"}),
    "DELETE /api/workshop/products/{id}": only(204, *ADVISORS, target="product"),
    "POST /api/workshop/products/{id}/unlock": only(200, *ADVISORS, target="product"),
    "POST /api/workshop/products/{id}/adopt": only(201, *ADVISORS, target="product"),
    "GET /api/workshop/price-proposals": only(200, *ADVISORS),
    "POST /api/workshop/price-proposals/{id}/accept": only(200, *ADVISORS, target="price_proposal"),
    "POST /api/workshop/price-proposals/{id}/reject": only(200, *ADVISORS, target="price_proposal"),
    "GET /api/workshop/inventory": signed_in(200),
    "POST /api/workshop/inventory": only(
        201, *ADVISORS, body={"name": "Oil filter", "sku": "OF-2003", "price": "12.90", "cost": "6.40"}
    ),
    "GET /api/workshop/inventory/{id}": signed_in(200, target="part"),
    "PUT /api/workshop/inventory/{id}": only(
        200, *ADVISORS, target="part", body={"name": "Oil", "sku": "O-1", "price": "12.90", "cost": "6.40"}
    ),
    "PATCH /api/workshop/inventory/{id}": only(200, *ADVISORS, target="part", body={"price": "13.50"}),
    "DELETE /api/workshop/inventory/{id}": only(204, *ADVISORS, target="part"),
    "POST /api/workshop/inventory/{id}/archive": only(200, *ADVISORS, target="part"),
    "POST /api/workshop/inventory/{id}/unarchive": only(200, *ADVISORS, target="part"),
    "POST /api/workshop/inventory/{id}/receive": only(200, *ADVISORS, target="part", body={"quantity": "2"}),
    "POST /api/workshop/inventory/{id}/adjust": only(
        200, *ADVISORS, target="part", body={"counted": "2", "reason": "Stocktake."}
    ),
    "POST /api/workshop/inventory/{id}/scrap": only(
        200, *ADVISORS, target="stocked_part", body={"quantity": "1", "reason": "Broken."}
    ),
    "GET /api/workshop/inventory/{id}/movements": only(200, *ADVISORS, target="part"),
    # --- Estimates ----------------------------------------------------------------------------------------------
    "POST /api/workshop/service-tickets/{id}/send": Row(401, 404, SENDS_ESTIMATES, target="estimate"),
    "POST /api/workshop/service-tickets/{id}/revoke-estimate": Row(401, 404, SENDS_ESTIMATES, target="estimate"),
    "GET /api/workshop/estimates/{token}": public(200, target="estimate"),
    "POST /api/workshop/estimates/{token}": public(200, target="estimate", body={"decisions": "$decisions"}),
    # --- Invoices -----------------------------------------------------------------------------------------------
    "POST /api/workshop/service-tickets/{id}/invoice": Row(401, 404, KEEPS_BOOKS, target="completed_ticket"),
    "GET /api/workshop/invoices": signed_in(200),
    "GET /api/workshop/invoices/{id}": only(200, *SEES_INVOICES, others=404, target="invoice"),
    "GET /api/workshop/invoices/{id}/pdf": only(200, *SEES_INVOICES, others=404, target="invoice"),
    "GET /api/workshop/invoices/{id}/payments": only(200, *SEES_INVOICES, others=404, target="invoice"),
    "POST /api/workshop/invoices/{id}/payments": Row(
        401, 404, KEEPS_BOOKS, target="invoice", body={"amount": "1.00", "method": "cash"}
    ),
    "POST /api/workshop/invoices/{id}/refunds": Row(
        401, 404, KEEPS_BOOKS, target="refundable_invoice", body={"amount": "1.00", "method": "cash"}
    ),
    "GET /api/workshop/invoices/{id}/credit-notes": only(200, *SEES_INVOICES, others=404, target="invoice"),
    "POST /api/workshop/invoices/{id}/credit-notes": Row(
        401, 404, KEEPS_BOOKS, target="invoice", body={"lines": "$lines", "reason": "Not fitted."}
    ),
    "GET /api/workshop/credit-notes/{id}": only(200, *SEES_INVOICES, others=404, target="credit_note"),
    "GET /api/workshop/credit-notes/{id}/pdf": only(200, *SEES_INVOICES, others=404, target="credit_note"),
    # --- Tickets, jobs, lines -----------------------------------------------------------------------------------
    "GET /api/workshop/service-tickets": signed_in(200),
    # Staff name a customer; everybody else asks for a service of their own.
    "POST /api/workshop/service-tickets": Row(
        401,
        201,
        {"service_advisor": 422, "administrator": 422},
        body={"vin": "1HGCM82633A004352", "service_date": "2026-11-25"},
    ),
    "GET /api/workshop/my-tickets": signed_in(200),
    "GET /api/workshop/service-tickets/{id}": only(200, *SEES_TICKETS, others=404, target="ticket"),
    "PATCH /api/workshop/service-tickets/{id}": Row(401, 404, RUNS_TICKETS, target="ticket", body={"odometer_out": 9}),
    "PUT /api/workshop/service-tickets/{id}/edit": Row(
        401, 404, RUNS_TICKETS, target="ticket", body={"add_ids": "$mechanics"}
    ),
    "GET /api/workshop/service-tickets/{id}/events": only(200, *SEES_TICKETS, others=404, target="ticket"),
    "POST /api/workshop/service-tickets/{id}/start": Row(401, 404, RUNS_TICKETS, target="authorised_ticket"),
    "POST /api/workshop/service-tickets/{id}/hold": Row(
        401, 404, RUNS_TICKETS, target="authorised_ticket", body={"reason": "customer"}
    ),
    "POST /api/workshop/service-tickets/{id}/resume": Row(401, 404, RUNS_TICKETS, target="ticket_on_hold"),
    "POST /api/workshop/service-tickets/{id}/review": Row(401, 404, RUNS_TICKETS, target="ticket_in_progress"),
    "POST /api/workshop/service-tickets/{id}/complete": Row(401, 404, RUNS_TICKETS, target="ticket_in_review"),
    "POST /api/workshop/service-tickets/{id}/cancel": Row(401, 404, RUNS_TICKETS, target="ticket"),
    "POST /api/workshop/service-tickets/{id}/reopen": Row(
        401, 404, RUNS_TICKETS | {"service_advisor": 403}, target="completed_ticket"
    ),
    "GET /api/workshop/service-tickets/{ticket_pk}/jobs": only(200, *SEES_TICKETS, others=404, target="jobs"),
    "POST /api/workshop/service-tickets/{ticket_pk}/jobs": Row(401, 404, ADDS, target="jobs", body={"title": "Oil"}),
    "GET /api/workshop/jobs/{id}": only(200, *SEES_TICKETS, others=404, target="job"),
    "PATCH /api/workshop/jobs/{id}": Row(401, 404, RUNS_TICKETS, target="job", body={"title": "Oil"}),
    "DELETE /api/workshop/jobs/{id}": Row(401, 404, REMOVES, target="job"),
    "POST /api/workshop/jobs/{id}/authorise": Row(401, 404, RUNS_TICKETS, target="job"),
    "POST /api/workshop/jobs/{id}/decline": Row(401, 404, RUNS_TICKETS, target="job"),
    "POST /api/workshop/jobs/{id}/finish": Row(401, 404, RUNS_TICKETS, target="authorised_job"),
    "POST /api/workshop/jobs/{id}/clock-in": Row(401, 404, NO_CLOCK, target="authorised_job"),
    "POST /api/workshop/jobs/{id}/clock-out": Row(401, 404, NO_CLOCK, target="authorised_job"),
    "GET /api/workshop/jobs/{id}/time-entries": Row(401, 404, RUNS_TICKETS, target="job"),
    "GET /api/workshop/jobs/{job_pk}/labour-lines": only(200, *SEES_TICKETS, others=404, target="labour_lines"),
    "POST /api/workshop/jobs/{job_pk}/labour-lines": Row(
        401, 404, ADDS, target="labour_lines", body={"mechanic": "$mechanic", "hours": 1}
    ),
    "GET /api/workshop/jobs/{job_pk}/labour-lines/{id}": only(200, *SEES_TICKETS, others=404, target="labour_line"),
    "PATCH /api/workshop/jobs/{job_pk}/labour-lines/{id}": Row(
        401, 404, RUNS_TICKETS, target="labour_line", body={"hours": 2}
    ),
    "DELETE /api/workshop/jobs/{job_pk}/labour-lines/{id}": Row(401, 404, REMOVES, target="labour_line"),
    "GET /api/workshop/jobs/{job_pk}/part-lines": only(200, *SEES_TICKETS, others=404, target="part_lines"),
    "POST /api/workshop/jobs/{job_pk}/part-lines": Row(
        401, 404, ADDS, target="part_lines", body={"part": "$part", "quantity": 1}
    ),
    "GET /api/workshop/jobs/{job_pk}/part-lines/{id}": only(200, *SEES_TICKETS, others=404, target="part_line"),
    "PATCH /api/workshop/jobs/{job_pk}/part-lines/{id}": Row(
        401, 404, RUNS_TICKETS, target="part_line", body={"quantity": 3}
    ),
    "DELETE /api/workshop/jobs/{job_pk}/part-lines/{id}": Row(401, 404, REMOVES, target="part_line"),
    "GET /api/workshop/jobs/{job_pk}/fee-lines": only(200, *SEES_TICKETS, others=404, target="fee_lines"),
    "POST /api/workshop/jobs/{job_pk}/fee-lines": Row(
        401, 404, ADDS, target="fee_lines", body={"title": "Tow", "amount": 50}
    ),
    "GET /api/workshop/jobs/{job_pk}/fee-lines/{id}": only(200, *SEES_TICKETS, others=404, target="fee_line"),
    "PATCH /api/workshop/jobs/{job_pk}/fee-lines/{id}": Row(
        401, 404, RUNS_TICKETS, target="fee_line", body={"amount": 60}
    ),
    "DELETE /api/workshop/jobs/{job_pk}/fee-lines/{id}": Row(401, 404, REMOVES, target="fee_line"),
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
    # --- Auctions: the life of an auction -----------------------------------------------------------------------
    "GET /api/clock": public(200),
    "GET /api/auctions": public(200),
    "GET /api/auctions/{id}": public(200, target="auction"),
    "POST /api/auctions": only(
        201,
        *OWNER,
        *MODERATORS,
        others=422,
        target="active_listing",
        body={"listing": "$id", "starts_at": "$begin", "ends_at": "$end"},
    ),
    "POST /api/auctions/{id}/cancel": only(200, *OWNER, *MODERATORS, target="auction", body={"reason": "Withdrawn."}),
    "POST /api/auctions/{id}/pause": only(200, *MODERATORS, target="auction", body={"reason": "New photos."}),
    "POST /api/auctions/{id}/resume": only(200, *MODERATORS, target="paused_auction"),
    "POST /api/auctions/{id}/reserve": only(
        200, *OWNER, *MODERATORS, target="reserved_auction", body={"reserve_price": None}
    ),
    # --- Auctions: trust --------------------------------------------------------------------------------------------
    "GET /api/auctions/{id}/audit": Row(409, 409, dict.fromkeys(MODERATORS, 200), target="auction"),
    "GET /api/auctions/{id}/receipts": signed_in(200, target="auction"),
    "POST /api/bids/{id}/retract": only(200, *OWNER, others=404, target="own_bid", body={"reason": "A zero too many."}),
    "POST /api/bids/{id}/void": only(200, *MODERATORS, target="own_bid", body={"reason": "A zero too many."}),
    # --- Auctions: bids -----------------------------------------------------------------------------------------
    "GET /api/auctions/{auction_pk}/bids": public(200, target="auction_to_bid_in"),
    "POST /api/auctions/{auction_pk}/bids": only(201, *OWNER, target="auction_to_bid_in", body={"amount": "1500.00"}),
    "POST /api/auctions/{id}/buy-now": only(201, *OWNER, target="auction_to_bid_in"),
    "GET /api/bids/mine": signed_in(200),
    # --- Auctions: fees and increments --------------------------------------------------------------------------
    "GET /api/auctions/{id}/quote": public(200, target="auction"),
    # --- Auctions: the live stream ---
    "GET /api/auctions/{id}/stream": public(200, target="auction"),
    "GET /api/fee-schedules": only(200, *ACCOUNTANTS),
    "POST /api/fee-schedules": only(201, *ACCOUNTANTS, body={"name": "Next", "percent": "4.50"}),
    "GET /api/fee-schedules/{id}": only(200, *ACCOUNTANTS, target="fee_schedule"),
    "PUT /api/fee-schedules/{id}": only(
        200, *ACCOUNTANTS, target="fee_schedule", body={"name": "Next", "percent": "4.50"}
    ),
    "PATCH /api/fee-schedules/{id}": only(200, *ACCOUNTANTS, target="fee_schedule", body={"percent": "4.50"}),
    "DELETE /api/fee-schedules/{id}": only(204, *ACCOUNTANTS, target="fee_schedule"),
    "GET /api/increment-tables": only(200, "finance", *MODERATORS),
    "POST /api/increment-tables": only(201, *MODERATORS, body={"name": "Boats", "tiers": STEPS}),
    "GET /api/increment-tables/{id}": only(200, "finance", *MODERATORS, target="increment_table"),
    "PUT /api/increment-tables/{id}": only(
        200, *MODERATORS, target="increment_table", body={"name": "Boats", "tiers": STEPS}
    ),
    "PATCH /api/increment-tables/{id}": only(200, *MODERATORS, target="increment_table", body={"tiers": STEPS}),
    "DELETE /api/increment-tables/{id}": only(204, *MODERATORS, target="increment_table"),
    "POST /api/increment-tables/{id}/make-default": only(200, *MODERATORS, target="increment_table"),
    # --- Auctions: listings -------------------------------------------------------------------------------------
    "GET /api/vehicles": public(200),
    "POST /api/vehicles": signed_in(201, body={"vin": "1HGCM82633A004352"}),
    "GET /api/vehicles/facets": public(200),
    "GET /api/vehicles/mine": signed_in(200),
    "GET /api/vehicles/queue": only(200, *MODERATORS),
    "GET /api/vehicles/{id}": Row(404, 404, dict.fromkeys(SEES_LISTINGS, 200), target="draft_listing"),
    "PUT /api/vehicles/{id}": Row(401, 404, SELLS, target="draft_listing", body={"make": "Kia"}),
    "PATCH /api/vehicles/{id}": Row(401, 404, SELLS, target="draft_listing", body={"make": "Kia"}),
    "DELETE /api/vehicles/{id}": Row(401, 404, SELLS | {"owner": 204}, target="draft_listing"),
    "GET /api/vehicles/{id}/history": Row(404, 404, dict.fromkeys(SEES_LISTINGS, 200), target="draft_listing"),
    "GET /api/vehicles/{id}/history.pdf": Row(404, 404, dict.fromkeys(SEES_LISTINGS, 200), target="draft_listing"),
    "GET /api/vehicles/{id}/events": only(200, *SEES_LISTINGS, others=404, target="draft_listing"),
    "POST /api/vehicles/{id}/submit": Row(401, 404, SELLS, target="draft_listing"),
    "POST /api/vehicles/{id}/withdraw": Row(401, 404, KEEPS_LISTINGS, target="pending_listing"),
    "POST /api/vehicles/{id}/archive": Row(401, 404, KEEPS_LISTINGS, target="draft_listing"),
    "POST /api/vehicles/{id}/relist": Row(401, 404, KEEPS_LISTINGS, target="archived_listing"),
    "POST /api/vehicles/{id}/approve": only(200, *MODERATORS, target="pending_listing"),
    "POST /api/vehicles/{id}/reject": only(200, *MODERATORS, target="pending_listing", body={"reason": "No."}),
    "POST /api/vehicles/{id}/request-changes": only(
        200, *MODERATORS, target="pending_listing", body={"reason": "Other photos."}
    ),
    "POST /api/vehicles/{id}/suspend": only(200, *MODERATORS, target="active_listing"),
    "POST /api/vehicles/{id}/unsuspend": only(200, *MODERATORS, target="suspended_listing"),
    # --- Auctions: photos and papers ---------------------------------------------------------------------------
    "POST /api/vehicles/{id}/upload-url": Row(
        401, 404, SELLS, target="draft_listing", body={"filename": "a.jpg", "content_type": "image/jpeg"}
    ),
    "POST /api/uploads": public(415, body={}),
    "GET /api/files/{token}": public(200, target="signed_file"),
    "GET /api/vehicles/{vehicle_pk}/images": Row(404, 404, dict.fromkeys(SEES_LISTINGS, 200), target="photo"),
    "POST /api/vehicles/{vehicle_pk}/images": Row(
        401, 404, SELLS | {"owner": 201}, target="photo", body={"key": "$new_image"}
    ),
    "GET /api/vehicles/{vehicle_pk}/images/{id}": Row(404, 404, dict.fromkeys(SEES_LISTINGS, 200), target="photo"),
    "PATCH /api/vehicles/{vehicle_pk}/images/{id}": Row(401, 404, SELLS, target="photo", body={"is_primary": True}),
    "DELETE /api/vehicles/{vehicle_pk}/images/{id}": Row(401, 404, SELLS | {"owner": 204}, target="photo"),
    "GET /api/vehicles/{vehicle_pk}/images/{id}/file": Row(404, 404, dict.fromkeys(SEES_LISTINGS, 200), target="photo"),
    "PATCH /api/vehicles/{vehicle_pk}/images/reorder": Row(401, 404, SELLS, target="photo", body={"order": "$order"}),
    "GET /api/vehicles/{vehicle_pk}/documents": only(200, *OWNER, *MODERATORS, others=404, target="paper"),
    "POST /api/vehicles/{vehicle_pk}/documents": Row(
        401, 404, SELLS | {"owner": 201}, target="paper", body={"key": "$new_document", "kind": "title"}
    ),
    "GET /api/vehicles/{vehicle_pk}/documents/{id}": only(200, *OWNER, *MODERATORS, others=404, target="paper"),
    "GET /api/vehicles/{vehicle_pk}/documents/{id}/url": only(200, *OWNER, *MODERATORS, others=404, target="paper"),
    "DELETE /api/vehicles/{vehicle_pk}/documents/{id}": Row(401, 404, SELLS | {"owner": 204}, target="paper"),
    # --- Auctions: watching and saved searches -------------------------------------------------------------------
    "PUT /api/auctions/{id}/watch": signed_in(204, target="auction"),
    "DELETE /api/auctions/{id}/watch": signed_in(204, target="auction"),
    "GET /api/watchlist": signed_in(200),
    "GET /api/saved-searches": signed_in(200),
    "POST /api/saved-searches": signed_in(201, body={"name": "Hondas", "filters": {}}),
    "GET /api/saved-searches/{id}": only(200, *OWNER, others=404, target="saved_search"),
    "PATCH /api/saved-searches/{id}": only(200, *OWNER, others=404, target="saved_search", body={"cadence": "off"}),
    "DELETE /api/saved-searches/{id}": only(204, *OWNER, others=404, target="saved_search"),
    # --- Auctions: orders ------------------------------------------------------------------------------------------
    "GET /api/orders": signed_in(200),
    "GET /api/orders/{id}": only(200, *SEES_ORDERS, others=404, target="order"),
    "GET /api/orders/{id}/events": only(200, *SEES_ORDERS, others=404, target="paid_order"),
    "POST /api/orders/{id}/cancel": only(200, *ACCOUNTANTS, target="order", body={"reason": "Both agreed."}),
    "POST /api/orders/{id}/self-pickup": Row(401, 404, BUYS, target="order"),
    "POST /api/orders/{id}/dispute": Row(
        401, 404, BUYS | dict.fromkeys(ACCOUNTANTS, 200), target="paid_order", body={"reason": "Another engine."}
    ),
    "POST /api/orders/{id}/resolve": only(200, *ACCOUNTANTS, target="disputed_order", body={"outcome": "back"}),
    "POST /api/orders/{id}/complete": Row(401, 404, BUYS | dict.fromkeys(ACCOUNTANTS, 200), target="delivered_order"),
    # --- Auctions: refunds and payouts ------------------------------------------------------------------------------
    "POST /api/payments/{id}/refunds": only(
        201, *ACCOUNTANTS, target="money_in", body={"amount": "10.00", "reason": "A scratch."}
    ),
    "GET /api/refunds": signed_in(200),
    "GET /api/refunds/{id}": only(200, *OWNER, *ACCOUNTANTS, others=404, target="refund"),
    "POST /api/refunds/{id}/approve": only(200, *ACCOUNTANTS, target="refund"),
    "POST /api/refunds/{id}/reject": only(200, *ACCOUNTANTS, target="refund", body={"reason": "As described."}),
    "POST /api/refunds/{id}/retry": only(200, *ACCOUNTANTS, target="failed_refund"),
    "GET /api/payouts": signed_in(200),
    "GET /api/payouts/{id}": only(200, *OWNER, *ACCOUNTANTS, others=404, target="payout"),
    "POST /api/payouts/{id}/pay": only(200, *ACCOUNTANTS, target="payout", body={"reference": "W-1"}),
    # --- Auctions: titles, transport, gate passes -------------------------------------------------------------------
    "GET /api/title-transfers": signed_in(200),
    "GET /api/title-transfers/{id}": only(200, *OWNER, *ACCOUNTANTS, others=404, target="title"),
    "POST /api/title-transfers/{id}/receive": Row(401, 404, ARRANGES, target="title"),
    "POST /api/title-transfers/{id}/review": Row(401, 404, ARRANGES, target="received_title"),
    "POST /api/title-transfers/{id}/reject-documents": Row(
        401, 404, ARRANGES, target="reviewed_title", body={"reason": "Unsigned."}
    ),
    "POST /api/title-transfers/{id}/hold-lien": Row(
        401, 404, ARRANGES, target="reviewed_title", body={"lien_holder": "First Bank"}
    ),
    "POST /api/title-transfers/{id}/release-lien": Row(401, 404, ARRANGES, target="title_with_lien"),
    "POST /api/title-transfers/{id}/ready": Row(401, 404, ARRANGES, target="reviewed_title"),
    "POST /api/title-transfers/{id}/send": Row(
        401, 404, ARRANGES, target="ready_title", body={"tracking_reference": "1Z999"}
    ),
    "POST /api/title-transfers/{id}/complete": Row(401, 404, ARRANGES, target="sent_title"),
    "GET /api/transport-orders": signed_in(200),
    "POST /api/transport-orders": Row(
        401, 422, {"owner": 201}, target="order", body={"order": "$id", "delivery_address": "1 Main Street, Boston"}
    ),
    "GET /api/transport-orders/{id}": only(200, *OWNER, *ACCOUNTANTS, others=404, target="transport"),
    "POST /api/transport-orders/{id}/quote": Row(
        401, 404, ARRANGES, target="transport", body={"quoted_price": "450.00"}
    ),
    "POST /api/transport-orders/{id}/book": Row(
        401, 404, dict.fromkeys(ACCOUNTANTS, 403) | {"owner": 200}, target="quoted_transport"
    ),
    "POST /api/transport-orders/{id}/assign": Row(
        401, 404, ARRANGES, target="assigned_transport", body={"carrier": "Roadrunner"}
    ),
    "POST /api/transport-orders/{id}/pick-up": Row(401, 404, ARRANGES, target="assigned_transport"),
    "POST /api/transport-orders/{id}/depart": Row(401, 404, ARRANGES, target="picked_up_transport"),
    "POST /api/transport-orders/{id}/deliver": Row(401, 404, ARRANGES, target="departed_transport"),
    "POST /api/transport-orders/{id}/cancel": Row(401, 404, CANCELS, target="transport"),
    "GET /api/orders/{id}/gate-pass": only(200, *OWNER, *ACCOUNTANTS, others=404, target="gate_pass"),
    "POST /api/gate-passes/{code}/use": only(
        200, "parking_attendant", *PARKING_MANAGERS, *ACCOUNTANTS, target="gate_pass"
    ),
    # --- Auctions: reports on sales ------------------------------------------------------------------------------
    "GET /api/reports/{name}": only(200, *MODERATORS, "finance", target="report"),
    "GET /api/reports/{name}.csv": only(200, *MODERATORS, "finance", target="report"),
    # --- Auctions: offers ---------------------------------------------------------------------------------------
    "GET /api/offers": signed_in(200),
    "POST /api/offers": only(
        201, *OWNER, target="listing_to_offer_for", body={"listing": "$listing", "amount": "900.00"}
    ),
    "GET /api/offers/{id}": only(200, "finance", *OWNER, *MODERATORS, others=404, target="offer_to_decide"),
    "POST /api/offers/{id}/accept": Row(401, 404, SEES_OFFERS | {"owner": 200}, target="offer_to_decide"),
    "POST /api/offers/{id}/decline": Row(401, 404, SEES_OFFERS | {"owner": 200}, target="offer_to_decide"),
    "POST /api/offers/{id}/counter": Row(
        401, 404, SEES_OFFERS | {"owner": 201}, target="offer_to_decide", body={"amount": "950.00"}
    ),
    "POST /api/offers/{id}/withdraw": Row(401, 404, SEES_OFFERS | {"owner": 200}, target="own_offer"),
    # --- Auctions: invoices of sales -----------------------------------------------------------------------------
    "POST /api/orders/{id}/invoice": Row(
        401, 404, dict.fromkeys(SEES_ORDERS, 403) | dict.fromkeys(ACCOUNTANTS, 201), target="order"
    ),
    "GET /api/invoices": signed_in(200),
    "GET /api/invoices/{id}": only(200, *OWNER, *ACCOUNTANTS, others=404, target="sale_invoice"),
    "GET /api/invoices/{id}/pdf": only(200, *OWNER, *ACCOUNTANTS, others=404, target="sale_invoice"),
    "GET /api/credit-notes/{id}": only(200, *OWNER, *ACCOUNTANTS, others=404, target="sale_credit_note"),
    "GET /api/credit-notes/{id}/pdf": only(200, *OWNER, *ACCOUNTANTS, others=404, target="sale_credit_note"),
    # --- Auctions: payments ---------------------------------------------------------------------------------------
    "POST /api/orders/{id}/payments": Row(
        401,
        404,
        dict.fromkeys(SEES_ORDERS, 403) | {"owner": 201},
        target="order_to_pay",
        body={"provider": "sandbox", "amount": "10.00"},
    ),
    "GET /api/payments": signed_in(200),
    "GET /api/payments/{id}": only(200, *OWNER, *ACCOUNTANTS, others=404, target="sale_payment"),
    "POST /api/webhooks/{provider}": public(401, target="webhook", body={}),
}
