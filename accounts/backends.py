"""Who may sign in with a password, for the API, the browsable API and the admin alike."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.db.models import Model
from django.http import HttpRequest

from accounts.models import User
from accounts.sign_in import check_sign_in
from common.clock import now


class EmailOrUsernameBackend(ModelBackend):
    """Signs in by e-mail address or username under the limits of `accounts.sign_in`.

    `authenticate` raises `SignInLocked` instead of answering None while the account or the address is locked; every
    caller of `django.contrib.auth.authenticate` is thereby covered.
    """

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        identifier = username or kwargs.get(User.USERNAME_FIELD)
        if not identifier or password is None:
            return None
        address = request.META.get("REMOTE_ADDR", "") if request is not None else ""
        return check_sign_in(identifier=identifier, password=password, address=address, now=now())

    def get_all_permissions(self, user_obj: Any, obj: Model | None = None) -> set[str]:
        """What the authentication statement brought along, so that a permission check costs no query."""
        loaded = getattr(user_obj, "loaded_permissions", None)
        if loaded is not None and obj is None and not user_obj.is_superuser:
            return loaded if user_obj.is_active else set()
        return super().get_all_permissions(user_obj, obj=obj)
