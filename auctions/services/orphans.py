"""Files that no row knows: of a deletion that the storage did not answer, of a restore, of a form that was used after
its row was gone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from uuid import UUID

from auctions.models import ListingDocument, ListingImage, Upload
from auctions.services.files import document_key, keys_of_image
from common.uploads import store

PREFIX = "listings"
ORPHAN_AFTER = timedelta(days=1)  # Far longer than a form is good for: nothing that is still on its way is older.
_BATCH = 500


class NothingIsKnown(Exception):
    """No file in the storage belongs to a row: this is another installation's storage, or another database."""


def orphan_files(*, now: datetime) -> list[str]:
    """Keys, sorted. Raises NothingIsKnown, ServiceUnavailable."""
    orphans: list[str] = []
    is_known = False
    files = (file.key for file in store().walk(PREFIX) if now - file.changed_at > ORPHAN_AFTER)
    for batch in _batches(files):
        known = known_keys(batch)
        is_known = is_known or bool(known)
        orphans += batch - known
    if orphans and not is_known:
        raise NothingIsKnown
    return sorted(orphans)


def delete_orphan_files(*, now: datetime) -> list[str]:
    """Their keys, when they are gone. Each is looked up once more before. Raises NothingIsKnown, ServiceUnavailable."""
    deleted: list[str] = []
    for batch in _batches(iter(orphan_files(now=now))):
        keys = sorted(batch - known_keys(batch))
        store().delete(*keys)
        deleted += keys
    return deleted


def known_keys(keys: set[str]) -> set[str]:
    """Those of the keys that belong to a row, three statements for all of them."""
    ids = {pk for key in keys if (pk := _id_of(key))}
    known = set(ListingDocument.objects.filter(key__in=keys).values_list("key", flat=True))
    for upload in Upload.objects.filter(pk__in=ids):
        known |= {upload.key, document_key(upload)}
    for image in ListingImage.objects.filter(pk__in=ids):
        known |= keys_of_image(image)
    return known & keys


def _id_of(key: str) -> UUID | None:
    """`listings/<listing>/<id>.<type>` or `listings/<listing>/<id>/<name>`: the upload's, which the photo keeps."""
    try:
        return UUID(key.split("/")[2].partition(".")[0])
    except (IndexError, ValueError):
        return None


def _batches(keys: Iterator[str]) -> Iterator[set[str]]:
    while batch := set(islice(keys, _BATCH)):
        yield batch
