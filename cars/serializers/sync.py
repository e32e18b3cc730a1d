"""Syncs as JSON."""

from __future__ import annotations

from django.urls import reverse

from cars.models import SyncRun
from cars.sync.breaker import State
from cars.sync.log import COUNTS
from cars.sync.registry import SOURCES
from common.fields import (
    IdField,
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictDateTimeField,
    StrictDictField,
    StrictIntegerField,
    StrictListField,
)
from common.serializers import StrictModelSerializer, StrictSerializer


class SyncCountsSerializer(StrictSerializer):
    """What became of the records: fetched = created + updated + unchanged + rejected + duplicate. `withdrawn` are rows
    that are no longer upstream."""

    def get_fields(self) -> dict[str, StrictIntegerField]:  # type: ignore[override]
        return {name: StrictIntegerField(min_value=0, read_only=True) for name in COUNTS}


class SyncRunSerializer(StrictModelSerializer):
    """One run. `reason` is a code: why it failed or was skipped, or why it is partial."""

    counts = SyncCountsSerializer(source="*", read_only=True)

    class Meta:
        model = SyncRun
        fields = (
            "id", "source", "provider", "trigger", "full", "status", "reason", "counts", "pages", "retries", "error",
            "queued_at", "started_at", "finished_at",
        )  # fmt: skip
        read_only_fields = fields


class StatusUrlField(StrictCharField):
    """The absolute address of the run."""

    def __init__(self) -> None:
        super().__init__(max_length=500, source="run.pk", read_only=True)

    def to_representation(self, value: int) -> str:  # type: ignore[override]
        url: str = self.context["request"].build_absolute_uri(reverse("sync-run-detail", args=[value]))
        return url


class SyncRequestedSerializer(StrictSerializer):
    """The run that serves a request. `coalesced`: it was under way already, and the caller joined it."""

    run_id = IdField(source="run.pk", read_only=True)
    status = StrictChoiceField(source="run.status", choices=SyncRun.Status.choices, read_only=True)
    status_url = StatusUrlField()
    coalesced = StrictBooleanField(read_only=True)


class SyncRequestedRunsSerializer(StrictSerializer):
    """A run per source that was asked for."""

    runs = SyncRequestedSerializer(many=True, read_only=True)


class SyncTriggerSerializer(StrictSerializer):
    """Which source, without it all that are configured; `full` reads everything and withdraws what is gone."""

    source = StrictChoiceField(choices=sorted(SOURCES), required=False)  # type: ignore[assignment]
    full = StrictBooleanField(required=False)


class SyncBreakerSerializer(StrictSerializer):
    """`open`: no run before `open_until`; `half_open`: the next run decides."""

    state = StrictChoiceField(choices=[state.value for state in State], read_only=True)
    consecutive_failures = StrictIntegerField(min_value=0, read_only=True)
    open_until = StrictDateTimeField(read_only=True, allow_null=True)
    reason = StrictCharField(max_length=64, read_only=True)


class SyncSourceSerializer(StrictSerializer):
    """A source. `missing` names the settings that its provider lacks; `cursor` is where the next incremental run goes
    on, in the provider's own form."""

    name = StrictCharField(max_length=32, read_only=True)
    provider = StrictCharField(max_length=32, read_only=True)
    ready = StrictBooleanField(read_only=True)
    missing = StrictListField(child=StrictCharField(max_length=64), read_only=True)
    cursor = StrictDictField(read_only=True, allow_null=True)
    last_success_at = StrictDateTimeField(read_only=True, allow_null=True)
    last_full_at = StrictDateTimeField(read_only=True, allow_null=True)
    breaker = SyncBreakerSerializer(read_only=True)
    next_run_at = StrictDateTimeField(read_only=True, allow_null=True)


class SyncSourceStatusSerializer(SyncSourceSerializer):
    """A source with its active run and its last ones, the newest first."""

    active_run = SyncRunSerializer(read_only=True, allow_null=True)
    last_runs = SyncRunSerializer(many=True, read_only=True)


class SyncStatusSerializer(StrictSerializer):
    """All sources."""

    sources = SyncSourceStatusSerializer(many=True, read_only=True)
