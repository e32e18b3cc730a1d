"""Money that finance sees on the bank account: a wire in, a wire back."""

from __future__ import annotations

from collections.abc import Mapping

from auctions.models import Payment, Refund
from auctions.providers.base import BadSignature, ProviderError, Refunded, Report, Started


class Manual:
    """Nothing is sent anywhere: what finance says has happened. A provider all the same, so that nobody who handles a
    payment has to ask which kind it is."""

    name = "manual"
    is_card = False

    def start(self, payment: Payment) -> Started:
        return Started(provider_ref="", status=Payment.Status.SUCCEEDED)

    def send_refund(self, payment: Payment, refund: Refund, *, idempotency_key: str) -> Refunded:
        return Refunded(provider_ref="", status=Refund.Status.DONE)

    def look_up(self, row: Payment | Refund) -> Report:
        raise ProviderError("Nobody can be asked about a wire.", is_transient=False)

    def cancel(self, payment: Payment) -> str:
        return Payment.Status.CANCELLED

    def verify(self, headers: Mapping[str, str], body: bytes) -> Report:
        raise BadSignature

    def read(self, body: str) -> Report:
        raise BadSignature

    def confirm(self, report: Report) -> Report:
        return report
