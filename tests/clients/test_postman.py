"""The Postman collection, sent as a whole by newman to a server with demo data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accounts.demo import PASSWORD
from clients.postman import COLLECTION
from tests.clients.demo import copied_demo
from tests.clients.node import run_node
from tests.schema.test_completeness import operations
from tests.schema.test_postman import operation_of

pytestmark = [pytest.mark.slow, pytest.mark.node, pytest.mark.xdist_group("clients")]
# What takes a signature instead of a token.
SIGNED = {"POST /api/webhooks/{provider}", "POST /api/auth/clerk-sync"}


@pytest.fixture(scope="module")
def sent(node_modules: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Each request with its answer, in order. Newman fails when a test of the collection itself does."""
    folder = tmp_path_factory.mktemp("postman")
    (folder / "node_modules").symlink_to(node_modules)
    report = folder / "report.json"
    options = ["--reporters", "json", "--reporter-json-export", str(report), "--timeout-request", "60000"]
    with copied_demo(tmp_path_factory.mktemp("spoilt")) as platform:
        variables = {"baseUrl": platform.url, "email": "admin@example.com", "password": PASSWORD}
        for name, value in variables.items():
            options += ["--env-var", f"{name}={value}"]
        run_node(folder, "newman", "run", str(COLLECTION), *options)
    return json.loads(report.read_text())["run"]["executions"]


def answers(sent: list[dict[str, Any]]) -> Iterator[tuple[str, int]]:
    """The operation of each request, and the status of its answer."""
    for execution in sent:
        yield operation_of(execution["item"]), execution["response"]["code"]


def test_every_request_gets_an_answer_that_is_documented(sent: list[dict[str, Any]]) -> None:
    documented = {name: operation["responses"] for name, operation in operations()}
    found = list(answers(sent))
    assert len(found) == len(documented)
    assert [(name, status) for name, status in found if str(status) not in documented[name] or status >= 500] == []


def test_the_token_of_the_login_opens_all_that_follows(sent: list[dict[str, Any]]) -> None:
    found = list(answers(sent))
    assert found[0] == ("POST /api/auth/login", 200)
    *followed, logout = found
    assert logout[0] == "POST /api/auth/logout"
    assert {name for name, status in followed if status == 401} == SIGNED
