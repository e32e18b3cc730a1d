"""Vehicle identification numbers: check digit, model year and origin, from the number alone.

Sources: 49 CFR 565.15 (United States) for transliteration, weights and year codes; ISO 3779 for the
structure; ISO 3780 for the first two characters. A number says how it was built, not that the vehicle exists:
nothing here is verified.
"""

from __future__ import annotations

import string
from dataclasses import dataclass, replace
from datetime import date
from typing import Final, NamedTuple

VIN_LENGTH: Final = 17
EXEMPT_LENGTHS: Final = range(4, VIN_LENGTH + 1)

# I, O and Q have no value: they look like 1 and 0.
TRANSLITERATION: Final = {
    **{digit: int(digit) for digit in string.digits},
    **dict(zip("ABCDEFGH", range(1, 9), strict=True)),
    **dict(zip("JKLMN", range(1, 6), strict=True)),
    "P": 7,
    "R": 9,
    **dict(zip("STUVWXYZ", range(2, 10), strict=True)),
}
WEIGHTS: Final = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)

# 1980 is A, 2000 is Y, 2001 is 1, 2009 is 9, and 2010 is A again.
YEAR_CODES: Final = "ABCDEFGHJKLMNPRSTVWXY123456789"
FIRST_YEAR: Final = 1980
CYCLE_YEARS: Final = len(YEAR_CODES)

_ASCII_LETTERS_DIGITS: Final = frozenset(string.ascii_uppercase + string.digits)
_LOOKALIKES: Final = frozenset("IOQ")
_FEWEST_DISTINCT: Final = 4
_MOST_LISTED: Final = 5

# What people type or paste between the groups: white space, hyphens, dashes.
_SEPARATORS: Final = string.whitespace + "-\u00a0\u2010\u2011\u2012\u2013\u2014\u2212"
_CLEANING: Final = str.maketrans(string.ascii_lowercase, string.ascii_uppercase, _SEPARATORS)

_REGIONS: Final = {
    "ABCDEFG": "Africa",
    "HJKLMNPR": "Asia",
    "STUVWXYZ": "Europe",
    "123457": "North America",
    "6": "Oceania",
    "89": "South America",
}
# Order of the second character in the ranges of ISO 3780.
_RANGE_ORDER: Final = "ABCDEFGHJKLMNPRSTUVWXYZ1234567890"
_COUNTRIES: Final = {
    "AA-AH": "South Africa",
    "BF-BG": "Kenya",
    "CA-CB": "Egypt",
    "CF-CG": "Morocco",
    "DA-DE": "Egypt",
    "HA-H0": "China",
    "JA-J0": "Japan",
    "KF-KH": "Israel",
    "KL-KR": "South Korea",
    "LA-L0": "China",
    "MA-ME": "India",
    "MF-MK": "Indonesia",
    "ML-MR": "Thailand",
    "MX-MX": "Kazakhstan",
    "NA-NE": "Iran",
    "NF-NG": "Pakistan",
    "NL-NR": "Turkey",
    "NS-NT": "Uzbekistan",
    "PA-PC": "Philippines",
    "PL-PR": "Malaysia",
    "RF-RK": "Taiwan",
    "RL-RN": "Vietnam",
    "SA-SM": "United Kingdom",
    "SN-ST": "Germany",
    "SU-SZ": "Poland",
    "TA-TH": "Switzerland",
    "TJ-TP": "Czech Republic",
    "TR-TV": "Hungary",
    "TW-T2": "Portugal",
    "UH-UM": "Denmark",
    "UN-UR": "Ireland",
    "UU-UW": "Romania",
    "U5-U7": "Slovakia",
    "VA-VE": "Austria",
    "VF-VR": "France",
    "VS-VW": "Spain",
    "V3-V5": "Croatia",
    "WA-W0": "Germany",
    "XF-XH": "Greece",
    "XL-XR": "Netherlands",
    "XS-XW": "Russia",
    "Z6-Z0": "Russia",
    "YA-YE": "Belgium",
    "YF-YK": "Finland",
    "YS-YW": "Sweden",
    "ZA-ZU": "Italy",
    "1A-10": "United States",
    "2A-25": "Canada",
    "3A-3X": "Mexico",
    "4A-40": "United States",
    "5A-50": "United States",
    "6A-6X": "Australia",
    "6Y-61": "New Zealand",
    "7A-7E": "New Zealand",
    "7F-70": "United States",
    "8A-8E": "Argentina",
    "8F-8G": "Chile",
    "8L-8N": "Ecuador",
    "8S-8T": "Peru",
    "8X-8Z": "Venezuela",
    "9A-9E": "Brazil",
    "9F-9G": "Colombia",
    "93-99": "Brazil",
}


def _by_prefix(ranges: dict[str, str]) -> dict[str, str]:
    """Unfold ``{"KL-KR": country}`` into one entry per two-character prefix."""
    prefixes = {}
    for span, country in ranges.items():
        first, last = _RANGE_ORDER.index(span[1]), _RANGE_ORDER.index(span[4])
        prefixes.update({span[0] + second: country for second in _RANGE_ORDER[first : last + 1]})
    return prefixes


_COUNTRY_BY_PREFIX: Final = _by_prefix(_COUNTRIES)
_REGION_BY_FIRST: Final = {first: region for firsts, region in _REGIONS.items() for first in firsts}


