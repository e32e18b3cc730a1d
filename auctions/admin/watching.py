"""Staff pages of what people keep an eye on."""

from __future__ import annotations

from django.contrib import admin
from unfold.decorators import display

from auctions.models import SavedSearch, SearchMatch, Watch
from common.admin import ReadOnlyAdmin


@admin.register(Watch)
class WatchAdmin(ReadOnlyAdmin):
    """Who watches which auction, and when they were reminded."""

    list_display = ("user", "auction", "reminded_day_at", "reminded_soon_at", "created_at")
    list_filter = (("reminded_soon_at", admin.EmptyFieldListFilter), "created_at")
    list_select_related = ("user", "auction")
    search_fields = ("user__email", "=auction__id")


@admin.register(SavedSearch)
class SavedSearchAdmin(ReadOnlyAdmin):
    """What people wait for."""

    list_display = ("name", "user", "cadence", "show_filters", "digest_due_at", "created_at")
    list_filter = ("cadence",)
    list_select_related = ("user",)
    search_fields = ("name", "user__email")

    @display(description="filters")
    def show_filters(self, search: SavedSearch) -> str:
        return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in search.filters.items())


@admin.register(SearchMatch)
class SearchMatchAdmin(ReadOnlyAdmin):
    """What the searches have found, and whether those who wait were told."""

    list_display = ("search", "show_user", "listing", "created_at", "told_at")
    list_filter = (("told_at", admin.EmptyFieldListFilter), "created_at")
    list_select_related = ("search__user", "listing")
    search_fields = ("search__name", "search__user__email", "=listing__id")
    ordering = ("-id",)

    @display(description="user")
    def show_user(self, match: SearchMatch) -> str:
        return str(match.search.user)
