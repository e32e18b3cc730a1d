"""What every provider is, and what it yields."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from common.http import OutsideClient

PAGE_SIZE = 1000

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Record:
    """One record as upstream sent it: `data` under the target's field names, every value still unchecked. `raw` is
    kept with the issue when the record is refused; without one `data` is."""

    external_id: object
    data: Mapping[str, object]
    raw: object = None


@dataclass(frozen=True, slots=True)
class Page:
    """Records that are committed together. `cursor` (a JSON object) is where an incremental run would go on; the
    engine stores that of the last page, and only when the run went well. Without a page to the end nothing moves."""

    records: Sequence[Record]
    cursor: Any = None


class ProviderError(Exception):
    """An answer that makes no sense. `code` is stable snake_case; `detail` is for the operator and holds no secret."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(detail or code)
        self.code = code
        self.detail = detail


class Connect(Protocol):
    """Opens the client for a run: it knows the run's time budget, counts its retries and hears its cancellation."""

    def __call__(self, *, headers: Mapping[str, str] | None = None) -> OutsideClient: ...


class Provider(Protocol):
    """Fetches records; who needs the network opens it with the `connect` of its run, inside `pages`.

    `name` (at most 32 characters, stable, not `manual`) owns the rows it brings.
    """

    name: str

    def __init__(self, connect: Connect) -> None: ...

    def readiness(self) -> list[str]:
        """The names of the settings that are missing; empty when it can run."""
        ...

    def pages(self, cursor: Any) -> Iterator[Page]:
        """Everything when `cursor` is None; else everything that changed since, or still everything. At least one page.

        Raises ProviderError, or `common.http.OutsideError` from the client.
        """
        ...


def batches(items: Iterable[Item], size: int = PAGE_SIZE) -> Iterator[list[Item]]:
    """Lists of at most `size`, and one empty list when there is nothing at all."""
    iterator = iter(items)
    batch = list(itertools.islice(iterator, size))
    yield batch
    while batch := list(itertools.islice(iterator, size)):
        yield batch
