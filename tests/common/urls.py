"""Throwaway views on real models: the plumbing is tested here, whatever the apps make of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db import DataError, IntegrityError, InterfaceError, OperationalError
from django.db.models import (
    BooleanField,
    Case,
    DateTimeField,
    DecimalField,
    F,
    ProtectedError,
    Q,
    TextField,
    Value,
    When,
)
from django.db.models.functions import Concat
from django.urls import include, path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from accounts.views import session
from cars.models import Car, Vehicle
from common import clock, errors, fields, filters
from common.docs import ApiRootView, SchemaView
from common.fastlist import FastListMixin
from common.fastread import FastRetrieveMixin
from common.pagination import CursorPagination
from common.permissions import Administrator, HasPerm, Public, SignedIn
from common.routers import ApiRouter
from common.serializers import StrictModelSerializer, StrictSerializer
from common.views import (
    ApiView,
    ApiViewSet,
    CreateMixin,
    DestroyMixin,
    ListMixin,
    RetrieveMixin,
    UpdateMixin,
    command,
    reading,
)


class SampleCarSerializer(StrictModelSerializer):
    class Meta:
        model = Car
        fields = ["id", "make", "model", "year", "category", "source", "created_at"]
        read_only_fields = ["id", "source", "created_at"]


class SamplePaintSerializer(StrictSerializer):
    color = fields.NameField(max_length=20)
    cars = fields.RelatedIdField(queryset=Car.objects.all(), many=True, required=False)
    vehicle = fields.RelatedIdField(queryset=Vehicle.objects.all(), required=False)


class SampleCarFilter(filters.StrictFilterSet):
    make = filters.KeyFilter("make_key")
    year = filters.IntegerFilter("year", min=1886, max=2100)
    year_min = filters.IntegerFilter("year", "gte", min=1886, max=2100)
    year_max = filters.IntegerFilter("year", "lte", min=1886, max=2100)
    search = filters.SearchFilter(fields=("make", "model"))
    withdrawn = filters.BooleanFilter("withdrawn_at", "isnull", exclude=True)
    source = filters.ChoiceFilter("source", choices=("manual", "parse"))
    since = filters.DateTimeFilter("created_at", "gte")
    ordering = filters.OrderingFilter(fields={"year": "year", "make": "make_key", "withdrawn": "withdrawn_at"})

    ranges = [("year_min", "year_max")]

    class Meta:
        model = Car
        fields: list[str] = []


class SampleRowSerializer(StrictModelSerializer):
    """Every kind of column that a car has."""

    locked_fields = fields.StrictListField(child=fields.StrictChoiceField(choices=["make", "year"]), read_only=True)
    created_by = fields.IdField(source="created_by_id", read_only=True, allow_null=True)
    creator = fields.EmailField(source="created_by.email", read_only=True, allow_null=True, default=None)

    class Meta:
        model = Car
        fields = [
            "id", "make", "year", "source", "external_id", "source_updated_at", "withdrawn_at", "locked_fields",
            "created_by", "creator", "created_at",
        ]  # fmt: skip
        read_only_fields = fields


class SampleRowFilter(SampleCarFilter):
    part = filters.ContainsFilter("make_key")
    word = filters.TextFilter("make", "iexact")
    by = filters.IdFilter("created_by_id")


class PlainCarViewSet(ListMixin, RetrieveMixin, ApiViewSet):
    """Reads by the ORM and the serializer."""

    queryset = Car.objects.all()
    serializer_class = SampleRowSerializer
    filterset_class = SampleRowFilter

    def get_queryset(self) -> Any:
        return Car.objects.select_related("created_by")


class FastCarViewSet(FastListMixin, FastRetrieveMixin, PlainCarViewSet):
    """The same reads, each by one statement."""


class PublicCarViewSet(FastCarViewSet):
    """For everybody."""

    permission_classes = [Public]


class SampleMakerSerializer(StrictModelSerializer):
    class Meta:
        model = User
        fields = ["id", "email", "is_active", "bid_limit"]
        read_only_fields = fields


class SampleMomentField(fields.StrictDateTimeField):
    """The moment of the answer."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**({"source": "*", "read_only": True} | kwargs))

    def to_representation(self, value: Any) -> Any:
        return super().to_representation(self.context.setdefault("moment", clock.now()))

    def column(self, prefix: str) -> Any:
        return Value(self.context["moment"], output_field=DateTimeField())


