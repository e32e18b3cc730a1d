"""System checks of the settings that this app reads."""

from __future__ import annotations

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

IDENTITY_PROVIDERS = ("sandbox", "manual")
ALGORITHMS = ("HS256", "RS256")
CLERK = ("CLERK_ISSUER", "CLERK_JWKS_URL", "CLERK_AUTHORIZED_PARTIES")


@register
def known_choices(**_: object) -> list[CheckMessage]:
    """accounts.E001: a setting that names one of a few choices names another."""
    choices = {"IDENTITY_PROVIDER": IDENTITY_PROVIDERS, "JWT_ALG": ALGORITHMS}
    return [
        Error(f"{name} must be one of {', '.join(allowed)}.", id="accounts.E001")
        for name, allowed in choices.items()
        if getattr(settings, name) not in allowed
    ]


@register
def clerk_is_whole(**_: object) -> list[CheckMessage]:
    """accounts.W001: Clerk is half set up, so that signing in with it answers 503."""
    missing = [name for name in CLERK if not getattr(settings, name)]
    if not missing or len(missing) == len(CLERK):
        return []
    return [Warning(f"Sign-in with Clerk also needs {', '.join(missing)}.", id="accounts.W001")]
