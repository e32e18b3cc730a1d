"""Who may do what. Who may see what is decided by the querysets (`visible_to`)."""

from __future__ import annotations

from typing import Any

from rest_framework.permissions import BasePermission

from workshop.models import Customer, ServiceTicket


class WritesCustomer(BasePermission):
    """Customers themselves, and staff who may change them; who may only look at them gets 403."""

    def has_object_permission(self, request: Any, view: Any, obj: Customer) -> bool:
        return obj.user_id == request.user.pk or bool(request.user.has_perm("workshop.change_customer"))


class WorksOnTicket(BasePermission):
    """Service advisors, and the mechanics who are assigned to the ticket (of the job)."""

    def has_object_permission(self, request: Any, view: Any, obj: Any) -> bool:
        ticket: ServiceTicket = obj if isinstance(obj, ServiceTicket) else obj.ticket
        return bool(request.user.has_perm("workshop.change_serviceticket")) or ticket.is_worked_on_by(request.user)
