"""The settings in real processes: production refuses what is unsafe, and every variable that is read is documented."""

from __future__ import annotations

import ast
import os
import re
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from common.checks import OLD_VARIABLES, old_variables
from config.settings.environment import database_config

ROOT = Path(__file__).parents[2]
GOOD = {
    "SECRET_KEY": secrets.token_urlsafe(64),
    "JWT_SECRET_KEY": secrets.token_urlsafe(64),
    "ALLOWED_HOSTS": "cars.forecourt.test",
    "BACKEND_URL": "https://cars.forecourt.test",
    "DATABASE_URL": "postgres://someone@localhost/forecourt",
    "REDIS_URL": "redis://localhost:6379/0",
    "METRICS_TOKEN": secrets.token_urlsafe(24),
    "ADMIN_PASSWORD": secrets.token_urlsafe(12),
    "EMAIL_URL": "smtp+tls://mail.forecourt.test:587",
}


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """Runs Python under production settings with the good environment and the changes; None removes a variable."""

    def start(*arguments: str, **changes: str | None) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": os.environ["PATH"], "FORECOURT_IGNORE_DOTENV": "1", "DATA_DIR": str(tmp_path)}
        environment |= {"DJANGO_SETTINGS_MODULE": "config.settings.production"}
        environment |= {name: value for name, value in (GOOD | changes).items() if value is not None}
        command = [sys.executable, *(arguments or ("-c", "import config.settings.production"))]
        return subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )

    return start


def test_good_settings_start(run: Any) -> None:
    result = run()
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(("given", "used"), [("", "CERT_REQUIRED"), ("?ssl_cert_reqs=none", "CERT_NONE")])
def test_the_queue_asks_for_a_certificate_unless_told_not_to(run: Any, given: str, used: str) -> None:
    code = "from config.celery import app; print(app.connection().ssl['ssl_cert_reqs'].name)"
    assert run("-c", code, REDIS_URL=f"rediss://cache.forecourt.test:6379/0{given}").stdout.strip() == used


SHORT, EXAMPLE = "k7Q" * 8, "change-me-change-me-please-" * 4
SAME = secrets.token_urlsafe(64)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"SECRET_KEY": None}, "SECRET_KEY"),
        ({"SECRET_KEY": GOOD["SECRET_KEY"][:49]}, "SECRET_KEY"),
        ({"SECRET_KEY": EXAMPLE}, "SECRET_KEY"),
        ({"SECRET_KEY": "x" * 64}, "SECRET_KEY"),
        ({"JWT_SECRET_KEY": None}, "JWT_SECRET_KEY"),
        ({"JWT_SECRET_KEY": SHORT}, "JWT_SECRET_KEY"),
        ({"JWT_SECRET_KEY": EXAMPLE}, "JWT_SECRET_KEY"),
        ({"SECRET_KEY": SAME, "JWT_SECRET_KEY": SAME}, "JWT_SECRET_KEY must differ"),
        ({"JWT_ALG": "RS256"}, "JWT_PRIVATE_KEY"),
        ({"JWT_ALG": "RS256", "JWT_PRIVATE_KEY": "no key", "JWT_PUBLIC_KEY": "none"}, "JWT_PRIVATE_KEY"),
        ({"JWT_ALG": "none"}, "JWT_ALG"),
        ({"DEBUG": "1"}, "DEBUG"),
        ({"ALLOWED_HOSTS": None}, "ALLOWED_HOSTS"),
        ({"ALLOWED_HOSTS": "a.test,*"}, "ALLOWED_HOSTS"),
        ({"DATABASE_URL": None}, "DATABASE_URL"),
        ({"DATABASE_URL": "sqlite:///x.sqlite3"}, "DATABASE_URL"),
        ({"REDIS_URL": None}, "REDIS_URL"),
        ({"BACKEND_CORS_ORIGINS": "*"}, "BACKEND_CORS_ORIGINS"),
        ({"BACKEND_CORS_ORIGINS": "https://*.example.com"}, "BACKEND_CORS_ORIGINS"),
        ({"BACKEND_URL": "cars.forecourt.test"}, "BACKEND_URL"),
        ({"DISABLE_THROTTLES": "1"}, "DISABLE_THROTTLES"),
        ({"PROVIDER_ALLOW_PRIVATE": "1"}, "PROVIDER_ALLOW_PRIVATE"),
        ({"PAYMENT_PROVIDERS": "manual,sandbox"}, "PAYMENT_PROVIDERS must not name sandbox"),
        ({"PAYMENT_PROVIDERS": "manual,paypal"}, "PAYMENT_PROVIDERS"),
        ({"PAYMENT_PROVIDERS": "manual,stripe"}, "STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET"),
        ({"STRIPE_SECRET_KEY": "sk_test_51abc"}, "STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET"),
        ({"STRIPE_WEBHOOK_SECRET": "whsec_51abc"}, "STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET"),
        ({"STRIPE_API_BASE": "http://stripe.forecourt.test"}, "STRIPE_API_BASE"),
        ({"ADMIN_PASSWORD": "Kx7-Qm2-Zp9"}, "ADMIN_PASSWORD"),
        ({"ADMIN_PASSWORD": "ChangeMe-12345"}, "ADMIN_PASSWORD"),
        ({"ADMIN_PASSWORD": "MyPassword-2026"}, "ADMIN_PASSWORD"),
        ({"METRICS_TOKEN": "k7Q-short"}, "METRICS_TOKEN"),
        ({"CELERY_BROKER_URL": "redis://a/0", "BROKER_URL": "redis://b/0"}, "CELERY_BROKER_URL"),
        ({"GLOBAL_RATE_LIMIT": "many"}, "GLOBAL_RATE_LIMIT"),
        ({"TRUSTED_PROXIES": "10.0.0.1/8"}, "TRUSTED_PROXIES"),
    ],
)
def test_unsafe_settings_are_refused_by_name(run: Any, changes: dict[str, str | None], named: str) -> None:
    result = run(**changes)
    assert result.returncode != 0
    refusal = result.stderr.strip().splitlines()[-1]
    assert refusal.startswith("django.core.exceptions.ImproperlyConfigured:")
    assert named in refusal
    assert not [value for value in changes.values() if value and len(value) > 8 and value in result.stderr]


