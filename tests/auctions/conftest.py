"""Fixtures of auctions' tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from auctions.models import Listing
from tests.auctions.factories import ListingFactory
from tests.conftest import MakeUser


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    """Where files go: every test has one of its own."""
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.MEDIA_ROOT.mkdir()
    return settings.MEDIA_ROOT


@pytest.fixture
def listing(user: User) -> Listing:
    """A draft of `user`."""
    return ListingFactory(seller=user, status="draft")


@pytest.fixture
def seller(user: User, as_user: Callable[[User], APIClient]) -> APIClient:
    """Signed in as the one who sells `listing`."""
    return as_user(user)


@pytest.fixture
def finance(make_user: MakeUser) -> User:
    return make_user(roles=["finance"])


@pytest.fixture
def finance_client(finance: User, as_user: Callable[[User], APIClient]) -> APIClient:
    return as_user(finance)
