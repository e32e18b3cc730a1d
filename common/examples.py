"""Examples for the published document: each says which way it travels."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample


def shown(name: str, value: Any, *, status: int | None = None) -> OpenApiExample:
    """An answer; with `status` where that is neither 200 nor 201."""
    return OpenApiExample(name, value=value, response_only=True, status_codes=[str(status)] if status else None)


def sent(name: str, value: Any) -> OpenApiExample:
    """A body."""
    return OpenApiExample(name, value=value, request_only=True)
