"""What a decoded VIN says, in the words of a listing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from auctions.models import BodyType, Drivetrain, FuelType, Transmission
from cars.models import YEAR_MAX, YEAR_MIN
from cars.services import VinAnswer

# The first word that occurs decides; the words are those of vPIC's lists, which the other sources use too.
BODIES = (
    ("minivan", BodyType.MINIVAN),
    ("motorcycle", BodyType.MOTORCYCLE),
    ("convertible", BodyType.CONVERTIBLE),
    ("cabriolet", BodyType.CONVERTIBLE),
    ("roadster", BodyType.CONVERTIBLE),
    ("sport utility", BodyType.SUV),
    ("suv", BodyType.SUV),
    ("pickup", BodyType.PICKUP),
    ("hatchback", BodyType.HATCHBACK),
    ("wagon", BodyType.WAGON),
    ("coupe", BodyType.COUPE),
    ("sedan", BodyType.SEDAN),
    ("truck", BodyType.TRUCK),
    ("van", BodyType.VAN),
)
FUELS = (
    ("plug-in", FuelType.PLUGIN_HYBRID),
    ("hybrid", FuelType.HYBRID),
    ("diesel", FuelType.DIESEL),
    ("gasoline", FuelType.GASOLINE),
    ("flexible fuel", FuelType.GASOLINE),
    ("hydrogen", FuelType.HYDROGEN),
    ("fuel cell", FuelType.HYDROGEN),
    ("electric", FuelType.ELECTRIC),
    ("cng", FuelType.CNG),
    ("natural gas", FuelType.CNG),
    ("lpg", FuelType.LPG),
    ("propane", FuelType.LPG),
)
DRIVETRAINS = (
    ("fwd", Drivetrain.FWD),
    ("front", Drivetrain.FWD),
    ("rwd", Drivetrain.RWD),
    ("rear", Drivetrain.RWD),
    ("awd", Drivetrain.AWD),
    ("all-wheel", Drivetrain.AWD),
    ("4wd", Drivetrain.FOUR_WD),
    ("4x4", Drivetrain.FOUR_WD),
)
TRANSMISSIONS = (
    ("cvt", Transmission.CVT),
    ("continuously", Transmission.CVT),
    ("dual", Transmission.DUAL_CLUTCH),
    ("dct", Transmission.DUAL_CLUTCH),
    ("automated manual", Transmission.OTHER),
    ("manual", Transmission.MANUAL),
    ("automatic", Transmission.AUTOMATIC),
)


def statements_of(answer: VinAnswer) -> dict[str, Any]:
    """Fields of a listing and what the VIN says of them, without those of which it says nothing."""
    told = answer.attributes
    found: dict[str, Any] = {
        "year": _year(told.get("year", "")) or answer.report.model_year,
        "make": told.get("make", "")[:128],
        "model": told.get("model", "")[:160],
        "trim": told.get("trim", "")[:128],
        "engine": told.get("engine", "")[:128],
        "body_type": _first(BODIES, told.get("body", "")),
        "fuel_type": _first(FUELS, told.get("fuel_type", "")),
        "drivetrain": _first(DRIVETRAINS, told.get("drivetrain", "")),
        "transmission": _first(TRANSMISSIONS, told.get("transmission", "")),
    }
    return {name: value for name, value in found.items() if value}


def _year(text: str) -> int | None:
    return (
        int(text)
        if text.isascii() and text.isdigit() and len(text) == 4 and YEAR_MIN <= int(text) <= YEAR_MAX
        else None
    )


def _first(words: Sequence[tuple[str, str]], text: str) -> str:
    text = text.casefold()
    return next((str(value) for word, value in words if word in text), "")
