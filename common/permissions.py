"""Who may: small classes to be combined with `|`, `&` and `~`. Anonymous callers get 401, known ones 403."""

from __future__ import annotations

from functools import cache
from typing import Any

from rest_framework.permissions import BasePermission


class Public(BasePermission):
    """Everybody."""

    def has_permission(self, request: Any, view: Any) -> bool:
        return True


class SignedIn(BasePermission):
    """Every active user."""

    def has_permission(self, request: Any, view: Any) -> bool:
        return bool(request.user and request.user.is_authenticated)


class Administrator(BasePermission):
    """Superusers."""

    def has_permission(self, request: Any, view: Any) -> bool:
        return bool(request.user and request.user.is_authenticated and request.user.is_superuser)


class HasPerm(BasePermission):
    """Holders of one model permission; make one with `HasPerm.of("cars.sync_cars")`."""

    perm = ""

    @classmethod
    @cache
    def of(cls, perm: str) -> type[HasPerm]:
        return type(f"HasPerm_{perm.replace('.', '_')}", (cls,), {"perm": perm})

    def has_permission(self, request: Any, view: Any) -> bool:
        return bool(request.user and request.user.is_authenticated and request.user.has_perm(self.perm))


class ObjectPerm(BasePermission):
    """Holders of one model permission, asked once the object is found: to whom it is hidden it is 404 and not 403. Make
    one with `ObjectPerm.of("workshop.change_serviceticket")`."""

    perm = ""

    @classmethod
    @cache
    def of(cls, perm: str) -> type[ObjectPerm]:
        return type(f"ObjectPerm_{perm.replace('.', '_')}", (cls,), {"perm": perm})

    def has_object_permission(self, request: Any, view: Any, obj: Any) -> bool:
        return bool(request.user.has_perm(self.perm))
