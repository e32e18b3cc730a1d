"""Photos of listings: confirmed, put in order, and processed by a worker.

A worker takes a photo by a guarded UPDATE that counts the attempt, works without a lock, and publishes by another one;
if somebody else has the photo by then, or it is gone, the worker deletes what it made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import BinaryIO, NamedTuple
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Case, F, Max, Q, QuerySet, Value, When

from accounts.models import User
from auctions.models import Listing, ListingImage, Upload
from auctions.services import pictures
from auctions.services.files import (
    IMAGES_CHANGE_IN,
    MOST_ATTEMPTS,
    check_open,
    delete_on_commit,
    inspect_upload,
    keys_of_image,
    picture_key,
    take_upload,
)
from auctions.services.states import lock_listing, record_listing_event
from common.clock import lock_clock
from common.doorbell import ring_on_commit
from common.errors import NotFound, ServiceUnavailable, Unprocessable
from common.uploads import FileMissing, store

log = structlog.get_logger(__name__)

READ_FOR = timedelta(minutes=5)  # At an address of the bucket.
LEASE = timedelta(minutes=5)  # What a worker may take for one photo.
RING_LOST_AFTER = timedelta(seconds=30)
Status = ListingImage.Status


class NotTheImages(Unprocessable):
    code = "not_the_images"
    detail = "The order must name each photo of the listing once, and no other."


@transaction.atomic
def confirm_image(
    *,
    listing_id: int,
    key: str,
    actor: User,
    is_primary: bool | None = None,
    clock: Callable[[], datetime] = lock_clock,
) -> ListingImage:
    """The file that was posted to `key` becomes the last photo; the first one is the primary one.

    Raises what `inspect_upload` and `take_upload` raise, and FilesLocked, NotFound.
    """
    _, head = inspect_upload(listing_id=listing_id, key=key, purpose=Upload.Purpose.IMAGE)
    listing = lock_listing(listing_id)
    check_open(listing, IMAGES_CHANGE_IN)
    now = clock()
    upload = take_upload(listing=listing, key=key, purpose=Upload.Purpose.IMAGE, now=now)
    last = listing.images.aggregate(last=Max("position"))["last"]
    has_primary = listing.images.filter(is_primary=True).exists()
    if is_primary and has_primary:
        listing.images.filter(is_primary=True).update(is_primary=False)
    image = ListingImage.objects.create(
        id=upload.pk,
        listing=listing,
        key=upload.key,
        content_type=upload.content_type,
        size=head.size,
        position=(last or 0) + 1,
        is_primary=bool(is_primary) or not has_primary,
        created_at=now,
    )
    record_listing_event(listing, "edited", actor=actor, now=now, new="photo_added")
    ring_on_commit("auctions.tasks.process_image", str(image.pk))
    return image


@transaction.atomic
def make_primary(*, image: ListingImage) -> ListingImage:
    """The photo that stands for the listing. Raises FilesLocked, NotFound."""
    listing = lock_listing(image.listing_id)
    check_open(listing, IMAGES_CHANGE_IN)
    image = _present(image)
    if not image.is_primary:
        listing.images.filter(is_primary=True).update(is_primary=False)
        listing.images.filter(pk=image.pk).update(is_primary=True)
        image.is_primary = True
    return image


@transaction.atomic
def reorder_images(*, listing_id: int, order: Sequence[UUID]) -> None:
    """All photos at once, as positions 1, 2, ... Raises NotTheImages, FilesLocked, NotFound."""
    listing = lock_listing(listing_id)
    check_open(listing, IMAGES_CHANGE_IN)
    present = set(listing.images.values_list("pk", flat=True))
    if len(order) != len(present) or set(order) != present:
        raise NotTheImages(attr="order")
    if not order:
        return
    # Past the old positions: within one UPDATE two rows may not meet even for a moment.
    listing.images.update(position=-F("position"))
    places = [When(pk=pk, then=Value(place)) for place, pk in enumerate(order, start=1)]
    listing.images.update(position=Case(*places))


@transaction.atomic
def remove_image(*, image: ListingImage, actor: User, clock: Callable[[], datetime] = lock_clock) -> None:
    """Its files go after the commit; if it was the primary photo, the next one is. Raises FilesLocked, NotFound."""
    listing = lock_listing(image.listing_id)
    check_open(listing, IMAGES_CHANGE_IN)
    image = _present(image)
    delete_on_commit(keys_of_image(image))
    ListingImage.objects.filter(pk=image.pk).delete()
    if image.is_primary:
        _choose_primary(listing)
    record_listing_event(listing, "edited", actor=actor, now=clock(), new="photo_removed")


def _present(image: ListingImage) -> ListingImage:
    present = ListingImage.objects.filter(pk=image.pk).first()
    if present is None:
        raise NotFound
    return present


def _choose_primary(listing: Listing) -> None:
    """The first photo that is not broken."""
    first = listing.images.exclude(status=Status.FAILED).order_by("position").first()
    if first is not None:
        listing.images.filter(pk=first.pk).update(is_primary=True)


class Shown(NamedTuple):
    """A size of a photo: its open file, to be closed by the caller, or else the address of it in the bucket."""

    key: str
    file: BinaryIO | None
    url: str


def file_of(*, image: ListingImage, size: str, now: datetime) -> Shown:
    """Of a photo that is ready. Raises NotFound when its file was lost, and ServiceUnavailable."""
    key = image.thumbnails.get(size, image.key)
    try:
        file = store().open(key)
    except FileMissing:
        raise NotFound from None
    if file is not None:
        return Shown(key, file, "")
    url = store().signed_url(
        key,
        expires_at=now + READ_FOR,
        now=now,
        filename=f"{image.pk}.jpg",
        content_type=image.content_type,
        disposition="inline",
    )
    return Shown(key, None, url)


# --- Processing -----------------------------------------------------------------------------------------------------


def due_images(*, now: datetime, limit: int = 50) -> list[UUID]:
    """Photos whose ring was lost, or whose worker died. Those that used up their attempts are given up here."""
    lapsed = ListingImage.objects.filter(status=Status.PROCESSING, attempts__gte=MOST_ATTEMPTS)
    for image in lapsed.filter(updated_at__lte=now - LEASE).order_by("pk")[:limit]:
        _give_up(image)
    unheard = _free(now) & (Q(attempts__gt=0) | Q(created_at__lte=now - RING_LOST_AFTER))
    return list(ListingImage.objects.filter(unheard).order_by("created_at").values_list("pk", flat=True)[:limit])


def process_image(*, image_id: UUID | str, now: datetime) -> bool:
    """Make the sizes of a photo if it is free; True when this call finished it, one way or the other. `now` is the
    database's. A storage that is away leaves the photo to the sweep; three attempts in all."""
    image = _claim(image_id, now)
    if image is None:
        return False
    try:
        picture = pictures.render(store().read(image.key, image.size), image.content_type)
        keys = {name: picture_key(image, name, image.attempts) for name in picture.files}
        for name, data in picture.files.items():
            store().save(keys[name], data, pictures.SHOWN_TYPE)
    except (FileMissing, pictures.NotAPicture) as error:
        log.info("photo_refused", image=str(image.pk), reason=type(error).__name__)
        return _give_up(image)
    except ServiceUnavailable:
        log.warning("photo_interrupted", image=str(image.pk), attempt=image.attempts)
        return False
    return _publish(image, picture, keys)


