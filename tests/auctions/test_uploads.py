"""Asking for a place, and posting a file to it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core import signing
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from auctions.models import Listing, Upload
from auctions.services import files
from common import clock
from common.uploads import FileMissing, FolderStore, read_address, store
from tests.auctions.factories import ListingFactory
from tests.auctions.uploading import PDF, added_image, ask, photo, post, stored, uploaded

pytestmark = pytest.mark.django_db


@pytest.fixture
def form(seller: APIClient, listing: Listing) -> dict[str, Any]:
    return ask(seller, listing).json()


def code_of(answer: Any) -> str:
    return answer.json()["errors"][0]["code"]


FORM = "multipart/form-data; boundary=b"


# --- Asking -----------------------------------------------------------------------------------------------------------


def test_the_server_chooses_the_key_and_keeps_the_name_apart(seller: APIClient, listing: Listing) -> None:
    answer = ask(seller, listing, filename="../../etc/pass wd.html")
    body, upload = answer.json(), Upload.objects.get()
    assert answer.status_code == 200
    assert body["fields"]["key"] == upload.key == f"listings/{listing.pk}/{body['image_id']}.jpg"
    assert upload.filename == "pass wd.jpg"
    assert body["expires_at"] < upload.expires_at.isoformat()


def test_a_stranger_finds_no_draft_and_an_insider_may_not(
    other_user: User, make_user: Any, as_user: Callable[[User], APIClient], api: APIClient, listing: Listing
) -> None:
    insider = make_user(roles=["moderator"])
    assert [ask(as_user(person), listing).status_code for person in (other_user, insider)] == [404, 403]
    assert ask(api, listing).status_code == 401
    Listing.objects.filter(pk=listing.pk).update(status="active", published_at=timezone.now())
    assert ask(as_user(other_user), listing).status_code == 403
    assert not Upload.objects.exists()


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"content_type": "application/x-msdownload"}, 400, "invalid_choice"),
        ({"content_type": "image/svg+xml"}, 400, "invalid_choice"),
        ({"content_type": "text/html"}, 400, "invalid_choice"),
        ({"content_type": "application/pdf"}, 422, "type_not_allowed"),
        ({"size": 0}, 400, "min_value"),
        ({"size": 10 * 1024 * 1024 + 1}, 422, "file_too_large"),
        ({"size": 20 * 1024 * 1024 + 1, "purpose": "document"}, 422, "file_too_large"),
        ({"filename": "a\nb"}, 400, "pattern"),
        ({"purpose": "virus"}, 400, "invalid_choice"),
        ({"key": "listings/1/x.jpg"}, 400, "unknown_field"),
    ],
)
def test_what_is_not_taken_is_refused_by_its_code(
    seller: APIClient, listing: Listing, body: dict[str, Any], status: int, code: str
) -> None:
    answer = ask(seller, listing, **body)
    assert (answer.status_code, code_of(answer)) == (status, code)


@pytest.mark.parametrize(
    ("status", "photos", "papers"),
    [
        ("draft", 200, 200),
        ("pending_review", 409, 200),
        ("changes_requested", 200, 200),
        ("active", 200, 200),
        ("pending_sale", 409, 200),
        ("sold", 409, 200),
        ("rejected", 409, 409),
        ("suspended", 409, 409),
        ("archived", 409, 409),
    ],
)
def test_the_status_decides_what_may_change(
    seller: APIClient, user: User, status: str, photos: int, papers: int
) -> None:
    listing = ListingFactory(seller=user, status=status, published_at=timezone.now())
    answers = [ask(seller, listing), ask(seller, listing, purpose="document")]
    assert [answer.status_code for answer in answers] == [photos, papers]
    assert {code_of(answer) for answer in answers if answer.status_code == 409} <= {"files_locked"}


def test_announced_photos_count_until_they_expire(seller: APIClient, listing: Listing) -> None:
    added_image(listing, ready=False)
    for _ in range(29):
        uploaded(listing, photo())
    refused = ask(seller, listing)
    assert (refused.status_code, code_of(refused)) == (409, "too_many_images")
    assert ask(seller, listing, purpose="document").status_code == 200
    past = timezone.now() - timedelta(hours=1)
    Upload.objects.filter(confirmed_at=None).update(created_at=past, expires_at=past + timedelta(minutes=1))
    assert ask(seller, listing).status_code == 200


def test_there_are_twenty_papers_at_most(seller: APIClient, listing: Listing) -> None:
    for _ in range(20):
        uploaded(listing, PDF, content_type="application/pdf", purpose="document")
    refused = ask(seller, listing, purpose="document")
    assert (refused.status_code, code_of(refused)) == (409, "too_many_documents")


def test_the_same_key_asks_once(seller: APIClient, listing: Listing) -> None:
    seller.credentials(**seller._credentials, HTTP_IDEMPOTENCY_KEY="one")  # type: ignore[attr-defined]
    first, second = ask(seller, listing), ask(seller, listing)
    assert (first.json(), second["Idempotency-Replayed"]) == (second.json(), "true")
    assert Upload.objects.count() == 1


# --- Posting ----------------------------------------------------------------------------------------------------------


def test_the_form_takes_a_file_as_it_is(form: dict[str, Any], folder: Path) -> None:
    answer = post(form, photo())
    assert (answer.status_code, answer.content) == (204, b"")
    assert (folder / form["fields"]["key"]).read_bytes() == photo()
    assert stored(folder) == {form["fields"]["key"]}


def test_a_place_takes_one_file(form: dict[str, Any], folder: Path) -> None:
    assert post(form, b"first").status_code == 204
    again = post(form, b"second")
    assert (again.status_code, code_of(again)) == (409, "already_uploaded")
    assert (folder / form["fields"]["key"]).read_bytes() == b"first"
    assert len(stored(folder)) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"key": "listings/1/00000000-0000-4000-8000-000000000000.jpg"},
        {"key": "../../outside.jpg"},
        {"key": None},
        {"Content-Type": "text/html"},
        {"Content-Type": None},
        {"policy": None},
        {"policy": "e30:1vNq:forged"},
        {"acl": "public-read"},
    ],
)
def test_a_changed_form_is_refused_before_anything_is_written(
    form: dict[str, Any], folder: Path, changes: dict[str, Any], tmp_path: Path
) -> None:
    answer = post(form, photo(), **changes)
    assert (answer.status_code, code_of(answer)) == (403, "policy_refused")
    assert stored(tmp_path) == set()
    assert not (folder / ".incoming").exists()


def test_another_signature_of_ours_is_no_policy(form: dict[str, Any]) -> None:
    policy = signing.loads(form["fields"]["policy"], salt="common.uploads.post")
    forged = signing.dumps(policy, salt="common.uploads.read")
    assert post(form, photo(), policy=forged).status_code == 403


def test_after_five_minutes_it_is_too_late(form: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    later = timezone.now() + timedelta(minutes=5)
    monkeypatch.setattr(clock, "now", lambda: later)
    answer = post(form, photo())
    assert (answer.status_code, code_of(answer)) == (403, "policy_expired")


@pytest.mark.parametrize(
    ("size", "status", "code"),
    [(0, 400, "file_too_small"), (101, 413, "file_too_large"), (10**6, 413, "file_too_large")],
)
def test_the_size_is_that_of_the_policy(
    seller: APIClient, listing: Listing, folder: Path, size: int, status: int, code: str
) -> None:
    form = ask(seller, listing, size=100).json()
    answer = post(form, b"x" * size)
    assert (answer.status_code, code_of(answer)) == (status, code)
    assert stored(folder) == set()
    assert post(form, b"x" * 100).status_code == 204


def test_a_large_file_passes_here_and_nowhere_else(seller: APIClient, listing: Listing, folder: Path) -> None:
    form = ask(seller, listing, purpose="document", content_type="application/pdf").json()
    assert post(form, b"x" * (3 * 1024 * 1024)).status_code == 204
    elsewhere = seller.post(f"/api/vehicles/{listing.pk}/upload-url", "x" * 2**21, content_type="application/json")
    assert elsewhere.status_code == 413
    beyond = APIClient().post("/api/uploads", b"x", CONTENT_LENGTH="23000000", content_type="multipart/form-data")
    assert beyond.status_code == 413


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{}", "application/json", 415),
        (b"", "multipart/form-data", 400),
        (b"no boundary", "multipart/form-data", 400),
        (b"--b\r\nbroken", FORM, 400),
        (b'--b\r\nContent-Disposition: form-data; name="key"\r\n\r\nx\r\n--b--\r\n', FORM, 400),
        (b'--b\r\nContent-Disposition: form-data; name="file"; filename="\x00"\r\n\r\nx\r\n--b--', FORM, 400),
    ],
)
def test_what_is_no_form_is_refused(body: bytes, content_type: str, status: int) -> None:
    answer = APIClient().generic("POST", "/api/uploads", body, content_type)
    assert answer.status_code == status, answer.content


def test_a_second_file_is_refused(form: dict[str, Any], folder: Path) -> None:
    two = {"file": SimpleUploadedFile("a", b"a"), "other": SimpleUploadedFile("b", b"b")}
    answer = APIClient().post("/api/uploads", {**form["fields"], **two}, format="multipart")
    assert answer.status_code == 400
    assert stored(folder) == set()


def test_a_file_before_its_policy_is_refused(form: dict[str, Any], folder: Path) -> None:
    fields = {"file": SimpleUploadedFile("a", photo()), **form["fields"]}
    assert APIClient().post("/api/uploads", fields, format="multipart").status_code == 403
    assert stored(folder) == set()


def test_without_a_length_nothing_is_read() -> None:
    answer = APIClient().generic("POST", "/api/uploads", b"", "multipart/form-data; boundary=b", CONTENT_LENGTH="")
    assert (answer.status_code, code_of(answer)) == (400, "length_required")


def test_uploads_have_a_limit_of_their_own(form: dict[str, Any], settings: Any) -> None:
    settings.DISABLE_THROTTLES = False
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"uploads": "1/minute"}
    assert [post(form, photo()).status_code for _ in range(2)] == [204, 429]


# --- The folder -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["../x", "/etc/passwd", "a//b", "a/../b", "a/.hidden", "A/b", "a/b\n", "", "a\0b"])
def test_a_key_that_the_server_would_not_make_is_a_mistake(key: str) -> None:
    for act in (store().open, store().delete, lambda key: store().save(key, b"", "")):
        with pytest.raises(ValueError, match="not a key"):
            act(key)


def test_links_are_not_followed(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"s")
    (folder / "listings").mkdir()
    (folder / "listings" / "1").symlink_to(tmp_path)
    (folder / "link").symlink_to(secret)
    for key in ("link", "listings/1/secret", "listings"):
        with pytest.raises((FileMissing, OSError)):
            store().read(key, 1)
    with pytest.raises(OSError, match="Not a directory"):
        store().save("listings/1/secret", b"overwritten", "")
    assert secret.read_bytes() == b"s"


def test_a_copy_is_of_the_version_that_was_looked_at(folder: Path) -> None:
    store().save("a", b"one", "")
    tag = store().head("a", 1).tag
    store().save("a", b"other", "")
    with pytest.raises(FileMissing):
        store().copy("a", "b", tag=tag)
    store().copy("a", "b", tag=store().head("a", 1).tag)
    assert store().read("b", 99) == b"other"


def test_what_broken_uploads_left_is_removed_after_an_hour(folder: Path) -> None:
    (folder / ".incoming").mkdir()
    (folder / ".incoming" / "0f").write_bytes(b"half")
    assert store().clean(now=timezone.now() + timedelta(minutes=59)) == 0
    assert store().clean(now=timezone.now() + timedelta(minutes=61)) == 1
    assert stored(folder) == set()


# --- Reading ----------------------------------------------------------------------------------------------------------


def address(*, minutes: int = 5, disposition: str = "attachment", name: str = 'ti"tle\n é.pdf') -> str:
    now = timezone.now()
    return store().signed_url(
        "a", expires_at=now + timedelta(minutes=minutes), now=now, filename=name, content_type="application/pdf",
        disposition=disposition,
    ).removeprefix("http://localhost:8000")  # fmt: skip


def test_a_signed_address_downloads_the_file(folder: Path, api: APIClient) -> None:
    store().save("a", PDF, "")
    answer = api.get(address())
    assert (answer.status_code, b"".join(answer.streaming_content)) == (200, PDF)  # type: ignore[attr-defined]
    assert answer["Content-Type"] == "application/pdf"
    name = "ti%22tle%0A%20%C3%A9.pdf"
    assert answer["Content-Disposition"] == f"attachment; filename=\"{name}\"; filename*=UTF-8''{name}"
    assert (answer["X-Content-Type-Options"], answer["Cache-Control"]) == ("nosniff", "no-store")


def test_other_addresses_look_all_alike(folder: Path, api: APIClient) -> None:
    store().save("a", PDF, "")
    good = address()
    store().delete("a")
    policy = FolderStore().presign_post(
        key="a", content_type="x", max_size=1, expires_at=timezone.now(), now=timezone.now()
    )
    bad = [good, good[:-1], address(minutes=0), "/api/files/x", f"/api/files/{policy.fields['policy']}"]
    assert {api.get(url).status_code for url in bad} == {404}
    with pytest.raises(FileMissing):
        read_address("x:y:z", now=timezone.now())


# --- The sweep --------------------------------------------------------------------------------------------------------


def test_what_was_never_confirmed_is_swept(listing: Listing, folder: Path) -> None:
    kept, old = uploaded(listing, photo()), uploaded(listing, photo())
    past = timezone.now() - timedelta(hours=1)
    Upload.objects.filter(pk=old.pk).update(created_at=past, expires_at=past + timedelta(minutes=15))
    assert files.sweep_uploads(now=timezone.now()) == (1, 0)
    assert set(Upload.objects.values_list("pk", flat=True)) == {kept.pk}
    assert stored(folder) == {kept.key}
    assert files.sweep_uploads(now=timezone.now()) == (0, 0)


def test_a_photo_that_still_waits_keeps_its_file(listing: Listing, folder: Path) -> None:
    image = added_image(listing, ready=False)
    later = timezone.now() + timedelta(days=1)
    assert files.sweep_uploads(now=later) == (0, 0)
    assert stored(folder) == {image.key}


def test_a_store_that_is_away_leaves_the_row(listing: Listing, monkeypatch: pytest.MonkeyPatch) -> None:
    uploaded(listing, photo())

    def away(*keys: str) -> None:
        raise OSError("gone")

    monkeypatch.setattr(FolderStore, "delete", staticmethod(away))
    assert files.sweep_uploads(now=timezone.now() + timedelta(days=1)) == (0, 1)
    assert Upload.objects.count() == 1
