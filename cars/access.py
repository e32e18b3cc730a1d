"""Who else may look at a vehicle, by what the apps above know: a mechanic at the one to be repaired. Each fills the
hook in its `AppConfig.ready()`, so that `cars` asks all of them without importing one."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from accounts.registry import Hooks

# Each answers the ids of the vehicles that this user may read, beside the user's own; one query at most.
vehicle_readers: Hooks[Callable[[Any], Collection[int]]] = Hooks()


def vehicles_shown_to(user: Any) -> set[int]:
    """The ids of other people's vehicles that the user may read."""
    return {pk for hook in vehicle_readers for pk in hook(user)}
