"""Payment providers: `manual` is a wire that finance records, `sandbox` plays a provider of cards, `stripe` is one.
Which are in use is PAYMENT_PROVIDERS."""

from __future__ import annotations

from django.conf import settings

from auctions.providers.base import Provider, ProviderOff
from auctions.providers.manual import Manual
from auctions.providers.sandbox import Sandbox
from auctions.providers.stripe import Stripe

_PROVIDERS: dict[str, type[Provider]] = {"manual": Manual, "sandbox": Sandbox, "stripe": Stripe}


def provider_named(name: str) -> Provider:
    """The provider of this name. One that is off by now still ends what it began; see `require_on`. Raises KeyError."""
    return _PROVIDERS[name]()


def require_on(name: str) -> Provider:
    """The provider, when new payments by it are taken here. Raises ProviderOff."""
    if name not in settings.PAYMENT_PROVIDERS:
        raise ProviderOff(attr="provider")
    return provider_named(name)
