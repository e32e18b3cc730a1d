"""Reading the environment: `.env` beside manage.py first, the real environment wins."""

from __future__ import annotations

import ipaddress
import json
import os
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import environ
from django.core.exceptions import ImproperlyConfigured

from common.rates import parse_rate

BASE_DIR = Path(__file__).resolve().parent.parent.parent
env = environ.Env()
if os.environ.get("FORECOURT_IGNORE_DOTENV") != "1":
    env.read_env(BASE_DIR / ".env")

DATA_DIR = Path(env.str("DATA_DIR", default="var"))
if not DATA_DIR.is_absolute():
    DATA_DIR = BASE_DIR / DATA_DIR


def rate(name: str, *, default: str) -> str:
    """A rate limit (see common.rates). Raises ImproperlyConfigured, naming the setting."""
    value: str = env.str(name, default=default)
    try:
        parse_rate(value)
    except ImproperlyConfigured as error:
        raise ImproperlyConfigured(f"{name}: {error}.") from None
    return value


def networks(name: str) -> list[str]:
    """Addresses, networks (`10.0.0.0/8`) or `unix`. Raises ImproperlyConfigured, naming the setting."""
    values = [value.strip() for value in env.list(name, default=[]) if value.strip()]
    try:
        for value in values:
            if value != "unix":
                ipaddress.ip_network(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name}: expected addresses or networks, separated by commas.") from None
    return values


def database_config(url: str) -> dict[str, Any]:
    """django-environ's reading of a database URL, with what it leaves undone: the host of a socket comes
    percent-encoded, and a pool is the process's business (its role decides), not the URL's."""
    config: dict[str, Any] = env.db_url_config(url)
    config["HOST"] = unquote(config.get("HOST") or "")
    config.get("OPTIONS", {}).pop("pool", None)
    return config


def s3_storage(*, bucket: str, region: str, endpoint: str, key_id: str, secret: str) -> dict[str, Any]:
    """django-storages' entry in STORAGES for a private bucket; without a key the machine's own role signs. botocore is
    loaded only by deployments that have one."""
    from botocore.config import Config

    config = Config(
        signature_version="s3v4",
        # A service of one's own seldom has a name in the DNS for each bucket.
        s3={"addressing_style": "path" if endpoint else "virtual"},
        connect_timeout=2,
        read_timeout=5,
        retries={"total_max_attempts": 2},
        # Other makers' services do not know the newer checksums.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    options = {
        "bucket_name": bucket,
        "region_name": region,
        "endpoint_url": endpoint or None,
        "access_key": key_id or None,
        "secret_key": secret or None,
        "client_config": config,
        "default_acl": None,
        "querystring_auth": True,
        "querystring_expire": 300,
        "file_overwrite": False,
    }
    return {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}


def development_secret(name: str) -> str:
    """A random secret that survives restarts: kept in DATA_DIR/development-keys.json, readable by its owner
    only.

    Only local and test settings call this; production has no default and refuses to start.
    """
    path = DATA_DIR / "development-keys.json"
    DATA_DIR.mkdir(parents=True, exist_ok=True)
    keys = json.loads(path.read_text()) if path.exists() else {}
    if name not in keys:
        keys[name] = secrets.token_urlsafe(64)
        _replace_private(path, json.dumps(keys))
    return keys[name]


def _replace_private(path: Path, text: str) -> None:
    """Write through a private temporary file: two processes that start together never read half a file."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)
