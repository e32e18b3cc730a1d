"""Uploads of listings: the promise of a place, the check of what came, and the end of what nobody wants any more.

Locks: the listing, and under it its uploads, photos and papers (docs/locking.md). The storage is asked before the lock
or after the commit, never in between; only the sweep holds a row while it deletes, and nobody waits for that row.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from functools import partial
from pathlib import PurePosixPath
from typing import NamedTuple
from uuid import uuid4

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from accounts.models import User
from auctions.models import Listing, ListingDocument, ListingImage, Upload
from auctions.services import pictures
from auctions.services.states import lock_listing
from common.clock import lock_clock
from common.errors import Conflict, Unprocessable
from common.sweeps import SweepResult, sweep
from common.uploads import FileMissing, Form, Head, store

log = structlog.get_logger(__name__)

MOST_IMAGES = 30
MOST_DOCUMENTS = 20
POST_FOR = timedelta(minutes=5)  # How long the form is good.
CONFIRM_WITHIN = timedelta(minutes=15)  # From asking: a slow upload ends after its form does.
SWEEP_AFTER = timedelta(minutes=15)  # Beyond the last confirmation that may still be on its way.
MOST_ATTEMPTS = 3  # To process a photo.
IMAGE_TYPES = (pictures.JPEG, pictures.PNG, pictures.WEBP)
DOCUMENT_TYPES = (*IMAGE_TYPES, pictures.PDF)
TYPES = {Upload.Purpose.IMAGE: IMAGE_TYPES, Upload.Purpose.DOCUMENT: DOCUMENT_TYPES}
Status = Listing.Status
# Not while a moderator looks at them, and not once somebody has bought by them.
IMAGES_CHANGE_IN = (Status.DRAFT, Status.CHANGES_REQUESTED, Status.ACTIVE, Status.IN_AUCTION)
# Papers may come late, the title often after the sale.
DOCUMENTS_COME_IN = (*IMAGES_CHANGE_IN, Status.PENDING_REVIEW, Status.PENDING_SALE, Status.SOLD)
CHANGE_IN = {Upload.Purpose.IMAGE: IMAGES_CHANGE_IN, Upload.Purpose.DOCUMENT: DOCUMENTS_COME_IN}


class FilesLocked(Conflict):
    """`meta` names the status and those in which it is possible."""

    code = "files_locked"
    detail = "In this status of the listing its files stay as they are."


class TooManyImages(Conflict):
    """Photos and places that are promised count alike; `meta.limit`."""

    code = "too_many_images"
    detail = f"A listing has at most {MOST_IMAGES} photos."


class TooManyDocuments(Conflict):
    code = "too_many_documents"
    detail = f"A listing has at most {MOST_DOCUMENTS} papers."


class TypeNotAllowed(Unprocessable):
    code = "type_not_allowed"
    detail = "Files of this type are not taken for this purpose."


class UploadTooLarge(Unprocessable):
    """`meta.max_size` in bytes."""

    code = "file_too_large"
    detail = "The file is larger than is taken for this purpose."


class UnknownUpload(Unprocessable):
    code = "unknown_upload"
    detail = "There is no such upload of this listing and purpose."


class UploadExpired(Conflict):
    code = "upload_expired"
    detail = "The time to confirm this upload is over. Ask for a new one."


class UploadUsed(Conflict):
    code = "upload_used"
    detail = "This upload was confirmed before."


class UploadMissing(Conflict):
    code = "upload_missing"
    detail = "No file has arrived in this place."


class NotAnImage(Unprocessable):
    code = "not_an_image"
    detail = "The file is no photo of the type it was announced as. It was deleted."


class NotADocument(Unprocessable):
    code = "not_a_document"
    detail = "The file is not of the type it was announced as. It was deleted."


class Promise(NamedTuple):
    """An upload, the form to post to it, and when that ends."""

    upload: Upload
    form: Form
    expires_at: datetime


def max_size_of(purpose: str) -> int:
    """Bytes."""
    images = purpose == Upload.Purpose.IMAGE
    return settings.LISTING_IMAGE_MAX_BYTES if images else settings.LISTING_DOCUMENT_MAX_BYTES


@transaction.atomic
def promise_upload(
    *,
    listing_id: int,
    actor: User,
    filename: str,
    content_type: str,
    purpose: str = Upload.Purpose.IMAGE,
    size: int | None = None,
    clock: Callable[[], datetime] = lock_clock,
) -> Promise:
    """A place for one file, for five minutes. `size` in bytes narrows what the form takes to that.

    Raises TypeNotAllowed, UploadTooLarge, FilesLocked, TooManyImages, TooManyDocuments, NotFound.
    """
    purpose = Upload.Purpose(purpose)
    _check_announced(purpose, content_type, size)
    listing = lock_listing(listing_id)
    check_open(listing, CHANGE_IN[purpose])
    now = clock()
    _check_room(listing, purpose, now=now)
    upload_id = uuid4()
    upload = Upload.objects.create(
        id=upload_id,
        listing=listing,
        purpose=purpose,
        key=f"listings/{listing.pk}/{upload_id}.{pictures.EXTENSIONS[content_type]}",
        filename=shown_name(filename, content_type),
        content_type=content_type,
        max_size=size or max_size_of(purpose),
        created_by=actor,
        created_at=now,
        expires_at=now + CONFIRM_WITHIN,
    )
    until = now + POST_FOR
    form = store().presign_post(
        key=upload.key, content_type=content_type, max_size=upload.max_size, expires_at=until, now=now
    )
    return Promise(upload, form, until)


def check_open(listing: Listing, statuses: tuple[str, ...]) -> None:
    """Raises FilesLocked."""
    if listing.status not in statuses:
        raise FilesLocked(meta={"status": listing.status, "allowed": [str(status) for status in statuses]})


def _check_announced(purpose: Upload.Purpose, content_type: str, size: int | None) -> None:
    if content_type not in TYPES[purpose]:
        raise TypeNotAllowed(attr="content_type", meta={"allowed": list(TYPES[purpose])})
    most = max_size_of(purpose)
    if size is not None and size > most:
        raise UploadTooLarge(attr="size", meta={"max_size": most})


def _check_room(listing: Listing, purpose: str, *, now: datetime) -> None:
    promised = listing.uploads.filter(purpose=purpose, confirmed_at=None, expires_at__gt=now).count()
    if purpose == Upload.Purpose.IMAGE and listing.images.count() + promised >= MOST_IMAGES:
        raise TooManyImages(meta={"limit": MOST_IMAGES})
    if purpose == Upload.Purpose.DOCUMENT and listing.documents.count() + promised >= MOST_DOCUMENTS:
        raise TooManyDocuments(meta={"limit": MOST_DOCUMENTS})


def shown_name(filename: str, content_type: str) -> str:
    """The name's last part, with the extension of what the file is: `C:\\title.exe` of a PDF is `title.pdf`."""
    stem = PurePosixPath(filename.replace("\\", "/")).stem.strip() or "file"
    return f"{stem[:180]}.{pictures.EXTENSIONS[content_type]}"


