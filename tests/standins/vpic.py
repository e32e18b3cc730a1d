"""A stand-in for NHTSA's vPIC: makes, models of a make and year, and VIN decoding, in the shapes of the real
service (https://vpic.nhtsa.dot.gov/api/).

By hand: `python -m tests.standins.vpic --port 8002`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar
from urllib.parse import unquote

from tests.standins.base import (
    Answer,
    Request,
    Row,
    StandIn,
    command_line,
    html_page,
    serve_until_stopped,
)

XML_TYPE = "application/xml; charset=utf-8"
FIRST_YEAR, LAST_YEAR = 1995, 2030  # The model years of rows that name none.

_LIST_MESSAGE = "Response returned successfully"
_DECODE_MESSAGE = (
    "Results returned successfully. NOTE: Any missing decoded values should be interpreted as NHTSA does not "
    "have data on the specific variable. Missing value should NOT be interpreted as an indication that a "
    "feature or technology is unavailable for a vehicle."
)
ERROR_TEXTS: Mapping[str, str] = {
    "0": "VIN decoded clean. Check Digit (9th position) is correct",
    "1": "Check Digit (9th position) does not calculate properly",
    "5": "VIN has errors in few positions",
    "6": "Incomplete VIN",
    "7": "Manufacturer is not registered with NHTSA for sale or importation in the U.S. for use on U.S "
    "roads; Please contact the manufacturer directly for more information",
    "8": "No detailed data available currently",
    "11": "Incorrect Model Year - Position 10 does not match valid model year codes (I, O, Q, U, Z, 0). "
    "Decoded data may not be accurate.",
    "14": "Unable to provide information for all characters in the VIN.",
    "400": "Invalid Characters Present",
}
# Every answer about a VIN has all of these, as strings, empty where nothing is known.
_NAMES = """
    ABS ActiveSafetySysNote AdaptiveCruiseControl AdaptiveDrivingBeam AdaptiveHeadlights
    AdditionalErrorText AirBagLocCurtain AirBagLocFront AirBagLocKnee AirBagLocSeatCushion AirBagLocSide
    AutoReverseSystem AutomaticPedestrianAlertingSound AxleConfiguration Axles BasePrice BatteryA BatteryA_to
    BatteryCells BatteryInfo BatteryKWh BatteryKWh_to BatteryModules BatteryPacks BatteryType BatteryV
    BatteryV_to BedLengthIN BedType BlindSpotIntervention BlindSpotMon BodyCabType BodyClass BrakeSystemDesc
    BrakeSystemType BusFloorConfigType BusLength BusType CAN_AACN CIB CashForClunkers ChargerLevel
    ChargerPowerKW CombinedBrakingSystem CoolingType CurbWeightLB CustomMotorcycleType DaytimeRunningLight
    DestinationMarket DisplacementCC DisplacementCI DisplacementL Doors DriveType DriverAssist
    DynamicBrakeSupport EDR ESC EVDriveUnit ElectrificationLevel EngineConfiguration EngineCycles
    EngineCylinders EngineHP EngineHP_to EngineKW EngineManufacturer EngineModel EntertainmentSystem
    ErrorCode ErrorText ForwardCollisionWarning FuelInjectionType FuelTankMaterial FuelTankType
    FuelTypePrimary FuelTypeSecondary GCWR GCWR_to GVWR GVWR_to KeylessIgnition LaneCenteringAssistance
    LaneDepartureWarning LaneKeepSystem LowerBeamHeadlampLightSource Make MakeID Manufacturer ManufacturerId
    Model ModelID ModelYear MotorcycleChassisType MotorcycleSuspensionType NCSABodyType NCSAMake
    NCSAMapExcApprovedBy NCSAMapExcApprovedOn NCSAMappingException NCSAModel NCSANote NonLandUse Note
    OtherBusInfo OtherEngineInfo OtherMotorcycleInfo OtherRestraintSystemInfo OtherTrailerInfo ParkAssist
    PedestrianAutomaticEmergencyBraking PlantCity PlantCompanyName PlantCountry PlantState PossibleValues
    Pretensioner RearAutomaticEmergencyBraking RearCrossTrafficAlert RearVisibilitySystem SAEAutomationLevel
    SAEAutomationLevel_to SeatBeltsAll SeatRows Seats SemiautomaticHeadlampBeamSwitching Series Series2
    SteeringLocation SuggestedVIN TPMS TopSpeedMPH TrackWidth TractionControl TrailerBodyType TrailerLength
    TrailerType TransmissionSpeeds TransmissionStyle Trim Trim2 Turbo VIN ValveTrainDesign VehicleDescriptor
    VehicleType WheelBaseLong WheelBaseShort WheelBaseType WheelSizeFront WheelSizeRear WheelieMitigation
    Wheels Windows
