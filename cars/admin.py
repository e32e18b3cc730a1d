"""Staff pages of the registry, the sync and the vehicles. Writes go through the services."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, Q
from django.db.models.functions import TruncDate
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from import_export.admin import ExportMixin, ImportMixin
from import_export.formats.base_formats import CSV
from simple_history.admin import SimpleHistoryAdmin
from unfold.contrib.import_export.forms import ExportForm, ImportForm
from unfold.decorators import action, display

from accounts.authentication import user_of
from cars.models import (
    Car,
    OdometerReading,
    SyncIssue,
    SyncRun,
    SyncSource,
    SyncSuppression,
    Vehicle,
    VehicleEvent,
    VinDecode,
)
from cars.resources import CarResource
from cars.services import cars as registry
from cars.services import vehicles as garage
from cars.sync import breaker, runs
from common import clock
from common.admin import ReadOnlyAdmin, ReadOnlyInline, StaffAdmin, button, status_column
from common.dashboard import Chart, Figure, Queue, Visit, list_url, panel, queues

STATUS_COLORS = {
    SyncRun.Status.SUCCEEDED: "success",
    SyncRun.Status.PARTIAL: "warning",
    SyncRun.Status.FAILED: "danger",
    SyncRun.Status.ABANDONED: "danger",
    SyncRun.Status.RUNNING: "info",
}
WENT_WRONG = [SyncRun.Status.FAILED, SyncRun.Status.ABANDONED]


@admin.register(Car)
class CarAdmin(ImportMixin, ExportMixin, SimpleHistoryAdmin, StaffAdmin):
    """The registry, with CSV import and export. Synced rows that people edit keep their edits."""

    resource_classes = [CarResource]
    import_form_class = ImportForm
    export_form_class = ExportForm
    formats = [CSV]
    list_display = ("make", "model", "year", "category", "source", "withdrawn_at", "updated_at")
    list_display_links = ("make", "model")
    list_filter = ("source", "category", ("withdrawn_at", admin.EmptyFieldListFilter), "year")
    search_fields = ("make", "model")
    fields = (
        "make",
        "model",
        "year",
        "category",
        "source",
        "external_id",
        "locked_fields",
        "withdrawn_at",
        "created_by",
    )
    readonly_fields = ("source", "external_id", "locked_fields", "withdrawn_at", "created_by")
    actions = ["unlock"]

    def perform_create(self, request: HttpRequest, data: dict[str, Any]) -> Car:
        return registry.create_car(actor=user_of(request), data=data, now=clock.now())

    def perform_update(self, request: HttpRequest, car: Car, data: dict[str, Any]) -> Car:
        return registry.update_car(car=car, actor=user_of(request), data=data, now=clock.now())

    def delete_model(self, request: HttpRequest, obj: Car) -> None:
        registry.delete_car(car=obj, actor=user_of(request))

    def has_import_permission(self, request: HttpRequest) -> bool:
        return self.has_add_permission(request) and self.has_change_permission(request)

    def has_export_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_unlock_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("cars.unlock_car")

    @action(description="Unlock edited fields: the sync may change them again", permissions=["unlock"])
    def unlock(self, request: HttpRequest, queryset: Any) -> None:
        for car in queryset:
            self.run(
                request,
                lambda car=car: registry.unlock_car(car=car, actor=user_of(request)),
                done=f"{car} is unlocked.",
            )


@admin.register(VinDecode)
class VinDecodeAdmin(ReadOnlyAdmin):
    """What providers say of VINs, for as long as it is kept."""

    list_display = ("vin", "provider", "found", "show_vehicle", "fetched_at", "expires_at")
    list_filter = ("found", "provider", "fetched_at")
    search_fields = ("vin",)
    ordering = ("-fetched_at",)

    @display(description="vehicle")
    def show_vehicle(self, row: VinDecode) -> str:
        return " ".join(str(row.attributes.get(name) or "") for name in ("year", "make", "model")).strip()


class SyncIssueInline(ReadOnlyInline):
    """The refused records of a run."""

    model = SyncIssue
    fields = readonly_fields = ("external_id", "reason", "detail", "created_at")
    show_change_link = True


@admin.register(SyncRun)
class SyncRunAdmin(ReadOnlyAdmin):
    """What the syncs did. "Sync now" asks for a run of every configured source."""

    list_display = (
        "id", "source", "show_status", "trigger", "fetched", "created", "updated", "unchanged", "rejected",
        "withdrawn", "started_at", "show_took",
    )  # fmt: skip
    list_filter = ("source", "status", "trigger", "full", "queued_at")
    search_fields = ("=id", "provider", "reason", "error")
    list_select_related = ("triggered_by",)
    inlines = [SyncIssueInline]
    actions_list = ["sync_now", "sync_everything"]
    actions_detail = ["cancel"]

    show_status = status_column(STATUS_COLORS)

    @display(description="took")
    def show_took(self, run: SyncRun) -> str | None:
        if run.started_at is None or run.finished_at is None:
            return None
        return f"{(run.finished_at - run.started_at).total_seconds():.1f} s"

    def has_sync_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("cars.sync_cars")

    @button(description="Sync now", permissions=["sync"], url_path="sync-now", icon="sync")
    def sync_now(self, request: HttpRequest) -> HttpResponse:
        return self._request_runs(request, full=False)

    @button(description="Full refresh", permissions=["sync"], url_path="full-refresh", icon="sync_alt")
    def sync_everything(self, request: HttpRequest) -> HttpResponse:
        return self._request_runs(request, full=True)

    @button(
        description="Cancel this run", permissions=["sync"], url_path="cancel", icon="cancel",
        offered={SyncRun.Status.QUEUED, SyncRun.Status.RUNNING},
    )  # fmt: skip
    def cancel(self, request: HttpRequest, object_id: str) -> HttpResponse:
        run = SyncRun.objects.get(pk=object_id)
        self.run(request, lambda: runs.cancel_run(run=run, now=clock.now()), done="The run was asked to stop.")
        return redirect(reverse("admin:cars_syncrun_change", args=[object_id]))

    def _request_runs(self, request: HttpRequest, *, full: bool) -> HttpResponse:
        for requested in runs.request_all(user=user_of(request), full=full, now=clock.now()):
            state = "joined a run that was under way" if requested.coalesced else "queued"
            self.message_user(request, f"{requested.run.source}: {state}.", messages.SUCCESS)
        return redirect(reverse("admin:cars_syncrun_changelist"))


@admin.register(SyncIssue)
class SyncIssueAdmin(ReadOnlyAdmin):
    """Records that the registry refused, with the reason and what was sent."""

    list_display = ("run", "external_id", "reason", "detail", "created_at")
    list_filter = ("reason", "run__source")
    list_select_related = ("run",)
    search_fields = ("external_id", "detail")


@admin.register(SyncSource)
class SyncSourceAdmin(ReadOnlyAdmin):
    """Cursor and breaker of each source."""

    list_display = (
        "name", "provider", "last_success_at", "last_full_at", "consecutive_failures", "breaker_open_until",
        "breaker_reason", "not_before",
    )  # fmt: skip
    actions = ["reset_breaker"]

    def has_sync_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("cars.sync_cars")

    @action(description="Close the breaker and try again", permissions=["sync"])
    def reset_breaker(self, request: HttpRequest, queryset: Any) -> None:
        for source in queryset:
            breaker.reset(source.name)
        self.message_user(request, "Closed: the next run may try again.", messages.SUCCESS)


@admin.register(SyncSuppression)
class SyncSuppressionAdmin(StaffAdmin):
    """Synced records that staff deleted. Deleting the suppression lets the record return."""

    list_display = ("source", "provider", "external_id", "created_by", "created_at")
    list_filter = ("source", "provider")
    list_select_related = ("created_by",)
    search_fields = ("external_id",)
    ordering = ("-created_at",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class OdometerInline(ReadOnlyInline):
    """A vehicle's readings, newest first."""

    model = OdometerReading
    fields = readonly_fields = ("value", "unit", "at", "source", "forced_reason")


