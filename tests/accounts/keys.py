"""API keys for tests."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from rest_framework.test import APIClient

from accounts.api_keys import create_api_key
from accounts.models import ApiKey, User


def made(user: User, *permissions: str, **fields: Any) -> tuple[ApiKey, str]:
    """A key of the user's, and its text."""
    given = {"name": f"Key {ApiKey.objects.count()}", "now": timezone.now()} | fields
    return create_api_key(user=user, permissions=permissions, **given)


def by(text: str) -> APIClient:
    """A program that signs in with this bearer."""
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
    return client


def program(user: User, *permissions: str, **fields: Any) -> APIClient:
    """A program with a new key of the user's."""
    return by(made(user, *permissions, **fields)[1])
