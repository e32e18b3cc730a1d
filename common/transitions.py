"""The question every state machine asks before it moves."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from common.errors import InvalidTransition


def check_transition(*, current: str, to: str, allowed: Mapping[str, Collection[str]]) -> None:
    """Raises InvalidTransition unless `allowed[current]` holds `to`. A status without an entry is final."""
    moves = allowed.get(current, ())
    if to not in moves:
        meta = {"from": str(current), "to": str(to), "allowed": sorted(str(move) for move in moves)}
        raise InvalidTransition(f"{current} cannot become {to}.", meta=meta)


def sources_of(allowed: Mapping[str, Collection[str]], to: str) -> frozenset[str]:
    """The statuses that may become `to`."""
    return frozenset(status for status, moves in allowed.items() if to in moves)