def _free(now: datetime) -> Q:
    """Never tried, or tried longer ago than a worker may take."""
    idle = Q(attempts=0) | Q(updated_at__lte=now - LEASE)
    return Q(status=Status.PROCESSING, attempts__lt=MOST_ATTEMPTS) & idle


def _claim(image_id: UUID | str, now: datetime) -> ListingImage | None:
    free = ListingImage.objects.filter(_free(now), pk=image_id)
    if not free.update(attempts=F("attempts") + 1, updated_at=now):
        return None
    return ListingImage.objects.filter(pk=image_id).first()


def _mine(image: ListingImage) -> QuerySet[ListingImage]:
    """The row as long as this worker's claim holds: each claim has a number of attempts of its own."""
    return ListingImage.objects.filter(pk=image.pk, status=Status.PROCESSING, attempts=image.attempts)


@transaction.atomic
def _publish(image: ListingImage, picture: pictures.Picture, keys: dict[str, str]) -> bool:
    """From this commit on the photo is shown, and the file as it came, with the place it was taken at, is deleted."""
    shown = keys["original"]
    published = _mine(image).update(
        status=Status.READY,
        key=shown,
        content_type=pictures.SHOWN_TYPE,
        size=len(picture.files["original"]),
        width=picture.width,
        height=picture.height,
        thumbnails={name: key for name, key in keys.items() if key != shown},
    )
    mine = set(keys.values())
    delete_on_commit(keys_of_image(image) - mine if published else mine)
    return bool(published)


@transaction.atomic
def _give_up(image: ListingImage) -> bool:
    """The row stays, so that its seller sees which one it was; its file goes, and another photo stands for the
    listing."""
    try:
        listing = lock_listing(image.listing_id)
    except NotFound:
        return False
    if not _mine(image).update(status=Status.FAILED, is_primary=False):
        return False
    if not listing.images.filter(is_primary=True).exists():
        _choose_primary(listing)
    delete_on_commit(keys_of_image(image))
    return True
