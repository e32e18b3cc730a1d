"""Behind PgBouncer in transaction mode, with fewer connections to PostgreSQL than the service has threads."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.common.redis_server import RedisServer
from tests.e2e.processes import Platform
from tests.faults.cluster import Cluster
from tests.faults.load import sign_in, write_load
from tests.operations.conftest import NewDatabase, web_server
from tests.operations.test_live_migration import read_load
from tests.ports import free_port
from tests.services import _as_nobody_special

PROGRAM = shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
pytestmark = [
    pytest.mark.slow, pytest.mark.postgres, pytest.mark.redis, pytest.mark.xdist_group("operations"),
    pytest.mark.skipif(PROGRAM is None, reason="pgbouncer is not installed"),
]  # fmt: skip
SERVERS = 2
# As docs/scaling.md has it.
SETTINGS = """
[databases]
* = host={sockets} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {servers}
max_client_conn = 200
server_reset_query =
logfile = {folder}/pgbouncer.log
"""


@pytest.fixture(scope="module")
def pooler(primary: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Its port."""
    folder = tmp_path_factory.mktemp("pgbouncer")
    port = free_port()
    file = folder / "pgbouncer.ini"
    file.write_text(SETTINGS.format(sockets=primary.sockets, port=port, servers=SERVERS, folder=folder))
    process = subprocess.Popen([*_as_nobody_special(), str(PROGRAM), "-q", str(file)])
    try:
        wait_for(port, process, folder)
        yield port
    finally:
        process.terminate()
        process.wait(20)


def wait_for(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        assert process.poll() is None, (folder / "pgbouncer.log").read_text()
        time.sleep(0.05)
    raise AssertionError("PgBouncer does not answer")


@pytest.fixture(scope="module")
def database(new_database: NewDatabase) -> str:
    return new_database()


@pytest.fixture(scope="module")
def platform(
    pooler: int, database: str, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    url = f"postgres://postgres@127.0.0.1:{pooler}/{database}"
    with web_server(tmp_path_factory.mktemp("web"), redis_server, url, DATABASE_POOLED="1") as running:
        yield running


def test_everything_works_over_connections_that_change_with_each_transaction(
    primary: Cluster, platform: Platform, database: str
) -> None:
    token = sign_in(platform)
    with read_load(platform, token, clients=4) as answers, write_load(platform, token, clients=4) as load:
        load.wait_for(100)
        with primary.connect("postgres") as connection:
            row = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", [database]).fetchone()
    assert row is not None
    assert 1 <= int(str(row[0])) <= SERVERS
    assert load.oddities == []
    assert (set(load.answers), set(answers) <= {200, 404}) == ({201}, True)
    with platform.client(token) as client:
        for path in ("/api/auth/me", "/api/workshop/products", "/api/vehicles", "/api/auctions", "/api/parking/lots"):
            assert client.get(path).status_code == 200, path
        again = {"Idempotency-Key": "one"}
        body = {"make": "Voisin", "model": "C25", "year": 1934}
        first, second = (client.post("/api/cars", json=body, headers=again) for _ in range(2))
        assert (first.status_code, second.json()) == (201, first.json())
    assert httpx.get(f"{platform.url}/health/detailed", timeout=20).json()["database"]["state"] == "up"


def test_without_the_setting_it_would_not_even_connect(pooler: int, database: str) -> None:
    """The control: PgBouncer knows no time-outs of a session."""
    with pytest.raises(psycopg.OperationalError, match="startup parameter"):
        psycopg.connect(
            f"host=127.0.0.1 port={pooler} user=postgres dbname={database} options='-c statement_timeout=5000'"
        )
