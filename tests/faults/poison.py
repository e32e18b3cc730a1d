"""A task that no worker survives, for `celery -A config worker --include tests.faults.poison`."""

from __future__ import annotations

import os
from pathlib import Path

from celery import shared_task


@shared_task
def die(path: str) -> None:
    """Leaves a line in the file, so that the attempts can be counted, and takes its process with it."""
    with Path(path).open("a") as file:
        file.write(f"{os.getpid()}\n")
    os._exit(1)
