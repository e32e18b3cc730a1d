"""System checks: what is configured and will not do what its author expects."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.urls import URLPattern, URLResolver, get_resolver

# Variables of the systems that Forecourt replaces, and of earlier ways to set something, with what acts instead.
OLD_VARIABLES = {
    "ACCESS_TOKEN_EXPIRE_MINUTES": "Use TOKEN_TTL_MIN.",
    "CACHE_REDIS_URL": "Use REDIS_CACHE_URL.",
    "CACHE_TYPE": "Use REDIS_CACHE_URL; without it the cache is in the database.",
    "CELERY_RESULT_BACKEND": "There is none: the rows of the jobs hold their state.",
    "CORS_ORIGINS": "Use BACKEND_CORS_ORIGINS.",
    "FLASK_DEBUG": "Use LOG_LEVEL and SQL_ECHO.",
    "FLASK_ENV": "Use DJANGO_SETTINGS_MODULE.",
    "JWT_ACCESS_TOKEN_EXPIRES": "Use TOKEN_TTL_MIN.",
    "JWT_ALGORITHM": "Use JWT_ALG.",
    "MAIL_USE_SSL": "Use EMAIL_URL.",
    "MAIL_USE_TLS": "Use EMAIL_URL; with MAIL_SERVER it is always TLS.",
    "RATELIMIT_STORAGE_URI": "Use REDIS_URL.",
    "RATELIMIT_STORAGE_URL": "Use REDIS_URL.",
    "SQLALCHEMY_DATABASE_URI": "Use DATABASE_URL.",
}


@register
def old_variables(**_: object) -> list[CheckMessage]:
    """common.W001: an environment variable that no longer acts."""
    return [
        Warning(f"{name} is set and does not act.", hint=instead, id="common.W001")
        for name, instead in OLD_VARIABLES.items()
        if os.environ.get(name)
    ]


@register
def mail_server(**_: object) -> list[CheckMessage]:
    """common.W002: a public service whose mails, with their links to sign in again, end in files that nobody reads."""
    if settings.HAS_MAIL_SERVER or not settings.BACKEND_IS_HTTPS:
        return []
    return [Warning("Mails are only written to files.", hint="Set EMAIL_URL or MAIL_SERVER.", id="common.W002")]


@register
def throttle_scopes(**_: object) -> list[CheckMessage]:
    """common.E001: a view is limited by a rate that does not exist, which would be a 500 at its first request."""
    return [
        Error(f"{view.__name__} is limited by {scope!r}, which settings.RATE_LIMITS lacks.", id="common.E001")
        for view in sorted(set(_views(get_resolver().url_patterns)), key=lambda view: view.__qualname__)
        for scope in sorted(_scopes(view) - set(settings.RATE_LIMITS))
    ]


def _views(patterns: Iterable[URLPattern | URLResolver]) -> Iterator[type[Any]]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _views(pattern.url_patterns)
        elif view := getattr(pattern.callback, "cls", None):
            yield view


def _scopes(view: type[Any]) -> set[str]:
    one = getattr(view, "throttle_scope", None)
    return set(getattr(view, "throttle_scopes", {}).values()) | ({one} if one else set())
