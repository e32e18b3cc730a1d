"""Tables of bidding steps, as JSON rows `{"up_to": "4999.99" or null, "step": "100.00"}`. Pure."""

from __future__ import annotations

from typing import Any

# What holds while staff have marked no table as the default one: steps for vehicles.
DEFAULT_TIERS: list[dict[str, Any]] = [
    {"up_to": "4999.99", "step": "100.00"},
    {"up_to": "29999.99", "step": "250.00"},
    {"up_to": None, "step": "500.00"},
]
EBAY_TIERS: list[dict[str, Any]] = [
    {"up_to": "0.99", "step": "0.05"},
    {"up_to": "4.99", "step": "0.25"},
    {"up_to": "24.99", "step": "0.50"},
    {"up_to": "99.99", "step": "1.00"},
    {"up_to": "249.99", "step": "2.50"},
    {"up_to": "499.99", "step": "5.00"},
    {"up_to": "999.99", "step": "10.00"},
    {"up_to": "2499.99", "step": "25.00"},
    {"up_to": "4999.99", "step": "50.00"},
    {"up_to": None, "step": "100.00"},
]
