"""The same with a bucket, on a stand-in for S3 in this process."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError, EndpointConnectionError
from django.core.files.storage import storages
from django.utils import timezone
from moto import mock_aws
from rest_framework.test import APIClient

from auctions.models import Listing, ListingDocument, ListingImage, Upload
from auctions.services import files, images
from common.errors import ServiceUnavailable
from common.uploads import FileMissing, store
from config.settings.environment import s3_storage
from tests.auctions.uploading import PDF, added_document, added_image, ask, photo, photo_of_a_camera, uploaded

pytestmark = pytest.mark.django_db
KEY_ID, SECRET = "AKIDEXAMPLEEXAMPLE00", "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY00"


@pytest.fixture(autouse=True)
def bucket(settings: Any) -> Iterator[Any]:
    with mock_aws():
        settings.STORAGES = settings.STORAGES | {
            "default": s3_storage(bucket="papers", region="eu-central-1", endpoint="", key_id=KEY_ID, secret=SECRET)
        }
        settings.UPLOAD_STORE = "common.s3.BucketStore"
        client = storages["default"].connection.meta.client
        client.create_bucket(Bucket="papers", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        yield client


def keys(bucket: Any) -> set[str]:
    return {entry["Key"] for entry in bucket.list_objects_v2(Bucket="papers").get("Contents", [])}


def test_the_form_fixes_key_type_size_and_time(seller: APIClient, listing: Listing) -> None:
    body = ask(seller, listing, size=1000).json()
    policy = json.loads(base64.b64decode(body["fields"]["policy"]))
    assert body["url"] == "https://papers.s3.eu-central-1.amazonaws.com/"
    assert body["fields"]["key"] == Upload.objects.get().key
    for condition in (
        {"key": body["fields"]["key"]},
        {"Content-Type": "image/jpeg"},
        ["content-length-range", 1, 1000],
    ):
        assert condition in policy["conditions"]
    assert {"bucket": "papers"} in policy["conditions"]
    left = datetime.fromisoformat(policy["expiration"]) - timezone.now()
    assert timedelta(minutes=4) < left <= timedelta(minutes=5)
    assert not any("acl" in str(condition).lower() for condition in policy["conditions"])


def test_the_secret_stays_here(seller: APIClient, listing: Listing) -> None:
    assert SECRET not in ask(seller, listing).content.decode()


@pytest.mark.fault(
    "F30",
    "the bucket out of reach while a form for an upload is asked for",
    expected="the usual answer: it is signed here",
)
def test_asking_needs_no_storage(seller: APIClient, listing: Listing, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("asked the bucket")

    monkeypatch.setattr("botocore.httpsession.URLLib3Session.send", away)
    assert ask(seller, listing).status_code == 200


def test_a_posted_file_becomes_a_photo_without_its_place(
    seller: APIClient, listing: Listing, bucket: Any, django_capture_on_commit_callbacks: Any
) -> None:
    key = uploaded(listing, photo_of_a_camera()).key
    with django_capture_on_commit_callbacks(execute=True):
        body = seller.post(f"/api/vehicles/{listing.pk}/images", {"key": key}).json()
        assert images.process_image(image_id=body["id"], now=timezone.now())
    image = ListingImage.objects.get()
    assert keys(bucket) == {image.key, *image.thumbnails.values()}
    made = bucket.get_object(Bucket="papers", Key=image.key)
    assert (made["ContentType"], b"SpyCam" in made["Body"].read()) == ("image/jpeg", False)


def test_a_photo_is_read_at_an_address_of_the_bucket(seller: APIClient, listing: Listing, api: APIClient) -> None:
    image = added_image(listing)
    answer = seller.get(f"/api/vehicles/{listing.pk}/images/{image.pk}/file?size=thumb")
    query = parse_qs(urlsplit(answer["Location"]).query)
    assert (answer.status_code, answer["Cache-Control"]) == (302, "private, max-age=60")
    assert urlsplit(answer["Location"]).path == f"/{image.thumbnails['thumb']}"
    assert (query["X-Amz-Expires"], query["response-content-type"]) == (["300"], ["image/jpeg"])
    assert SECRET not in answer["Location"]
    assert api.get(f"/api/vehicles/{listing.pk}/images/{image.pk}/file").status_code == 404


def test_what_is_no_photo_is_deleted(seller: APIClient, listing: Listing, bucket: Any) -> None:
    for data in (b"<html>", b"", photo() * 500):
        key = uploaded(listing, data, size=10_000).key
        answer = seller.post(f"/api/vehicles/{listing.pk}/images", {"key": key})
        assert answer.json()["errors"][0]["code"] == "not_an_image"
    assert keys(bucket) == set()


def test_a_paper_is_downloaded_from_where_its_form_does_not_reach(
    seller: APIClient, listing: Listing, bucket: Any, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        document = added_document(listing)
    assert keys(bucket) == {document.key}
    address = seller.get(f"/api/vehicles/{listing.pk}/documents/{document.pk}/url").json()["url"]
    query = parse_qs(urlsplit(address).query)
    assert query["response-content-disposition"][0].startswith("attachment; ")
    assert (query["response-content-type"], query["X-Amz-Expires"]) == (["application/pdf"], ["300"])


def test_a_paper_that_was_changed_after_the_look_is_not_taken(
    seller: APIClient, listing: Listing, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stand-in knows no CopySourceIfMatch, so S3's refusal is said for it."""
    upload = uploaded(listing, PDF, content_type="application/pdf", purpose="document")
    looked_at = bucket.head_object(Bucket="papers", Key=upload.key)["ETag"]

    def refuse(self: Any, operation: str, arguments: dict[str, Any]) -> Any:
        if operation != "CopyObject":
            return call(self, operation, arguments)
        assert arguments["CopySourceIfMatch"] == looked_at
        raise ClientError({"Error": {"Code": "PreconditionFailed"}}, operation)

    call = BaseClient._make_api_call  # type: ignore[attr-defined]
    monkeypatch.setattr(BaseClient, "_make_api_call", refuse)
    answer = seller.post(f"/api/vehicles/{listing.pk}/documents", {"key": upload.key, "kind": "title"})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (409, "upload_missing")
    assert not ListingDocument.objects.exists()


