"""Staff pages of orders."""

from __future__ import annotations

from django.contrib import admin

from auctions.models import Order
from common.admin import ReadOnlyAdmin


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin):
    """What was sold to whom, at which price."""

    list_display = ("order_number", "listing", "buyer", "seller", "hammer_price", "currency", "status", "created_at")
    list_filter = ("status", "currency", "created_at")
    list_select_related = ("listing", "buyer", "seller")
    search_fields = ("order_number", "buyer__email", "seller__email", "listing__vin")
