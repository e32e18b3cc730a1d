"""`manage.py run_all`: the processes of the Procfile, together."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from multiprocessing import Process
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from honcho import manager as honcho
from honcho.environ import parse_procfile

from accounts import demo

ROOT = Path(__file__).resolve().parents[3]
READY_WITHIN_S = 120
BEGINNING = ("admin", "finance", "alice")  # Of the demo's people.
STOP_WITHIN_S = 30  # A sync that is under way is finished first; what is killed goes on at the next start.


class Command(BaseCommand):
    help = "Runs web server, worker and schedule until Ctrl-C; when one of them ends, all end."

    def handle(self, *args: Any, **options: Any) -> None:
        _check_port(settings.PORT)
        # honcho's own command would number the ports of the processes and let .env win over the environment.
        environment = os.environ | {
            "PORT": str(settings.PORT),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        }
        honcho.KILL_WAIT = STOP_WITHIN_S
        manager = honcho.Manager()
        for name, command in parse_procfile((ROOT / "Procfile").read_text()).processes.items():
            manager.add_process(name, command, env=environment | quiet(name), cwd=str(ROOT))
        # A closed terminal must not leave orphans: honcho handles the other two signals only.
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
        herald = Process(target=_announce, args=(settings.PORT,), daemon=True)
        herald.start()
        manager.loop()
        herald.kill()
        if manager.returncode not in (0, 130, 143):
            raise CommandError("One of the processes ended; its last lines above say why.")


def quiet(process: str) -> dict[str, str]:
    """The worker's line for every sweep, once a second, would carry off what `_announce` says; with LOG_LEVEL set all
    that it asks for is shown."""
    return {"LOG_LEVEL": os.environ.get("LOG_LEVEL", "WARNING")} if process == "worker" else {}


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise CommandError(f"Port {port} is not free ({error.strerror}). Another one: make run PORT=8001") from None


def _announce(port: int) -> None:
    """Says where to look once the server answers: before that it would be lost among the first lines of the logs."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        try:
            urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
        except (URLError, OSError):
            time.sleep(0.3)
            continue
        print(_banner(), flush=True)
        return


def _banner() -> str:
    """The whole story was told when it was seeded; here is how it begins."""
    lines = [
        f"Forecourt is ready: {settings.BACKEND_URL}/ is the way in; the API is at {settings.BACKEND_URL}/api/docs."
    ]
    if demo.is_welcome() and demo.is_seeded():
        lines.append(f"The demo's people have the password {demo.PASSWORD}. For a beginning:")
        lines += [f"  {line}" for look in demo.looks() if look.username in BEGINNING for line in demo.told(look)]
    lines.append("The first sync fills the registry within a minute. Ctrl-C stops everything.")
    return "\n" + "".join(f"  {line}\n" for line in lines)
