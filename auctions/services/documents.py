"""Papers of listings: private, for the seller, staff and the buyer, and kept as they were brought."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.models import User
from auctions.models import Listing, ListingDocument, Order, Upload
from auctions.services.files import (
    DOCUMENTS_COME_IN,
    IMAGES_CHANGE_IN,
    Status,
    UploadMissing,
    check_open,
    delete_on_commit,
    document_key,
    inspect_upload,
    take_upload,
)
from auctions.services.states import lock_listing, record_listing_event
from common.clock import lock_clock
from common.errors import NotFound
from common.uploads import FileMissing, store

READ_FOR = timedelta(minutes=5)
# What a buyer has paid for, or is to pay for, stays; so does what a moderator is looking at.
DOCUMENTS_GO_IN = (*IMAGES_CHANGE_IN, Status.REJECTED, Status.ARCHIVED)


class Address(NamedTuple):
    """Where a paper can be read, and until when."""

    url: str
    expires_at: datetime


def readable_documents(*, listing_id: int, user: Any) -> QuerySet[ListingDocument]:
    """A listing's papers, for its seller, for staff, and for its buyer as long as the order stands. Raises NotFound for
    all others."""
    bought = Order.objects.live().filter(listing=OuterRef("pk"), buyer_id=user.pk)
    readers = Listing.objects.filter(pk=listing_id)
    if not user.has_perm("auctions.view_listingdocument"):
        readers = readers.filter(Q(seller_id=user.pk) | Exists(bought))
    if not readers.exists():
        raise NotFound
    return ListingDocument.objects.filter(listing_id=listing_id)


@transaction.atomic
def confirm_document(
    *, listing_id: int, key: str, kind: str, actor: User, clock: Callable[[], datetime] = lock_clock
) -> ListingDocument:
    """The file that was posted to `key` becomes a paper. It is copied to where its form does not reach, in the very
    version that was looked at.

    Raises what `inspect_upload` and `take_upload` raise, and FilesLocked, NotFound.
    """
    upload, head = inspect_upload(listing_id=listing_id, key=key, purpose=Upload.Purpose.DOCUMENT)
    kept = document_key(upload)
    try:
        store().copy(upload.key, kept, tag=head.tag)
    except FileMissing:
        raise UploadMissing(attr="key") from None
    listing = lock_listing(listing_id)
    check_open(listing, DOCUMENTS_COME_IN)
    now = clock()
    upload = take_upload(listing=listing, key=key, purpose=Upload.Purpose.DOCUMENT, now=now)
    document = ListingDocument.objects.create(
        id=upload.pk,
        listing=listing,
        kind=kind,
        key=kept,
        filename=upload.filename,
        content_type=upload.content_type,
        size=head.size,
        uploaded_by=actor,
        created_at=now,
    )
    delete_on_commit([upload.key])
    record_listing_event(listing, "edited", actor=actor, now=now, new="document_added")
    return document


def address_of(*, document: ListingDocument, now: datetime) -> Address:
    """An address for five minutes, at which the paper is downloaded, never shown in the page."""
    until = now + READ_FOR
    url = store().signed_url(
        document.key,
        expires_at=until,
        now=now,
        filename=document.filename,
        content_type=document.content_type,
        disposition="attachment",
    )
    return Address(url, until)


@transaction.atomic
def remove_document(*, document: ListingDocument, actor: User, clock: Callable[[], datetime] = lock_clock) -> None:
    """Its file goes after the commit. Raises FilesLocked, NotFound."""
    listing = lock_listing(document.listing_id)
    check_open(listing, DOCUMENTS_GO_IN)
    gone, _ = ListingDocument.objects.filter(pk=document.pk).delete()
    if not gone:
        raise NotFound
    delete_on_commit([document.key])
    record_listing_event(listing, "edited", actor=actor, now=clock(), new="document_removed")