class Finding(NamedTuple):
    """One thing wrong with a VIN: ``length``, ``character``, ``implausible`` or ``check_digit_mismatch``."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class VinReport:
    """What a VIN says about itself; empty strings and None where it says nothing."""

    vin: str
    ok: bool
    errors: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()
    north_american: bool = False
    wmi: str = ""
    model_year: int | None = None
    region: str = ""
    country: str = ""


def normalise(vin: str) -> str:
    """Upper-case ASCII letters, drop white space, hyphens and dashes; the rest stays to be reported."""
    return vin.translate(_CLEANING)


def check_digit(vin: str) -> str:
    """Compute the digit that belongs in position 9 of a normalised VIN: 0-9, or X for ten (49 CFR 565.15(c)).

    The character now standing there has weight 0 and does not matter. Raises ValueError when the VIN has not
    17 characters or one of them is I, O, Q or no letter or digit.
    """
    if len(vin) != VIN_LENGTH or not TRANSLITERATION.keys() >= set(vin):
        raise ValueError(f"not 17 characters of A-Z without I, O, Q and 0-9: {vin!r}")
    remainder = sum(TRANSLITERATION[char] * weight for char, weight in zip(vin, WEIGHTS, strict=True)) % 11
    return "X" if remainder == 10 else str(remainder)


def is_north_american(vin: str) -> bool:
    """Tell whether the first character is 1 to 5, where the check digit is law and not habit."""
    return vin[:1] in {"1", "2", "3", "4", "5"}


def model_year(vin: str, *, today: date) -> int | None:
    """Read the model year from position 10 of a normalised 17-character VIN; None for a code that is no year.

    A code returns every 30 years. On North American passenger cars, multipurpose vehicles and light trucks
    (GVWR up to 10,000 lb) position 7 tells the cycle: a digit means 1980-2009, a letter 2010-2039 (49 CFR
    565.15(d), note to table VII). The VIN does not say which heavy vehicles and trailers are exempt from that
    rule, so a heavy North American trailer of 2015 with a digit there reads as 1985. Elsewhere, or when the
    letter points beyond next year, the latest year not after ``today.year + 1`` is taken.
    """
    code = YEAR_CODES.find(vin[9])
    if code < 0:
        return None
    year = FIRST_YEAR + code
    if is_north_american(vin) and vin[6].isdigit():
        return year
    return year + max(0, (today.year + 1 - year) // CYCLE_YEARS) * CYCLE_YEARS


def validate(vin: str, *, today: date, exempt_reason: str | None = None) -> VinReport:
    """Check a VIN and read what it says; never raises for any text.

    ``exempt_reason`` (non-blank) admits chassis numbers from before 1981 and other short ones: 4 to 17
    letters and digits, where a wrong length, I, O, Q and a wrong check digit are warnings. A wrong check
    digit is an error for North American numbers and a warning elsewhere. An implausible number is refused in
    every case.
    """
    vin = normalise(vin)
    exempt = bool(exempt_reason and exempt_reason.strip())
    errors: list[Finding] = []
    warnings: list[Finding] = []
    _judge_length(vin, warnings if exempt and len(vin) in EXEMPT_LENGTHS else errors)
    _judge_characters(vin, warnings if exempt and set(vin) <= _ASCII_LETTERS_DIGITS else errors)
    well_formed = not errors and not warnings
    _judge_plausibility(vin, errors)
    if well_formed and not errors:
        _judge_check_digit(vin, errors if is_north_american(vin) and not exempt else warnings)
    report = VinReport(vin=vin, ok=not errors, errors=tuple(errors), warnings=tuple(warnings))
    return _with_origin(report, today=today) if well_formed else report


def _judge_length(vin: str, findings: list[Finding]) -> None:
    if len(vin) != VIN_LENGTH:
        findings.append(Finding("length", f"A VIN has {VIN_LENGTH} characters, this one has {len(vin)}."))


def _judge_characters(vin: str, findings: list[Finding]) -> None:
    strange = sorted(set(vin) - TRANSLITERATION.keys())
    if not strange:
        return
    listed = ", ".join(char if char in _LOOKALIKES else repr(char) for char in strange[:_MOST_LISTED])
    hint = " (perhaps 1 or 0 was meant)" if _LOOKALIKES & set(strange) else ""
    findings.append(Finding("character", f"Not allowed in a VIN: {listed}{hint}."))


def _judge_plausibility(vin: str, errors: list[Finding]) -> None:
    """Catch placeholders, many of which pass the check digit: seventeen ones do.

    No real 17-character number has fewer than four different characters, and ISO 3779 ends every one with
    digits. The short numbers of old cars (``0001``) are only asked for two different characters and one
    digit.
    """
    if not vin:
        return
    fewest = _FEWEST_DISTINCT if len(vin) >= VIN_LENGTH else 2
    if len(set(vin)) < fewest or not any(char in string.digits for char in vin):
        errors.append(Finding("implausible", "This is a placeholder rather than the number of a vehicle."))


def _judge_check_digit(vin: str, findings: list[Finding]) -> None:
    expected = check_digit(vin)
    if vin[8] != expected:
        hint = "a character was mistyped" if is_north_american(vin) else "compare with the vehicle"
        message = f"Position 9 is {vin[8]}, the check digit would be {expected}: {hint}."
        findings.append(Finding("check_digit_mismatch", message))


def _with_origin(report: VinReport, *, today: date) -> VinReport:
    vin = report.vin
    return replace(
        report,
        north_american=is_north_american(vin),
        wmi=vin[:3],
        model_year=model_year(vin, today=today),
        region=_REGION_BY_FIRST.get(vin[0], ""),
        country=_COUNTRY_BY_PREFIX.get(vin[:2], ""),
    )
