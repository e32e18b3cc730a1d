"""Examples for the published document: the histories of a vehicle."""

from __future__ import annotations

from typing import Any

from common.examples import shown

SEAL = {
    "fingerprint": "3f9a0c1e5b7d2846a1c3e5f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b",
    "issued_at": "2025-03-01T09:30:00Z",
}
VIN_ANSWER = {
    "vin": "1HGCM82633A004352",
    "source": "vininfo",
    "verified": False,
    "wmi": "1HG",
    "region": "North America",
    "country": "United States",
    "model_year": 2003,
    "attributes": {
        "make": "Honda",
        "model": "",
        "year": "",
        "trim": "",
        "manufacturer": "Honda",
        "body": "",
        "vehicle_type": "",
        "engine": "",
        "fuel_type": "",
        "drivetrain": "",
        "transmission": "",
        "plant": "",
    },
    "warnings": [],
}
VIN_DECODE = VIN_ANSWER | {"disagrees": []}
_FIRST = {"value": 168_200, "unit": "km", "at": "2023-11-06T10:00:00Z"}
_SECOND = {"value": 182_400, "unit": "km", "at": "2025-02-27T18:02:11Z"}
_ROLLED_BACK = {"value": 150_000, "unit": "km", "at": "2024-06-01T08:00:00Z"}
_SERVICED = {
    "kind": "serviced",
    "at": "2025-02-27T18:02:11Z",
    "summary": "Serviced at 182,400 km.",
    "mileage": 182_400,
    "mileage_unit": "km",
}
_LISTED = {
    "kind": "listed",
    "at": "2025-02-28T12:00:00Z",
    "summary": "Offered for sale.",
    "mileage": None,
    "mileage_unit": None,
}
_MOVED = _LISTED | {"kind": "title_transferred", "at": "2024-01-15T09:00:00Z", "summary": "Changed hands."}
PUBLIC: dict[str, Any] = {
    "ownership": {"owners": 2, "since": "2024-01-15T09:00:00Z", "earlier_records": 0},
    "odometer": {
        "verdict": "questionable",
        "reasons": [{"code": "rollback", "count": 1}],
        "unit": "km",
        "readings": [
            _FIRST | {"source": "workshop", "distance": 168_200, "verdict": "plausible", "against": None},
            _ROLLED_BACK | {"source": "owner", "distance": 150_000, "verdict": "rollback", "against": _FIRST},
            _SECOND | {"source": "workshop", "distance": 182_400, "verdict": "plausible", "against": None},
        ],
    },
    "services": [_SERVICED],
    "market": [_LISTED],
    "title_events": [_MOVED],
    "summary": {
        "counts": [
            {"kind": "listed", "count": 1},
            {"kind": "odometer", "count": 3},
            {"kind": "serviced", "count": 1},
            {"kind": "title_transferred", "count": 1},
        ],
        "first_seen": "2023-11-06T10:00:00Z",
        "last_seen": "2025-02-28T12:00:00Z",
        "latest_mileage": 182_400,
        "mileage_unit": "km",
        "distance_per_year": None,
    },
    "truncated": False,
}


def _own(entry: dict[str, Any], details: str = "", reference: str = "") -> dict[str, Any]:
    return entry | {"details": details, "reference": reference}


_PARKED = _LISTED | {"kind": "parked", "at": "2025-02-20T07:41:00Z", "summary": ""}
_ODOMETER = PUBLIC["odometer"]
_READINGS = [reading | {"forced_reason": ""} for reading in _ODOMETER["readings"]]
PASSPORT = shown(
    "a passport",
    {
        "number": "VP-12-3F9A0C1E",
        **SEAL,
        "vehicle": {
            "id": 12,
            "vin": "1HGCM82633A004352",
            "plate": "FC 2003",
            "year": 2003,
            "make": "Honda",
            "model": "Accord",
            "trim": "EX",
            "color": "silver",
            "mileage": 182_400,
            "mileage_unit": "km",
        },
        "registry": {
            "id": 5,
            "make": "Honda",
            "model": "Accord",
            "year": 2003,
            "category": "Sedan",
            "source": "file",
            "current": True,
        },
        "vin_decode": VIN_DECODE,
        "history": PUBLIC
        | {
            "odometer": _ODOMETER | {"readings": _READINGS},
            "services": [_own(_SERVICED, "RO-2025-000031: Brake pads, front", "ticket:31")],
            "market": [_own(_LISTED, "", "listing:31")],
            "title_events": [_own(_MOVED, "", "reassigned")],
            "parking": {"stays": 4, "last": _own(_PARKED, "Parked at Central Garage, spot 12.", "reservation:77")},
        },
    },
)
