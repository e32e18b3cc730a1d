"""Running the same moment many times at once, each thread with a database connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connections

Result = TypeVar("Result")


def race(actions: Sequence[Callable[[], Result]]) -> list[Result | Exception]:
    """Start all actions at one barrier and answer their results in order; an exception is a result too."""
    barrier = threading.Barrier(len(actions))

    def run(action: Callable[[], Result]) -> Result | Exception:
        try:
            barrier.wait(timeout=30)
            return action()
        except Exception as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(run, actions))


def errors(results: Iterable[object]) -> list[type]:
    """The kinds of those results that are exceptions."""
    return [type(result) for result in results if isinstance(result, Exception)]