"""
VARIABLES = tuple(_NAMES.split())
_VIN_CHARACTERS = frozenset("ABCDEFGHJKLMNPRSTUVWXYZ0123456789*")


class VpicServer(StandIn):
    """The parts of vPIC that the project asks: `GetAllMakes`, `GetModelsForMakeYear` and `DecodeVinValues`.

    A row is one model: `Make_ID`, `Make_Name`, `Model_ID`, `Model_Name` as they are sent, and `years`, the
    model years in which it is listed. As with the real one, names of methods and makes are matched without
    regard to case, every answer about a VIN has status 200, and without `format=json` the answer is XML.
    """

    rows_field: ClassVar[str] = "Results"
    id_field: ClassVar[str] = "Model_ID"

    def __init__(self, rows: Iterable[Row] | None = None, *, port: int = 0) -> None:
        super().__init__(port=port)
        self._vins: dict[str, Row] = {}
        self._rows.extend(sample_models() if rows is None else rows)

    @property
    def api_url(self) -> str:
        """What stands in for `https://vpic.nhtsa.dot.gov/api`."""
        return f"{self.base_url}/api"

    def add(self, make: str, model: str, *, years: Iterable[int] = (), make_id: int | None = None) -> int:
        """Add a model, listed in `years` (none given: in all), and return its id."""
        with self._lock:
            ids = {row["Make_Name"]: row["Make_ID"] for row in self._rows}
            number = ids.get(make, 440 + len(ids)) if make_id is None else make_id
            row = _model(number, make, max((row["Model_ID"] for row in self._rows), default=1000) + 1, model)
            self._rows.append(row | ({"years": list(years)} if years else {}))
            return int(row["Model_ID"])

    def add_vin(self, vin: str, *, codes: str = "0", **variables: str) -> None:
        """Let a VIN be known by these variables; `codes` are those of `ERROR_TEXTS`, joined by commas."""
        self._vins[vin] = {"codes": codes, **variables}

    def respond(self, request: Request, headers: Mapping[str, str]) -> Answer:
        match [unquote(part).lower() for part in request.path.strip("/").split("/")]:
            case ["api", "vehicles", "getallmakes"]:
                answer = self._makes()
            case ["api", "vehicles", "getmodelsformakeyear", "make", make, "modelyear", year]:
                answer = self._models(make, year)
            case ["api", "vehicles", "decodevinvalues", vin]:
                answer = self._decode(vin.upper())
            case _:
                return html_page(404, f"Cannot GET {request.path}")
        if request.params.get("format", "").lower() != "json":
            return Answer(text="<Response></Response>", content_type=XML_TYPE)
        return answer

    def error(self, status: int) -> Answer:
        return html_page(status, "Service unavailable" if status >= 500 else "Request refused")

    def bad_rows(self) -> list[Row]:
        return [
            {"Make_ID": 1, "Make_Name": "BADMAKE", "Model_ID": 9001},
            _model(1, "BADMAKE", 9002, None),
            _model(1, "BADMAKE", 9003, "Nul\u0000char"),
            _model(1, "BADMAKE", 9004, "<script>alert(1)</script>"),
            _model(1, "BADMAKE", 9005, "x" * 10_000),
            _model(1, "BADMAKE", None, "No id"),
        ]

    def _makes(self) -> Answer:
        makes = {row["Make_ID"]: row["Make_Name"] for row in self._rows}
        rows = [{"Make_ID": number, "Make_Name": name} for number, name in makes.items()]
        return _listing(rows, None)

    def _models(self, make: str, year: str) -> Answer:
        if not (year.isascii() and year.isdigit()):
            return html_page(404, "No such model year")
        found = [
            {name: value for name, value in row.items() if name != "years"}
            for row in self._rows
            if row["Make_Name"].lower() == make and int(year) in row.get("years", range(FIRST_YEAR, LAST_YEAR + 1))
        ]
        return _listing(found, f"Make:{make} | ModelYear:{year}")

    def _decode(self, vin: str) -> Answer:
        known = dict(self._vins.get(vin, {"codes": _codes_of_unknown(vin)}))
        codes = known.pop("codes")
        text = "; ".join(f"{code} - {ERROR_TEXTS[code]}" for code in codes.split(","))
        row = dict.fromkeys(VARIABLES, "") | {"VIN": vin, "ErrorCode": codes, "ErrorText": text} | known
        document = {"Count": 1, "Message": _DECODE_MESSAGE, "SearchCriteria": f"VIN(s): {vin}"}
        return Answer(document=document | {"Results": [row]})


def _codes_of_unknown(vin: str) -> str:
    codes = ["6"] if len(vin) < 17 else ["7"]
    return ",".join(codes + ([] if set(vin) <= _VIN_CHARACTERS else ["400"]))


def _model(make_id: int, make: str, model_id: int | None, model: str | None) -> Row:
    return {"Make_ID": make_id, "Make_Name": make, "Model_ID": model_id, "Model_Name": model}


def _listing(rows: list[Row], criteria: str | None) -> Answer:
    document: dict[str, Any] = {"Count": len(rows), "Message": _LIST_MESSAGE, "SearchCriteria": criteria}
    return Answer(document=document | {"Results": rows})


def sample_models() -> list[Row]:
    """Give a few models of three makes, one of which has a blank in its name."""
    makes = {
        "TOYOTA": ("Camry", "Corolla", "RAV4", "Tacoma"),
        "HONDA": ("Accord", "Civic", "CR-V"),
        "LAND ROVER": ("Defender", "Discovery"),
    }
    return [
        _model(448 + number, make, 2200 + 10 * number + place, model)
        for number, (make, models) in enumerate(makes.items())
        for place, model in enumerate(models)
    ]


def main() -> None:
    serve_until_stopped(VpicServer(port=command_line(__doc__).parse_args().port))


if __name__ == "__main__":
    main()
