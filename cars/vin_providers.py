"""Who is asked what a VIN means: `vininfo` (offline, a guess from tables), NHTSA's vPIC, or ClearVIN."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from vininfo import Vin
from vininfo.exceptions import VininfoException

from common.http import OutsideClient, OutsideError

TIMEOUT_S = 5.0
VPIC_URL = "https://vpic.nhtsa.dot.gov/api"
CLEARVIN_URL = "https://www.clearvin.com"
MAX_VALUE = 200  # Characters kept of one attribute.
CLEAN = "0"  # vPIC's ErrorCode of a VIN that it knows and whose check digit is right.

ATTRIBUTES = (
    "make",
    "model",
    "year",
    "trim",
    "manufacturer",
    "body",
    "vehicle_type",
    "engine",
    "fuel_type",
    "drivetrain",
    "transmission",
    "plant",
)


class Decoded(NamedTuple):
    """A provider's answer. `found`: it knows this VIN without reservations. `attributes`: those of ATTRIBUTES that
    it has, as text."""

    found: bool
    attributes: dict[str, str]


class VinProvider(Protocol):
    """`outside` tells a source of facts from a guess made here; only the former can verify, and is cached."""

    name: str
    outside: bool

    def decode(self, vin: str) -> Decoded:
        """`vin` is a valid 17-character one. Raises OutsideError."""
        ...


class VinInfo:
    """The tables of the `vininfo` package: the maker by WMI, and for a few makes what the digits mean."""

    name = "vininfo"
    outside = False

    def decode(self, vin: str) -> Decoded:
        try:
            known = Vin(vin)
        except VininfoException:
            return Decoded(found=False, attributes={})
        made_by = known.manufacturer
        if made_by == "UnsupportedBrand":
            return Decoded(found=False, attributes={})
        details = known.details
        found = {"make": made_by, "manufacturer": made_by}
        if details is not None and known.brand.title != "UnsupportedBrand":
            found |= {
                "make": known.brand.title,
                "model": details.model.name,
                "body": details.body.name,
                "engine": details.engine.name,
                "transmission": details.transmission.name,
                "plant": details.plant.name,
            }
        return Decoded(found=True, attributes=_texts(found))


class Vpic:
    """NHTSA's vPIC, public and without a key. It answers 200 to anything: what it thinks of a VIN is in `ErrorCode`,
    one or more numbers joined by commas, and each of some 150 variables is a string, empty when unknown."""

    name = "vpic"
    outside = True
    variables: Mapping[str, str] = {
        "make": "Make",
        "model": "Model",
        "year": "ModelYear",
        "trim": "Trim",
        "manufacturer": "Manufacturer",
        "body": "BodyClass",
        "vehicle_type": "VehicleType",
        "engine": "EngineModel",
        "fuel_type": "FuelTypePrimary",
        "drivetrain": "DriveType",
        "transmission": "TransmissionStyle",
        "plant": "PlantCountry",
    }

    def decode(self, vin: str) -> Decoded:
        url = f"{settings.VIN_API_URL or VPIC_URL}/vehicles/DecodeVinValues/{vin}"
        data = _ask(self.name, url, params={"format": "json"})
        rows = data.get("Results")
        if not isinstance(rows, list) or not rows or not isinstance(rows[0], dict):
            raise OutsideError("bad_json", "vpic")
        row = rows[0]
        attributes = _texts({name: row.get(variable) for name, variable in self.variables.items()})
        return Decoded(found=row.get("ErrorCode") == CLEAN and "make" in attributes, attributes=attributes)


class ClearVin:
    """ClearVIN's vendor API, with CLEARVIN_API_KEY as bearer token. Documented is the envelope `{status, report:
    {report: {...}}}`; inside it the attributes are found by their names, wherever they stand."""

    name = "clearvin"
    outside = True
    variables: Mapping[str, str] = {
        "make": "make",
        "model": "model",
        "year": "year",
        "trim": "trim",
        "manufacturer": "manufacturer",
        "body": "style",
        "vehicle_type": "vehicletype",
        "engine": "engine",
        "fuel_type": "fueltype",
        "drivetrain": "drivetrain",
        "transmission": "transmission",
        "plant": "madein",
    }

    def decode(self, vin: str) -> Decoded:
        url = f"{settings.VIN_API_URL or CLEARVIN_URL}/rest/vendor/report"
        headers = {"Authorization": f"Bearer {settings.CLEARVIN_API_KEY}"}
        data = _ask(self.name, url, params={"vin": vin}, headers=headers)
        if data.get("status") != "ok":
            return Decoded(found=False, attributes={})
        leaves = dict(reversed(list(_leaves(data.get("report")))))
        attributes = _texts({name: leaves.get(variable) for name, variable in self.variables.items()})
        return Decoded(found="make" in attributes, attributes=attributes)


PROVIDERS: Mapping[str, Callable[[], VinProvider]] = {
    "vininfo": VinInfo,
    "vpic": Vpic,
    "clearvin": ClearVin,
}


def current_provider() -> VinProvider:
    """ClearVIN when its key is set, else the one that VIN_PROVIDER names. Raises ImproperlyConfigured for an unknown
    name, and for `clearvin` without its key; `AppConfig.ready()` calls it, so that neither starts."""
    name = "clearvin" if settings.CLEARVIN_API_KEY else settings.VIN_PROVIDER
    if name not in PROVIDERS:
        raise ImproperlyConfigured(f"VIN_PROVIDER={name!r} is not one of {', '.join(PROVIDERS)}.")
    if name == "clearvin" and not settings.CLEARVIN_API_KEY:
        raise ImproperlyConfigured("VIN_PROVIDER=clearvin needs CLEARVIN_API_KEY.")
    return PROVIDERS[name]()


def _ask(
    provider: str, url: str, *, params: Mapping[str, str], headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """One try within TIMEOUT_S: somebody is waiting, and there is an answer without it."""
    client = OutsideClient(
        provider=provider, headers=headers, budget_s=TIMEOUT_S, tries=1, connect_s=TIMEOUT_S, read_s=TIMEOUT_S
    )
    with client:
        data = client.get_json(url, params=params)
    if not isinstance(data, dict):
        raise OutsideError("bad_json", url.split("/")[2])
    return data


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    """What is known, as text without control characters, cut to MAX_VALUE."""
    found = {}
    for name, value in values.items():
        text = " / ".join(str(item) for item in value) if isinstance(value, list) else str(value or "")
        text = "".join(char for char in text if char.isprintable()).strip()[:MAX_VALUE]
        if text and text != "Not Applicable":
            found[name] = text
    return found


def _leaves(value: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Every text or number in nested JSON under its name, lower case without separators."""
    if isinstance(value, dict) and depth < 8:
        for key, inner in value.items():
            yield from _leaves(inner, str(key).lower().replace("_", "").replace(" ", ""), depth + 1)
    elif isinstance(value, str | int) and name:
        yield name, value
