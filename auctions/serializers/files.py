"""Shapes of uploads, photos and papers."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Case, TextField, Value, When
from django.db.models.functions import Cast, Concat
from rest_framework import serializers

from auctions.models import ListingDocument, ListingImage, Upload
from auctions.services import pictures
from auctions.services.files import DOCUMENT_TYPES, MOST_IMAGES
from common.fields import (
    Describe,
    NameField,
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictDateTimeField,
    StrictDictField,
    StrictIntegerField,
    StrictListField,
    describe_nothing,
)
from common.rowjson import UuidText
from common.serializers import StrictModelSerializer, StrictSerializer

_HEX = "[0-9a-f]"
UUID_PATTERN = f"^{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}$"
KEY_PATTERN = "^[!-~]{1,200}$"
LARGEST = 2**31 - 1


class UploadRequestSerializer(StrictSerializer):
    """A file that is about to come. `size`, in bytes, narrows what its form takes."""

    filename = NameField()
    content_type = StrictChoiceField(choices=DOCUMENT_TYPES)
    purpose = StrictChoiceField(choices=Upload.Purpose.choices, default=Upload.Purpose.IMAGE)
    size = StrictIntegerField(min_value=1, max_value=LARGEST, required=False)


class UploadFormSerializer(StrictSerializer):
    """Post `fields` as they are, then the part `file`, as multipart/form-data to `url` before `expires_at`."""

    url = StrictCharField(max_length=2000)
    fields = StrictDictField(child=StrictCharField(max_length=10_000))  # type: ignore[assignment]
    image_id = serializers.UUIDField(help_text="The id of the photo or the paper that it becomes.")
    expires_at = StrictDateTimeField()


class ImageUrlField(StrictCharField):
    """Where one size of a photo is; null until it is ready. The address stays the same."""

    def __init__(self, *, size: str, **kwargs: Any) -> None:
        self.size = size
        super().__init__(source="*", read_only=True, allow_null=True, max_length=2000, **kwargs)

    def to_representation(self, value: ListingImage) -> str | None:  # type: ignore[override]
        if value.status != ListingImage.Status.READY:
            return None
        path = f"/api/vehicles/{value.listing_id}/images/{value.pk}/file"
        return f"{settings.BACKEND_URL}{path}?size={self.size}"

    def column(self, prefix: str) -> Any:
        parts = [f"{settings.BACKEND_URL}/api/vehicles/", "/images/", f"/file?size={self.size}"]
        before, between, after = (Value(part, output_field=TextField()) for part in parts)
        listing, image = Cast(f"{prefix}listing_id", TextField()), UuidText(f"{prefix}pk")
        url = Concat(before, listing, between, image, after, output_field=TextField())
        return Case(When(**{f"{prefix}status": ListingImage.Status.READY}, then=url), output_field=TextField())


class ListingImageSerializer(StrictModelSerializer):
    """A photo; width and height are those of `url`, in pixels. `position` grows in the order of the photos."""

    id = serializers.UUIDField(read_only=True)
    url = ImageUrlField(size="original")
    thumbnail_url = ImageUrlField(size="thumb")

    class Meta:
        model = ListingImage
        fields = ("id", "url", "thumbnail_url", "width", "height", "position", "is_primary", "status")
        read_only_fields = fields


class NewImageSerializer(StrictSerializer):
    """The upload to make a photo of. `is_primary` puts it in the place of the present primary photo."""

    key = StrictCharField(pattern=KEY_PATTERN, max_length=200)
    is_primary = StrictBooleanField(required=False)


class TrueField(StrictBooleanField):
    """true alone."""

    default_error_messages = {"only_true": "Make another photo the primary one instead."}

    def to_internal_value(self, data: Any) -> bool:
        if super().to_internal_value(data) is not True:
            self.fail("only_true")
        return True

    def json_schema(self, *, request: bool, nested: Describe = describe_nothing) -> dict[str, Any]:  # noqa: ARG002
        return {"type": "boolean", "enum": [True]}


class ChangeImageSerializer(StrictSerializer):
    """Makes a photo the primary one."""

    is_primary = TrueField()


class ImageOrderSerializer(StrictSerializer):
    """Every photo of the listing, the first one first."""

    order = StrictListField(
        child=StrictCharField(pattern=UUID_PATTERN, max_length=36),
        max_length=MOST_IMAGES,
        allow_empty=True,
        required=False,
    )

    def validate_order(self, value: list[str]) -> list[UUID]:
        return [UUID(pk) for pk in value]


class ListingDocumentSerializer(StrictModelSerializer):
    """A paper. Its file is read at the address that its sub-resource `url` gives."""

    id = serializers.UUIDField(read_only=True)

    class Meta:
        model = ListingDocument
        fields = ("id", "kind", "filename", "content_type", "size", "created_at")
        read_only_fields = fields


class NewDocumentSerializer(StrictSerializer):
    """The upload to make a paper of."""

    key = StrictCharField(pattern=KEY_PATTERN, max_length=200)
    kind = StrictChoiceField(choices=ListingDocument.Kind.choices)


class DocumentAddressSerializer(StrictSerializer):
    """Anybody can read the paper there until `expires_at`."""

    url = StrictCharField(max_length=5000)
    expires_at = StrictDateTimeField()


SIZES = [(name, name) for name in pictures.SIZES]
