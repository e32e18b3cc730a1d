"""VIN rules: the worked examples, and the properties the check digit of 49 CFR 565.15 promises."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cars.vin import TRANSLITERATION, WEIGHTS, VinReport, check_digit, model_year, normalise, validate

TODAY = date(2026, 3, 1)
ACCORD = "1HGCM82633A004352"

ALPHABET = sorted(TRANSLITERATION)
WEIGHTED = [position for position, weight in enumerate(WEIGHTS) if weight]


def judge(vin: str, exempt_reason: str | None = None) -> VinReport:
    return validate(vin, today=TODAY, exempt_reason=exempt_reason)


def error_codes(vin: str, exempt_reason: str | None = None) -> list[str]:
    return [code for code, _message in judge(vin, exempt_reason).errors]


def warning_codes(vin: str, exempt_reason: str | None = None) -> list[str]:
    return [code for code, _message in judge(vin, exempt_reason).warnings]


@st.composite
def valid_vins(draw: st.DrawFn, first: str = "12345") -> str:
    """Draw a VIN with the right check digit; the rare placeholder is thrown away."""
    characters = [
        draw(st.sampled_from(first)),
        *draw(st.lists(st.sampled_from(ALPHABET), min_size=16, max_size=16)),
    ]
    characters[8] = check_digit("".join(characters))
    vin = "".join(characters)
    assume("implausible" not in error_codes(vin))
    return vin


@pytest.mark.parametrize(
    ("vin", "digit"),
    [
        ("1M8GDM9AXKP042788", "X"),
        ("1G4AH59H45G118341", "4"),
        ("1J9RP1A36A1644345", "6"),
        ("1FTMW1T88MFA00001", "8"),
        ("5GZCZ43D13S812715", "1"),
        ("1HGCM82633A004352", "3"),
    ],
)
def test_a_real_number_is_valid_and_carries_its_own_check_digit(vin: str, digit: str) -> None:
    report = judge(vin)
    assert (report.ok, report.errors, report.warnings) == (True, (), ())
    assert check_digit(vin) == vin[8] == digit


@pytest.mark.parametrize(("vin", "computed"), [("1HGCM82633A004353", "5"), ("12345678901234567", "7")])
def test_a_wrong_check_digit_is_an_error_in_north_america(vin: str, computed: str) -> None:
    report = judge(vin)
    assert report.north_american
    assert error_codes(vin) == ["check_digit_mismatch"]
    assert check_digit(vin) == computed
    assert f"would be {computed}" in report.errors[0].message


def test_a_wrong_check_digit_is_a_warning_elsewhere() -> None:
    report = judge("SGZCZ43D13S812715")
    assert (report.ok, report.north_american) == (True, False)
    assert warning_codes("SGZCZ43D13S812715") == ["check_digit_mismatch"]
    assert check_digit("SGZCZ43D13S812715") == "X"


@pytest.mark.parametrize(
    ("vin", "code"),
    [
        ("1HGCM82633A00435", "length"),
        ("1HGCM82633A0043521", "length"),
        ("", "length"),
        ("1HGCM8263IA004352", "character"),
        ("1HGCM8263OA004352", "character"),
        ("1HGCM8263QA004352", "character"),
        ("1HGCM8263ÄA004352", "character"),
        ("1HGCM8263\0A004352", "character"),
        ("11111111111111111", "implausible"),
        ("00000000000000000", "implausible"),
        ("12121212121212121", "implausible"),
        ("ABCDEFGHJKLMNPRST", "implausible"),
    ],
)
def test_what_is_no_vehicle_number_is_refused(vin: str, code: str) -> None:
    assert error_codes(vin) == [code]
    assert not judge(vin).ok


def test_a_placeholder_is_refused_although_its_check_digit_is_right() -> None:
    assert check_digit("1" * 17) == "1"
    assert error_codes("1" * 17) == ["implausible"]


@pytest.mark.parametrize(
    "typed",
    ["1hgcm82633a004352", " 1HGCM82633A004352\n", "1HG-CM826-33A-004352", "1HG CM826\u00a033A\u2013004352"],
)
def test_case_and_separators_do_not_matter(typed: str) -> None:
    assert normalise(typed) == judge(typed).vin == ACCORD
    assert judge(typed).ok


@pytest.mark.parametrize(
    ("vin", "where"),
    [
        (ACCORD, ("1HG", "North America", "United States")),
        ("2HGES16503H500001", ("2HG", "North America", "Canada")),
        ("3VWSE69M33M000001", ("3VW", "North America", "Mexico")),
        ("7SAYGDEE0PF000001", ("7SA", "North America", "United States")),
        ("JH4KA8260MC000001", ("JH4", "Asia", "Japan")),
        ("KMHCG45C01U000001", ("KMH", "Asia", "South Korea")),
        ("SALLAAA146A000001", ("SAL", "Europe", "United Kingdom")),
        ("TMBJF73T3B9000001", ("TMB", "Europe", "Czech Republic")),
        ("WVWZZZ1JZ3W386752", ("WVW", "Europe", "Germany")),
        ("YV1RS61R712000001", ("YV1", "Europe", "Sweden")),
        ("6T1BF3EK5BX000001", ("6T1", "Oceania", "Australia")),
        ("9BWZZZ377VT004251", ("9BW", "South America", "Brazil")),
        ("AAVZZZ6SZDU000001", ("AAV", "Africa", "South Africa")),
        ("0ABCM82633A004352", ("0AB", "", "")),
    ],
)
def test_the_first_characters_tell_the_origin(vin: str, where: tuple[str, str, str]) -> None:
    report = judge(vin)
    assert (report.wmi, report.region, report.country) == where


@pytest.mark.parametrize(
    ("vin", "year"),
    [
        ("1HGCM82633A004352", 2003),  # position 7 is a digit: 1980-2009
        ("1M8GDM9AXKP042788", 1989),
        ("1FTMW1T88MFA00001", 2021),  # position 7 is a letter: 2010-2039
        ("1J9RP1A36A1644345", 2010),
        ("1FTMW1T88YFA00001", 2000),  # 2030 is not yet: an old heavy vehicle, exempt from the letter rule
        ("1FTMW1T88UFA00001", None),  # U, Z and 0 are no years
        ("1FTMW1T88ZFA00001", None),
        ("12345678901234567", None),
        ("WVWZZZ1JZ3W386752", 2003),
        ("WVWZZZ1J1MW386752", 2021),  # not North American: the digit in position 7 says nothing
        ("WVWZZZ1J1VW386752", 2027),  # next model year is on sale already
        ("WVWZZZ1J1WW386752", 1998),
    ],
)
def test_positions_seven_and_ten_tell_the_model_year(vin: str, year: int | None) -> None:
    assert model_year(vin, today=TODAY) == year


def test_the_same_number_reads_one_cycle_later_when_the_time_has_come() -> None:
    assert model_year("WVWZZZ1J1WW386752", today=date(2026, 12, 31)) == 1998
    assert model_year("WVWZZZ1J1WW386752", today=date(2027, 1, 1)) == 2028


@pytest.mark.parametrize(
    ("number", "warned"),
    [
        ("8W71F100023", ["length"]),
        ("194370S104O12", ["length", "character"]),
        ("0002C", ["length"]),
        ("1HGCM82633A004353", ["check_digit_mismatch"]),
        ("1HGCM8263IA004352", ["character"]),
    ],
)
def test_a_reason_admits_an_old_chassis_number_with_warnings(number: str, warned: list[str]) -> None:
    assert judge(number, "built in 1967").ok
    assert warning_codes(number, "built in 1967") == warned
    assert not judge(number).ok
    assert not judge(number, "  ").ok


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("1" * 17, "implausible"),
        ("0000", "implausible"),
        ("ABCDE", "implausible"),
        ("123", "length"),
        ("1HGCM82633A0043521", "length"),
        ("8W71F*00023", "character"),
        ("", "length"),
    ],
)
def test_no_reason_admits_nonsense(number: str, code: str) -> None:
    assert code in error_codes(number, "built in 1967")


def test_a_malformed_number_says_nothing_about_origin_or_year() -> None:
    report = judge("1HGCM82633A00435")
    assert (report.wmi, report.region, report.country, report.model_year) == ("", "", "", None)


@pytest.mark.parametrize("vin", ["", "1HGCM82633A00435", "1HGCM8263IA004352", ACCORD.lower()])
def test_the_check_digit_of_something_else_cannot_be_computed(vin: str) -> None:
    with pytest.raises(ValueError, match="not 17 characters"):
        check_digit(vin)


@given(vin=valid_vins(), position=st.sampled_from(WEIGHTED), other=st.sampled_from(ALPHABET))
def test_changing_any_weighted_character_breaks_the_check_digit(vin: str, position: int, other: str) -> None:
    assume(TRANSLITERATION[other] != TRANSLITERATION[vin[position]])
    changed = vin[:position] + other + vin[position + 1 :]
    assert check_digit(changed) != vin[8]


@given(vin=valid_vins(), position=st.sampled_from(WEIGHTED), data=st.data())
def test_a_character_of_the_same_value_goes_unnoticed(vin: str, position: int, data: st.DataObject) -> None:
    value = TRANSLITERATION[vin[position]]
    other = data.draw(st.sampled_from([char for char in ALPHABET if TRANSLITERATION[char] == value]))
    assert check_digit(vin[:position] + other + vin[position + 1 :]) == vin[8]


@given(vin=valid_vins(), position=st.sampled_from([p for p in range(16) if WEIGHTS[p] and WEIGHTS[p + 1]]))
def test_swapping_neighbours_of_different_value_breaks_the_check_digit(vin: str, position: int) -> None:
    left, right = vin[position], vin[position + 1]
    assume(TRANSLITERATION[left] != TRANSLITERATION[right])
    assert check_digit(vin[:position] + right + left + vin[position + 2 :]) != vin[8]


@given(vin=valid_vins(), wrong=st.sampled_from(ALPHABET))
def test_only_one_character_fits_position_nine(vin: str, wrong: str) -> None:
    changed = vin[:8] + wrong + vin[9:]
    assume("implausible" not in error_codes(changed))
    assert judge(changed).ok == (wrong == vin[8])


@given(vin=valid_vins(first="JKLSTVWYZ6789"), wrong=st.sampled_from(ALPHABET))
def test_outside_north_america_the_check_digit_never_refuses(vin: str, wrong: str) -> None:
    changed = vin[:8] + wrong + vin[9:]
    assert "check_digit_mismatch" not in error_codes(changed)


@given(text=st.text(max_size=40), reason=st.none() | st.text(max_size=5))
def test_no_text_makes_it_raise(text: str, reason: str | None) -> None:
    report = judge(text, reason)
    assert report.ok is not bool(report.errors)
    assert normalise(report.vin) == report.vin


@given(vin=valid_vins(), today=st.dates(date(1981, 1, 1), date(2039, 12, 31)))
def test_a_letter_in_position_seven_never_reads_as_a_future_cycle(vin: str, today: date) -> None:
    year = model_year(vin, today=today)
    assume(year is not None and vin[6].isalpha())
    assert year is not None
    assert 1980 <= year <= max(today.year + 1, 2009)
