"""Staff pages of parking. Bookings, stays and money are read-only; forms and buttons call the services."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, F, Field, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminIntegerFieldWidget

from accounts.authentication import user_of
from common import clock
from common.admin import ReadOnlyAdmin, ReadOnlyInline, StaffAdmin, button, change_column, money_column, status_column
from common.dashboard import Chart, Figure, Queue, Visit, list_url, panel, queues
from parking.models import (
    BOUNDS,
    Lot,
    ParkingPayment,
    PlateCheck,
    Rate,
    Reservation,
    ReservationEvent,
    Spot,
)
from parking.services import lots, rates, reservations, stats
from parking.services.states import no_show_at

Status = Reservation.Status
OVERSTAY = "overstay"
STATUS_COLORS = {
    Status.RESERVED: "info",
    Status.ACTIVE: "success",
    Status.NO_SHOW: "danger",
    OVERSTAY: "danger",
}
RATE_FIELDS = ("price", "increment_min", "first_free_s", "cap")
DAYS = 14
MOST_LOTS = 8  # On the home.
UNPAID = Q(status=Status.COMPLETED, cost__gt=F("paid"))


class LotForm(forms.ModelForm):
    """A lot with the number of its spots and what it costs; a new price is a new version of the rate."""

    capacity = forms.IntegerField(widget=UnfoldAdminIntegerFieldWidget, **BOUNDS["capacity"])
    price = forms.DecimalField(min_value=0, max_digits=12, decimal_places=2, widget=UnfoldAdminDecimalFieldWidget)
    increment_min = forms.IntegerField(initial=60, widget=UnfoldAdminIntegerFieldWidget, **BOUNDS["increment_min"])
    first_free_s = forms.IntegerField(initial=0, widget=UnfoldAdminIntegerFieldWidget, **BOUNDS["first_free_s"])
    cap = forms.DecimalField(
        min_value=0, max_digits=12, decimal_places=2, required=False, widget=UnfoldAdminDecimalFieldWidget
    )

    class Meta:
        model = Lot
        fields = (
            "name", "address", "pin_code", "description", "is_active", "timezone", "opens_at", "closes_at",
            "default_stay_min", "no_show_after_min", "cancel_cutoff_min",
        )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        lot = kwargs.get("instance")
        if lot is not None and lot.pk:
            rate = rates.current_rate(lot)
            kwargs["initial"] = {name: getattr(rate, name) for name in RATE_FIELDS} | (kwargs.get("initial") or {})
            kwargs["initial"]["capacity"] = lot.spots.exclude(status=Spot.Status.RETIRED).count()
        super().__init__(*args, **kwargs)


class RateInline(ReadOnlyInline):
    """Every version of the rate; reservations keep theirs."""

    model = Rate
    fields = readonly_fields = (
        "version", "price", "increment_min", "first_free_s", "cap", "currency", "created_at", "created_by",
    )  # fmt: skip


@admin.register(Lot)
class LotAdmin(StaffAdmin):
    """Lots, how many spots they have, and what they cost."""

    form = LotForm
    list_display = ("name", "pin_code", "is_active", "show_capacity", "show_occupied", "timezone", "archived_at")
    list_filter = ("is_active", ("archived_at", admin.EmptyFieldListFilter), "timezone")
    search_fields = ("name", "address", "pin_code")
    fields = (*LotForm.Meta.fields, "capacity", *RATE_FIELDS)
    inlines = [RateInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Lot]:
        return with_counts(super().get_queryset(request))

    def formfield_for_dbfield(self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        return super().formfield_for_dbfield(db_field, request, **(BOUNDS.get(db_field.name, {}) | kwargs))

    @display(description="spots")
    def show_capacity(self, lot: Any) -> int:
        return int(lot.capacity)

    @display(description="occupied")
    def show_occupied(self, lot: Any) -> int:
        return int(lot.occupied)

    def perform_create(self, request: HttpRequest, data: dict[str, Any]) -> Lot:
        given = {"increment_min": 60, "first_free_s": 0} | data
        return lots.create_lot(data=_with_rate(given), actor=user_of(request), now=clock.now())

    def perform_update(self, request: HttpRequest, lot: Lot, data: dict[str, Any]) -> Lot:
        return lots.update_lot(lot=lot, data=_with_rate(data), actor=user_of(request), now=clock.now())

    def get_deleted_objects(
        self, objs: QuerySet[Lot] | Sequence[Lot], request: HttpRequest
    ) -> tuple[list[str], dict[str, int], set[str], list[str]]:
        """Nothing goes but out of sight, so that neither rates nor spots stand in the way: the service says what
        does."""
        told = [f"{lot}: archived, with its spots, rates and reservations kept" for lot in objs]
        return told, {str(self.opts.verbose_name_plural): len(told)}, set(), []

    def delete_model(self, request: HttpRequest, obj: Lot) -> None:
        lots.archive_lot(lot=obj, now=clock.now())


def with_counts(lots: QuerySet[Lot]) -> QuerySet[Any]:
    """Lots with `capacity` (spots), those of them `in_service`, and `occupied`. Counted apart: joined, each spot would
    meet each reservation."""
    spots = Spot.objects.exclude(status=Spot.Status.RETIRED)
    return lots.annotate(
        capacity=_count_in_lot(spots),
        in_service=_count_in_lot(spots.filter(status=Spot.Status.IN_SERVICE)),
        occupied=_count_in_lot(Reservation.objects.filter(status=Status.ACTIVE)),
    )


def _count_in_lot(rows: QuerySet[Any]) -> Coalesce:
    counted = rows.filter(lot=OuterRef("pk")).order_by().values("lot").annotate(count=Count("pk")).values("count")
    return Coalesce(Subquery(counted), 0)


def _with_rate(data: dict[str, Any]) -> dict[str, Any]:
    """The form's flat members as the services take them."""
    rate = {name: data[name] for name in RATE_FIELDS if name in data}
    rest = {name: value for name, value in data.items() if name not in RATE_FIELDS}
    return rest | ({"rate": rate} if rate else {})


