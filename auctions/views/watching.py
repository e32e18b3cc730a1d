"""Watched auctions and saved searches: `/api/auctions/{id}/watch`, `/api/watchlist`, `/api/saved-searches`."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotency import idempotent
from auctions.filters.watching import SavedSearchFilter, WatchlistFilter
from auctions.models import Auction, SavedSearch
from auctions.serializers.auctions import own_bids_of
from auctions.serializers.watching import SavedSearchSerializer, WatchedAuctionSerializer
from auctions.services import searches, watching
from auctions.views.examples import LIVE
from common import clock
from common.examples import sent, shown
from common.permissions import SignedIn
from common.serializers import EmptySerializer
from common.views import ApiViewSet, CreateMixin, DestroyMixin, ListMixin, RetrieveMixin, UpdateMixin

WATCHED = shown("a watched auction", {"title": "2018 Honda Accord", **LIVE})
ACCORDS = {
    "name": "Accords near Albany",
    "filters": {"make": "Honda", "model": "Accord", "year_min": 2016, "max_price": "15000.00", "state": "NY"},
    "cadence": "daily",
}
SEARCH = shown("a search", {"id": 4, **ACCORDS, "created_at": "2025-02-20T11:00:02Z"})
NEW_SEARCH = sent("a new search", ACCORDS)
LESS_OFTEN = sent("not at the moment", {"cadence": "off"})
FILTERS = (
    "`filters` takes the parameters of the list of vehicles by the same names, in JSON's own types. An unknown name or "
    "a bad value is 400 with `attr` `filters.<name>`, a contradiction (`year_min` after `year_max`) 422 `semantic`. "
)


class WatchActions:
    """Watching, for the viewset of auctions."""

    @extend_schema(
        summary="Watch an auction",
        description="It is on one's watchlist, and one is told a day and a quarter of an hour before its end. Again "
        "changes nothing.",
        request=EmptySerializer,
        responses={204: None},
    )
    @action(detail=True, methods=["put"], serializer_class=EmptySerializer, permission_classes=[SignedIn])
    def watch(self: Any, request: Request, pk: int) -> Response:
        self.validated(EmptySerializer)
        watching.watch_auction(auction=self.get_object(), user=self.caller, now=clock.now())
        return Response(status=204)

    @extend_schema(
        summary="Do not watch an auction any more",
        description="Again changes nothing.",
        request=None,
        responses={204: None},
    )
    @watch.mapping.delete
    def unwatch(self: Any, request: Request, pk: int) -> Response:
        watching.unwatch_auction(auction=self.get_object(), user=self.caller)
        return Response(status=204)

    watch.query_class = None  # type: ignore[attr-defined]
    unwatch.query_class = None  # type: ignore[attr-defined]


@extend_schema_view(
    list=extend_schema(
        summary="List the auctions that one watches",
        description="The next to end first, those that have ended among them.",
        examples=[WATCHED],
    ),
)
class WatchlistViewSet(ListMixin, ApiViewSet):
    """The caller's own."""

    queryset = Auction.objects.all()
    serializer_class = WatchedAuctionSerializer
    filterset_class = WatchlistFilter
    permission_classes = [SignedIn]

    def get_queryset(self) -> QuerySet[Auction]:
        return watching.watched_by(self.caller).prefetch_related(own_bids_of(self.caller))


@extend_schema_view(
    list=extend_schema(summary="List one's saved searches", description="The newest first.", examples=[SEARCH]),
    retrieve=extend_schema(summary="Read a saved search", examples=[SEARCH]),
    create=extend_schema(
        summary="Save a search",
        description="For listings that are published from now on; each is told once: at once (`instant`, the "
        "default), or with all others of a day at 08:00 by one's own clock (`daily`). "
        + FILTERS
        + f"More than {searches.MOST_SEARCHES} are 409 `too_many_searches`.",
        examples=[NEW_SEARCH, SEARCH],
    ),
    partial_update=extend_schema(
        summary="Change a saved search",
        description="`filters` are replaced as a whole. A search that was `daily` and becomes `instant` tells at once "
        "what it has found since the last message; one that is put `off` forgets it. " + FILTERS,
        examples=[LESS_OFTEN, SEARCH],
    ),
    destroy=extend_schema(summary="Delete a saved search"),
)
class SavedSearchViewSet(ListMixin, RetrieveMixin, CreateMixin, UpdateMixin, DestroyMixin, ApiViewSet):
    """The caller's own; those of others do not exist."""

    http_method_names = ["get", "post", "patch", "delete", "head", "options"]
    queryset = SavedSearch.objects.all()
    serializer_class = SavedSearchSerializer
    filterset_class = SavedSearchFilter
    permission_classes = [SignedIn]

    def get_queryset(self) -> QuerySet[SavedSearch]:
        return SavedSearch.objects.filter(user_id=self.caller.pk).order_by("-id")

    @idempotent
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        return super().create(request, *args, **kwargs)

    def perform_create(self, data: dict[str, Any]) -> SavedSearch:
        return searches.create_search(user=self.caller, now=clock.now(), **data)

    def perform_update(self, instance: SavedSearch, data: dict[str, Any]) -> SavedSearch:
        return searches.update_search(search=instance, changes=data, now=clock.now())

    def perform_destroy(self, instance: SavedSearch) -> None:
        searches.delete_search(search=instance)
