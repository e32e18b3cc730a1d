"""`manage.py reset_data` deletes what Forecourt wrote, and only when somebody said so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command


@pytest.fixture
def data_dir(tmp_path: Path, settings: Any) -> Path:
    settings.DATA_DIR = tmp_path
    (tmp_path / "forecourt.sqlite3-wal").touch()
    (tmp_path / "queue" / "messages").mkdir(parents=True)
    (tmp_path / "holiday.jpg").touch()
    return tmp_path


def test_yes_deletes_what_forecourt_wrote_and_nothing_else(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda _: "yes")
    call_command("reset_data")
    assert [path.name for path in data_dir.iterdir()] == ["holiday.jpg"]


def test_any_other_answer_leaves_everything(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda _: "y")
    with pytest.raises(CommandError, match="Nothing was touched"):
        call_command("reset_data")
    assert len(list(data_dir.iterdir())) == 3


def test_a_link_is_removed_and_not_what_it_points_to(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "kept").touch()
    (data_dir / "media").symlink_to(elsewhere)
    call_command("reset_data", "--yes")
    assert not (data_dir / "media").exists()
    assert (elsewhere / "kept").exists()
