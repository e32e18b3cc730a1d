"""What the published document shows of accounts."""

from __future__ import annotations

from typing import Any

from common.examples import sent, shown

_PASSWORD = "blue-Harbour-42"  # noqa: S105 - nobody's
_REFRESH = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ0b2tlbl90eXBlIjoicmVmcmVzaCJ9.c2lnbmF0dXJl"
_ACCESS = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ0b2tlbl90eXBlIjoiYWNjZXNzIn0.c2lnbmF0dXJl"
_MAILED = "7.Zp0sJk3mB8wq1VtYH6rXcFzN2uGdEo7aLiQx5TnRb9M"
_ADDRESS = {
    "line1": "12 Harbour Road",
    "line2": "",
    "city": "Portland",
    "state": "ME",
    "zip": "04101",
    "country": "US",
}
_CARD = {"provider": "sandbox", "last4": "4242"}
_PERSON: dict[str, Any] = {
    "id": 7,
    "email": "casey@example.com",
    "username": "casey",
    "first_name": "Casey",
    "last_name": "Customer",
    "phone": "+1 207 555 0142",
    "timezone": "America/New_York",
    "can_bid": True,
    "bid_limit": None,
    "email_verified_at": "2025-03-01T09:34:11Z",
    "identity_requested_at": "2025-03-01T09:40:00Z",
    "identity_verified_at": "2025-03-01T10:02:30Z",
    "payment_profile": _CARD,
    "last_login_at": "2025-03-02T08:15:00Z",
    "created_at": "2025-03-01T09:30:00Z",
}
_ACCOUNT = _PERSON | {"address": _ADDRESS, "roles": [], "permissions": []}
_PAIR = {"access_token": _ACCESS, "refresh_token": _REFRESH, "token_type": "Bearer", "expires_in": 1800}

ACCOUNT = shown("an account", _ACCOUNT)
SIGNED_IN = shown("signed in", _PAIR | {"user": _ACCOUNT})
REGISTERED = shown(
    "registered",
    _PAIR
    | {
        "user": _ACCOUNT
        | {
            "can_bid": False,
            "email_verified_at": None,
            "identity_requested_at": None,
            "identity_verified_at": None,
            "payment_profile": None,
        }
    },
)
REGISTER = sent(
    "an account", {"email": "casey@example.com", "username": "casey", "password": _PASSWORD, "first_name": "Casey"}
)
LOGIN = sent("by e-mail", {"email": "casey@example.com", "password": _PASSWORD})
LOGIN_BY_NAME = sent("by user name", {"username": "casey", "password": _PASSWORD})
REFRESH = sent("the refresh token", {"refresh_token": _REFRESH})
CLERK = sent("Clerk's session token", {"token": _ACCESS, "clerk_user_id": "user_2NNEqL2nrIRdJ194ndJqAHwEfxC"})
CHANGE_PASSWORD = sent("another password", {"current_password": _PASSWORD, "new_password": "green-Harbour-43"})
RESET = sent("an address", {"email": "casey@example.com"})
RESET_ASKED = shown("asked for", {}, status=202)
RESET_CONFIRM = sent("the mailed token", {"token": _MAILED, "new_password": "green-Harbour-43"})
VERIFY = sent("the mailed token", {"token": _MAILED})
PROFILE = sent("name and time zone", {"first_name": "Casey", "timezone": "America/New_York"})
PROFILE_EMAIL = sent("another address", {"email": "casey@example.org", "current_password": _PASSWORD})
PAYMENT_PROFILE = sent("a means of payment", {"provider": "sandbox", "reference": "pm_4242"})
CARD = shown("on file", _CARD)
IDENTITY = shown(
    "confirmed",
    {
        "id": 7,
        "identity_requested_at": "2025-03-01T09:40:00Z",
        "identity_verified_at": "2025-03-01T10:02:30Z",
        "can_bid": True,
    },
)
USER = shown("a person", _PERSON | {"is_active": True, "is_staff": True, "is_superuser": False, "groups": ["mechanic"]})
USER_CHANGE = sent("a role and a limit for bids", {"groups": ["mechanic"], "bid_limit": "25000.00"})

PERSONAL_DATA = shown(
    "all that is stored",
    {"generated_at": "2025-03-02T08:20:00Z", "apps": {"accounts": {"account": _PERSON}, "cars": {"vehicles": []}}},
)
PREFERENCES = shown("every kind", {"outbid": {"in_app": True, "email": True}})
CHOOSE = sent("no mails when outbid", {"outbid": {"in_app": True, "email": False}})

_SELLER: dict[str, Any] = {
    "business_name": "Harbour Motors",
    "dealer_license_number": "ME-20417",
    "tax_id": "01-2345678",
}
SELLER = shown(
    "approved",
    {
        "id": 4,
        "user": 7,
        **_SELLER,
        "status": "approved",
        "approved_at": "2025-03-01T12:00:00Z",
        "approved_by": 2,
        "created_at": "2025-03-01T09:45:00Z",
        "updated_at": "2025-03-01T12:00:00Z",
    },
)
SELL = sent("a dealer", _SELLER)

_EXPORT: dict[str, Any] = {
    "id": "6f1f0d5e-3c58-4c55-9a35-0b7b3d0e4a11",
    "owner": 7,
    "kind": "cars",
    "params": {},
    "status": "queued",
    "rows": 0,
    "percent": 0,
    "bytes": 0,
    "error": "",
    "created_at": "2025-03-01T09:30:00Z",
    "started_at": None,
    "finished_at": None,
    "expires_at": None,
    "download_url": None,
}
EXPORT_ASKED = shown("asked for", _EXPORT, status=202)
EXPORT = shown(
    "ready",
    _EXPORT
    | {
        "status": "ready",
        "rows": 10482,
        "percent": 100,
        "bytes": 904113,
        "started_at": "2025-03-01T09:30:01Z",
        "finished_at": "2025-03-01T09:30:03Z",
        "expires_at": "2025-03-08T09:30:03Z",
        "download_url": "http://localhost:8000/api/exports/6f1f0d5e-3c58-4c55-9a35-0b7b3d0e4a11/download",
    },
)
ASK_EXPORT = sent("cars", {"kind": "cars"})

NOTIFICATION = shown(
    "outbid",
    {
        "id": 9001,
        "kind": "outbid",
        "title": "You were outbid on the 2003 Honda Accord",
        "body": "The price is 8,350.00 USD now.",
        "data": {"auction": 17},
        "created_at": "2025-03-01T09:30:00Z",
        "read_at": None,
    },
)
NOTIFICATION_READ = shown("read", NOTIFICATION.value | {"read_at": "2025-03-01T09:41:00Z"})
UNREAD = shown("three", {"count": 3})
ALL_READ = shown("three", {"read": 3})
