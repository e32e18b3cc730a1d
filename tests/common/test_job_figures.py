"""What /metrics says of the jobs, and what the alerts make of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from accounts import beats
from accounts.models import Export, Heartbeat, User
from auctions.models import LedgerAudit
from auctions.services import verification
from config import health
from config.jobs import JobFigures
from tests.e2e.processes import ROOT

OPS = ROOT / "docs" / "ops"


def figures() -> dict[tuple[str, str], float]:
    """Metric and its one label's value -> figure."""
    found = {}
    for family in JobFigures().collect():
        for sample in family.samples:
            found[family.name, next(iter(sample.labels.values()))] = sample.value
    return found


@pytest.mark.django_db
def test_what_waits_and_what_failed(user: User) -> None:
    hour_ago = timezone.now() - timedelta(hours=1)
    common: dict[str, Any] = {"owner": user, "kind": "reservations"}
    Export.objects.create(**common, created_at=hour_ago)
    Export.objects.create(**common, status="failed", created_at=hour_ago, finished_at=hour_ago)
    Export.objects.create(
        **common, status="failed", created_at=hour_ago, finished_at=timezone.now() - timedelta(days=2)
    )
    found = figures()
    assert found["forecourt_jobs_waiting", "export"] == 1
    assert 3600 <= found["forecourt_jobs_oldest_seconds", "export"] < 3700
    assert found["forecourt_jobs_failed", "export"] == 1
    assert found["forecourt_jobs_oldest_seconds", "sync"] == 0


@pytest.mark.django_db
def test_each_schedule_says_when_it_last_ended_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beats, "_next", {})
    task = PeriodicTask.objects.get(name="auctions: Close auctions")
    assert ("forecourt_task_success_age_seconds", "auctions.close_auctions") not in figures()
    beats.note_success(task.task)
    assert 0 <= figures()["forecourt_task_success_age_seconds", "auctions.close_auctions"] < 60
    assert figures()["forecourt_task_period_seconds", "auctions.close_auctions"] == 5
    PeriodicTask.objects.filter(task=task.task).update(enabled=False)
    assert ("forecourt_task_success_age_seconds", "auctions.close_auctions") not in figures()


@pytest.mark.django_db
def test_a_task_of_every_few_seconds_is_not_noted_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beats, "_next", {})
    beats.note_success("auctions.tasks.close_auctions")
    Heartbeat.objects.all().delete()
    beats.note_success("auctions.tasks.close_auctions")
    assert not Heartbeat.objects.exists()
    beats.note_success("auctions.tasks.open_auctions")
    assert Heartbeat.objects.get().name == "auctions.open_auctions"


@pytest.mark.django_db
def test_names_of_tasks_stay_apart() -> None:
    tasks = set(PeriodicTask.objects.values_list("task", flat=True))
    assert len({beats.name_of(task) for task in tasks}) == len(tasks)


# --- Alerts and dashboard ---------------------------------------------------------------------------------------------

NAME = re.compile(r"\b(?:forecourt|auction|ledger|vehicles|up)[a-z_]*\b")


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((OPS / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return json.loads((OPS / "dashboard.json").read_text())["panels"]  # type: ignore[no-any-return]


@pytest.fixture
def exposed(db: None, api: Any, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Every name of a metric that a scrape knows, also those without a figure now. Both audits have run."""
    monkeypatch.setattr(health, "_ask_broker", lambda: None)
    monkeypatch.setattr(verification, "last_run", lambda: verification.LastRun(timezone.now(), 0, 0))
    LedgerAudit.objects.create(at=timezone.now(), orders=0, differences=0)
    text = api.get("/metrics").content.decode()
    return set(re.findall(r"^(?:# TYPE )?([a-z_]+)", text, re.MULTILINE)) | {
        f"{name}_bucket" for name in re.findall(r"^# TYPE ([a-z_]+) histogram", text, re.MULTILINE)
    }


def test_alerts_ask_for_metrics_that_are_there(exposed: set[str]) -> None:
    asked = {name for rule in rules() for name in NAME.findall(re.sub(r"\{[^}]*\}", "", rule["expr"]))}
    assert asked - {"up"} <= exposed


def test_the_dashboard_does_too(exposed: set[str]) -> None:
    queries = [target["expr"] for panel in panels() for target in panel.get("targets", [])]
    assert queries
    asked = {name for query in queries for name in NAME.findall(re.sub(r"\{[^}]*\}|by \([^)]*\)", "", query))}
    assert asked - {"up"} <= exposed


def test_every_alert_says_what_and_what_to_do() -> None:
    anchors = set(re.findall(r'<a id="([a-z-]+)"', (ROOT / "docs" / "troubleshooting.md").read_text()))
    for rule in rules():
        assert {"alert", "expr", "for", "labels", "annotations"} == set(rule)
        assert rule["labels"]["severity"] in {"page", "ticket"}
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert (page, anchor in anchors) == ("docs/troubleshooting.md", True), rule["alert"]
        assert rule["annotations"]["summary"]


def test_prometheus_takes_the_rules() -> None:
    """Where its tool is installed; the structure is looked at above in any case."""
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is not installed")
    done = subprocess.run([tool, "check", "rules", str(OPS / "alerts.yml")], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_fire_when_they_should(tmp_path: Path) -> None:
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is not installed")
    done = subprocess.run(
        [tool, "test", "rules", str(ROOT / "tests" / "common" / "alerts_test.yml")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
