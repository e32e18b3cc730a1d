"""`manage.py run_all`, which is what `make run` ends in."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.core.management import CommandError, call_command

from accounts.management.commands import run_all
from tests.e2e.processes import Platform, running_platform

RUN_ALL = {"all": ["python", "manage.py", "run_all"]}


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with running_platform(tmp_path, RUN_ALL, LOG_LEVEL="INFO") as running:
        yield running


@pytest.mark.slow
@pytest.mark.xdist_group("e2e")
@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=["ctrl-c", "kill", "closed terminal"]
)
def test_it_says_where_to_look_and_ends_without_leftovers(platform: Platform, number: signal.Signals) -> None:
    platform.until("it is announced", lambda: "Forecourt is ready" in platform.log("all"), within=60)
    platform.until("the worker is up", lambda: "celery.apps.worker" in platform.log("all"), within=60)
    platform.processes["all"].send_signal(number)
    assert platform.processes["all"].wait(timeout=40) == 0, platform.logs()
    assert "worker stopped (rc=0)" in platform.log("all")
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{platform.url}/health")


def test_the_sweeps_are_not_logged_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOG_LEVEL", raising=False)
    assert (run_all.quiet("worker"), run_all.quiet("web")) == ({"LOG_LEVEL": "WARNING"}, {})
    monkeypatch.setenv("LOG_LEVEL", "DEBUG")
    assert run_all.quiet("worker") == {"LOG_LEVEL": "DEBUG"}


def test_a_taken_port_is_said_plainly(settings: Any) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        settings.PORT = other.getsockname()[1]
        with pytest.raises(CommandError, match=f"Port {settings.PORT} is not free"):
            call_command("run_all")