def test_our_own_ends_are_closed(seller: APIClient, listing: Listing, api: APIClient) -> None:
    form = ask(seller, listing).json()["fields"]
    assert api.post("/api/uploads", form, format="multipart").status_code == 404
    assert api.get("/api/files/x").status_code == 404


def test_the_sweep_deletes_in_the_bucket(listing: Listing, bucket: Any) -> None:
    uploaded(listing, photo())
    assert files.sweep_uploads(now=timezone.now() + timedelta(days=1)) == (1, 0)
    assert keys(bucket) == set()


def test_the_store_tells_what_is_there(bucket: Any) -> None:
    with pytest.raises(FileMissing):
        store().head("nothing", 10)
    store().save("one", b"0123456789", "image/png")
    assert (store().head("one", 4)[:2], store().read("one", 3)) == ((10, b"0123"), b"012")
    assert store().open("one") is None
    store().delete("one", "nothing")
    store().delete()
    assert keys(bucket) == set()


@pytest.mark.fault("F30", "the bucket away when an upload is confirmed", expected="503, no secret in answer or log")
def test_a_bucket_that_is_away_is_503_and_no_secret_is_told(
    seller: APIClient, listing: Listing, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    key = uploaded(listing, photo()).key
    entry = s3_storage(bucket="gone", region="eu-central-1", endpoint="", key_id=KEY_ID, secret=SECRET)
    settings.STORAGES = settings.STORAGES | {"default": entry}
    with caplog.at_level("DEBUG"):
        answer = seller.post(f"/api/vehicles/{listing.pk}/images", {"key": key})
    assert (answer.status_code, "Retry-After" in answer) == (503, True)
    told = caplog.text + answer.content.decode()
    assert "NoSuchBucket" in told
    assert not any(secret in told for secret in (SECRET, KEY_ID, "Signature=", key))


def test_a_bucket_that_nobody_reaches_is_503(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*args: Any, **kwargs: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://secret.internal")

    monkeypatch.setattr("botocore.client.BaseClient._make_api_call", unreachable)
    for act in (lambda: store().read("a", 1), lambda: store().delete("a"), lambda: store().save("a", b"", "x")):
        with pytest.raises(ServiceUnavailable):
            act()


def test_another_makers_service_is_asked_by_path() -> None:
    entry = s3_storage(bucket="papers", region="x", endpoint="http://minio:9000", key_id="", secret="")
    options = entry["OPTIONS"]
    assert (options["client_config"].s3, options["access_key"]) == ({"addressing_style": "path"}, None)
    assert (options["default_acl"], options["querystring_auth"]) == (None, True)
