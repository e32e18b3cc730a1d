"""What a payment provider does for us, and the words that both sides use. Providers know no database: they are given a
payment or a refund and say what became of it, at once or later by a webhook."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, Protocol

from auctions.models import Payment, Refund
from common.errors import BadCredentials, BadRequest, ServiceUnavailable, Unprocessable

TOLERANCE_S = 300  # A webhook that was signed longer ago is not taken: somebody may have recorded it.


class ProviderError(Exception):
    """The provider did not do it. `is_transient`: the same call may well succeed later, and may even have been carried
    out; repeat it with the same idempotency key. The text is for the operator."""

    def __init__(self, text: str, *, is_transient: bool) -> None:
        super().__init__(text)
        self.is_transient = is_transient


class ProviderUnavailable(ServiceUnavailable):
    """The provider does not answer."""

    code = "provider_unavailable"
    detail = "The payment provider does not answer. Try again."


class ProviderOff(Unprocessable):
    """This installation does not take payments by this provider."""

    code = "provider_off"
    detail = "Payments by this provider are not taken here."


class BadSignature(BadCredentials):
    """A webhook without a signature of the provider, or with an old one."""

    code = "bad_signature"
    detail = "The signature is missing, wrong or too old."


class BadEvent(BadRequest):
    """A webhook that is signed and cannot be read."""

    code = "bad_event"
    detail = "This is no event of the provider."


@dataclass(frozen=True)
class Started:
    """What became of a new attempt to pay. `status` is one of `Payment.Status`. `action` is what the payer does next,
    may hold a secret, and is neither stored nor logged; empty when there is nothing to do."""

    provider_ref: str
    status: str
    action: dict[str, Any] = field(default_factory=dict)
    failure: str = ""


@dataclass(frozen=True)
class Refunded:
    """What became of a refund that was sent: `status` is `in_transit` (a webhook tells how it ended), `done` or
    `failed` of `Refund.Status`."""

    provider_ref: str
    status: str
    failure: str = ""


@dataclass(frozen=True)
class Report:
    """What a webhook says. `subject` is what it is about; None: nothing of ours. `status` is one of `Payment.Status` or
    `Refund.Status`, `row_id` our own id where the provider repeats it: its own may come before we have stored it."""

    event_id: str
    kind: str
    subject: Literal["payment", "refund"] | None = None
    provider_ref: str = ""
    row_id: int | None = None
    status: str = ""
    amount: Decimal | None = None
    currency: str = ""
    failure: str = ""
    order_number: str = ""  # Of ours; goes with `row_id`, which another database gives too.


class Provider(Protocol):
    """One way to be paid."""

    name: str
    is_card: bool  # The buyer pays by themselves, at most what is owed.

    def start(self, payment: Payment) -> Started:
        """Begin the attempt, or ask again about one that has begun: repeating it begins no second one. Raises
        ProviderError."""

    def send_refund(self, payment: Payment, refund: Refund, *, idempotency_key: str) -> Refunded:
        """Send money back; with the same key once only. Raises ProviderError."""

    def look_up(self, row: Payment | Refund) -> Report:
        """How something that the provider took over stands now, as its webhooks would have said. Raises
        ProviderError."""

    def cancel(self, payment: Payment) -> str:
        """End an attempt that nobody has paid, for good. Its status after that: `cancelled`, or what it has come to
        meanwhile. Raises ProviderError."""

    def verify(self, headers: Mapping[str, str], body: bytes) -> Report:
        """What a signed webhook says. Raises BadSignature, BadEvent."""

    def read(self, body: str) -> Report:
        """As `verify`, of a body that was verified before it was stored."""

    def confirm(self, report: Report) -> Report:
        """What holds, before a report on a row of ours is applied: a failed attempt that could still be paid is ended
        here, so that no money comes in for it. Raises ProviderError."""
