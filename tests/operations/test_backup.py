"""A backup is made while people write; what comes back elsewhere is whole, and adds up."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from tests.common.redis_server import RedisServer
from tests.e2e.processes import ROOT, Platform, running_platform
from tests.faults.cluster import Cluster
from tests.faults.load import sign_in, write_load
from tests.operations.conftest import WEB, NewDatabase, web_server
from tests.services import _postgres_folders

pytestmark = [pytest.mark.slow, pytest.mark.postgres, pytest.mark.redis, pytest.mark.xdist_group("operations")]
PHOTO = "listings/0/photo.jpg"


def run(script: str, argument: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    programs = next(iter(_postgres_folders()))
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    surroundings = os.environ | {"PATH": path, "PYTHON": sys.executable, "FORECOURT_IGNORE_DOTENV": "1"}
    surroundings |= {"DJANGO_SETTINGS_MODULE": "config.settings.local", "REDIS_URL": "", "REDIS_CACHE_URL": ""}
    return subprocess.run(
        ["sh", str(ROOT / "deploy" / script), str(argument)],
        env=surroundings | environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def backup(platform: Platform, folder: Path, url: str) -> Path:
    media = platform.folder / "media" / PHOTO
    media.parent.mkdir(parents=True, exist_ok=True)
    media.write_bytes(b"a photo")
    done = run("backup.sh", folder, DATABASE_URL=url, DATA_DIR=str(platform.folder))
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


def libpq_url(cluster: Cluster, database: str) -> str:
    """The way that PostgreSQL's own programs read it."""
    return f"postgres://postgres@{quote(str(cluster.sockets), safe='')}/{database}"


@pytest.fixture(scope="module")
def database(new_database: NewDatabase) -> str:
    return new_database()


@pytest.fixture(scope="module")
def platform(
    primary: Cluster, database: str, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """With auctions, orders, stock and parking in it."""
    with web_server(tmp_path_factory.mktemp("web"), redis_server, primary.url_of(database)) as running:
        seed = [sys.executable, "manage.py", "seed_demo"]
        subprocess.run(seed, cwd=ROOT, env=running.environment, check=True, capture_output=True, timeout=300)
        yield running


def test_a_database_that_is_written_to_comes_back_whole(
    primary: Cluster, database: str, platform: Platform, tmp_path: Path
) -> None:
    with write_load(platform, sign_in(platform), clients=2) as load:
        load.wait_for(20)
        before = list(load.acknowledged)
        folder = backup(platform, tmp_path / "backups", libpq_url(primary, database))
        load.wait_for(20)
    assert (load.oddities, set(load.answers)) == ([], {201})
    with primary.connect("postgres") as connection:
        connection.execute("CREATE DATABASE copy")
    elsewhere = {"DATABASE_URL": libpq_url(primary, "copy"), "DATA_DIR": str(tmp_path / "elsewhere")}
    done = run("restore.sh", folder, **elsewhere)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "elsewhere" / "media" / PHOTO).read_bytes() == b"a photo"
    with primary.connect("copy") as copy:
        assert set(before) <= {row[0] for row in copy.execute("SELECT id FROM cars_car")}
        assert filled(copy) >= {"auctions_auctionlogentry", "auctions_order", "workshop_stockmovement"}
        with primary.connect(database) as original:
            assert guards(copy) == guards(original)
        with pytest.raises(psycopg.errors.RestrictViolation):
            copy.execute("DELETE FROM auctions_auctionlogentry")
        copy.execute(  # Numbers go on after the last one.
            "INSERT INTO cars_car (make, model, year, category, make_key, model_key, source, locked_fields, created_at,"
            " updated_at) VALUES ('A', 'B', 2000, '', 'a', 'b', 'manual', '[]', now(), now())"
        )
    again = run("restore.sh", folder, **elsewhere)
    assert (again.returncode, "not empty" in again.stderr) == (1, True)