@admin.register(Spot)
class SpotAdmin(StaffAdmin):
    """Spots, one by one. How many there are is the lot's capacity."""

    list_display = ("number", "lot", "type", "show_status")
    list_filter = ("status", "type", "lot")
    list_select_related = ("lot",)
    search_fields = ("lot__name", "number")
    fields = ("lot", "number", "type", "status")
    readonly_fields = ("lot", "number", "status")
    actions = ["take_out_of_order", "put_in_service"]

    show_status = status_column({Spot.Status.OUT_OF_ORDER: "warning"})

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def perform_update(self, request: HttpRequest, spot: Spot, data: dict[str, Any]) -> Spot:
        return lots.update_spot(spot=spot, data=data, actor=user_of(request), now=clock.now())

    @action(description="Out of order; reservations move to other spots", permissions=["change"])
    def take_out_of_order(self, request: HttpRequest, queryset: QuerySet[Spot]) -> None:
        self._change(request, queryset, {"out_of_order": True, "relocate": True}, done="is out of order.")

    @action(description="Back in service", permissions=["change"])
    def put_in_service(self, request: HttpRequest, queryset: QuerySet[Spot]) -> None:
        self._change(request, queryset, {"out_of_order": False}, done="is in service.")

    def _change(self, request: HttpRequest, queryset: QuerySet[Spot], data: dict[str, Any], *, done: str) -> None:
        for spot in queryset.select_related("lot"):
            self.run(
                request,
                lambda spot=spot: lots.update_spot(spot=spot, data=data, actor=user_of(request), now=clock.now()),
                done=f"{spot} {done}",
            )


class ReservationEventInline(ReadOnlyInline):
    """What happened, newest first."""

    model = ReservationEvent
    fields = readonly_fields = ("at", "show_change", "note", "actor")
    show_change = change_column


class ParkingPaymentInline(ReadOnlyInline):
    """What was paid for the stay."""

    model = ParkingPayment
    fields = readonly_fields = ("received_at", "amount", "method", "reference", "received_by")


class UnpaidFilter(admin.SimpleListFilter):
    """Stays that are over and were not paid in full."""

    title = "unpaid"
    parameter_name = "unpaid"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("1", "Released, not paid in full")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Reservation]) -> QuerySet[Reservation]:
        return queryset.filter(UNPAID) if self.value() == "1" else queryset


def _may_come_in(stay: Reservation) -> bool:
    """Not long before it begins, and not once it is given up."""
    opens = stay.starts_at - reservations.CHECK_IN_BEFORE
    return stay.status == Status.RESERVED and opens <= clock.now() < no_show_at(stay, stay.lot)


def _may_be_cancelled(stay: Reservation) -> bool:
    until = stay.starts_at - timedelta(minutes=stay.lot.cancel_cutoff_min)
    return stay.status == Status.RESERVED and clock.now() <= until


