"""Exports over HTTP: asking, watching, downloading; owner, insider, stranger."""

from __future__ import annotations

import uuid
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from accounts.exports import ExportRunning, UnknownExport, request_export, run_export
from accounts.models import Export, Notification
from common.clock import database_now
from tests.accounts.exporters import KIND, RESTRICTED_KIND
from tests.accounts.keys import program

pytestmark = pytest.mark.django_db
URL = "/api/exports"


@pytest.fixture(autouse=True)
def folder(tmp_path, settings) -> Path:
    settings.EXPORT_FOLDER = tmp_path / "exports"
    return settings.EXPORT_FOLDER


@pytest.fixture
def ready(user) -> Export:
    """A finished export of Alice's, of one row."""
    Notification.objects.create(user=user, kind="row", title='=HYPERLINK("x")')
    export = Export.objects.create(owner=user, kind=KIND, params={"kind": "row"})
    assert run_export(export_id=export.pk, now=database_now())
    export.refresh_from_db()
    return export


def status_of_download(client: Any, export_id: str) -> int:
    answer = client.get(f"{URL}/{export_id}/download")
    if answer.streaming:
        b"".join(answer.streaming_content)  # To the end, which closes the file.
    return answer.status_code


def ask(client: Any, **body: Any) -> Any:
    return client.post(URL, {"kind": KIND} | body)


def test_asking_answers_202_and_where_to_look(user, as_user):
    client = as_user(user)
    answer = ask(client)
    body = answer.json()
    assert answer.status_code == 202
    assert answer["Location"].endswith(f"{URL}/{body['id']}")
    assert (body["status"], body["percent"], body["rows"], body["download_url"]) == ("queued", 0, 0, None)
    assert body["owner"] == user.pk
    assert client.get(answer["Location"]).json() == body
    assert [row["id"] for row in client.get(URL).json()["results"]] == [body["id"]]


def test_the_same_request_while_one_runs_answers_that_one(user, other_user, as_user):
    client = as_user(user)
    first = ask(client).json()["id"]
    Export.objects.update(status=Export.Status.RUNNING)
    assert ask(client).json()["id"] == first
    assert ask(as_user(other_user)).json()["id"] != first
    Export.objects.update(status=Export.Status.FAILED)
    assert ask(client).json()["id"] != first


def test_another_request_of_the_kind_has_to_wait(user, as_user):
    client = as_user(user)
    first = ask(client).json()["id"]
    answer = ask(client, bom=True)
    assert answer.status_code == 409
    assert answer.json()["errors"][0]["code"] == "export_running"
    assert answer.json()["errors"][0]["meta"] == {"existing_id": first}


def test_an_app_asks_with_params_of_its_own(user):
    ask_for = partial(request_export, owner=user, kind=KIND, now=timezone.now())
    first = ask_for(params={"kind": "row"})
    assert ask_for(params={"kind": "row"}) == first
    with pytest.raises(ExportRunning):
        ask_for(params={"kind": "other"})
    with pytest.raises(UnknownExport):
        request_export(owner=user, kind="nothing_known", now=timezone.now())


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"kind": "nothing_known"}, 400, "invalid_choice"),
        ({"kind": KIND, "params": {"owner": 1}}, 400, "unknown_field"),
        ({"kind": RESTRICTED_KIND}, 403, "permission_denied"),
        ({"kind": 5}, 400, "invalid"),
        ({"kind": KIND, "status": "ready"}, 400, "unknown_field"),
        ({}, 400, "required"),
    ],
)
def test_what_cannot_be_asked_for(body, status, code, user, as_user):
    answer = as_user(user).post(URL, body)
    assert answer.status_code == status
    assert answer.json()["errors"][0]["code"] == code
    assert not Export.objects.exists()


def test_a_permission_opens_a_restricted_export(make_user, as_user):
    insider = make_user(perms=["accounts.approve_sellerprofile"])
    answer = ask(as_user(insider), kind=RESTRICTED_KIND)
    assert answer.status_code == 202
    assert run_export(export_id=answer.json()["id"], now=database_now())


def test_a_permission_withdrawn_since_closes_it_again(user):
    export = Export.objects.create(owner=user, kind=RESTRICTED_KIND)
    assert not run_export(export_id=export.pk, now=database_now())
    export.refresh_from_db()
    assert export.status == Export.Status.FAILED


def test_a_permission_withdrawn_since_closes_its_file(make_user, as_user):
    insider = make_user(perms=["accounts.approve_sellerprofile"])
    export_id = ask(as_user(insider), kind=RESTRICTED_KIND).json()["id"]
    assert run_export(export_id=export_id, now=database_now())
    assert status_of_download(as_user(insider), export_id) == 200
    insider.user_permissions.clear()
    refused = as_user(insider).get(f"{URL}/{export_id}/download")
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (403, "permission_denied")


def test_an_api_key_opens_no_file_that_it_could_not_ask_for(make_user, as_user):
    insider = make_user(perms=["accounts.approve_sellerprofile"])
    export_id = ask(as_user(insider), kind=RESTRICTED_KIND).json()["id"]
    assert run_export(export_id=export_id, now=database_now())
    assert status_of_download(program(insider), export_id) == 403
    assert status_of_download(program(insider, "accounts.approve_sellerprofile"), export_id) == 200


