"""A process whose clock is wrong: `python -m tests.faults.skewed <seconds> gunicorn config.wsgi`. It and the processes
that it starts read the system's clock so many seconds ahead (less than 0: behind); the monotonic clock is as it was.

Not libfaketime, which is no part of a virtual environment: the tests must not depend on what the machine has."""

from __future__ import annotations

import runpy
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import time_machine


def main(seconds: str, program: str) -> None:
    path = Path(sys.executable).parent / program
    sys.argv = [str(path), *sys.argv[3:]]
    moment = datetime.fromtimestamp(time.time(), UTC) + timedelta(seconds=int(seconds))
    with time_machine.travel(moment, tick=True):
        runpy.run_path(str(path), run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:3])
