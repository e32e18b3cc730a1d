"""Staff pages of offers."""

from __future__ import annotations

from django.contrib import admin

from auctions.admin.settlement import SettlementAdmin
from auctions.models import Offer
from common.admin import money_column


@admin.register(Offer)
class OfferAdmin(SettlementAdmin):
    """What was offered beside the bidding, and what came of it. The parties decide, not staff."""

    list_display = (
        "id", "listing", "kind", "show_status", "made_by", "show_amount", "buyer", "seller", "expires_at",
    )  # fmt: skip
    list_filter = ("status", "kind", "made_by", "created_at", "expires_at")
    list_select_related = ("listing", "buyer", "seller")
    show_amount = money_column("amount")
    search_fields = ("=id", "listing__vin", "buyer__email", "seller__email")
