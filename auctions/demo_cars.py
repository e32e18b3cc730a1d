"""The cars of the demo's marketplace, by VIN."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from cars.demo import ACCORD_SPORT, CIVIC, GOLF

PICKUP, JEEP, MUSTANG, TESLA, PRIUS, BEETLE, BUS, COROLLA, RAV4, RANGER, SIENNA, OUTLANDER = (
    "1FTFW1ET9DFC20399", "1C4BJWDG7GL100041", "1FA6P8CFXH5200022", "5YJSA1E20GF100018",
    "JTDKARFU0G3510037", "3VWRW31CX8M500012", "WV2ZZZ7061H000001", "JTDBR32E320000019", "2T3BFREV0DW080076",
    "1FTYR10D18PA10010", "5TDYK3DC3FS500033", "JA4AZ3A36GZ000072",
)  # fmt: skip
ALTIMA, CX5, ROGUE, MALIBU, SILVERADO, VOLVO, EXPLORER, PILOT, CAMRY, SONATA, FORTE = (
    "1N4AL3AP4GC200015", "JM3KE4DY1G0600044", "JN8AS5MT5BW100065", "1G1ZD5ST3JF200054", "3GCUKREC6GG200048",
    "YV4902RC7G2800029", "1FM5K8D81EGA40032", "5FNYF6H52JB030026", "4T1BF1FK7HU300043", "5NPE34AF2GH400050",
    "KNAFK4A68G5500061",
)  # fmt: skip


def _car(year: int, name: str, body: str, mileage: int, color: str, price: int, text: str = "", **more: Any) -> Any:
    """`name` is make, model and trim, between slashes; `price` starts an auction; `more` are other fields."""
    make, model, trim = [*name.split("/"), ""][:3]
    prices = {key: Decimal(more.pop(key)) for key in ("reserve_price", "buy_now_price") if key in more}
    return {
        "year": year, "make": make, "model": model, "trim": trim, "body_type": body, "mileage": mileage,
        "exterior_color": color, "starting_price": Decimal(price), "description": text, "fuel_type": "gasoline",
        "transmission": "automatic", "condition": "runs_drives", "title_type": "clean", "title_state": "NY",
        "location_address": "12 Harbour Road", "location_city": "Albany", "location_state": "NY",
        "location_zip": "12207", **prices, **more,
    }  # fmt: skip


CARS: dict[str, dict[str, Any]] = {
    ACCORD_SPORT: _car(
        2018, "Honda/Accord/Sport 1.5T", "sedan", 61_800, "silver", 8000, reserve_price=12000, transmission="cvt",
        text="One owner, serviced on time, a scratch on the rear bumper.", shares_history=True,
    ),
    PICKUP: _car(
        2013, "Ford/F-150/Lariat", "pickup", 118_300, "firebrick", 9000, "Tow package, new tyres.", drivetrain="4wd"
    ),
    JEEP: _car(
        2016, "Jeep/Wrangler/Sport", "suv", 68_000, "olivedrab", 12500, "Both tops.", reserve_price=15000,
        drivetrain="4wd", transmission="manual",
    ),
    MUSTANG: _car(2017, "Ford/Mustang/GT", "coupe", 39_400, "orangered", 11000, "Garaged.", transmission="manual"),
    TESLA: _car(
        2016, "Tesla/Model S/75D", "hatchback", 74_100, "midnightblue", 14000, "Battery at 91 % of its first day.",
        fuel_type="electric", drivetrain="awd", reserve_price=17500, buy_now_price=24000,
    ),
    PRIUS: _car(2016, "Toyota/Prius", "hatchback", 83_000, "teal", 6500, "Was a taxi for a year.", fuel_type="hybrid"),
    BEETLE: _car(2008, "Volkswagen/New Beetle", "hatchback", 99_000, "gold", 4000, "Runs, wants a new clutch."),
    BUS: _car(2001, "Volkswagen/Transporter", "van", 187_000, "seagreen", 6000, "Camper.", fuel_type="diesel"),
    GOLF: _car(1999, "Volkswagen/Golf", "hatchback", 125_300, "royalblue", 1000, "An honest old car."),
    COROLLA: _car(2002, "Toyota/Corolla", "sedan", 143_000, "gray", 1500),
    RAV4: _car(
        2013, "Toyota/RAV4/XLE", "suv", 92_700, "steelblue", 8000, "New brakes all round.", drivetrain="awd",
        reserve_price=11500,
    ),
    RANGER: _car(2008, "Ford/Ranger", "pickup", 160_000, "brown", 2500, "Best truck ever, cash only!"),
    SIENNA: _car(2015, "Toyota/Sienna/LE", "minivan", 101_000, "slategray", 7000, "Seven seats."),
    OUTLANDER: _car(2016, "Mitsubishi/Outlander", "suv", 88_900, "indianred", 6800, "Make an offer."),
    CIVIC: _car(
        2016, "Honda/Civic/EX", "sedan", 88_400, "navy", 6000, "Commuted to Troy and back.", transmission="cvt"
    ),
    ALTIMA: _car(2016, "Nissan/Altima/SV", "sedan", 94_300, "dimgray", 5500, "Quiet and clean."),
    CX5: _car(2016, "Mazda/CX-5/Touring", "suv", 79_900, "darkred", 9000, "Roof box included.", drivetrain="awd"),
    ROGUE: _car(2011, "Nissan/Rogue", "suv", 134_500, "maroon", 3000, "The gearbox was looked at last year."),
    MALIBU: _car(2018, "Chevrolet/Malibu/LT", "sedan", 64_200, "black", 8000),
    SILVERADO: _car(
        2016, "Chevrolet/Silverado/LT", "pickup", 97_500, "lightsteelblue", 10000, "Work truck, honest miles.",
        drivetrain="4wd",
    ),
    VOLVO: _car(2016, "Volvo/XC60/T5", "suv", 86_700, "darkslateblue", 9500, "Winter wheels in the boot."),
    EXPLORER: _car(2014, "Ford/Explorer", "suv", 121_000, "darkgreen", 7000, "Third row, tow hitch.", drivetrain="awd"),
    PILOT: _car(2018, "Honda/Pilot/EX-L", "suv", 71_300, "saddlebrown", 13000, "Family of five.", drivetrain="awd"),
    CAMRY: _car(2017, "Toyota/Camry/SE", "sedan", 71_900, "white", 9000, "From a fleet, with all its papers."),
    SONATA: _car(2016, "Hyundai/Sonata/SE", "sedan", 90_400, "goldenrod", 6000, "One key."),
    FORTE: _car(2016, "Kia/Forte/LX", "sedan", 77_000, "mediumblue", 5000, "Student's car."),
}  # fmt: skip
