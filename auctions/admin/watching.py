"""Staff pages of what people keep an eye on."""

from __future__ import annotations

from django.contrib import admin

from auctions.models import SavedSearch, Watch
from common.admin import ReadOnlyAdmin


@admin.register(Watch)
class WatchAdmin(ReadOnlyAdmin):
    """Who watches which auction, and when they were reminded."""

    list_display = ("user", "auction", "reminded_day_at", "reminded_soon_at", "created_at")
    list_select_related = ("user", "auction")
    search_fields = ("user__email", "=auction__id")


@admin.register(SavedSearch)
class SavedSearchAdmin(ReadOnlyAdmin):
    """What people wait for."""

    list_display = ("name", "user", "cadence", "filters", "digest_due_at", "created_at")
    list_filter = ("cadence",)
    list_select_related = ("user",)
    search_fields = ("name", "user__email")
