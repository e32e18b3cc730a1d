"""Who may do what in auctions, beyond `HasPerm`."""

from __future__ import annotations

from functools import cache
from typing import Any

from rest_framework.permissions import BasePermission


class SellerOr(BasePermission):
    """Whoever sells, and holders of all of these permissions; who may only look gets 403. Make one with
    `SellerOr.of("auctions.moderate_auction")`."""

    perms: tuple[str, ...] = ()

    @classmethod
    @cache
    def of(cls, *perms: str) -> type[SellerOr]:
        name = "_".join(perm.replace(".", "_") for perm in perms)
        return type(f"SellerOr_{name}", (cls,), {"perms": perms})

    def has_object_permission(self, request: Any, view: Any, obj: Any) -> bool:
        return obj.seller_id == request.user.pk or bool(request.user.has_perms(self.perms))


class Seller(BasePermission):
    """Whoever sells, and nobody for them."""

    def has_object_permission(self, request: Any, view: Any, obj: Any) -> bool:
        return bool(obj.seller_id == request.user.pk)


class EmailVerified(BasePermission):
    """Whoever can be written to."""

    code = "email_not_verified"
    message = "Verify your e-mail address first."

    def has_permission(self, request: Any, view: Any) -> bool:
        return request.user.email_verified_at is not None


class Buyer(BasePermission):
    """Whoever buys, and nobody for them; who may only look gets 403."""

    def has_object_permission(self, request: Any, view: Any, obj: Any) -> bool:
        return bool(obj.buyer_id == request.user.pk)


class BuyerOr(BasePermission):
    """Whoever buys, and holders of this permission. Make one with `BuyerOr.of("auctions.change_order")`."""

    perm = ""

    @classmethod
    @cache
    def of(cls, perm: str) -> type[BuyerOr]:
        return type(f"BuyerOr_{perm.replace('.', '_')}", (cls,), {"perm": perm})

    def has_object_permission(self, request: Any, view: Any, obj: Any) -> bool:
        return obj.buyer_id == request.user.pk or bool(request.user.has_perm(self.perm))
