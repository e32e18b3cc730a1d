"""Forecourt without its fast lists: they go the ordinary way through REST framework. Its settings leave out the
middleware in front of it."""

from __future__ import annotations

from typing import Any

from config.wsgi import application

__all__ = ["application"]


def _switch_off() -> None:
    from common.fastlist import FastListMixin  # Once the apps are ready.

    def declined(_view: Any, _request: Any) -> None:
        return None

    FastListMixin.fast_list = declined  # type: ignore[method-assign, assignment]


_switch_off()
