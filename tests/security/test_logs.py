"""What a real server logs while people sign in, fail to, reset passwords and send tokens: lines, and no secrets."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from email import message_from_string
from urllib.parse import quote

import pytest

from tests.e2e.processes import ROOT, Platform

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("security_server")]
EMAIL, PASSWORD, NEW_PASSWORD, WRONG = "lena@example.com", "violet-harbour-42", "amber-lantern-77", "guessed-wrong-13"
FORGERY = 'x\r\n{"event":"forged","level":"info"}\x1b[2J\u2028'


def mailed_token(server: Platform) -> str:
    """Delivers what waits, as a worker would, and takes the token out of the newest mail."""
    command = "from accounts.tasks import sweep_mail; sweep_mail()"
    with (server.folder / "worker.log").open("ab") as log:
        subprocess.run(
            [sys.executable, "manage.py", "shell", "-v0", "-c", command],
            cwd=ROOT, env=server.environment, check=True, stdout=log, stderr=log, timeout=60,
        )  # fmt: skip
    mail = max((server.folder / "mails").iterdir(), key=lambda path: path.stat().st_mtime)
    text = next(
        part.get_payload(decode=True).decode()
        for part in message_from_string(mail.read_text()).walk()
        if part.get_content_type() == "text/plain"
    )
    found = re.search(r"token=([^\s&]+)|^\s*([\w:-]{30,})\s*$", text, re.MULTILINE)
    assert found, text
    return found[1] or found[2]


def secrets_of_a_visit(server: Platform) -> list[str]:
    """Do all of it; returns what must not be in the logs."""
    with server.client() as client:
        assert client.post("/api/auth/register", json={"email": EMAIL, "password": PASSWORD}).status_code == 201
        pair = client.post("/api/auth/login", json={"email": EMAIL, "password": PASSWORD}).json()
        client.post("/api/auth/login", json={"email": EMAIL, "password": WRONG})
        client.post("/api/auth/login", content=f'{{"email": "{EMAIL}", "password": "{WRONG}"')
        bearer = {"Authorization": f"Bearer {pair['access_token']}"}
        client.get("/api/auth/me", headers=bearer)
        client.get("/api/auth/me", headers={"Authorization": f"Bearer {pair['refresh_token']}"})
        client.get("/api/cars", headers=bearer, params={"token": pair["access_token"]})
        client.get(f"/api/{pair['access_token']}")
        key = client.post("/api/auth/keys", headers=bearer, json={"name": "Stock screen"}).json()["key"]
        for text in (key, key[:-1], f"{key}0"):
            client.get("/api/auth/me", headers={"Authorization": f"Bearer {text}"})
            client.get("/api/cars", headers=bearer, params={"key": text})
            client.get(f"/api/{text}")
        client.get("/api/auth/me", headers={"Authorization": "Basic bGVuYTpodW50ZXItMTIzNA=="})
        client.post("/api/auth/refresh", json={"refresh_token": pair["refresh_token"]})
        client.post("/api/auth/password-reset", json={"email": EMAIL})
        reset = mailed_token(server)
        body = {"token": reset, "new_password": NEW_PASSWORD}
        assert client.post("/api/auth/password-reset/confirm", json=body).status_code == 204
        client.get(f"/api/notifications/unsubscribe/{reset}")
    secrets = [PASSWORD, NEW_PASSWORD, WRONG, pair["access_token"], pair["refresh_token"], reset]
    return [*secrets, key.split("_")[2][:40], "bGVuYTpodW50ZXItMTIzNA"]


def test_no_secret_of_a_visit_is_in_the_logs(server: Platform) -> None:
    secrets = secrets_of_a_visit(server)
    logs = [*server.folder.glob("*.log"), *(server.folder / "logs").iterdir()]
    logged = "".join(path.read_text() for path in logs)
    assert logged.count('"/api/auth/login"') >= 3
    assert [secret for secret in secrets if secret in logged or secret.rsplit(".", 1)[-1] in logged] == []
    assert "eyJ" not in logged
    assert EMAIL not in logged


def test_what_people_send_cannot_forge_a_line(server: Platform) -> None:
    with server.client() as client:
        for text in (FORGERY, quote(FORGERY)):
            client.get(f"/api/{quote(text)}", headers={"X-Request-ID": quote(text), "User-Agent": quote(text)})
            client.get("/api/cars", params={text: text})
            client.post("/api/auth/login", json={"email": text, "password": text})
            client.request(f"X{quote(text)[1:8]}", "/api/cars")
    for line in (server.folder / "web.log").read_text().splitlines():
        assert line.isascii()
        assert line.isprintable()
        assert json.loads(line)["event"] != "forged"
