"""Normal forms of what people type: two spellings of the same thing get the same key."""

from __future__ import annotations

import re
import secrets
import unicodedata

# Crockford's alphabet: nothing in it is mistaken for something else when it is read out.
REFERENCE_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
REFERENCE_LENGTH = 8


def natural_key(value: str) -> str:
    """NFKC, trimmed, inner white space collapsed, case folded: `" Land  ROVER"` -> `"land rover"`."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", value)).strip().casefold()


def email_key(value: str) -> str:
    """The stored form of an e-mail address: NFKC, trimmed, case folded, so one person cannot hold two accounts."""
    return unicodedata.normalize("NFKC", value).strip().casefold()


def plate_key(value: str) -> str:
    """The stored form of a number plate: upper case without spaces and dashes: `"ab-12 cd"` -> `"AB12CD"`."""
    return re.sub(r"[\s\-\u2010-\u2015]", "", unicodedata.normalize("NFKC", value)).upper()


def new_reference(prefix: str) -> str:
    """`PK-7Q2M9XA4`: short enough to be read out, and nobody can guess the next one."""
    return f"{prefix}-" + "".join(secrets.choice(REFERENCE_ALPHABET) for _ in range(REFERENCE_LENGTH))
