"""What the apps above tell accounts about themselves. Each fills these registries in its
`AppConfig.ready()`, so that accounts can mail, export, erase and sign for all of them without importing
one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from django.core.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from accounts.exports import Exporter
    from accounts.models import Notification, User

Entry = TypeVar("Entry")


class Registry(Generic[Entry]):
    """Entries by name, in the order of registration. A name is taken once; the same entry again changes
    nothing."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._entries: dict[str, Entry] = {}

    def register(self, name: str, entry: Entry) -> None:
        if self._entries.setdefault(name, entry) != entry:
            raise ImproperlyConfigured(f"The {self._what} {name!r} is registered twice.")

    def get(self, name: str) -> Entry | None:
        return self._entries.get(name)

    def __getitem__(self, name: str) -> Entry:
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def items(self) -> Iterator[tuple[str, Entry]]:
        return iter(self._entries.items())


@dataclass(frozen=True, slots=True)
class MailContent:
    """What a mail says. `body` is plain text, paragraphs parted by blank lines; `link` is shown as a button
    and as text. `html`, marked as safe (a rendered template), takes the place of `body` in the HTML part; the
    classes of accounts/mail/message.html give it its dark colours. Both have to say the same."""

    subject: str
    body: str
    link: str = ""
    link_label: str = ""
    html: str = ""


@dataclass(frozen=True, slots=True)
class NotificationKind:
    """One kind of message. `in_app` and `email` are the defaults of a user who has set no preference. A
    mandatory kind (verification, reset, security) is always mailed and carries no unsubscribe link.
    `build_mail` makes the mail when it is sent, from a row that holds no secret; None as its answer means
    that there is nothing left to say (the token was used, the address changed) and no mail goes out.
    Without it the row's title and body are the mail."""

    label: str
    in_app: bool = True
    email: bool = True
    mandatory: bool = False
    build_mail: Callable[[Notification], MailContent | None] | None = None


@dataclass(frozen=True, slots=True)
class PersonalData:
    """One app's share in a user's data. `export(user)` answers JSON-able data. `erase(user, now=...)` runs
    in the transaction of the deletion, under the lock of the user's row: it deletes what it may and strips
    the person from what must stay, and answers True when rows that must stay still refer to the user. It
    refuses by raising a `DomainError` (an unpaid order, a car that is parked)."""

    export: Callable[[User], Any]
    erase: Callable[..., bool]


@dataclass(slots=True)
class Hooks(Generic[Entry]):
    """Callables that are all run, in the order of registration."""

    entries: list[Entry] = field(default_factory=list)

    def register(self, entry: Entry) -> None:
        if entry not in self.entries:
            self.entries.append(entry)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)


notification_kinds: Registry[NotificationKind] = Registry("notification kind")
personal_data: Registry[PersonalData] = Registry("personal data")
exports: Registry[Exporter] = Registry("export")
# Each answers claims for clients' display, such as {"customer_id": 7}; the server never decides by them.
token_claims: Hooks[Callable[[User], Mapping[str, Any]]] = Hooks()
# Each is called as hook(user=..., now=...) in the transaction that verifies the user's e-mail for the first
# time.
on_verified: Hooks[Callable[..., None]] = Hooks()


def claims_for(user: User) -> dict[str, Any]:
    """The additional claims of an access token for this user, from all apps."""
    return {name: value for hook in token_claims for name, value in hook(user).items()}


def run_verified_hooks(*, user: User, now: datetime) -> None:
    for hook in on_verified:
        hook(user=user, now=now)
