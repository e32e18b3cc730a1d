"""The pages for operators are held to the code."""

from __future__ import annotations

import ast
import configparser
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.e2e.processes import ROOT

CODE = ("accounts", "cars", "workshop", "parking", "auctions", "common", "config")
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
DOCS = ROOT / "docs"


def calls() -> Iterator[ast.Call]:
    for folder in CODE:
        for file in (ROOT / folder).rglob("*.py"):
            yield from (node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call))


def events() -> set[str]:
    """The events that the code logs, and the pairs of circuits."""
    found = set()
    for call in calls():
        name = ast.unparse(call.func)
        first = call.args[0] if call.args else None
        if re.fullmatch(rf"(log|logger)\.({'|'.join(LEVELS)})", name) and isinstance(first, ast.Constant):
            found.add(str(first.value))
        if name == "Circuit":
            prefix = next(keyword.value for keyword in call.keywords if keyword.arg == "event")
            found |= {f"{ast.literal_eval(prefix)}_{state}" for state in ("unavailable", "available")}
    return found


def test_every_event_of_the_log_is_explained() -> None:
    page = (DOCS / "operations.md").read_text()
    rows = [line.split("|")[1] for line in page.splitlines() if re.match(r"\| `[a-z]+_[a-z_]+`", line)]
    explained = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)}
    assert len(events()) > 40
    assert events() - explained == set()


# --- What docs/deploy.md installs -------------------------------------------------------------------------------------

UNITS = sorted((ROOT / "deploy" / "systemd").iterdir())


def unit(file: Path) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(file)
    return parser


def started() -> set[str]:
    """The commands of the services."""
    services = [unit(file)["Service"] for file in UNITS if file.suffix == ".service"]
    return {service["ExecStart"].rpartition(".venv/bin/")[2] for service in services}


def test_the_units_run_every_process_of_the_compose_file() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    commands = {
        " ".join(filter(None, (argument or '""' for argument in service["command"])))
        for name, service in compose.items()
        if name in {"api", "live", "worker", "beat"}
    }
    assert commands <= started()


def test_units_name_units_that_are_there() -> None:
    names = {file.name for file in UNITS}
    for file in UNITS:
        wanted = re.findall(r"forecourt-?[a-z]*\.(?:service|target|timer)", file.read_text())
        assert set(wanted) <= names, file.name


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd is not installed")
    for file in UNITS:  # The programs are not where they will be.
        text = re.sub(r"^(Exec\w+=).*$", rf"\1{shutil.which('true')}", file.read_text(), flags=re.MULTILINE)
        (tmp_path / file.name).write_text(text)
    done = subprocess.run(
        [program, "verify", "--man=no", *(str(path) for path in tmp_path.iterdir())],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "forecourt" not in done.stderr, done.stderr


def test_the_blueprint_runs_every_process_and_sets_what_is_read() -> None:
    blueprint = yaml.safe_load((ROOT / "deploy" / "render.yaml").read_text())
    services = {service["name"]: service for service in blueprint["services"] if service["type"] != "keyvalue"}
    commands = {service["dockerCommand"] for service in services.values()}
    assert commands <= started()
    known = set(re.findall(r"^(?:# )?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    group = {entry["key"] for entry in blueprint["envVarGroups"][0]["envVars"]}
    for service in services.values():
        own = {entry["key"] for entry in service["envVars"] if "key" in entry}
        assert own | group <= known
        assert {"SECRET_KEY", "JWT_SECRET_KEY", "ALLOWED_HOSTS", "DATABASE_URL", "REDIS_URL"} <= own
