"""One serializer, one filter set, one viewset."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from rest_framework import pagination, serializers, viewsets

from tests.benchmarks.peers import FIELDS
from tests.benchmarks.peers.drf_stock.models import Car


class Pagination(pagination.PageNumberPagination):
    page_size = 20
    page_size_query_param = "limit"
    max_page_size = 100


class CarSerializer(serializers.ModelSerializer[Car]):
    class Meta:
        model = Car
        fields = FIELDS


class CarFilter(filters.FilterSet):
    make = filters.CharFilter(method="filter_make")

    class Meta:
        model = Car
        fields = ["make", "year"]

    def filter_make(self, queryset: QuerySet[Car], _name: str, value: str) -> QuerySet[Car]:
        return queryset.filter(make_key=value.casefold())


class CarViewSet(viewsets.ModelViewSet[Any]):
    queryset = Car.objects.filter(withdrawn_at__isnull=True).order_by("id")
    serializer_class = CarSerializer
    filterset_class = CarFilter
    pagination_class = Pagination
