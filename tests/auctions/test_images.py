"""Photos: confirmed, processed, put in order, shown."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction
from django.utils import timezone
from PIL import Image
from rest_framework.test import APIClient

from accounts.models import User
from auctions import tasks
from auctions.models import Listing, ListingEvent, ListingImage, Upload
from auctions.services import files, images, pictures
from common.errors import ServiceUnavailable
from common.uploads import FolderStore
from tests.auctions.factories import ListingFactory
from tests.auctions.test_pictures import NO_PICTURES, png_of
from tests.auctions.uploading import added_document, added_image, ask, photo, photo_of_a_camera, post, stored, uploaded

pytestmark = pytest.mark.django_db


def code_of(answer: Any) -> str:
    return answer.json()["errors"][0]["code"]


def images_of(listing: Listing) -> str:
    return f"/api/vehicles/{listing.pk}/images"


@pytest.fixture
def shown(listing: Listing) -> Listing:
    """On the marketplace, with two photos that are ready."""
    for _ in range(2):
        added_image(listing)
    listing.status, listing.published_at = Listing.Status.ACTIVE, timezone.now()
    listing.save()
    return listing


def order_of(listing: Listing) -> list[Any]:
    return list(listing.images.order_by("position").values_list("pk", flat=True))


# --- Confirming -------------------------------------------------------------------------------------------------------


def test_from_the_form_to_the_photo(
    seller: APIClient, listing: Listing, folder: Path, django_capture_on_commit_callbacks: Any
) -> None:
    form = ask(seller, listing).json()
    assert post(form, photo_of_a_camera((2000, 1000))).status_code == 204
    with django_capture_on_commit_callbacks() as rings:
        answer = seller.post(images_of(listing), {"key": form["fields"]["key"]})
    body = answer.json()
    assert (answer.status_code, body["id"], body["status"]) == (201, form["image_id"], "processing")
    assert (body["url"], body["position"], body["is_primary"]) == (None, 1, True)
    assert answer["Location"].endswith(f"{images_of(listing)}/{body['id']}")
    assert "process_image" in str(rings[0])
    tasks.process_image(body["id"])
    ready = seller.get(f"{images_of(listing)}/{body['id']}").json()
    assert (ready["status"], ready["width"], ready["height"]) == ("ready", 2000, 1000)
    assert ready["thumbnail_url"].endswith(f"{body['id']}/file?size=thumb")


def test_a_key_needs_its_file(seller: APIClient, listing: Listing) -> None:
    form = ask(seller, listing).json()
    answer = seller.post(images_of(listing), {"key": form["fields"]["key"]})
    assert (answer.status_code, code_of(answer)) == (409, "upload_missing")


def test_only_an_upload_of_this_listing_and_purpose_is_known(seller: APIClient, listing: Listing, user: User) -> None:
    others = uploaded(ListingFactory(seller=user), photo()).key
    paper = uploaded(listing, photo(), purpose="document").key
    for key in (others, paper, "listings/1/x.jpg", "../../etc/passwd"):
        answer = seller.post(images_of(listing), {"key": key})
        assert (answer.status_code, code_of(answer)) == (422, "unknown_upload")


def test_an_upload_is_confirmed_once_and_in_time(seller: APIClient, listing: Listing) -> None:
    key = uploaded(listing, photo()).key
    assert seller.post(images_of(listing), {"key": key}).status_code == 201
    assert code_of(seller.post(images_of(listing), {"key": key})) == "upload_used"
    late = uploaded(listing, photo())
    with pytest.raises(files.UploadExpired):
        images.confirm_image(listing_id=listing.pk, key=late.key, actor=listing.seller, clock=lambda: late.expires_at)


@pytest.mark.parametrize("name", [*NO_PICTURES, "bomb"])
def test_what_is_no_photo_is_deleted(seller: APIClient, listing: Listing, folder: Path, name: str) -> None:
    data = NO_PICTURES.get(name) or png_of(10_000, 10_000)
    content_type = "image/png" if name == "bomb" else "image/jpeg"
    key = uploaded(listing, data if name != "empty" else b"", content_type=content_type).key
    answer = seller.post(images_of(listing), {"key": key})
    assert (answer.status_code, code_of(answer)) == (422, "not_an_image")
    assert stored(folder) == set()
    assert not listing.images.exists()


def test_a_photo_of_another_type_than_announced_is_no_photo(seller: APIClient, listing: Listing) -> None:
    key = uploaded(listing, photo(form="PNG")).key
    assert code_of(seller.post(images_of(listing), {"key": key})) == "not_an_image"


def test_a_file_beyond_its_form_is_refused(seller: APIClient, listing: Listing) -> None:
    key = uploaded(listing, photo(), size=100).key
    assert code_of(seller.post(images_of(listing), {"key": key})) == "not_an_image"


def test_the_same_key_confirms_once(seller: APIClient, listing: Listing) -> None:
    key = uploaded(listing, photo()).key
    seller.credentials(**seller._credentials, HTTP_IDEMPOTENCY_KEY="one")  # type: ignore[attr-defined]
    first, second = (seller.post(images_of(listing), {"key": key}) for _ in range(2))
    assert (first.status_code, first.json()) == (second.status_code, second.json()) == (201, second.json())
    assert listing.images.count() == 1


@pytest.mark.parametrize("status", ["pending_review", "pending_sale", "sold", "suspended"])
def test_in_other_statuses_photos_stay(seller: APIClient, listing: Listing, status: str) -> None:
    key, image = uploaded(listing, photo()).key, added_image(listing)
    Listing.objects.filter(pk=listing.pk).update(status=status, published_at=timezone.now())
    one = f"{images_of(listing)}/{image.pk}"
    answers = [
        seller.post(images_of(listing), {"key": key}),
        seller.patch(one, {"is_primary": True}),
        seller.patch(f"{images_of(listing)}/reorder", {"order": [str(image.pk)]}),
        seller.delete(one),
    ]
    assert [(answer.status_code, code_of(answer)) for answer in answers] == [(409, "files_locked")] * 4


def test_only_the_seller_changes_photos(
    shown: Listing, other_user: User, make_user: Any, as_user: Callable[[User], APIClient], api: APIClient
) -> None:
    one = f"{images_of(shown)}/{shown.images.first().pk}"  # type: ignore[union-attr]
    people = [(api, 401), (as_user(other_user), 403), (as_user(make_user(roles=["moderator"])), 403)]
    for caller, status in people:
        assert caller.post(images_of(shown), {"key": "x"}).status_code == status
        assert caller.patch(one, {"is_primary": True}).status_code == status
        assert caller.patch(f"{images_of(shown)}/reorder", {"order": []}).status_code == status
        assert caller.delete(one).status_code == status
    Listing.objects.filter(pk=shown.pk).update(status="draft")
    assert as_user(other_user).delete(one).status_code == 404


# --- The first one, and the order -------------------------------------------------------------------------------------


def test_the_primary_photo_is_one(seller: APIClient, listing: Listing) -> None:
    first, second = added_image(listing), added_image(listing, is_primary=True)
    third = added_image(listing)
    assert list(listing.images.filter(is_primary=True)) == [second]
    answer = seller.patch(f"{images_of(listing)}/{third.pk}", {"is_primary": True})
    assert (answer.status_code, answer.json()["is_primary"]) == (200, True)
    assert list(listing.images.filter(is_primary=True)) == [third]
    assert seller.patch(f"{images_of(listing)}/{first.pk}", {"is_primary": False}).status_code == 400


def test_without_the_primary_photo_the_next_is(seller: APIClient, listing: Listing, folder: Path) -> None:
    first, second = added_image(listing), added_image(listing)
    assert seller.delete(f"{images_of(listing)}/{first.pk}").status_code == 204
    assert list(listing.images.values_list("pk", "is_primary")) == [(second.pk, True)]
    assert seller.delete(f"{images_of(listing)}/{second.pk}").status_code == 204
    assert not listing.images.exists()
    assert added_image(listing).is_primary


def test_files_go_after_the_commit(
    seller: APIClient, listing: Listing, folder: Path, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        image = added_image(listing)
    assert len(stored(folder)) == 3
    with django_capture_on_commit_callbacks(execute=True):
        seller.delete(f"{images_of(listing)}/{image.pk}")
        assert len(stored(folder)) == 3
    assert stored(folder) == set()


def test_the_order_is_set_in_one_call(seller: APIClient, listing: Listing) -> None:
    wanted = [image.pk for image in [added_image(listing) for _ in range(3)]][::-1]
    answer = seller.patch(f"{images_of(listing)}/reorder", {"order": [str(pk) for pk in wanted]})
    assert (answer.status_code, answer.json()) == (200, {"order": [str(pk) for pk in wanted]})
    assert order_of(listing) == wanted
    assert set(listing.images.values_list("position", flat=True)) == {1, 2, 3}


def test_an_order_names_each_photo_once(seller: APIClient, listing: Listing, user: User) -> None:
    first, second = added_image(listing), added_image(listing)
    foreign = added_image(ListingFactory(seller=user))
    for order in ([first], [first, first], [first, second, foreign], [first, foreign], []):
        answer = seller.patch(f"{images_of(listing)}/reorder", {"order": [str(image.pk) for image in order]})
        assert (answer.status_code, code_of(answer)) == (422, "not_the_images")
    bad = seller.patch(f"{images_of(listing)}/reorder", {"order": ["x"]})
    assert (bad.status_code, order_of(listing)) == (400, [first.pk, second.pk])
    assert seller.patch(f"{images_of(listing)}/reorder?a=1", {"order": []}).status_code == 400


def test_an_old_tag_is_refused(seller: APIClient, listing: Listing) -> None:
    one = f"{images_of(listing)}/{added_image(listing).pk}"
    tag = seller.get(one)["ETag"]
    assert seller.delete(one, HTTP_IF_MATCH='"old"').status_code == 412
    assert seller.get(one, HTTP_IF_NONE_MATCH=tag).status_code == 304
    assert seller.delete(one, HTTP_IF_MATCH=tag).status_code == 204


def test_the_listing_remembers_what_happened_to_its_photos(seller: APIClient, listing: Listing) -> None:
    seller.delete(f"{images_of(listing)}/{added_image(listing).pk}")
    assert list(ListingEvent.objects.values_list("kind", "new", "actor")) == [
        ("edited", "photo_removed", listing.seller_id),
        ("edited", "photo_added", listing.seller_id),
    ]


# --- Looking ----------------------------------------------------------------------------------------------------------


def test_others_see_only_what_is_ready(
    shown: Listing, seller: APIClient, api: APIClient, make_user: Any, as_user: Callable[[User], APIClient]
) -> None:
    added_image(shown, ready=False)
    staff = as_user(make_user(roles=["moderator"]))
    counts = [one.get(images_of(shown)).json()["count"] for one in (api, seller, staff)]
    assert counts == [2, 3, 3]
    Listing.objects.filter(pk=shown.pk).update(status="draft")
    assert [one.get(images_of(shown)).status_code for one in (api, seller, staff)] == [404, 200, 200]


def test_a_list_costs_the_same_for_any_number(shown: Listing, api: APIClient, django_assert_num_queries: Any) -> None:
    for _ in range(4):
        added_image(shown)
    with django_assert_num_queries(2):
        assert len(api.get(images_of(shown)).json()["results"]) == 6


@pytest.mark.parametrize(
    ("size", "width"), [("", 2000), ("?size=original", 2000), ("?size=large", 1024), ("?size=thumb", 320)]
)
def test_a_file_is_shown_at_an_address_that_stays(shown: Listing, api: APIClient, size: str, width: int) -> None:
    image = added_image(shown, photo((2000, 1000)))
    answer = api.get(f"{images_of(shown)}/{image.pk}/file{size}", HTTP_ACCEPT="image/webp")
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/jpeg")
    assert Image.open(io.BytesIO(b"".join(answer.streaming_content))).width == width  # type: ignore[attr-defined]
    assert (answer["X-Content-Type-Options"], answer["Cache-Control"]) == ("nosniff", "private, max-age=300")
    again = api.get(f"{images_of(shown)}/{image.pk}/file{size}", HTTP_IF_NONE_MATCH=answer["ETag"])
    assert (again.status_code, again.content) == (304, b"")


def test_a_file_is_as_visible_as_its_listing(
    shown: Listing, seller: APIClient, api: APIClient, other_user: User, as_user: Callable[[User], APIClient]
) -> None:
    url = f"{images_of(shown)}/{shown.images.first().pk}/file"  # type: ignore[union-attr]
    Listing.objects.filter(pk=shown.pk).update(status="suspended")
    assert [one.get(url).status_code for one in (api, as_user(other_user))] == [404, 404]
    assert b"".join(seller.get(url).streaming_content).startswith(b"\xff\xd8")  # type: ignore[attr-defined]
    waiting = added_image(ListingFactory(seller=shown.seller), ready=False)
    assert seller.get(f"{images_of(waiting.listing)}/{waiting.pk}/file").status_code == 404
    assert seller.get(f"{images_of(shown)}/{uuid4()}/file").status_code == 404
    assert seller.get(f"{url}?size=huge").status_code == 400


def test_photos_have_a_limit_of_their_own(shown: Listing, api: APIClient, settings: Any) -> None:
    settings.DISABLE_THROTTLES = False
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"anonymous": "1/hour", "photos": "2/hour"}
    url = f"{images_of(shown)}/{shown.images.first().pk}/file"  # type: ignore[union-attr]
    answers = [api.get(url) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    for answer in answers:
        answer.close()


# --- Processing -------------------------------------------------------------------------------------------------------


def test_the_file_with_the_place_in_it_is_deleted(
    listing: Listing, folder: Path, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        image = added_image(listing, photo_of_a_camera())
    assert stored(folder) == {image.key, *image.thumbnails.values()}
    assert not any(b"SpyCam" in (folder / key).read_bytes() for key in stored(folder))
    assert image.size == (folder / image.key).stat().st_size


def test_processing_twice_changes_nothing(listing: Listing, folder: Path) -> None:
    image = added_image(listing)
    before = (ListingImage.objects.values().get(), stored(folder))
    assert not images.process_image(image_id=image.pk, now=timezone.now() + timedelta(days=1))
    assert not images.process_image(image_id=uuid4(), now=timezone.now())
    assert (ListingImage.objects.values().get(), stored(folder)) == before


def test_a_photo_that_cannot_be_decoded_fails_and_another_stands_for_the_listing(
    listing: Listing, folder: Path, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        broken, good = added_image(listing, photo((400, 300))[:700]), added_image(listing)
    good.refresh_from_db()
    assert (broken.status, broken.is_primary, broken.attempts) == ("failed", False, 1)
    assert good.is_primary
    assert stored(folder) == {good.key, *good.thumbnails.values()}


def test_a_file_that_is_gone_fails_its_photo(listing: Listing, folder: Path) -> None:
    image = added_image(listing, ready=False)
    (folder / image.key).unlink()
    assert images.process_image(image_id=image.pk, now=timezone.now())
    image.refresh_from_db()
    assert (image.status, image.is_primary) == ("failed", False)


def test_the_sweep_finds_a_photo_whose_ring_was_lost(listing: Listing, monkeypatch: pytest.MonkeyPatch) -> None:
    image = added_image(listing, ready=False)
    assert images.due_images(now=timezone.now()) == []
    monkeypatch.setattr(tasks, "database_now", lambda: timezone.now() + timedelta(minutes=1))
    tasks.process_images()
    assert ListingImage.objects.get(pk=image.pk).status == "ready"


@pytest.mark.fault("F30", "the store away while a photo is processed", expected="three attempts, then failed")
def test_a_storage_that_is_away_costs_an_attempt_and_the_third_is_the_last(
    listing: Listing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: Any) -> bytes:
        raise ServiceUnavailable

    monkeypatch.setattr(FolderStore, "read", away)
    image, now = added_image(listing, ready=False), timezone.now()
    for attempt in range(1, 4):
        now += timedelta(minutes=6)
        assert images.due_images(now=now) == [image.pk]
        assert not images.process_image(image_id=image.pk, now=now)
        assert not images.process_image(image_id=image.pk, now=now), "somebody works on it"
        image.refresh_from_db()
        assert (image.status, image.attempts) == ("processing", attempt)
    assert images.due_images(now=now + timedelta(minutes=6)) == []
    image.refresh_from_db()
    assert image.status == "failed"


def test_a_photo_that_was_removed_meanwhile_leaves_no_file(
    listing: Listing, folder: Path, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    image = added_image(listing, ready=False)
    render = pictures.render

    def removed_while(data: bytes, content_type: str) -> Any:
        images.remove_image(image=image, actor=listing.seller)
        return render(data, content_type)

    monkeypatch.setattr(pictures, "render", removed_while)
    with django_capture_on_commit_callbacks(execute=True):
        assert not images.process_image(image_id=image.pk, now=timezone.now())
    assert stored(folder) == set()


def test_a_worker_that_was_too_slow_deletes_what_it_made(
    listing: Listing, folder: Path, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    image, now = added_image(listing, ready=False), timezone.now()
    render = pictures.render

    def overtaken(data: bytes, content_type: str) -> Any:
        monkeypatch.setattr(pictures, "render", render)
        assert images.process_image(image_id=image.pk, now=now + timedelta(minutes=6))
        return render(data, content_type)

    monkeypatch.setattr(pictures, "render", overtaken)
    with django_capture_on_commit_callbacks(execute=True):
        assert not images.process_image(image_id=image.pk, now=now)
    image.refresh_from_db()
    assert (image.status, image.attempts) == ("ready", 2)
    assert stored(folder) == {image.key, *image.thumbnails.values()}


def test_a_deleted_listing_takes_its_files_along(
    listing: Listing, folder: Path, django_capture_on_commit_callbacks: Any
) -> None:
    added_image(listing), added_image(listing, ready=False), added_document(listing), uploaded(listing, photo())
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        files.forget_files(listing)
        listing.delete()
        assert len(stored(folder)) > 5
    assert stored(folder) == set()
    assert not Upload.objects.exists()