# --- What came ------------------------------------------------------------------------------------------------------


def inspect_upload(*, listing_id: int, key: str, purpose: str) -> tuple[Upload, Head]:
    """The upload and how its file begins, before the lock. A file that is not what it was announced as is deleted; its
    place may be filled again while the form is good.

    Raises UnknownUpload, UploadUsed, UploadMissing, NotAnImage, NotADocument, ServiceUnavailable.
    """
    upload = _upload_of(listing_id, key, purpose)
    try:
        head = store().head(upload.key, pictures.HEAD_BYTES)
    except FileMissing:
        raise UploadMissing(attr="key") from None
    if not 1 <= head.size <= upload.max_size or not _is_announced(upload, head.start):
        store().delete(upload.key)
        raise (NotAnImage if purpose == Upload.Purpose.IMAGE else NotADocument)(attr="key")
    return upload, head


def take_upload(*, listing: Listing, key: str, purpose: str, now: datetime) -> Upload:
    """Confirm an upload of a locked listing. Raises UnknownUpload, UploadUsed, UploadExpired."""
    upload = _upload_of(listing.pk, key, purpose)
    if now >= upload.expires_at:
        raise UploadExpired(attr="key")
    upload.confirmed_at = now
    upload.save(update_fields=["confirmed_at"])
    return upload