def test_all_that_is_wrong_is_said_at_once(run: Any) -> None:
    refusal = run(SECRET_KEY=None, REDIS_URL=None, DEBUG="1").stderr
    assert all(name in refusal for name in ("SECRET_KEY", "REDIS_URL", "DEBUG"))


def test_an_rsa_key_pair_is_good(run: Any) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    pair = {"JWT_PRIVATE_KEY": private.replace("\n", "\\n"), "JWT_PUBLIC_KEY": public.replace("\n", "\\n")}
    result = run(JWT_ALG="RS256", JWT_SECRET_KEY=None, **pair)
    assert result.returncode == 0, result.stderr


def test_the_deployment_check_is_clean(run: Any) -> None:
    result = run("manage.py", "check", "--deploy", "--fail-level", "WARNING")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    ("changes", "warned"),
    [
        ({"EMAIL_URL": None}, True),
        ({"EMAIL_URL": None, "MAIL_SERVER": "mail.forecourt.test"}, False),
        ({"EMAIL_URL": "filemail:///var/mails"}, False),  # As somebody wants it.
        ({"EMAIL_URL": None, "BACKEND_URL": "http://localhost:8000"}, False),
    ],
)
def test_mails_that_end_in_files_are_pointed_out(run: Any, changes: dict[str, str | None], warned: bool) -> None:
    result = run("manage.py", "check", **changes)
    assert (result.returncode, "common.W002" in result.stderr) == (0, warned)


def test_a_server_does_not_start_on_unsafe_settings(run: Any) -> None:
    result = run("-m", "gunicorn", "config.wsgi", "--bind", "127.0.0.1:0", SECRET_KEY=None)
    assert result.returncode != 0
    assert "SECRET_KEY must be" in result.stdout + result.stderr


@pytest.mark.parametrize(("url", "secure"), [("https://a.test", "True 31536000"), ("http://a.test", "False 0")])
def test_the_address_decides_about_https(run: Any, url: str, secure: str) -> None:
    code = "import config.settings.production as s; print(s.SESSION_COOKIE_SECURE, s.SECURE_HSTS_SECONDS)"
    assert run("-c", code, BACKEND_URL=url).stdout.strip() == secure


@pytest.mark.parametrize(
    ("program", "role"), [("config.wsgi", "web"), ("config.asgi", "stream"), ("config.settings.production", "command")]
)
def test_each_server_has_its_role(run: Any, program: str, role: str) -> None:
    code = f"import {program}; from django.conf import settings; print(settings.PROCESS_ROLE)"
    assert run("-c", code).stdout.strip() == role


def test_a_worker_has_its_role(run: Any) -> None:
    code = "import sys; sys.argv[0] = '/venv/bin/celery'; from django.conf import settings; import config; "
    assert run("-c", code + "print(settings.PROCESS_ROLE)").stdout.strip() == "worker"


