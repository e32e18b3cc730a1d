"""Files that no row knows are found and deleted; all others stay."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from auctions.models import Listing, Upload
from auctions.services.orphans import NothingIsKnown, delete_orphan_files, orphan_files
from common.uploads import store
from tests.auctions.test_s3 import bucket  # noqa: F401 - a fixture
from tests.auctions.uploading import added_document, added_image, photo, uploaded

pytestmark = pytest.mark.django_db
LOST = ("listings/1/0b9c2f4e-0000-4000-8000-000000000001.jpg", "listings/1/notes.txt")


@pytest.fixture(params=["folder", "bucket"])
def files(request: pytest.FixtureRequest, settings: Any, tmp_path: Path) -> None:
    """Either store, empty."""
    if request.param == "bucket":
        request.getfixturevalue("bucket")
    else:
        settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def known(files: None, listing: Listing) -> set[str]:
    """A photo in its sizes, a paper, and a file whose promise is still open."""
    added_image(listing)
    added_document(listing)
    uploaded(listing, photo())
    return {file.key for file in store().walk("listings")}


def tomorrow() -> Any:
    return timezone.now() + timedelta(days=1, minutes=1)


def lose() -> None:
    for key in LOST:
        store().save(key, b"lost", "image/jpeg")


def test_what_no_row_knows_is_deleted_and_nothing_else(known: set[str]) -> None:
    assert len(known) >= 6
    lose()
    assert set(orphan_files(now=tomorrow())) == set(LOST)
    assert set(delete_orphan_files(now=tomorrow())) == set(LOST)
    assert {file.key for file in store().walk("listings")} == known


def test_what_is_younger_than_a_day_may_be_on_its_way(known: set[str]) -> None:
    lose()
    assert orphan_files(now=timezone.now() + timedelta(hours=23)) == []


def test_a_file_whose_row_went_is_one(known: set[str]) -> None:
    gone = Upload.objects.get(confirmed_at=None)
    gone.delete()
    assert orphan_files(now=tomorrow()) == [gone.key]


def test_the_storage_of_another_installation_is_left_alone(files: None) -> None:
    lose()
    with pytest.raises(NothingIsKnown):
        delete_orphan_files(now=tomorrow())
    assert {file.key for file in store().walk("listings")} == set(LOST)


def test_files_that_are_none_of_ours_are_not_looked_at(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path
    assert orphan_files(now=tomorrow()) == []  # There is no folder yet.
    (tmp_path / "listings" / "1").mkdir(parents=True)
    (tmp_path / "listings" / "1" / ".DS_Store").touch()
    (tmp_path / "listings" / "1" / "link.jpg").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "other.jpg").touch()
    assert orphan_files(now=tomorrow()) == []


def test_the_command_prints_and_only_then_deletes(known: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auctions.management.commands.orphan_files.database_now", tomorrow)
    lose()
    printed = run()
    assert set(printed.split()) == set(LOST)
    assert {file.key for file in store().walk("listings")} == known | set(LOST)
    assert set(run("--delete").split()) == set(LOST)
    assert {file.key for file in store().walk("listings")} == known


def test_the_command_asks_whether_it_is_the_right_database(files: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("auctions.management.commands.orphan_files.database_now", tomorrow)
    lose()
    with pytest.raises(CommandError, match="database"):
        run("--delete")


def run(*arguments: str) -> str:
    printed = io.StringIO()
    call_command("orphan_files", *arguments, stdout=printed, stderr=io.StringIO())
    return printed.getvalue()
