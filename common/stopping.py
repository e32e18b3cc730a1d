"""Whether this worker has been asked to end. It lets its jobs finish; one that may take minutes asks here where it can
stop, and gives its row back, so that the next worker goes on at once and not when a lease has run out.

The flag lies in memory that the pool's processes share with their parent, because only the parent hears the signal."""

from __future__ import annotations

import mmap

_flag = mmap.mmap(-1, 1)


def ask_to_stop() -> None:
    """May be called in a signal handler."""
    _flag[0] = 1


def is_asked_to_stop() -> bool:
    return _flag[0] == 1