@pytest.mark.parametrize(("program", "seconds"), [("config.wsgi", 0.5), ("config.settings.production", 10)])
def test_only_a_worker_waits_long_for_the_broker(run: Any, program: str, seconds: float) -> None:
    code = f"import {program}; from django.conf import settings as s; "
    timeout = run("-c", code + "print(s.CELERY_BROKER_TRANSPORT_OPTIONS['socket_timeout'])").stdout
    assert float(timeout) <= seconds


# --- Payments ---------------------------------------------------------------------------------------------------------

BOTH = {"STRIPE_SECRET_KEY": "sk_test_51abc", "STRIPE_WEBHOOK_SECRET": "whsec_51abc"}


@pytest.mark.parametrize(
    ("changes", "providers"),
    [
        ({}, "manual"),
        (BOTH, "manual,stripe"),
        ({"BACKEND_URL": "http://cars.forecourt.test"}, "manual,sandbox"),
        ({"BACKEND_URL": "http://cars.forecourt.test", **BOTH}, "manual,sandbox,stripe"),
        ({"PAYMENT_PROVIDERS": "stripe", **BOTH}, "stripe"),
    ],
)
def test_who_takes_payments(run: Any, changes: dict[str, str], providers: str) -> None:
    code = "import config.settings.production as s; print(','.join(s.PAYMENT_PROVIDERS))"
    assert run("-c", code, **changes).stdout.strip() == providers


@pytest.mark.parametrize("url", ["http://localhost:8000", "https://dev.forecourt.test"])
def test_developers_have_the_sandbox(run: Any, url: str) -> None:
    code = "import config.settings.local as s; print(','.join(s.PAYMENT_PROVIDERS))"
    assert run("-c", code, BACKEND_URL=url, DATABASE_URL=None).stdout.strip() == "manual,sandbox"


# --- Databases --------------------------------------------------------------------------------------------------------


def test_the_host_of_a_socket_is_decoded() -> None:
    config = database_config("postgres://me@%2Fvar%2Frun%2Fpostgresql/forecourt")
    assert (config["HOST"], config["NAME"]) == ("/var/run/postgresql", "forecourt")


def test_a_pool_is_not_the_urls_to_decide() -> None:
    assert database_config("postgres://me@host/forecourt?pool=true&sslmode=require")["OPTIONS"] == {
        "sslmode": "require"
    }


# --- .env.example -----------------------------------------------------------------------------------------------------

INTERNAL = {"PROCESS_ROLE", "DEBUG"}  # Set by the servers; only refused.


def names_read() -> set[str]:
    files = [*(ROOT / "config" / "settings").glob("*.py"), ROOT / "gunicorn.conf.py"]
    calls = [node for file in files for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
    names = set()
    for call in calls:
        function = ast.unparse(call.func)
        if (function.startswith("env.") or function in {"rate", "networks"}) and call.args:
            name = call.args[0]
            if isinstance(name, ast.Constant) and re.fullmatch("[A-Z][A-Z0-9_]+", str(name.value)):
                names.add(name.value)
    return names - INTERNAL


def test_the_example_and_the_settings_are_in_step() -> None:
    example = (ROOT / ".env.example").read_text()
    documented = re.findall(r"^(?:# )?([A-Z][A-Z0-9_]+)=", example, re.MULTILINE)
    compose = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "docker-compose.yml").read_text()))
    assert len(documented) == len(set(documented))
    assert set(documented) == names_read() | compose


def test_the_example_holds_no_secret() -> None:
    example = (ROOT / ".env.example").read_text()
    for line in example.splitlines():
        name, _, value = line.removeprefix("# ").partition("=")
        if re.fullmatch(r"[A-Z_]*(KEY|PASSWORD|TOKEN)", name):
            assert value == ""


def test_the_example_as_it_is_lets_a_developer_start(tmp_path: Path) -> None:
    lines = [line for line in (ROOT / ".env.example").read_text().splitlines() if line and not line.startswith("#")]
    environment = {"PATH": os.environ["PATH"], "FORECOURT_IGNORE_DOTENV": "1", "DATA_DIR": str(tmp_path)}
    environment |= dict(line.split("=", 1) for line in lines)
    command = [sys.executable, "manage.py", "check"]
    result = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr


# --- Old variables ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OLD_VARIABLES)
def test_variables_that_no_longer_act_are_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    assert old_variables() == []
    monkeypatch.setenv(name, "a value nobody should see")
    (warning,) = old_variables()
    assert (warning.id, name in warning.msg) == ("common.W001", True)
    assert "nobody should see" not in str(warning)
