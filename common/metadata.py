"""OPTIONS: what an endpoint takes, told to signed-in people only."""

from __future__ import annotations

from typing import Any

from rest_framework.exceptions import NotAuthenticated
from rest_framework.metadata import BaseMetadata


class SignedInMetadata(BaseMetadata):
    """Name, description and methods; the shapes stand in the OpenAPI document. Raises NotAuthenticated (401)."""

    def determine_metadata(self, request: Any, view: Any) -> dict[str, Any]:
        if not request.user.is_authenticated:
            raise NotAuthenticated
        return {
            "name": view.get_view_name(),
            "description": view.get_view_description(),
            "methods": list(view.allowed_methods),
        }
