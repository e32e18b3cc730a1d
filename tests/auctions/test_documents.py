"""Papers: who brings them, who reads them, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from auctions.models import Listing, ListingDocument
from auctions.services import files
from tests.auctions.factories import BidderFactory, ListingFactory, OrderFactory
from tests.auctions.uploading import PDF, added_document, ask, photo, post, stored, uploaded

pytestmark = pytest.mark.django_db


def code_of(answer: Any) -> str:
    return answer.json()["errors"][0]["code"]


def documents_of(listing: Listing) -> str:
    return f"/api/vehicles/{listing.pk}/documents"


def test_from_the_form_to_the_download(
    seller: APIClient, api: APIClient, listing: Listing, folder: Path, django_capture_on_commit_callbacks: Any
) -> None:
    form = ask(seller, listing, purpose="document", content_type="application/pdf", filename="Title é.PDF").json()
    assert post(form, PDF).status_code == 204
    with django_capture_on_commit_callbacks(execute=True):
        answer = seller.post(documents_of(listing), {"key": form["fields"]["key"], "kind": "title"})
    body = answer.json()
    assert (answer.status_code, body["id"], body["filename"]) == (201, form["image_id"], "Title é.pdf")
    assert stored(folder) == {f"listings/{listing.pk}/{body['id']}/document.pdf"}
    address = seller.get(f"{documents_of(listing)}/{body['id']}/url").json()
    file = api.get(address["url"].removeprefix("http://localhost:8000"))
    assert b"".join(file.streaming_content) == PDF  # type: ignore[attr-defined]
    assert file["Content-Disposition"].startswith("attachment; ")
    assert file["Content-Type"] == "application/pdf"


@pytest.mark.parametrize(
    "data",
    [b"<html>%PDF-1.7", b"MZ\x90", b" %PDF-1.7", b"\xff\xd8\xff%PDF-1.7", b"<svg/>", b"", photo()],
    ids=["html", "exe", "shifted", "polyglot", "svg", "empty", "photo"],
)
def test_what_is_not_what_it_was_announced_as_is_deleted(
    seller: APIClient, listing: Listing, folder: Path, data: bytes
) -> None:
    key = uploaded(listing, data, content_type="application/pdf", purpose="document").key
    answer = seller.post(documents_of(listing), {"key": key, "kind": "other"})
    assert (answer.status_code, code_of(answer)) == (422, "not_a_document")
    assert stored(folder) == set()


def test_a_scan_may_be_a_photo_and_stays_as_it_is(seller: APIClient, listing: Listing, folder: Path) -> None:
    key = uploaded(listing, photo(form="PNG"), content_type="image/png", purpose="document").key
    body = seller.post(documents_of(listing), {"key": key, "kind": "inspection"}).json()
    assert body["content_type"] == "image/png"
    kept = ListingDocument.objects.get(pk=body["id"]).key
    assert (folder / kept).read_bytes() == photo(form="PNG")


def test_a_form_that_is_used_once_more_does_not_reach_the_paper(
    seller: APIClient, listing: Listing, folder: Path, django_capture_on_commit_callbacks: Any
) -> None:
    form = ask(seller, listing, purpose="document", content_type="application/pdf").json()
    post(form, PDF)
    with django_capture_on_commit_callbacks(execute=True):
        seller.post(documents_of(listing), {"key": form["fields"]["key"], "kind": "title"})
    post(form, b"%PDF- another")
    document = ListingDocument.objects.get()
    assert (folder / document.key).read_bytes() == PDF
    files.sweep_uploads(now=timezone.now() + files.CONFIRM_WITHIN + files.SWEEP_AFTER)
    assert stored(folder) == {document.key}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"kind": "title"}, 400),
        ({"key": "x"}, 400),
        ({"key": "x", "kind": "deed"}, 400),
        ({"key": "x", "kind": "title"}, 422),
    ],
)
def test_bad_bodies_are_refused(seller: APIClient, listing: Listing, body: dict[str, str], status: int) -> None:
    assert seller.post(documents_of(listing), body).status_code == status


def test_an_upload_becomes_one_paper(seller: APIClient, listing: Listing) -> None:
    key = uploaded(listing, PDF, content_type="application/pdf", purpose="document").key
    answers = [seller.post(documents_of(listing), {"key": key, "kind": "title"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 409]
    assert code_of(answers[1]) == "upload_used"


def test_papers_are_for_the_seller_staff_and_the_buyer(
    make_user: Any, as_user: Callable[[User], APIClient], api: APIClient
) -> None:
    listing = ListingFactory(status="pending_sale")
    document = added_document(listing)
    order = OrderFactory(listing=listing)
    readers = [listing.seller, order.buyer, make_user(roles=["moderator"]), make_user(is_superuser=True)]
    others = [make_user(), BidderFactory(), make_user(roles=["finance"])]
    for path in ("", f"/{document.pk}", f"/{document.pk}/url"):
        url = documents_of(listing) + path
        assert {as_user(person).get(url).status_code for person in readers} == {200}
        assert {as_user(person).get(url).status_code for person in others} == {404}
        assert api.get(url).status_code == 401


@pytest.mark.parametrize("status", ["cancelled", "defaulted", "refunded"])
def test_a_sale_that_is_off_closes_the_papers_to_the_buyer(as_user: Callable[[User], APIClient], status: str) -> None:
    listing = ListingFactory(status="pending_sale")
    added_document(listing)
    order = OrderFactory(listing=listing)
    buyer = as_user(order.buyer)
    assert buyer.get(documents_of(listing)).json()["count"] == 1
    type(order).objects.update(status=status)
    assert buyer.get(documents_of(listing)).status_code == 404


def test_only_the_seller_brings_and_removes(make_user: Any, as_user: Callable[[User], APIClient]) -> None:
    listing = ListingFactory()
    document = added_document(listing)
    for person in (make_user(), make_user(roles=["moderator"]), make_user(is_superuser=True)):
        caller = as_user(person)
        assert caller.post(documents_of(listing), {"key": "x", "kind": "title"}).status_code == 403
        assert caller.delete(f"{documents_of(listing)}/{document.pk}").status_code == 403
    Listing.objects.filter(pk=listing.pk).update(status="draft")
    assert as_user(make_user()).delete(f"{documents_of(listing)}/{document.pk}").status_code == 404


@pytest.mark.parametrize(
    ("status", "expected"),
    [("draft", 204), ("active", 204), ("rejected", 204), ("pending_review", 409), ("pending_sale", 409), ("sold", 409)],
)
def test_what_somebody_relies_on_is_not_removed(
    seller: APIClient,
    listing: Listing,
    folder: Path,
    django_capture_on_commit_callbacks: Any,
    status: str,
    expected: int,
) -> None:
    document = added_document(listing)
    Listing.objects.filter(pk=listing.pk).update(status=status, published_at=timezone.now())
    with django_capture_on_commit_callbacks(execute=True):
        answer = seller.delete(f"{documents_of(listing)}/{document.pk}")
    assert answer.status_code == expected
    assert (document.key in stored(folder)) is (expected == 409)


def test_the_tag_of_a_paper_does_not_change_with_its_address(seller: APIClient, listing: Listing) -> None:
    one = f"{documents_of(listing)}/{added_document(listing).pk}"
    tag = seller.get(one)["ETag"]
    seller.get(f"{one}/url")
    assert seller.get(one, HTTP_IF_NONE_MATCH=tag).status_code == 304


def test_a_list_costs_the_same_for_any_number(
    seller: APIClient, listing: Listing, django_assert_max_num_queries: Any
) -> None:
    for _ in range(5):
        added_document(listing)
    with django_assert_max_num_queries(8):
        assert seller.get(documents_of(listing)).json()["count"] == 5
