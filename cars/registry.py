"""What the apps above tell cars about themselves. Each fills this in its `AppConfig.ready()`, so that cars can ask
without importing one."""

from __future__ import annotations

from collections.abc import Callable

from accounts.registry import Hooks
from cars.models import Vehicle

# Each is called with the locked vehicle in the transaction that archives it, and refuses by raising a `DomainError`.
on_archive: Hooks[Callable[[Vehicle], None]] = Hooks()