class SampleMadeSerializer(StrictModelSerializer):
    """What depends on the caller, on the moment and on more than a column."""

    creator = SampleMakerSerializer(source="created_by", read_only=True, allow_null=True)
    maker_twice = SampleMakerSerializer(source="created_by", read_only=True, allow_null=True)
    mine = serializers.SerializerMethodField()
    half = serializers.SerializerMethodField()
    is_past = serializers.SerializerMethodField()
    label = serializers.SerializerMethodField()
    server_time = SampleMomentField()

    class Meta:
        model = Car
        fields = ["id", "make", "creator", "maker_twice", "mine", "half", "is_past", "label", "server_time"]
        read_only_fields = fields

    def get_mine(self, car: Car) -> bool:
        return car.created_by_id is not None and car.created_by_id == self.context["request"].user.pk

    def column_mine(self, prefix: str) -> Any:
        mine = Q(**{f"{prefix}created_by_id": self.context["request"].user.pk or 0})
        return Case(When(mine, then=True), default=False, output_field=BooleanField())

    def get_half(self, car: Car) -> str | None:
        return None if car.created_by_id is None else str((Decimal(car.year) / 2).quantize(Decimal("0.01")))

    def column_half(self, prefix: str) -> Any:
        half = F(f"{prefix}year") * Value(Decimal("0.5"))
        kind = DecimalField(max_digits=10, decimal_places=2)
        return Case(When(**{f"{prefix}created_by__isnull": False}, then=half), output_field=kind)

    def get_is_past(self, car: Car) -> bool:
        return car.created_at <= self.context.setdefault("moment", clock.now())

    def column_is_past(self, prefix: str) -> Any:
        past = Q(**{f"{prefix}created_at__lte": self.context["moment"]})
        return Case(When(past, then=True), default=False, output_field=BooleanField())

    def get_label(self, car: Car) -> str:
        return f"100% {car.make}"

    def column_label(self, prefix: str) -> Any:
        return Concat(Value("100% "), f"{prefix}make", output_field=TextField())


class MadeCarViewSet(FastListMixin, ApiViewSet):
    """What somebody made, for those who may see it: cars without a maker's mail to everybody."""

    queryset = Car.objects.all()
    serializer_class = SampleMadeSerializer
    filterset_class = None
    pagination_class = CursorPagination
    permission_classes = [Public]
    audience = ("cars.view_historicalcar",)

    def get_queryset(self) -> Any:
        cars = Car.objects.filter(year=self.kwargs["year_pk"]).select_related("created_by").order_by("-id")
        if self.caller.has_perm("cars.view_historicalcar"):
            return cars
        return cars.filter(Q(created_by=None) | Q(created_by_id=self.caller.pk or 0))


class CarelessViewSet(FastCarViewSet):
    """Its list depends on what the view does not say."""

    def get_queryset(self) -> Any:
        return super().get_queryset().filter(created_by_id=self.caller.pk)


class CarelessIdViewSet(MadeCarViewSet):
    """The same, of what it makes of the caller's id."""

    def get_queryset(self) -> Any:
        return super().get_queryset().exclude(pk=(self.caller.pk or 0) + 1)


class CarelessStaffViewSet(MadeCarViewSet):
    """The same, of a permission."""

    audience = ()


class MadeIt(BasePermission):
    """Whoever made the car."""

    def has_object_permission(self, request: Any, view: Any, obj: Car) -> bool:
        return bool(obj.created_by_id == request.user.pk)


class GuardedCarViewSet(FastCarViewSet):
    """A permission looks at the car."""

    action_permissions = {"retrieve": [SignedIn, MadeIt]}


class SampleAnythingSerializer(StrictModelSerializer):
    """The kinds of column that a car lacks."""

    bid_limit = fields.MoneyField(read_only=True, allow_null=True)

    class Meta:
        model = User
        fields = ["id", "email", "is_active", "bid_limit", "created_at"]
        read_only_fields = fields


class SampleAnythingFilter(filters.StrictFilterSet):
    poor = filters.DecimalFilter("bid_limit", "lte")


class PlainAnythingViewSet(ListMixin, RetrieveMixin, ApiViewSet):
    """People, by the ORM."""

    queryset = User.objects.all()
    serializer_class = SampleAnythingSerializer
    filterset_class = SampleAnythingFilter


class FastAnythingViewSet(FastListMixin, FastRetrieveMixin, PlainAnythingViewSet):
    """People, by one statement."""


class SampleYearQuery(filters.StrictFilterSet):
    year = filters.IntegerFilter(min=1886, max=2100)


class SampleCarViewSet(ListMixin, RetrieveMixin, CreateMixin, UpdateMixin, DestroyMixin, ApiViewSet):
    """Cars without rules."""

    queryset = Car.objects.all()
    serializer_class = SampleCarSerializer
    filterset_class = SampleCarFilter
    action_permissions = {"destroy": [Administrator], "paint": [SignedIn & ~HasPerm.of("cars.delete_car")]}

    def perform_create(self, data: dict[str, Any]) -> Car:
        return Car.objects.create(**data)

    def perform_update(self, instance: Car, data: dict[str, Any]) -> Car:
        for name, value in data.items():
            setattr(instance, name, value)
        instance.save()
        return instance

    def perform_destroy(self, instance: Car) -> None:
        instance.delete()

    @command(detail=True, request=SamplePaintSerializer, response=SampleCarSerializer)
    def paint(self, request: Request, pk: int) -> Response:
        data = self.validated(SamplePaintSerializer)
        return Response({"color": data["color"], "cars": [car.pk for car in data.get("cars", [])]})

    @command(detail=False, status=204)
    def wash(self, request: Request) -> Response:
        self.validated(self.get_serializer_class())
        return Response(status=204)

    @reading(detail=False, response={"type": "object"}, query=SampleYearQuery)
    def statistics(self, request: Request) -> Response:
        return Response(self.query())

    @reading(detail=False, response=SampleCarSerializer(many=True), pagination_class=CursorPagination)
    def walk(self, request: Request) -> Response:
        return self.listing(Car.objects.order_by("-id"), SampleCarSerializer)


