"""Shapes of exports."""

from __future__ import annotations

from typing import Any

from accounts.models import Export
from accounts.registry import exports
from common.fields import Describe, StrictBooleanField, StrictCharField, StrictIntegerField, describe_nothing
from common.serializers import StrictModelSerializer, StrictSerializer


class ExportKindField(StrictCharField):
    """One of the kinds that the apps have registered by the time it is asked."""

    default_error_messages = {"invalid_choice": "There is no such kind of export."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=64, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        kind = super().to_internal_value(data)
        if kind not in exports:
            self.fail("invalid_choice")
        return kind

    def json_schema(self, *, request: bool, nested: Describe = describe_nothing) -> dict[str, Any]:
        return super().json_schema(request=request, nested=nested) | {"enum": sorted(exports)}


class ExportCreateSerializer(StrictSerializer):
    """`bom` puts the mark in front that older spreadsheets need to recognise UTF-8."""

    kind = ExportKindField()
    bom = StrictBooleanField(required=False)


class DownloadUrlField(StrictCharField):
    """Absolute, beside the export that was read, and null until there is a file."""

    def __init__(self) -> None:
        super().__init__(max_length=500, source="*", read_only=True, allow_null=True)

    def to_representation(self, value: Export) -> str | None:  # type: ignore[override]
        if value.status != Export.Status.READY:
            return None
        url: str = self.context["view"].reverse_action("download", args=[value.pk])
        return url


class ExportSerializer(StrictModelSerializer):
    """A file for its owner. `percent` is 100 only when the file is there; `error` says why there is none."""

    percent = StrictIntegerField(read_only=True)
    download_url = DownloadUrlField()

    class Meta:
        model = Export
        fields = (
            "id", "owner", "kind", "params", "status", "rows", "percent", "bytes", "error", "created_at",
            "started_at", "finished_at", "expires_at", "download_url",
        )  # fmt: skip
        read_only_fields = fields
