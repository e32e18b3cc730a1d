"""Customers, mechanics and suppliers."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from accounts.authentication import user_of
from common.admin import StaffAdmin
from workshop.models import Customer, Mechanic, Supplier
from workshop.services import customers, mechanics, suppliers


@admin.register(Customer)
class CustomerAdmin(StaffAdmin):
    """Whose vehicles are serviced. One with tickets cannot be deleted."""

    list_display = ("name", "email", "phone", "user", "created_at")
    list_filter = (("user", admin.EmptyFieldListFilter),)
    list_select_related = ("user",)
    search_fields = ("name", "email", "phone")
    autocomplete_fields = ("user",)
    fields = ("name", "email", "phone", "user", "notes")

    def perform_create(self, request: HttpRequest, data: dict[str, Any]) -> Customer:
        return customers.create_customer(data=data)

    def perform_update(self, request: HttpRequest, customer: Customer, data: dict[str, Any]) -> Customer:
        return customers.update_customer(customer=customer, actor=user_of(request), data=data)

    def delete_model(self, request: HttpRequest, obj: Customer) -> None:
        customers.delete_customer(customer=obj)


@admin.register(Mechanic)
class MechanicAdmin(StaffAdmin):
    """Who works on vehicles, and what an hour is sold for."""

    list_display = ("display_name", "user", "hourly_rate", "active", "created_at")
    list_filter = ("active",)
    list_select_related = ("user",)
    search_fields = ("display_name", "user__email")
    autocomplete_fields = ("user",)
    fields = ("user", "display_name", "hourly_rate", "skills", "active")

    def perform_create(self, request: HttpRequest, data: dict[str, Any]) -> Mechanic:
        return mechanics.create_mechanic(data=data)

    def perform_update(self, request: HttpRequest, mechanic: Mechanic, data: dict[str, Any]) -> Mechanic:
        return mechanics.update_mechanic(mechanic=mechanic, data=data)

    def delete_model(self, request: HttpRequest, obj: Mechanic) -> None:
        mechanics.delete_mechanic(mechanic=obj)


@admin.register(Supplier)
class SupplierAdmin(StaffAdmin):
    """Who sells parts."""

    list_display = ("name", "email", "phone")
    search_fields = ("name", "email")
    fields = ("name", "email", "phone")

    def perform_create(self, request: HttpRequest, data: dict[str, Any]) -> Supplier:
        return suppliers.create_supplier(data=data)

    def perform_update(self, request: HttpRequest, supplier: Supplier, data: dict[str, Any]) -> Supplier:
        return suppliers.update_supplier(supplier=supplier, data=data)

    def delete_model(self, request: HttpRequest, obj: Supplier) -> None:
        suppliers.delete_supplier(supplier=obj)