class SampleVehicleSerializer(StrictModelSerializer):
    class Meta:
        model = Vehicle
        fields = ["id", "vin", "owner"]
        read_only_fields = ["id", "owner"]


class SampleVehicleViewSet(RetrieveMixin, ApiViewSet):
    """One's own vehicles."""

    queryset = Vehicle.objects.all()
    serializer_class = SampleVehicleSerializer

    def get_queryset(self) -> Any:
        return Vehicle.objects.visible_to(self.request.user)


class SampleEverythingSerializer(StrictSerializer):
    text = fields.TextField(max_length=10, required=False, allow_blank=True)
    name = fields.NameField(max_length=10, required=False, allow_null=True)
    number = fields.StrictIntegerField(min_value=1, max_value=10, required=False, allow_null=True)
    money = fields.MoneyField(required=False, allow_null=True)
    choice = fields.StrictChoiceField(choices=["red", "blue"], required=False, allow_null=True)
    items = fields.StrictListField(child=fields.IdField(), required=False)
    rows = SamplePaintSerializer(many=True, required=False)
    free = fields.StrictDictField(required=False)
    at = fields.StrictDateTimeField(required=False)
    secret = serializers.CharField(read_only=True)


class SampleEchoView(ApiView):
    """Gives the body back."""

    permission_classes = [Public]

    @extend_schema(request=SampleEverythingSerializer, responses={200: SampleEverythingSerializer})
    def post(self, request: Request) -> Response:
        return Response(self.validated(SampleEverythingSerializer))


FAILURES: dict[str, Exception] = {
    "conflict": errors.Conflict("No.", code="lot_full", meta={"free": 0}),
    "unprocessable": errors.Unprocessable(code="end_before_start", attr="end"),
    "credentials": errors.BadCredentials(),
    "unavailable": errors.ServiceUnavailable(retry_after=2.3),
    "unique": ValidationError({"email": ["taken"]}, code="unique"),
    "password": ValidationError({"password": ["short"]}, code="password_too_short"),
    "mixed": ValidationError({"a": ["x"], "b": [errors.Unprocessable.detail]}, code="invalid"),
    "integrity": IntegrityError("UNIQUE constraint failed: secret.table"),
    "protected": ProtectedError("secret", set()),
    "data": DataError("secret"),
    "operational": OperationalError("secret"),
    "interface": InterfaceError("secret"),
    "bug": RuntimeError("secret"),
}


class SampleFailureView(ApiView):
    """Fails as told, also for callers without any authentication."""

    authentication_classes: list[type] = []
    permission_classes = [Public]

    @extend_schema(exclude=True)
    def get(self, request: Request, kind: str) -> Response:
        raise FAILURES[kind]


router = ApiRouter()
router.register("cars", SampleCarViewSet, basename="car")
router.register("plain-cars", PlainCarViewSet, basename="plain-car")
router.register("fast-cars", FastCarViewSet, basename="fast-car")
router.register("public-cars", PublicCarViewSet, basename="public-car")
router.register("years/<pk:year_pk>/cars", MadeCarViewSet, basename="made-car")
router.register("careless-cars", CarelessViewSet, basename="careless-car")
router.register("careless-ids/<pk:year_pk>/cars", CarelessIdViewSet, basename="careless-id")
router.register("careless-years/<pk:year_pk>/cars", CarelessStaffViewSet, basename="careless-year")
router.register("plain-anything", PlainAnythingViewSet, basename="plain-anything")
router.register("guarded-cars", GuardedCarViewSet, basename="guarded-car")
router.register("fast-anything", FastAnythingViewSet, basename="fast-anything")
router.register("vehicles", SampleVehicleViewSet, basename="vehicle")
urlpatterns = [
    path("api", ApiRootView.as_view(collections=router.collections()), name="api-root"),
    path("api/schema", SchemaView.as_view(), name="schema"),
    path("api/session/", include((session.urlpatterns, "rest_framework"), namespace="rest_framework")),
    path("api/echo", SampleEchoView.as_view()),
    path("api/failures/<str:kind>", SampleFailureView.as_view()),
    path("api/", include(router.urls)),
]
handler400 = "common.handler.bad_request"
handler403 = "common.handler.permission_denied"
handler404 = "common.handler.page_not_found"
handler500 = "common.handler.server_error"
