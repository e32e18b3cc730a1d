"""Photos at the same moment: the thirty-first, one confirmation, one order, one primary photo."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError
from django.utils import timezone

from auctions.models import Listing, ListingImage, Upload
from auctions.services import files, images
from auctions.services.states import lock_listing
from tests.auctions.factories import ListingFactory
from tests.auctions.uploading import added_image, photo, stored, uploaded
from tests.concurrency.race import race

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


@pytest.fixture
def listing() -> Listing:
    return ListingFactory(status="draft")


def ask(listing: Listing) -> Any:
    return lambda: files.promise_upload(
        listing_id=listing.pk, actor=listing.seller, filename="a.jpg", content_type="image/jpeg"
    )


@contextmanager
def without_lock(monkeypatch: pytest.MonkeyPatch, module: Any) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(module, "lock_listing", lambda pk: Listing.objects.get(pk=pk))
        yield


def all_see_the_same(monkeypatch: pytest.MonkeyPatch, callers: int) -> None:
    """Each looks for room before anybody has taken it."""
    import threading

    barrier, check = threading.Barrier(callers), files._check_room

    def check_together(listing: Listing, purpose: str, *, now: datetime) -> None:
        check(listing, purpose, now=now)
        barrier.wait(timeout=30)

    monkeypatch.setattr(files, "_check_room", check_together)


def test_of_eight_who_want_the_last_place_one_gets_it(listing: Listing) -> None:
    for _ in range(29):
        uploaded(listing, photo())
    results = race([ask(listing)] * 8)
    assert sum(isinstance(result, files.TooManyImages) for result in results) == 7
    assert Upload.objects.count() == 30


def test_control_without_the_lock_there_are_too_many(listing: Listing, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(29):
        uploaded(listing, photo())
    all_see_the_same(monkeypatch, 2)
    with without_lock(monkeypatch, files):
        race([ask(listing)] * 2)
    assert Upload.objects.count() == 31


def confirm(listing: Listing, key: str, **fields: Any) -> Any:
    return lambda: images.confirm_image(listing_id=listing.pk, key=key, actor=listing.seller, **fields)


def test_an_upload_is_confirmed_once(listing: Listing) -> None:
    key = uploaded(listing, photo()).key
    results = race([confirm(listing, key)] * 8)
    assert sum(isinstance(result, ListingImage) for result in results) == 1
    assert sum(isinstance(result, files.UploadUsed) for result in results) == 7


def test_of_many_first_photos_one_is_primary_and_the_places_differ(listing: Listing) -> None:
    keys = [uploaded(listing, photo()).key for _ in range(8)]
    results = race([confirm(listing, key, is_primary=True) for key in keys])
    assert all(isinstance(result, ListingImage) for result in results), results
    assert sorted(listing.images.values_list("position", flat=True)) == list(range(1, 9))
    assert listing.images.filter(is_primary=True).count() == 1


def test_control_without_the_lock_only_the_constraint_is_left(
    listing: Listing, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    keys = [uploaded(listing, photo()).key for _ in range(2)]
    barrier, take = threading.Barrier(2), images.take_upload

    def take_together(**kwargs: Any) -> Upload:
        taken = take(**kwargs)
        barrier.wait(timeout=30)
        return taken

    monkeypatch.setattr(images, "take_upload", take_together)
    with without_lock(monkeypatch, images):
        results = race([confirm(listing, key) for key in keys])
    assert sum(isinstance(result, IntegrityError) for result in results) == 1


def test_orders_removals_and_new_photos_leave_one_whole_list(listing: Listing) -> None:
    present = [added_image(listing) for _ in range(6)]
    pks = [image.pk for image in present]
    keys = [uploaded(listing, photo()).key for _ in range(3)]
    results = race(
        [
            *(
                lambda order=order: images.reorder_images(listing_id=listing.pk, order=order)
                for order in (pks, pks[::-1])
            ),
            *(lambda image=image: images.remove_image(image=image, actor=listing.seller) for image in present[:2]),
            *(lambda image=image: images.make_primary(image=image) for image in present[2:4]),
            *(confirm(listing, key) for key in keys),
        ]
    )
    surprises = [result for result in results if isinstance(result, Exception)]
    assert all(isinstance(surprise, images.NotTheImages) for surprise in surprises), surprises
    positions = list(listing.images.values_list("position", flat=True))
    assert len(positions) == len(set(positions)) == 7
    assert min(positions) > 0
    assert listing.images.filter(is_primary=True).count() == 1


def test_of_many_workers_one_processes_a_photo(listing: Listing, folder: Path) -> None:
    image, now = added_image(listing, ready=False), timezone.now()
    results = race([lambda: images.process_image(image_id=image.pk, now=now)] * 6)
    assert sorted(results, key=str) == [False] * 5 + [True]
    image.refresh_from_db()
    assert (image.status, image.attempts) == ("ready", 1)
    assert stored(folder) == {image.key, *image.thumbnails.values()}


def test_a_sweep_and_a_late_confirmation_do_not_both_win(listing: Listing, folder: Path) -> None:
    upload = uploaded(listing, photo())
    late = upload.expires_at + files.SWEEP_AFTER
    results = race([confirm(listing, upload.key, clock=lambda: late), lambda: files.sweep_uploads(now=late)] * 3)
    assert not any(isinstance(result, ListingImage) for result in results)
    assert stored(folder) == set()
    assert not Upload.objects.exists()


def test_the_lock_is_the_listings(listing: Listing) -> None:
    assert files.lock_listing is images.lock_listing is lock_listing
