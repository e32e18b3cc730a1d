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

from accounts.demo import PASSWORD, PEOPLE

ROOT = Path(__file__).resolve().parents[3]
READY_WITHIN_S = 120
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
            manager.add_process(name, command, env=environment, cwd=str(ROOT))
        # A closed terminal must not leave orphans: honcho handles the other two signals only.
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGTERM))
        herald = Process(target=_announce, args=(settings.PORT, settings.ADMIN_PATH), daemon=True)
        herald.start()
        manager.loop()
        herald.kill()
        if manager.returncode not in (0, 130, 143):
            raise CommandError("One of the processes ended; its last lines above say why.")


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise CommandError(f"Port {port} is not free ({error.strerror}). Another one: make run PORT=8001") from None


def _announce(port: int, admin_path: str) -> None:
    """Says where to look once the server answers: before that it would be lost among the first lines of the logs."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline:
        try:
            urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
        except (URLError, OSError):
            time.sleep(0.3)
            continue
        administrator, customer = PEOPLE[0].email, PEOPLE[-1].email
        print(
            f"\n  Forecourt is ready: http://localhost:{port}/api/docs"
            f"\n  Live auctions: http://localhost:{port}/api/auctions?status=live, each with a page /auctions/<id>/live"
            f"\n  Admin: http://localhost:{port}/{admin_path}/ as {administrator} (a customer: {customer})"
            f"\n  Password: {PASSWORD}. The first sync fills the registry within a minute. Ctrl-C stops everything.\n",
            flush=True,
        )
        return
