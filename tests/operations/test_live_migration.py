"""A schema changes under people who read and write, and the release before still finds what it uses."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from django.db import connection, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.migration import Migration
from django.db.migrations.operations import AddField
from django.db.migrations.state import ProjectState
from django.db.utils import ConnectionHandler

from common.migrations import (
    AddConstraintNotValid,
    AddIndexConcurrently,
    RemoveIndexConcurrently,
    ValidateConstraint,
)
from config.settings.base import database as database_settings
from tests.common.redis_server import RedisServer
from tests.e2e.processes import ROOT, Platform
from tests.faults.cluster import Cluster
from tests.faults.load import sign_in, write_load
from tests.operations.conftest import NewDatabase, web_server
from tests.operations.migration_lint import LANDED

CARS = """
INSERT INTO cars_car (make, model, year, category, make_key, model_key, source, external_id,
                      source_updated_at, locked_fields, created_at, updated_at)
SELECT 'Make ' || n %% 50, 'Model ' || n, 1982 + n %% 40, 'Sedan', 'make ' || n %% 50, 'model ' || n,
       'file', lpad(n::text, 10, '0'), now(), '[]', now(), now()
  FROM generate_series(1, %s) AS n
"""
RULE = models.CheckConstraint(condition=models.Q(year__gt=1), name="car_year_is_one")
INDEX = models.Index(fields=["updated_at", "id"], name="car_updated")


def landed() -> dict[str, str]:
    """The last migration of each app that a release had."""
    return dict(sorted(name.split(".") for name in LANDED.read_text().split()))


# --- The release before, on this schema -------------------------------------------------------------------------------


@pytest.mark.postgres
@pytest.mark.django_db
def test_the_release_before_finds_its_columns_and_can_fill_the_new_ones() -> None:
    nodes = [*landed().items(), *((a, n) for a, n in MigrationLoader(None).graph.leaf_nodes() if a not in landed())]
    before = MigrationLoader(None).project_state(nodes)
    present = columns_of_database()
    missing, unfilled = [], []
    for state in before.models.values():
        if state.app_label not in landed():
            continue
        model = before.apps.get_model(state.app_label, state.name)
        known = {field.column for field in model._meta.concrete_fields}
        there = present.get(model._meta.db_table, {})
        missing += [f"{model._meta.db_table}.{column}" for column in known - there.keys()]
        needed = {column for column, is_needed in there.items() if is_needed}
        unfilled += [f"{model._meta.db_table}.{column}" for column in needed - known]
    assert (missing, unfilled) == ([], [])


def columns_of_database() -> dict[str, dict[str, bool]]:
    """Table -> column -> whether an INSERT has to name it."""
    found: dict[str, dict[str, bool]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, column_name, is_nullable = 'NO' AND column_default IS NULL AND is_identity = 'NO'"
            " FROM information_schema.columns WHERE table_schema = current_schema()"
        )
        for table, column, is_needed in cursor.fetchall():
            found.setdefault(table, {})[column] = is_needed
    return found


# --- Under load -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def platform(
    primary: Cluster, new_database: NewDatabase, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    url = primary.url_of(new_database())
    with web_server(tmp_path_factory.mktemp("web"), redis_server, url, LOG_LEVEL="CRITICAL") as running:
        yield running


@pytest.fixture(scope="module")
def token(platform: Platform) -> str:
    return sign_in(platform)


@contextmanager
def read_load(platform: Platform, token: str, *, clients: int = 2) -> Iterator[Counter[int]]:
    """Lists, details and counts without pause while the block runs; how often each status was answered."""
    answers: Counter[int] = Counter()
    over = threading.Event()

    def read() -> None:
        with platform.client(token) as client:
            while not over.is_set():
                for path in ("/api/cars?make=Make%201", "/api/cars?count=exact&limit=1", "/api/cars/1"):
                    answers[client.get(path).status_code] += 1

    threads = [threading.Thread(target=read) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        over.set()
        for thread in threads:
            thread.join()


def migrate(platform: Platform, *targets: tuple[str, ...]) -> None:
    """As `manage.py migrate`, to one target after another, in one process."""
    code = "import django, json, sys; from django.core.management import call_command; django.setup();"
    code += " [call_command('migrate', *target, verbosity=0) for target in json.loads(sys.argv[1])]"
    command = [sys.executable, "-c", code, json.dumps(targets)]
    done = subprocess.run(
        command, cwd=ROOT, env=platform.environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr


@contextmanager
def django_connection(platform: Platform) -> Iterator[BaseDatabaseWrapper]:
    """As that of `manage.py migrate`."""
    handler = ConnectionHandler({"default": database_settings(platform.environment["DATABASE_URL"])})
    with handler["default"].cursor() as cursor:
        cursor.execute("SET lock_timeout = 2000")
        yield handler["default"]
    handler["default"].close()


def steps() -> Iterator[tuple[Migration, ProjectState]]:
    """What the rules let a release do to the largest table, there and back, each with the state before it."""
    state = MigrationLoader(None).project_state()
    for number, (operation, atomic) in enumerate(
        [
            (AddField("car", "doors", models.IntegerField(null=True)), True),
            (AddField("car", "wheels", models.IntegerField(db_default=4)), True),
            (AddConstraintNotValid("car", RULE), True),
            (ValidateConstraint("car", RULE.name), False),
            (AddIndexConcurrently("car", INDEX), False),
            (RemoveIndexConcurrently("car", INDEX.name), False),
        ]
    ):
        migration = Migration(f"step_{number}", "cars")
        migration.operations, migration.atomic = [operation], atomic
        yield migration, state.clone()
        migration.mutate_state(state, preserve=False)


SLOW = [
    pytest.mark.slow,
    pytest.mark.django_db,
    pytest.mark.postgres,
    pytest.mark.redis,
    pytest.mark.xdist_group("operations"),
]


@pytest.mark.parametrize(
    "cars",
    [
        pytest.param(200_000, marks=SLOW),
        pytest.param(1_000_000, marks=[*SLOW, pytest.mark.long]),
    ],
)
def test_nobody_notices_a_migration(platform: Platform, token: str, cars: int) -> None:
    """A web process waits for a lock for two seconds and then answers 503: no such answer, no longer lock."""
    with platform.connect() as database:
        database.execute("TRUNCATE cars_car CASCADE")
        database.execute("ALTER SEQUENCE cars_car_id_seq RESTART")
        database.execute(CARS, [cars])
        database.execute("ANALYZE cars_car")
    migrate(platform, *(target for target in landed().items() if target != leaf(target[0])))
    with read_load(platform, token) as answers, write_load(platform, token, clients=2) as load:
        load.wait_for(10)
        migrate(platform, ())
        with django_connection(platform) as there:
            for migration, before in steps():
                with there.schema_editor(atomic=migration.atomic) as editor:
                    migration.apply(before, editor)
        load.wait_for(10)
    assert load.oddities == []
    assert (set(answers), set(load.answers)) == ({200}, {201})


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.redis
@pytest.mark.xdist_group("operations")
def test_a_lock_that_lasts_is_seen(platform: Platform, token: str) -> None:
    """The control: what breaks the rules shows in the answers."""
    with read_load(platform, token) as answers:
        with platform.connect(autocommit=False) as database:
            database.execute("LOCK TABLE cars_car IN ACCESS EXCLUSIVE MODE")
            platform.until("the lock is seen", lambda: answers[503] > 0, within=60)
        with httpx.Client(base_url=platform.url, headers={"Authorization": f"Bearer {token}"}) as client:
            platform.until("it is over", lambda: client.get("/api/cars").status_code == 200, within=60)


def leaf(app: str) -> tuple[str, str]:
    (last,) = MigrationLoader(None).graph.leaf_nodes(app)
    return last
