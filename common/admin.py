"""What the staff pages of all apps share, and the schedules of the scheduler's own tables in the admin's theme."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from decimal import Decimal
from functools import reduce, wraps
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import actions
from django.contrib.admin.options import IS_POPUP_VAR
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import models, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django_celery_beat import admin as beat_admin
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from unfold.admin import ModelAdmin, TabularInline
from unfold.dataclasses import UnfoldAction
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from common.dashboard import Figure, Queue, Visit, panel, queues
from common.errors import Conflict, DomainError
from common.money import money_text

MAX_TOLD = 10  # Refusals of one deletion that are told one by one.


class ReasonForm(forms.Form):
    """Why somebody else's thing is turned down."""

    reason = forms.CharField(max_length=500, strip=True, widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}))


def text_field(**options: Any) -> forms.CharField:
    """A line of text, for the forms of `StaffAdmin.ask`."""
    return forms.CharField(strip=True, widget=UnfoldAdminTextInputWidget, **options)


def amount_field(
    *, least: Decimal = Decimal("0.01"), max_digits: int = 12, required: bool = True
) -> forms.DecimalField:
    """An amount of money, in whole cents."""
    widget = UnfoldAdminTextInputWidget
    return forms.DecimalField(
        min_value=least, max_digits=max_digits, decimal_places=2, required=required, widget=widget
    )


def day_field(**options: Any) -> forms.DateField:
    """A day, by the browser's calendar."""
    return forms.DateField(widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}), **options)


class StaffAdmin(ModelAdmin):
    """The base of every staff page. Forms and actions call services; a refusal of theirs is shown, not raised."""

    list_filter_sheet = False
    list_per_page = 50
    list_max_show_all = 200
    show_full_result_count = False
    warn_unsaved_form = True

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """What a service refuses comes back as an error of the same form, with all that was typed."""
        try:
            return super().changeform_view(request, *args, **kwargs)
        except DomainError as error:
            request.refusal = error  # type: ignore[attr-defined]  # Read by `get_form` in the second round.
            return super().changeform_view(request, *args, **kwargs)

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> type[forms.ModelForm]:
        form = super().get_form(request, *args, **kwargs)
        refusal: DomainError | None = getattr(request, "refusal", None)
        return form if refusal is None else _refused(form, refusal)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        """Through the services: `perform_create(request, data)` and `perform_update(request, instance, data)`, where
        the page has them, get what was typed. Rules, locks, events and caches then hold as for the API."""
        data = {name: form.cleaned_data[name] for name in form.changed_data}
        if change and hasattr(self, "perform_update"):
            self.perform_update(request, type(obj)._default_manager.get(pk=obj.pk), data)
        elif not change and hasattr(self, "perform_create"):
            created = self.perform_create(request, data)
            obj.pk, obj._state.adding = created.pk, False
        else:
            super().save_model(request, obj, form, change)

    def delete_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """What a service refuses is told on the object's own page."""
        try:
            return super().delete_view(request, object_id, *args, **kwargs)
        except DomainError as error:
            self.message_user(request, _explained(error), messages.ERROR)
            return redirect(self._change_url(request, object_id))

    def delete_queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        """Each row through `delete_model`, in the lock order of one kind; all or none. Tells who is refused and why,
        then raises Conflict."""
        refused = []
        with transaction.atomic():
            for row in queryset.order_by("pk"):
                try:
                    self.delete_model(request, row)
                except DomainError as error:
                    refused.append(f"{row}: {_explained(error)}")
            if refused:
                for line in refused[:MAX_TOLD]:
                    self.message_user(request, line, messages.ERROR)
                more = len(refused) - MAX_TOLD
                raise Conflict("Nothing was deleted." + (f" {more} more were refused." if more > 0 else ""))

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[UnfoldAction]:
        """The buttons whose service would do something with the row as it is."""
        buttons = super().get_actions_detail(request, object_id)
        row = self.get_object(request, unquote(str(object_id))) if buttons else None
        return [one for one in buttons if row is None or one.method.is_offered(row)]

    def run(self, request: HttpRequest, service: Any, *, done: str) -> bool:
        """Call `service()`; tell the user `done`, or what the service refused. True when it was done."""
        try:
            service()
        except DomainError as error:
            self.message_user(request, _explained(error), messages.ERROR)
            return False
        self.message_user(request, done, messages.SUCCESS)
        return True

    def ask_reason(
        self, request: HttpRequest, obj: models.Model, *, title: str, service: Callable[[str], Any], done: str
    ) -> HttpResponse:
        """A page that asks for the reason, then calls `service(reason)` and goes back to the object's page."""
        return self.ask(
            request, obj, title=title, form_class=ReasonForm, service=lambda reason: service(reason), done=done
        )

    def ask(
        self,
        request: HttpRequest,
        obj: models.Model,
        *,
        title: str,
        service: Callable[..., Any],
        done: str,
        form_class: type[forms.Form] = forms.Form,
    ) -> HttpResponse:
        """A page that asks for what the form has fields for, without any only whether it is meant; then it calls
        `service(**answers)` and goes back to the object's page. What the service refuses is said on the page that
        asked, with all that was typed."""
        form = form_class(request.POST if request.method == "POST" else None)
        page = reverse(f"admin:{obj._meta.app_label}_{obj._meta.model_name}_change", args=[obj.pk])
        if form.is_valid() and self.run(request, lambda: service(**form.cleaned_data), done=done):
            return redirect(page)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "asked": f"{title}: {obj}?",
            "form": form,
            "back": page,
        }
        return TemplateResponse(request, "admin/ask.html", context)

    def _change_url(self, request: HttpRequest, object_id: str) -> str:
        """The object's page as it was opened: the list behind it keeps its filters, a popup stays one."""
        url = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[object_id])
        kept = {"preserved_filters": self.get_preserved_filters(request), "opts": self.opts}
        return add_preserved_filters(kept, url, popup=IS_POPUP_VAR in request.POST)


