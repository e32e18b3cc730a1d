"""Staff pages of offers."""

from __future__ import annotations

from django.contrib import admin

from auctions.admin.settlement import SettlementAdmin
from auctions.models import Offer


@admin.register(Offer)
class OfferAdmin(SettlementAdmin):
    """What was offered beside the bidding, and what came of it. The parties decide, not staff."""

    list_display = (
        "id", "listing", "kind", "show_status", "made_by", "amount", "currency", "round", "buyer", "seller",
        "expires_at", "decided_at",
    )  # fmt: skip
    list_filter = ("status", "kind", "made_by", "created_at", "expires_at")
    list_select_related = ("listing", "buyer", "seller")
    search_fields = ("=id", "listing__vin", "buyer__email", "seller__email")
