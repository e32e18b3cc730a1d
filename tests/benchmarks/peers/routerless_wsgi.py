"""Forecourt as it was before it could ask replicas."""

from __future__ import annotations

from typing import Any

from config.wsgi import application

__all__ = ["application"]


def _switch_off() -> None:
    from common import replicas  # Once the settings know that this is a web process.

    def nothing(*_: Any) -> None:
        return None

    replicas.begin = nothing
    replicas.current = lambda: "default"


_switch_off()