def test_the_owner_downloads_the_file(ready, user, as_user):
    client = as_user(user)
    body = client.get(f"{URL}/{ready.pk}").json()
    answer = client.get(body["download_url"])
    content = b"".join(answer.streaming_content)
    row = Notification.objects.get(kind="row")
    assert content == f'"id","title"\r\n"{row.pk}","\'=HYPERLINK(""x"")"\r\n'.encode()
    assert (body["status"], body["percent"], body["rows"], body["bytes"]) == ("ready", 100, 1, len(content))
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"].startswith(f'attachment; filename="{KIND}-')
    assert "filename*=UTF-8''" in answer["Content-Disposition"]
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Length"] == str(len(content))


def test_a_client_may_ask_for_csv_and_gets_errors_in_json(ready, user, as_user):
    client = as_user(user)
    assert b"".join(client.get(f"{URL}/{ready.pk}/download", headers={"Accept": "text/csv"}).streaming_content)
    missing = client.get(f"{URL}/{uuid.uuid4()}/download", headers={"Accept": "text/csv"})
    assert missing.status_code == 404
    assert missing["Content-Type"] == "application/json"
    assert missing.json()["errors"][0]["code"] == "not_found"


def test_its_owner_is_told_when_the_file_exists(ready, user):
    told = Notification.objects.get(user=user, kind="export_ready")
    assert told.data == {"export": str(ready.pk)}
    assert f"/api/exports/{ready.pk}/download" in told.body
    assert told.mail_status == Notification.MailStatus.PENDING


@pytest.mark.parametrize("path", ["", "/download"])
def test_another_users_export_answers_like_a_missing_one(path, ready, other_user, admin_user, as_user):
    for outsider in (other_user, admin_user):
        client = as_user(outsider)
        theirs, missing = (client.get(f"{URL}/{pk}{path}") for pk in (ready.pk, uuid.uuid4()))
        assert theirs.status_code == missing.status_code == 404
        assert theirs.content == missing.content
    assert as_user(other_user).get(URL).json()["results"] == []


def test_exports_are_not_for_strangers(ready, api):
    for answer in (api.get(URL), api.post(URL, {"kind": KIND}), api.get(f"{URL}/{ready.pk}/download")):
        assert answer.status_code == 401


@pytest.mark.parametrize("name", ["..", "%2e%2e%2f", "../../etc/passwd", "%2Fetc%2Fpasswd", "1", "x.csv"])
def test_only_ids_name_files(name, user, as_user):
    assert as_user(user).get(f"{URL}/{name}/download").status_code == 404


def test_a_link_in_the_folder_is_not_followed(ready, user, as_user, folder, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    path = folder / f"{ready.pk}.1.csv"
    path.unlink()
    assert as_user(user).get(f"{URL}/{ready.pk}/download").status_code == 404
    path.symlink_to(secret)
    assert as_user(user).get(f"{URL}/{ready.pk}/download").status_code == 404
    path.unlink()
    path.mkdir()
    assert as_user(user).get(f"{URL}/{ready.pk}/download").status_code == 404


@pytest.mark.parametrize("status", ["queued", "running", "failed"])
def test_there_is_nothing_to_download_before_the_file_is_ready(status, user, as_user):
    export = Export.objects.create(owner=user, kind=KIND, status=status)
    answer = as_user(user).get(f"{URL}/{export.pk}/download")
    assert answer.status_code == 409
    assert answer.json()["errors"][0] == {
        "code": "export_not_ready", "detail": "There is no file yet.", "attr": None, "meta": {"status": status},
    }  # fmt: skip


def test_a_file_past_its_time_is_gone_before_the_clean_up_comes(ready, user, as_user):
    assert ready.expires_at - ready.finished_at == timedelta(days=7)
    Export.objects.update(expires_at=timezone.now())
    answer = as_user(user).get(f"{URL}/{ready.pk}/download")
    assert answer.status_code == 409
    assert answer.json()["errors"][0]["code"] == "export_expired"


def test_files_are_private_on_the_disk_too(ready, folder):
    assert [path.name for path in folder.iterdir()] == [f"{ready.pk}.1.csv"]
    assert (folder / f"{ready.pk}.1.csv").stat().st_mode & 0o077 == 0


def test_the_byte_order_mark_comes_when_asked_for(user, as_user):
    client = as_user(user)
    export_id = ask(client, bom=True).json()["id"]
    assert run_export(export_id=export_id, now=database_now())
    assert b"".join(client.get(f"{URL}/{export_id}/download").streaming_content).startswith(b'\xef\xbb\xbf"id"')


def test_a_key_makes_asking_safe_to_repeat(user, as_user):
    client, headers = as_user(user), {"Idempotency-Key": "k"}
    first = client.post(URL, {"kind": KIND}, headers=headers)
    Export.objects.update(status=Export.Status.FAILED)
    again = client.post(URL, {"kind": KIND}, headers=headers)
    assert again.content == first.content
    assert again["Idempotency-Replayed"] == "true"
    assert Export.objects.count() == 1
