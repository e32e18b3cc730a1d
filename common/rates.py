"""How a rate limit is written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from django.core.exceptions import ImproperlyConfigured

_RATE = re.compile(r"([0-9]{1,9}) *(?:/|per) *(second|minute|hour|day)")
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}


@dataclass(frozen=True)
class Rate:
    """`limit` requests in `window_s` seconds."""

    limit: int
    window_s: int


@lru_cache
def parse_rate(text: str) -> Rate:
    """`600/minute` or `600 per minute`; also second, hour, day. Raises ImproperlyConfigured for anything
    else."""
    match = _RATE.fullmatch(text.strip().lower())
    if not match:
        raise ImproperlyConfigured("a rate must look like 600/minute (second, minute, hour or day)")
    return Rate(limit=int(match[1]), window_s=_SECONDS[match[2]])
