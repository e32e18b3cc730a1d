"""Who may do what with an account."""

from __future__ import annotations

from typing import Any

from accounts.authentication import KeyUse
from common.errors import Forbidden
from common.permissions import SignedIn


class ApiKeyNotAllowed(Forbidden):
    code = "api_key_not_allowed"
    detail = "This needs a person who is signed in; an API key is not enough."


class InPerson(SignedIn):
    """Everybody who signed in, and no API key: for what changes an account, shows all of it, or makes further keys. A
    key that got into wrong hands must not be able to take the account over."""

    def has_permission(self, request: Any, view: Any) -> bool:
        """Raises ApiKeyNotAllowed."""
        if isinstance(request.auth, KeyUse):
            raise ApiKeyNotAllowed
        return super().has_permission(request, view)
