"""What a purchase costs on top of the hammer price. Pure."""

from __future__ import annotations

from typing import Any

# What holds while staff have made no schedule.
DEFAULT_SCHEDULE: dict[str, Any] = {
    "kind": "percent",
    "percent": "5.00",
    "minimum": "250.00",
    "maximum": "7500.00",
    "tiers": [],
    "title_processing": "75.00",
    "tax_rates": {},
    "taxable": [],
}
