"""What is synced. Each app registers its sources in `AppConfig.ready()`; `cars` and `products` are two of one kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Model
from django.utils.module_loading import import_string

from cars.sync.providers.base import Connect, Provider, Record

Row = dict[str, Any]


class BadRecord(Exception):
    """A record that must not become a row. `reason` is a stable code, `detail` tells the operator more."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Column:
    """A column that the sync fills. `lock` is the entry of `locked_fields` that protects it: its own name, or for a
    derived column that of the field it is derived from. Without one (None) people cannot lock it. A column that is
    not `compared` (a time stamp of upstream) is written along with others, but never a reason to write."""

    name: str
    lock: str | None = None
    compared: bool = True


@dataclass(frozen=True, slots=True)
class PageChanges:
    """The rows (primary keys) that a page changed, or a withdrawal did."""

    run_id: int
    created: Sequence[int] = ()
    updated: Sequence[int] = ()
    withdrawn: Sequence[int] = ()

    def __bool__(self) -> bool:
        return bool(self.created or self.updated or self.withdrawn)


@dataclass(frozen=True, kw_only=True)
class Target:
    """The table of a source. The model has `external_id`, `locked_fields`, `withdrawn_at`, `created_at`, `updated_at`
    and UNIQUE(`owner`, `external_id`).

    `clean(record)` gives the values of `columns` or raises BadRecord. `newest` names the column that orders two
    records of one id. `natural_key` names the columns of a second unique constraint. `run_column` names the foreign
    key that tells which run made a row.

    `hold(rows, provider=..., run_id=...)` may look at a page's rows before they are written, in the page's transaction,
    and answer the columns that must stay as they are in rows that exist: `{external_id: {"price"}}`.
    `changed(changes)` hears of every change in the transaction that makes it.
    """

    model: type[Model]
    owner: str
    columns: Sequence[Column]
    clean: Callable[[Record, datetime], Row]
    newest: str | None = None
    natural_key: Sequence[str] = ()
    run_column: str | None = None
    hold: Callable[..., Mapping[str, set[str]]] | None = None
    changed: Callable[[PageChanges], None] | None = None


ProviderClass = Callable[[Connect], Provider]


@dataclass(frozen=True, kw_only=True)
class SourceDefinition:
    """A source: its name, the setting that chooses its provider by a known name or a dotted path, and its target."""

    name: str
    setting: str
    providers: Mapping[str, str] = field(default_factory=dict)
    target: Target

    def provider_class(self) -> ProviderClass:
        """The configured provider. Raises ImproperlyConfigured, naming the setting, when there is no such provider."""
        chosen = getattr(settings, self.setting)
        known = ", ".join(self.providers)
        refusal = f"{self.setting} is neither one of {known} nor the dotted path of a provider."
        path = self.providers.get(chosen, chosen)
        if "." not in path:
            raise ImproperlyConfigured(refusal)
        try:
            provider = import_string(path)
        except ImportError as error:
            raise ImproperlyConfigured(refusal) from error
        name = getattr(provider, "name", "")
        if not callable(getattr(provider, "pages", None)) or not 0 < len(name) <= 32 or name == "manual":
            raise ImproperlyConfigured(refusal)
        return cast(ProviderClass, provider)

    def provider(self, connect: Connect) -> Provider:
        return self.provider_class()(connect)

    def provider_name(self) -> str:
        return cast(str, getattr(self.provider_class(), "name"))  # noqa: B009

    def missing(self) -> list[str]:
        """The settings that the configured provider lacks, by name."""
        return self.provider(_unconnected).readiness()


def _unconnected(**_: Any) -> Any:
    raise RuntimeError("Asking whether a provider is ready must not use the network.")


SOURCES: dict[str, SourceDefinition] = {}


def register_source(definition: SourceDefinition) -> None:
    """Add a source; called in `AppConfig.ready()`. Raises ImproperlyConfigured for an unknown provider, which stops the
    start, and for a name that another source has."""
    if SOURCES.setdefault(definition.name, definition) != definition:
        raise ImproperlyConfigured(f"The sync source {definition.name!r} is registered twice.")
    definition.provider_class()