def _explained(refusal: DomainError) -> str:
    """The refusal, with its reasons where it collects several (`meta.reasons`, each with a `code`)."""
    reasons = [reason["code"].replace("_", " ") for reason in (refusal.meta or {}).get("reasons", ())]
    return f"{refusal} ({', '.join(reasons)})" if reasons else str(refusal)


def _refused(form: type[forms.ModelForm], refusal: DomainError) -> type[forms.ModelForm]:
    """The form class whose every instance carries the refusal, at its field where the form has it."""

    class RefusedForm(form):  # type: ignore[misc, valid-type]  # The base is only known at run time.
        def clean(self) -> Any:
            data = super().clean()
            name = (refusal.attr or "").partition(".")[0]  # Of `tiers.1.step` the form has `tiers`.
            self.add_error(name if name in self.fields else None, str(refusal))
            return data

    return RefusedForm


class ReadOnlyAdmin(StaffAdmin):
    """Rows that only the system writes: logs, ledgers, jobs."""

    def has_add_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False


class ReadOnlyInline(TabularInline):
    """Rows of a parent that only the system, or the row's own page, writes."""

    extra = 0
    can_delete = False
    hide_title = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


Offered = Collection[str] | Callable[[Any], bool]


def button(*, offered: Offered | None = None, **options: Any) -> Callable[[Any], Any]:
    """A button on a page or above a list that calls a service; `options` are those of the theme's `action`. `offered`
    says on which rows' pages it stands: statuses, or a question about the row. That is a courtesy: the service judges.
    The theme makes it a link, which another site could make staff follow: what a browser says comes from elsewhere is
    refused."""

    def decorate(method: Any) -> Any:
        @wraps(method)
        def guarded(self: Any, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
                raise PermissionDenied
            answer: HttpResponse = method(self, request, *args, **kwargs)
            return answer

        guarded.is_offered = _is_offered(offered)  # type: ignore[attr-defined]
        return action(**options)(guarded)

    return decorate


def _is_offered(offered: Offered | None) -> Callable[[Any], bool]:
    if offered is None:
        return lambda _row: True
    if callable(offered):
        return offered
    return lambda row: row.status in offered


def status_column(colors: Mapping[Any, str], *, field: str = "status") -> Any:
    """A column with a row's status by its name, and where a colour says something, with what that goes by."""

    def show(page: Any, row: Any) -> str | tuple[str, str]:
        status, name = getattr(row, field), str(getattr(row, f"get_{field}_display")())
        return (status, name) if status in colors else name

    return display(description=field.replace("_", " "), label=dict(colors), ordering=field)(show)


@display(description="what")
def change_column(page: Any, event: Any) -> str:
    """A column of events: `pending → paid`, or with their kind where it is none of a status: `moved: 3 → 4`. Of what
    begins only what it begins as."""
    change = " → ".join(step for step in (event.old, event.new) if step)
    kind = getattr(event, "kind", "status")
    parts = [kind if kind != "status" else "", change]
    return ": ".join(part for part in parts if part).replace("_", " ")


def money_column(field: str, *, currency: str = "currency") -> Any:
    """A column with an amount and its currency; `currency` names the row's field, over `__` that of another row."""

    def show(page: Any, row: Any) -> str | None:
        amount = getattr(row, field)
        unit = reduce(getattr, currency.split("__"), row)
        return None if amount is None else money_text(amount, unit)

    return display(description=field.replace("_", " "))(show)


def quantity_column(field: str) -> Any:
    """A column with a quantity, without the zeros behind it."""

    def show(page: Any, row: Any) -> str:
        return f"{getattr(row, field).normalize():f}"

    return display(description=field.replace("_", " "))(show)


class _TaskSelect(UnfoldAdminSelectWidget, beat_admin.TaskSelectWidget):
    """The scheduler's list of known tasks in the theme's widget."""


class ScheduledTaskForm(beat_admin.PeriodicTaskForm):
    """The scheduler's form in the theme's widgets."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["task"].widget = UnfoldAdminTextInputWidget()
        self.fields["regtask"].widget = _TaskSelect()
        for name in ("args", "kwargs"):
            self.fields[name].widget = forms.Textarea(attrs={"rows": 2})


@wraps(actions.delete_selected)
def delete_selected(page: Any, request: HttpRequest, queryset: models.QuerySet[Any]) -> HttpResponse | None:
    # Django's own says that all went well, and has logged it, before anybody could have refused.
    try:
        with transaction.atomic():
            return actions.delete_selected(page, request, queryset)
    except DomainError as error:
        page.message_user(request, _explained(error), messages.ERROR)
        return None


admin.site.index_title = "Today"
admin.site.add_action(delete_selected)

for model in (PeriodicTask, IntervalSchedule, CrontabSchedule, ClockedSchedule, SolarSchedule):
    admin.site.unregister(model)


@admin.register(PeriodicTask)
class ScheduledTaskAdmin(StaffAdmin, beat_admin.PeriodicTaskAdmin):
    """Every job's schedule. Beat follows an edit within about two seconds."""

    form = ScheduledTaskForm
    change_form_template = None  # The scheduler's own one runs an inline script, which the CSP refuses.
    date_hierarchy = None
    list_display = ("name", "enabled", "scheduler", "last_run_at", "total_run_count", "description")
    list_filter = ("enabled", "last_run_at")
    ordering = ("name",)
    fieldsets = (
        (None, {"fields": ("name", "regtask", "task", "enabled", "description")}),
        (
            "Schedule",
            {
                "fields": (
                    "interval",
                    "crontab",
                    "crontab_translation",
                    "start_time",
                    "last_run_at",
                    "one_off",
                )
            },
        ),
        ("Arguments", {"fields": ("args", "kwargs"), "classes": ("collapse",)}),
    )


@panel("Operations", "django_celery_beat.view_periodictask")
def schedules_panel(visit: Visit) -> Iterator[Figure]:
    """Jobs that run by themselves, and those that somebody switched off."""
    yield from queues(
        PeriodicTask.objects.all(),
        Queue("Schedules", "jobs that run by themselves", {"enabled__exact": True}),
        Queue("Schedules off", "somebody switched them off", {"enabled__exact": False}, alarm=True),
    )


@admin.register(IntervalSchedule)
class IntervalAdmin(StaffAdmin):
    """Intervals that schedules refer to."""

    list_display = ("__str__", "every", "period", "show_jobs")
    list_filter = ("period",)
    search_fields = ("=every", "period")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).annotate(jobs=models.Count("periodictask"))

    @display(description="jobs", ordering="jobs")
    def show_jobs(self, schedule: Any) -> int:
        return int(schedule.jobs)


@admin.register(CrontabSchedule)
class CrontabAdmin(StaffAdmin):
    """Times of day and week that schedules refer to, each with its own zone."""

    list_display = ("human_readable", "timezone", "show_jobs")
    list_filter = ("timezone",)
    search_fields = ("=hour", "=minute", "timezone")
    readonly_fields = ("human_readable",)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).annotate(jobs=models.Count("periodictask"))

    @display(description="jobs", ordering="jobs")
    def show_jobs(self, schedule: Any) -> int:
        return int(schedule.jobs)
