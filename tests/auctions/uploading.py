"""Photos and papers for tests, and the way they take into a listing."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from PIL import Image
from rest_framework.test import APIClient

from auctions.models import Listing, ListingImage, Upload
from auctions.services import documents, files, images
from common.uploads import store

PDF = b"%PDF-1.7\n1 0 obj\n<< >>\nendobj\n%%EOF\n"
GPS, MAKE, ORIENTATION = 0x8825, 0x010F, 0x0112


def photo(size: tuple[int, int] = (40, 20), *, form: str = "JPEG", **options: Any) -> bytes:
    """Its left half is red, the other one blue."""
    image = Image.new("RGB", size, "blue")
    image.paste("red", (0, 0, size[0] // 2, size[1]))
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def photo_of_a_camera(size: tuple[int, int] = (40, 20), *, orientation: int = 1) -> bytes:
    """With maker, place and a comment."""
    exif = Image.Exif()
    exif[MAKE], exif[ORIENTATION] = "SpyCam 3000", orientation
    exif[GPS] = {1: "N", 2: (42.0, 39.0, 9.0), 3: "W", 4: (73.0, 45.0, 22.0)}
    return photo(size, exif=exif, comment=b"taken at home", quality=95)


def ask(client: APIClient, listing: Listing, **body: Any) -> Any:
    """The answer to `upload-url`."""
    body = {"filename": "front.jpg", "content_type": "image/jpeg"} | body
    return client.post(f"/api/vehicles/{listing.pk}/upload-url", body)


def post(form: dict[str, Any], data: bytes, **changes: Any) -> Any:
    """The answer to a posted form, with some of its fields changed (None leaves one out)."""
    fields = {name: value for name, value in (form["fields"] | changes).items() if value is not None}
    file = SimpleUploadedFile("evil/../name.exe", data, content_type="application/x-msdownload")
    return APIClient().post("/api/uploads", {**fields, "file": file}, format="multipart")


def uploaded(
    listing: Listing, data: bytes, *, content_type: str = "image/jpeg", purpose: str = "image", **fields: Any
) -> Upload:
    """A promise with its file."""
    promise = files.promise_upload(
        listing_id=listing.pk,
        actor=listing.seller,
        filename="front.jpg",
        content_type=content_type,
        purpose=purpose,
        **fields,
    )
    store().save(promise.upload.key, data, content_type)
    return promise.upload


def added_image(listing: Listing, data: bytes | None = None, *, ready: bool = True, **fields: Any) -> ListingImage:
    """A confirmed photo, processed unless told otherwise."""
    upload = uploaded(listing, data or photo())
    image = images.confirm_image(listing_id=listing.pk, key=upload.key, actor=listing.seller, **fields)
    if ready:
        images.process_image(image_id=image.pk, now=timezone.now())
    return ListingImage.objects.get(pk=image.pk)


def added_document(listing: Listing, **fields: Any) -> Any:
    upload = uploaded(listing, PDF, content_type="application/pdf", purpose="document")
    return documents.confirm_document(
        listing_id=listing.pk, key=upload.key, kind="title", actor=listing.seller, **fields
    )


def stored(folder: Path) -> set[str]:
    """The keys of what is in the folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
