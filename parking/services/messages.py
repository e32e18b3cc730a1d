"""What parking tells people: the kinds of its notifications."""

from __future__ import annotations

from accounts.registry import NotificationKind, notification_kinds

PARKING_MOVED = "parking_moved"
PARKING_CANCELLED = "parking_cancelled"
PARKING_OVERSTAY = "parking_overstay"

LABELS = {
    PARKING_MOVED: "Another spot for your reservation",
    PARKING_CANCELLED: "A reservation that had to be cancelled",
    PARKING_OVERSTAY: "A vehicle that stays longer than booked",
}


def register_kinds() -> None:
    """Called once the apps are ready."""
    for kind, label in LABELS.items():
        notification_kinds.register(kind, NotificationKind(label=label))
