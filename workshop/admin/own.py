"""Mechanics have no right to see all tickets: in the staff pages each finds what is their own."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from workshop.models import Mechanic


def is_mechanic(user: Any) -> bool:
    """Whether somebody works on vehicles. Asked once per request: the answer stays with the request's user."""
    if not hasattr(user, "is_active_mechanic"):
        user.is_active_mechanic = Mechanic.objects.filter(user_id=user.pk, active=True).exists()
    return bool(user.is_active_mechanic)


class MineFilter(admin.SimpleListFilter):
    """What is the viewer's own; the page says by `own` what that is."""

    title = "mine"
    parameter_name = "mine"

    def __init__(self, request: HttpRequest, params: dict[str, Any], model: type[Any], model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        self.page = model_admin

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("1", "Mine")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        own: QuerySet[Any] = self.page.own(queryset, request.user) if self.value() == "1" else queryset
        return own


class OwnWorkMixin:
    """A page that mechanics open too, though they see only their own rows there (`own`), and change none."""

    def own(self, rows: QuerySet[Any], user: Any) -> QuerySet[Any]:
        raise NotImplementedError

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)  # type: ignore[misc]  # Of the page it is mixed into.
        return rows if sees_all(self, request) else self.own(rows, request.user)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return sees_all(self, request) or is_mechanic(request.user)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return super().has_module_permission(request) or is_mechanic(request.user)  # type: ignore[misc]


def sees_all(page: Any, request: HttpRequest) -> bool:
    """Whether somebody may see everybody's rows of a page."""
    return request.user.has_perm(f"{page.opts.app_label}.view_{page.opts.model_name}")
