"""The browsable API under the content policy."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from accounts.models import User


@pytest.fixture
def page(user: User) -> str:
    client = Client()
    client.force_login(user)
    answer = client.get("/api", headers={"accept": "text/html"})
    assert answer["Content-Type"].startswith("text/html")
    return answer["Content-Security-Policy"] + "\n" + answer.content.decode()


def test_the_page_has_no_inline_handlers(page: str) -> None:
    assert not re.search(r"<[^>]+\son[a-z]+=", page)


def test_its_style_carries_the_nonce_of_the_policy(page: str) -> None:
    policy, _, body = page.partition("\n")
    (nonce,) = re.findall(r'<style nonce="([^"]+)">', body)
    assert f"'nonce-{nonce}'" in policy
    assert "<style>" not in body


def test_signing_out_is_a_form(page: str) -> None:
    assert re.search(r'<form [^>]*method="post" action="/api/session/logout"', page)
