"""What no answer holds, whoever asks and whatever for: passwords and their hashes, tokens, and the e-mail addresses of
other people."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import User
from accounts.tokens import issue_tokens
from cars.models import SyncRun
from tests.permissions import PEOPLE, TABLE
from tests.security.test_answers import assert_headers
from tests.targets import TARGETS

pytestmark = pytest.mark.django_db
EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+")
HASH = re.compile(r"argon2|pbkdf2|md5\$|\beyJ[\w-]+\.")
SECRET_NAME = re.compile(r"password|hash|secret|token|jti|family|session", re.IGNORECASE)
# Whose work is with other people's accounts.
CUSTOMERS = r"/api/workshop/(customers|invoices|credit-notes|service-tickets/\{id\}/invoice)"
BUYERS = r"/api/(invoices|credit-notes|orders/\{id\}/invoice)"
SEES_PEOPLE = {
    "administrator": re.compile(rf"/api/(users|cars/\{{id\}}/history|seller-profiles)|{CUSTOMERS}|{BUYERS}"),
    "service_advisor": re.compile(CUSTOMERS),
    "finance": re.compile(rf"{CUSTOMERS}|{BUYERS}"),
}

STREAM = "GET /api/auctions/{id}/stream"  # It has no end to be read to; its frames are tested apart.
AUDIT = "/api/auctions/{id}/audit"  # The hashes of its rows are published.
# What ends a row, or the caller's own account, comes last.
WALK = sorted(
    TABLE.keys() - {STREAM}, key=lambda name: (name.startswith("DELETE"), name == "DELETE /api/auth/me", name)
)


def names_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            yield from names_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from names_in(inner)


def body_of(answer: Any) -> str:
    """Read to its end, where the client closes it; closed by hand it would drop the test's database connection."""
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    is_text = answer.get("Content-Type", "").startswith(("application/json", "text/"))
    return str(content.decode()) if is_text else ""


def test_the_walk_would_see_a_secret(user: User) -> None:
    """The control."""
    assert HASH.search(user.password)
    assert HASH.search(issue_tokens(user=user, now=timezone.now()).access)
    assert EMAIL.findall(f'{{"results":[{{"email":"{user.email}"}}]}}') == [user.email]
    names = names_in({"results": [{"user": {"password": "x", "token_version": 1}}]})
    assert [name for name in names if SECRET_NAME.search(name)] == ["password", "token_version"]


@pytest.fixture
def targets(person_named: Callable[[str], User]) -> dict[str, dict[str, Any]]:
    """A row of every kind of the owner's, and of somebody's whom lists must not show."""
    rows = {name: make(person_named("owner")) for name, make in TARGETS.items()}
    SyncRun.objects.update(status=SyncRun.Status.SUCCEEDED)  # A source has one active run.
    for make in TARGETS.values():
        make(person_named("bystander"))
    return rows


@pytest.mark.parametrize("person", PEOPLE)
def test_no_answer_holds_a_secret_or_somebody_elses_address(
    person: str,
    targets: dict[str, dict[str, Any]],
    person_named: Callable[[str], User],
    as_user: Callable[[User], APIClient],
) -> None:
    client = APIClient() if person == "anonymous" else as_user(person_named(person))
    for name in WALK:
        (method, path), row = name.split(" "), TABLE[name]
        facts = targets[row.target] | {"customer": person_named("customer").pk}
        body = {key: facts.get(str(value)[1:], value) for key, value in (row.body or {}).items()} or None
        answer = getattr(client, method.lower())(path.format(**facts), body, format="json")
        text = body_of(answer)
        assert answer.status_code != 500, name
        assert_headers(answer)
        assert not HASH.search(text), name
        if text.startswith("{"):
            named = [one for one in names_in(json.loads(text)) if SECRET_NAME.search(one)]
            assert set(named) <= ({"hash"} if path == AUDIT else set()), name
        if not (person in SEES_PEOPLE and SEES_PEOPLE[person].match(path)):
            assert set(EMAIL.findall(text)) <= {f"{person}@example.com"}, name
