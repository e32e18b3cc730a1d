"""What an API key looks like: `fck_<prefix>_<secret><checksum>`, in lower-case hexadecimal, 93 characters.

The mark in front and the checksum at the end are for programs that look for secrets in code and logs: they find keys
without asking us and without false alarms. The prefix is public and finds the row. Of the secret only a hash is kept.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import zlib
from dataclasses import dataclass, field

MARK = "fck_"
PREFIX_BYTES, SECRET_BYTES = 8, 32
_FORM = re.compile(r"fck_([0-9a-f]{16})_([0-9a-f]{64})([0-9a-f]{8})")


@dataclass(frozen=True, slots=True)
class KeyText:
    """A key in the clear, as it exists while one request is answered."""

    prefix: str
    secret: str = field(repr=False)

    def text(self) -> str:
        """What its holder is shown once and sends as a bearer."""
        return f"{MARK}{self.prefix}_{self.secret}{self._checksum()}"

    def secret_hash(self) -> str:
        """SHA-256. The secret has 256 random bits, so nobody guesses it however fast the hash is; a slow one, which
        passwords need, would only slow down every request."""
        return hashlib.sha256(self.secret.encode()).hexdigest()

    def fits(self, secret_hash: str) -> bool:
        return hmac.compare_digest(self.secret_hash(), secret_hash)

    def _checksum(self) -> str:
        return f"{zlib.crc32(f'{MARK}{self.prefix}_{self.secret}'.encode()):08x}"


def new_key() -> KeyText:
    return KeyText(secrets.token_hex(PREFIX_BYTES), secrets.token_hex(SECRET_BYTES))


def is_key(text: str) -> bool:
    """Whether a bearer means to be a key; our tokens begin with `eyJ`."""
    return text.startswith(MARK)


def read_key(text: str) -> KeyText | None:
    """None for what was never one of our keys, a mistyped one included."""
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    prefix, secret, _ = found.groups()
    key = KeyText(prefix, secret)
    return key if key.text() == text else None
