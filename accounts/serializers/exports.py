"""Shapes of exports."""

from __future__ import annotations

from django.urls import reverse

from accounts.models import Export
from common.fields import StrictBooleanField, StrictCharField, StrictDictField, StrictIntegerField
from common.serializers import StrictModelSerializer, StrictSerializer


class ExportCreateSerializer(StrictSerializer):
    """`kind` is one of those the apps register; what `params` may hold depends on it. `bom` puts the mark
    in front that older spreadsheets need to recognise UTF-8."""

    kind = StrictCharField(max_length=64, pattern="^[a-z][a-z0-9_]*$")
    params = StrictDictField(required=False)
    bom = StrictBooleanField(required=False)


class DownloadUrlField(StrictCharField):
    """Absolute, and null until there is a file."""

    def __init__(self) -> None:
        super().__init__(max_length=500, source="*", read_only=True, allow_null=True)

    def to_representation(self, value: Export) -> str | None:  # type: ignore[override]
        if value.status != Export.Status.READY:
            return None
        url: str = self.context["request"].build_absolute_uri(reverse("export-download", args=[value.pk]))
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
