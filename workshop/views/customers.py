"""Customers: `/api/workshop/customers`."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotency import idempotent
from common.examples import sent, shown
from common.permissions import HasPerm, SignedIn
from common.views import ApiViewSet, CreateMixin, DestroyMixin, ListMixin, RetrieveMixin, UpdateMixin
from workshop.filters.people import CustomerFilter
from workshop.models import Customer
from workshop.models.people import CustomerQuerySet
from workshop.permissions import WritesCustomer
from workshop.serializers.people import CustomerBodySerializer, CustomerSerializer
from workshop.services import customers

CASEY = {"name": "Casey Jones", "email": "casey@example.com", "phone": "+49 30 1234567"}
BODY = sent("a customer", {**CASEY, "notes": "Calls back after five."})
ROW = shown(
    "a customer",
    {
        "id": 31,
        **CASEY,
        "user": None,
        "notes": "Calls back after five.",
        "created_at": "2026-11-25T09:30:00Z",
        "updated_at": "2026-11-25T09:30:00Z",
    },
)


@extend_schema_view(
    list=extend_schema(
        summary="List customers",
        description="Staff who may see customers see all of them; everybody else sees themselves, if they are one.",
        examples=[ROW],
    ),
    retrieve=extend_schema(summary="Read a customer", examples=[ROW]),
    create=extend_schema(
        summary="Add a customer",
        description="By staff. `user` links an account; where it is left out, the user who has confirmed this e-mail "
        "address is linked. People who sign up later are linked when they confirm it. An address that another customer "
        "has, in any spelling, is 409 `customer_email_taken`.",
        examples=[BODY, ROW],
    ),
    update=extend_schema(
        summary="Replace a customer",
        description="Members that are left out stay. Customers change their own name and phone, and may take over the "
        "confirmed e-mail address of their account; `user` and `notes` are for staff (403 `staff_field`).",
        examples=[BODY, ROW],
    ),
    partial_update=extend_schema(
        summary="Change a customer",
        examples=[sent("the phone", {"phone": "+49 30 7654321"}), ROW],
    ),
    destroy=extend_schema(
        summary="Delete a customer",
        description="By staff. One with service tickets or invoices is 409 `customer_in_use`.",
    ),
)
class CustomerViewSet(ListMixin, RetrieveMixin, CreateMixin, UpdateMixin, DestroyMixin, ApiViewSet):
    """People whose vehicles are serviced. Another customer is 404, like one that does not exist."""

    queryset = Customer.objects.all()
    serializer_class = CustomerSerializer
    filterset_class = CustomerFilter
    action_serializers = {"create": CustomerBodySerializer, "update": CustomerBodySerializer}
    action_permissions = {
        "create": [HasPerm.of("workshop.add_customer")],
        "update": [SignedIn, WritesCustomer],
        "destroy": [HasPerm.of("workshop.delete_customer")],
    }

    def get_queryset(self) -> CustomerQuerySet:
        return Customer.objects.visible_to(self.caller)

    @idempotent
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        return super().create(request, *args, **kwargs)

    def perform_create(self, data: dict[str, Any]) -> Customer:
        return customers.create_customer(data=data)

    def perform_update(self, instance: Customer, data: dict[str, Any]) -> Customer:
        return customers.update_customer(customer=instance, actor=self.caller, data=data)

    def perform_destroy(self, instance: Customer) -> None:
        customers.delete_customer(customer=instance)
