"""The OpenAPI document: what is enforced, published."""

from __future__ import annotations

from typing import Any

from drf_spectacular.openapi import AutoSchema as SpectacularAutoSchema


class AutoSchema(SpectacularAutoSchema):
    """Bodies and answers as `common.views` gives them."""


def postprocess(result: Any, generator: Any, request: Any, public: bool) -> Any:
    return result
