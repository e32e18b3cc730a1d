"""What a VIN says: the rules here first, then whoever `cars.vin_providers` asks, remembered in VinDecode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.core.cache import cache
from prometheus_client import Histogram

from cars import vin as rules
from cars.models import VinDecode
from cars.vin_providers import Decoded, VinInfo, VinProvider, current_provider
from common.errors import Unprocessable
from common.http import OutsideError

KEEP_FOUND = timedelta(days=30)
KEEP_NOT_FOUND = timedelta(days=1)
REST_AFTER_FAILURE_S = 30  # While a provider hangs, not every request waits for it.
UNAVAILABLE = rules.Finding("provider_unavailable", "The VIN service did not answer; this is our own reading.")
UNCONFIRMED = rules.Finding("not_confirmed", "The VIN service does not know this VIN without reservations.")

log = structlog.get_logger(__name__)
_DURATION = Histogram("vin_decode_duration_seconds", "What a provider took, without remembered answers.", ["provider"])


class InvalidVin(Unprocessable):
    """Not the number of a vehicle. `meta.findings` lists what is wrong: length, character, implausible,
    check_digit_mismatch."""

    code = "invalid_vin"


@dataclass(frozen=True, slots=True)
class VinAnswer:
    """What is known about a VIN. `source` is who says so (`local`: the number itself); `verified` only when an outside
    source knows this very VIN."""

    report: rules.VinReport
    source: str
    verified: bool
    attributes: Mapping[str, str]
    warnings: tuple[rules.Finding, ...]


def check_vin(*, vin: str, exempt_reason: str = "", now: datetime) -> rules.VinReport:
    """Normalise and check a VIN by the rules alone. Raises InvalidVin; what is only suspicious is in `warnings`."""
    report = rules.validate(vin, today=now.date(), exempt_reason=exempt_reason)
    if not report.ok:
        findings = [{"code": finding.code, "detail": finding.message} for finding in report.errors]
        message = " ".join(finding.message for finding in report.errors)
        raise InvalidVin(message, attr="vin", meta={"findings": findings})
    return report


def decode_vin(*, vin: str, exempt_reason: str = "", now: datetime) -> VinAnswer:
    """Check a VIN and say what vehicle it is. Raises InvalidVin.

    Costs a call of up to 5 s when an outside provider is set and its answer is not remembered: never call it inside a
    transaction. A provider that fails leaves our own reading and a warning.
    """
    report = check_vin(vin=vin, exempt_reason=exempt_reason, now=now)
    if not report.wmi:  # Admitted by an exemption: no provider knows it.
        return VinAnswer(report, "local", verified=False, attributes={}, warnings=report.warnings)
    provider = current_provider()
    try:
        decoded = _remembered(provider, report.vin, now=now) if provider.outside else provider.decode(report.vin)
    except OutsideError as error:
        log.warning("vin_provider_failed", provider=provider.name, code=error.code)
        return _answer(report, VinInfo(), warning=UNAVAILABLE)
    return _answer(report, provider, decoded)


def recall_vin(*, vin: str, exempt_reason: str = "", now: datetime) -> VinAnswer | None:
    """What is known about a VIN here and now: the remembered answer of the outside provider, else our own reading. Asks
    nobody outside; one query at most. None for a number that the rules refuse."""
    report = rules.validate(vin, today=now.date(), exempt_reason=exempt_reason)
    if not report.ok:
        return None
    if not report.wmi:
        return VinAnswer(report, "local", verified=False, attributes={}, warnings=report.warnings)
    provider = current_provider()
    decoded = _recall(provider, report.vin, now=now) if provider.outside else None
    return _answer(report, VinInfo()) if decoded is None else _answer(report, provider, decoded)


def _answer(
    report: rules.VinReport,
    provider: VinProvider,
    decoded: Decoded | None = None,
    *,
    warning: rules.Finding | None = None,
) -> VinAnswer:
    """What a provider says of a VIN; without its answer it is one that is asked here."""
    decoded = provider.decode(report.vin) if decoded is None else decoded
    verified = provider.outside and decoded.found
    warnings = report.warnings + ((warning,) if warning else ())
    if provider.outside and not verified:
        warnings += (UNCONFIRMED,)
    source = provider.name if decoded.attributes or provider.outside else "local"
    return VinAnswer(report, source, verified, decoded.attributes, warnings)


def _recall(provider: VinProvider, vin: str, *, now: datetime) -> Decoded | None:
    row = VinDecode.objects.filter(vin=vin, provider=provider.name, expires_at__gt=now).first()
    return None if row is None else Decoded(row.found, row.attributes)


def _remembered(provider: VinProvider, vin: str, *, now: datetime) -> Decoded:
    """The provider's answer, asked for at most once in the time it is kept. Raises OutsideError."""
    recalled = _recall(provider, vin, now=now)
    if recalled is not None:
        return recalled
    decoded = _ask(provider, vin)
    keep = KEEP_FOUND if decoded.found else KEEP_NOT_FOUND
    VinDecode.objects.update_or_create(
        vin=vin,
        provider=provider.name,
        defaults={
            "found": decoded.found,
            "attributes": decoded.attributes,
            "fetched_at": now,
            "expires_at": now + keep,
        },
    )
    return decoded


def forget_expired(*, now: datetime) -> int:
    """Deletes the answers past their time; how many."""
    return VinDecode.objects.filter(expires_at__lte=now).delete()[0]


def _ask(provider: VinProvider, vin: str) -> Decoded:
    resting = f"vin-provider-failed:{provider.name}"
    if error := cache.get(resting):
        raise OutsideError(error, provider.name)
    try:
        with _DURATION.labels(provider.name).time():
            return provider.decode(vin)
    except OutsideError as error:
        cache.set(resting, error.code, REST_AFTER_FAILURE_S)
        raise
