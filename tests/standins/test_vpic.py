"""The vPIC stand-in answers as the real service does."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.standins.base import Fault
from tests.standins.vpic import VARIABLES, VpicServer


@pytest.fixture
def server() -> Iterator[VpicServer]:
    with VpicServer() as running:
        yield running


def ask(server: VpicServer, path: str, form: str = "json") -> httpx.Response:
    return httpx.get(f"{server.api_url}/vehicles/{path}", params={"format": form})


def test_makes_are_listed_once(server: VpicServer) -> None:
    document = ask(server, "GetAllMakes").json()
    assert document["Count"] == 3
    assert document["Results"][0] == {"Make_ID": 448, "Make_Name": "TOYOTA"}


def test_models_are_those_of_the_make_and_year(server: VpicServer) -> None:
    server.add("HONDA", "Prelude", years=[1999])
    newer = ask(server, "GetModelsForMakeYear/make/honda/modelyear/2020").json()
    older = ask(server, "getmodelsformakeyear/make/Honda/modelyear/1999").json()
    assert [row["Model_Name"] for row in newer["Results"]] == ["Accord", "Civic", "CR-V"]
    assert older["Results"][-1] == {
        "Make_ID": 449,
        "Make_Name": "HONDA",
        "Model_ID": 2222,
        "Model_Name": "Prelude",
    }


def test_a_make_may_have_a_blank(server: VpicServer) -> None:
    assert ask(server, "GetModelsForMakeYear/make/land%20rover/modelyear/2020").json()["Count"] == 2


def test_a_known_vin_has_every_variable_as_text(server: VpicServer) -> None:
    server.add_vin("1HGCM82633A004352", Make="HONDA", Model="Accord")
    row = ask(server, "DecodeVinValues/1hgcm82633a004352").json()["Results"][0]
    assert set(row) == set(VARIABLES)
    assert {type(value) for value in row.values()} == {str}
    assert (row["Make"], row["ErrorCode"]) == ("HONDA", "0")


@pytest.mark.parametrize(
    ("vin", "codes"), [("1HGCM8", "6"), ("1HGCM82633A004352", "7"), ("1HGCM8263IA004352", "7,400")]
)
def test_a_bad_vin_is_still_a_200(server: VpicServer, vin: str, codes: str) -> None:
    answer = ask(server, f"DecodeVinValues/{vin}")
    assert answer.status_code == 200
    assert answer.json()["Results"][0]["ErrorCode"] == codes


def test_without_the_format_it_speaks_xml(server: VpicServer) -> None:
    assert ask(server, "GetAllMakes", form="xml").headers["Content-Type"].startswith("application/xml")


def test_faults_apply(server: VpicServer) -> None:
    server.faults.add(Fault.STATUS, code=503, times=1)
    assert ask(server, "GetAllMakes").status_code == 503
    assert ask(server, "GetAllMakes").status_code == 200