@admin.register(Reservation)
class ReservationAdmin(ReadOnlyAdmin):
    """Who stands where, and until when."""

    list_display = (
        "reference", "spot", "plate", "user", "show_status", "starts_at", "ends_at", "show_cost", "paid",
    )  # fmt: skip
    list_filter = ("status", "is_overstay", UnpaidFilter, "lot", "starts_at")
    list_select_related = ("spot__lot", "user", "rate")
    search_fields = ("reference", "plate_key", "user__email")
    inlines = [ReservationEventInline, ParkingPaymentInline]
    actions_detail = ["check_in", "release", "cancel"]

    @display(description="status", label=STATUS_COLORS, ordering="status")
    def show_status(self, stay: Reservation) -> str | tuple[str, str]:
        """As `status_column`, and whether it takes too long."""
        if stay.status == Status.ACTIVE and stay.is_overstay:
            return OVERSTAY, "Overstay"
        name = str(stay.get_status_display())
        return (stay.status, name) if stay.status in STATUS_COLORS else name

    show_cost = money_column("cost", currency="rate__currency")

    def has_attend_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("parking.force_release")

    def has_manage_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("parking.change_reservation")

    @button(description="Check in", permissions=["attend"], url_path="check-in", icon="login", offered=_may_come_in)
    def check_in(self, request: HttpRequest, object_id: str) -> HttpResponse:
        reservation = Reservation.objects.get(pk=object_id)
        self.run(
            request,
            lambda: reservations.check_in(reservation=reservation, actor=user_of(request), now=clock.now()),
            done="The vehicle is in.",
        )
        return redirect(reverse("admin:parking_reservation_change", args=[object_id]))

    @button(description="Release", permissions=["attend"], url_path="release", icon="logout", offered={Status.ACTIVE})
    def release(self, request: HttpRequest, object_id: str) -> HttpResponse:
        def forced(**kwargs: Any) -> Reservation:
            return reservations.release(**kwargs, force=True, reason="Released in the admin.")

        return self._meant(request, object_id, "Release", forced, done="The spot is free, the cost is fixed.")

    @button(description="Cancel", permissions=["manage"], url_path="cancel", icon="cancel", offered=_may_be_cancelled)
    def cancel(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._meant(request, object_id, "Cancel", reservations.cancel, done="The reservation is cancelled.")

    def _meant(
        self, request: HttpRequest, object_id: str, title: str, service: Callable[..., object], *, done: str
    ) -> HttpResponse:
        """Ask first: it cannot be taken back."""
        reservation = Reservation.objects.get(pk=object_id)

        def call() -> object:
            return service(reservation=reservation, actor=user_of(request), now=clock.now())

        return self.ask(request, reservation, title=title, service=call, done=done)


@admin.register(ParkingPayment)
class ParkingPaymentAdmin(ReadOnlyAdmin):
    """All payments for stays."""

    list_display = ("reservation", "show_amount", "method", "reference", "received_at", "received_by")
    list_filter = ("method", "received_at")
    list_select_related = ("reservation__rate", "received_by")
    ordering = ("-received_at",)
    search_fields = ("reservation__reference", "reference")
    show_amount = money_column("amount", currency="reservation__rate__currency")


@admin.register(PlateCheck)
class PlateCheckAdmin(ReadOnlyAdmin):
    """Who looked up which plate, and what the answer was."""

    list_display = ("plate", "lot", "allowed_until", "actor", "at")
    list_filter = ("lot", "at")
    list_select_related = ("lot", "actor")
    search_fields = ("plate", "actor__email")


@panel("Parking", "parking.view_reservation")
def stays_panel(visit: Visit) -> Iterator[Figure]:
    """Who should have gone, who comes, and who owes."""
    day = {"starts_at__lt": visit.now + timedelta(hours=24)}
    overstay = {"is_overstay__exact": True}
    yield from queues(
        Reservation.objects.all(),
        Queue("Staying too long", "past their time", {"status__exact": Status.ACTIVE} | overstay, alarm=True),
        Queue("Arriving", "reserved for the next 24 hours", {"status__exact": Status.RESERVED} | day),
        Queue("Unpaid stays", "released, not paid in full", where=UNPAID, link={"unpaid": "1"}),
    )


@panel("Parking", "parking.view_reservation")
def lots_panel(visit: Visit) -> Iterator[Figure]:
    """How full each lot is at this moment, the fullest first."""
    lots = with_counts(Lot.objects.live().filter(is_active=True))
    for lot in lots.order_by("-occupied", "name")[:MOST_LOTS]:
        free = lot.in_service - lot.occupied
        url = list_url(Reservation, {"status__exact": Status.ACTIVE, "lot__id__exact": lot.pk})
        hint = f"{free} free" if free > 0 else "full"
        yield Figure(lot.name, f"{lot.occupied} of {lot.in_service}", hint, url, alarm=free <= 0, counted=lot.occupied)


@panel("Parking", "parking.view_spot")
def spots_panel(visit: Visit) -> Iterator[Figure]:
    """What cannot be parked on."""
    out = {"status__exact": Spot.Status.OUT_OF_ORDER}
    yield from queues(Spot.objects.all(), Queue("Spots out of order", "nobody can book them", out))


@panel("Parking", "parking.view_parkingpayment")
def figures_panel(visit: Visit) -> Iterator[Chart]:
    """Occupancy and revenue of the last fortnight."""
    yield from _charts(visit.now)


def _charts(now: datetime) -> Iterator[Chart]:
    period = stats.period_of(lot_id=None, start=now - timedelta(days=DAYS), end=None, step="day", now=now)
    occupancy = stats.occupancy(period=period, now=now)
    labels = [f"{bucket.starts_at:%d %b}" for bucket in occupancy.buckets]
    percent = [float(bucket.occupancy_percent or 0) for bucket in occupancy.buckets]
    yield Chart("Parking occupancy per day, percent", labels, {"Occupied": percent}, kind="line")
    for currency in stats.revenue(period=period).currencies:
        charged = [float(bucket.takings.charged) for bucket in currency.buckets]
        received = [float(bucket.takings.received) for bucket in currency.buckets]
        title = f"Parking revenue per day, {currency.currency}"
        yield Chart(title, labels, {"Charged": charged, "Received": received})