def filled(database: psycopg.Connection[tuple[object, ...]]) -> set[str]:
    """The tables that have rows."""
    names = [str(row[0]) for row in database.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    return {name for name in names if database.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchone()}


def guards(database: psycopg.Connection[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """Constraints, triggers and indexes by name, with table and kind: what they say PostgreSQL writes anew."""
    return database.execute(
        "SELECT conname::text, conrelid::regclass::text, contype::text FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace AND conrelid <> 0"
        " UNION ALL SELECT tgname, tgrelid::regclass::text, 'trigger' FROM pg_trigger WHERE NOT tgisinternal"
        " UNION ALL SELECT indexname, tablename, 'index' FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2, 3"
    ).fetchall()


def test_partitioned_events_are_the_same_events(primary: Cluster, database: str, platform: Platform) -> None:
    """By the very text of docs/scaling.md."""
    guide = (ROOT / "docs" / "scaling.md").read_text()
    (statements,) = re.findall(r"```sql\n(BEGIN;.*?COMMIT;)\n```", guide, re.DOTALL)
    with primary.connect(database) as connection:
        before = connection.execute("SELECT * FROM auctions_auctionevent ORDER BY id").fetchall()
        shown = events_of_all(platform, connection)
        names = {row[0] for row in guards(connection)}
        connection.execute(statements)
        assert connection.execute("SELECT * FROM auctions_auctionevent ORDER BY id").fetchall() == before
        assert names <= {row[0] for row in guards(connection)}
        assert events_of_all(platform, connection) == shown
        assert any(page["results"] for page in shown)


def events_of_all(platform: Platform, database: psycopg.Connection[tuple[object, ...]]) -> list[dict[str, object]]:
    ids = [row[0] for row in database.execute("SELECT id FROM auctions_auction ORDER BY id LIMIT 20")]
    with platform.client() as client:
        answers = [client.get(f"/api/auctions/{pk}/bids") for pk in ids]
    assert {answer.status_code for answer in answers} == {200}
    return [answer.json() for answer in answers]


def test_a_backup_that_was_damaged_is_refused(
    primary: Cluster, database: str, platform: Platform, tmp_path: Path
) -> None:
    done = run("backup.sh", tmp_path, DATABASE_URL=libpq_url(primary, database), DATA_DIR=str(tmp_path / "none"))
    folder = Path(done.stdout.strip())
    with (folder / "database.dump").open("r+b") as dump:
        dump.seek(-1, os.SEEK_END)
        dump.write(b"?")
    refused = run("restore.sh", folder, DATABASE_URL=libpq_url(primary, "postgres"), DATA_DIR=str(tmp_path / "new"))
    assert (refused.returncode, "database.dump" in refused.stdout + refused.stderr) == (1, True)


def test_a_database_that_does_not_answer_is_no_backup(tmp_path: Path) -> None:
    done = run("backup.sh", tmp_path, DATABASE_URL="postgres://nobody@127.0.0.1:1/none", DATA_DIR=str(tmp_path))
    assert done.returncode != 0
    assert not list(tmp_path.glob("*/SHA256SUMS"))


def test_the_embedded_default_comes_back_whole(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    with running_platform(tmp_path / "here", WEB, DISABLE_THROTTLES="1") as platform:
        with write_load(platform, sign_in(platform), clients=2) as load:
            load.wait_for(20)
            before = list(load.acknowledged)
            folder = backup(platform, tmp_path / "backups", platform.environment["DATABASE_URL"])
        assert load.oddities == []
    there = tmp_path / "there"
    elsewhere = {"DATA_DIR": str(there), "DATABASE_URL": f"sqlite:///{there}/forecourt.sqlite3"}
    done = run("restore.sh", folder, **elsewhere)
    assert done.returncode == 0, done.stderr
    assert (there / "media" / PHOTO).read_bytes() == b"a photo"
    with sqlite3.connect(there / "forecourt.sqlite3") as copy:
        assert set(before) <= {row[0] for row in copy.execute("SELECT id FROM cars_car")}
