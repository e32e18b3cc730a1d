"""A real server for what only a socket shows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.processes import Platform, running_platform


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """gunicorn as it is shipped, on SQLite; `server.folder / "web.log"` is what it logs."""
    folder = tmp_path_factory.mktemp("server")
    with running_platform(folder, {"web": ["gunicorn", "config.wsgi"]}, RATE_LIMIT_ANONYMOUS="1000/minute") as running:
        yield running
