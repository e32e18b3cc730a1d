"""What the published document shows of an auction in several places."""

from __future__ import annotations

from typing import Any

LIVE: dict[str, Any] = {
    "id": 17,
    "listing": 9,
    "status": "live",
    "is_open": True,
    "starts_at": "2025-02-22T18:30:00Z",
    "ends_at": "2025-03-01T18:30:00Z",
    "original_ends_at": "2025-03-01T18:30:00Z",
    "price": "8100.00",
    "min_next": "8350.00",
    "bid_count": 12,
    "reserve_status": "not_met",
    "buy_now": "12500.00",
    "leader_alias": "Bidder 4",
    "your_alias": None,
    "your_max": None,
    "currency": "USD",
    "event_seq": 22,
    "server_time": "2025-02-28T09:12:44.104512Z",
}