def _upload_of(listing_id: int, key: str, purpose: str) -> Upload:
    upload = Upload.objects.filter(listing_id=listing_id, key=key, purpose=purpose).first()
    if upload is None:
        raise UnknownUpload(attr="key")
    if upload.confirmed_at is not None:
        raise UploadUsed(attr="key")
    return upload


def _is_announced(upload: Upload, head: bytes) -> bool:
    """By its first bytes, not by its name. Papers are kept as they are, so of them only the type is asked."""
    if upload.purpose == Upload.Purpose.DOCUMENT:
        return pictures.type_of(head) == upload.content_type
    try:
        pictures.check_head(head, upload.content_type)
    except pictures.NotAPicture:
        return False
    return True


# --- The end of files -----------------------------------------------------------------------------------------------


def document_key(upload: Upload) -> str:
    """Where a confirmed paper is kept: its form cannot reach it any more."""
    return f"listings/{upload.listing_id}/{upload.pk}/document.{pictures.EXTENSIONS[upload.content_type]}"


def picture_key(image: ListingImage, name: str, attempt: int) -> str:
    """Of one attempt: a slow worker of an earlier one cannot put its file in the place of the one that counts."""
    return f"listings/{image.listing_id}/{image.pk}/{attempt}-{name}.{pictures.EXTENSIONS[pictures.SHOWN_TYPE]}"


def keys_of_image(image: ListingImage) -> set[str]:
    """All that may have been written for a photo."""
    attempts = range(1, image.attempts + 1)
    return {image.key, *(picture_key(image, name, attempt) for attempt in attempts for name in pictures.SIZES)}


def delete_on_commit(keys: Collection[str]) -> None:
    """Files that no row needs any more. What cannot be deleted then is logged, and stays where nobody can read it."""
    if keys:
        transaction.on_commit(partial(_delete, sorted(keys)))


def _delete(keys: list[str]) -> None:
    try:
        store().delete(*keys)
    except Exception as error:
        log.error("files_left_behind", keys=keys, error=type(error).__name__)


def forget_files(listing: Listing) -> None:
    """Call it, under the listing's lock, in the transaction that deletes a listing: its files go after the commit."""
    keys = set(listing.documents.values_list("key", flat=True))
    for image in listing.images.all():
        keys |= keys_of_image(image)
    for upload in listing.uploads.all():
        keys |= {upload.key, document_key(upload)}
    delete_on_commit(keys)


def stale_uploads(*, now: datetime) -> QuerySet[Upload]:
    """Those that cannot be confirmed any more, and confirmed ones whose form may have been used once more since; not
    those whose photo is still to be made from the file."""
    waiting = ListingImage.objects.filter(status=ListingImage.Status.PROCESSING).values("key")
    return Upload.objects.filter(expires_at__lte=now - SWEEP_AFTER).exclude(key__in=waiting)


def sweep_upload(upload: Upload, *, now: datetime) -> None:  # noqa: ARG001
    """For `common.sweeps.sweep`, with the row locked. The row is all that is known of the files, so it goes last."""
    kept = document_key(upload)
    is_used = ListingDocument.objects.filter(key=kept).exists()
    store().delete(upload.key, *([] if is_used else [kept]))
    upload.delete()


def sweep_uploads(*, now: datetime) -> SweepResult:
    """And what broken uploads left on the disk."""
    swept = sweep(stale_uploads(now=now), sweep_upload, now=now)
    store().clean(now=now)
    return swept