@admin.register(Vehicle)
class VehicleAdmin(StaffAdmin):
    """The garage of every customer. The owner changes by reassigning, the mileage by readings."""

    list_display = (
        "__str__",
        "year",
        "make",
        "model",
        "plate",
        "owner",
        "mileage",
        "mileage_unit",
        "archived_at",
    )
    list_filter = (("archived_at", admin.EmptyFieldListFilter), "make")
    search_fields = ("vin", "plate_key", "owner__email")
    list_select_related = ("owner",)
    autocomplete_fields = ("car",)
    fields = (
        "vin", "vin_exempt_reason", "plate", "car", "year", "make", "model", "trim", "color", "owner", "mileage",
        "mileage_unit", "archived_at",
    )  # fmt: skip
    readonly_fields = ("owner", "mileage", "mileage_unit", "archived_at")
    inlines = [OdometerInline]
    actions_detail = ["passport"]

    @button(
        description="Passport",
        permissions=["view"],
        url_path="passport",
        icon="history_edu",
        offered=lambda vehicle: vehicle.archived_at is None,
    )
    def passport(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return redirect(reverse("vehicle-passport-pdf", args=[int(object_id)]))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def perform_update(self, request: HttpRequest, vehicle: Vehicle, data: dict[str, Any]) -> Vehicle:
        return garage.update_vehicle(vehicle=vehicle, actor=user_of(request), data=data, now=clock.now())


@admin.register(VehicleEvent)
class VehicleEventAdmin(ReadOnlyAdmin):
    """The timeline of all vehicles."""

    list_display = ("vehicle", "kind", "at", "actor", "public_summary", "reference")
    list_filter = ("kind",)
    list_select_related = ("vehicle", "actor")
    search_fields = ("vehicle__vin", "reference")


@panel("Cars", "cars.view_car")
def registry_panel(visit: Visit) -> Iterable[Figure | Chart]:
    """How large the registry is, and its largest makes."""
    here = Queue(
        "Cars", "in the registry, not withdrawn", where=Q(withdrawn_at=None), link={"withdrawn_at__isempty": "1"}
    )
    yield from queues(Car.objects.all(), here)
    cars = Car.objects.current()
    top = list(cars.values_list("make").annotate(count=Count("id")).order_by("-count", "make")[:12])
    yield Chart("Cars per make", [make for make, _ in top], {"Cars": [count for _, count in top]})


@panel("Sync", "cars.view_syncrun")
def sync_panel(visit: Visit) -> Iterator[Figure]:
    """How the last sync went, and those of the last day that went wrong."""
    last = SyncRun.objects.first()
    url = reverse("admin:cars_syncrun_change", args=[last.pk]) if last else list_url(SyncRun)
    yield Figure("Last sync", last.status if last else "none yet", _when(last), url, alarm=_went_wrong(last))
    recent = {"status__in": WENT_WRONG, "queued_at__gte": visit.now - timedelta(days=1)}
    yield from queues(
        SyncRun.objects.all(), Queue("Syncs failed", "within a day, or their worker died", recent, alarm=True)
    )


@panel("Sync", "cars.view_syncsource")
def breakers_panel(visit: Visit) -> Iterator[Figure]:
    """What refuses to go."""
    resting = {"breaker_open_until__gt": visit.now}
    yield from queues(
        SyncSource.objects.all(), Queue("Breakers open", "sources that rest after failures", resting, alarm=True)
    )


@panel("Sync", "cars.view_syncrun")
def runs_panel(visit: Visit) -> Iterator[Chart]:
    """The syncs of the last fortnight."""
    yield from _runs_per_day(visit.now)


def _when(run: SyncRun | None) -> str:
    return f"{run.source}, {(run.finished_at or run.queued_at):%d %b %H:%M} UTC" if run else "beat starts the first one"


def _went_wrong(run: SyncRun | None) -> bool:
    return run is not None and run.status in WENT_WRONG


def _runs_per_day(now: datetime, days: int = 14) -> Iterator[Chart]:
    failed = Q(status__in=WENT_WRONG)
    since = (now - timedelta(days=days - 1)).replace(hour=0, minute=0, second=0, microsecond=0)
    counted = (
        SyncRun.objects.filter(queued_at__gte=since)
        .annotate(day=TruncDate("queued_at"))
        .order_by()
        .values("day")
        .annotate(good=Count("id", filter=~failed), bad=Count("id", filter=failed))
    )
    by_day = {row["day"]: row for row in counted}
    dates = [(since + timedelta(days=offset)).date() for offset in range(days)]
    rows = [by_day.get(date, {"good": 0, "bad": 0}) for date in dates]
    labels = [f"{date:%d %b}" for date in dates]
    series = {"Went well": [row["good"] for row in rows], "Failed": [row["bad"] for row in rows]}
    yield Chart("Sync runs per day", labels, series, stacked=True)
