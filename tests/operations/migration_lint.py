"""Whether a migration can run while the release before it serves.

squawk reads the SQL that Django would send to PostgreSQL; nothing is executed, but Django asks the server how to quote.
A migration that knows better than a rule says so in its class: `lint_exceptions = {"rule": "reason"}`. The rules, and
what to do instead, stand in docs/migrations.md.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.migration import Migration
from django.db.migrations.state import ProjectState

LANDED = Path(__file__).with_name("landed.txt")
# What squawk would have that is not a migration's to choose: Django's column types, how often it may be repeated (they
# run once), and the time-outs, which are set for the whole run.
EXCLUDED = (
    "prefer-bigint-over-int", "prefer-bigint-over-smallint", "prefer-identity", "prefer-robust-stmts",
    "prefer-text-field", "prefer-timestamp-tz", "require-timeout-settings",
)  # fmt: skip


class Finding(NamedTuple):
    rule: str
    statement: str


def new_migrations() -> dict[str, tuple[Migration, ProjectState]]:
    """By `app.name`: those of our apps that no release had, each with the state before it."""
    loader = MigrationLoader(None)
    ours = {config.label for config in apps.get_app_configs() if (Path(config.path).parent / "manage.py").exists()}
    names = {f"{app}.{name}": (app, name) for app, name in loader.disk_migrations if app in ours}
    new = sorted(names.keys() - set(LANDED.read_text().split()))
    return {name: (loader.graph.nodes[names[name]], loader.project_state(names[name], at_end=False)) for name in new}


def lint(migration: Migration, before: ProjectState) -> list[Finding]:
    connection = connections.create_connection(DEFAULT_DB_ALIAS)  # Outside of the test's transaction.
    try:
        with connection.schema_editor(collect_sql=True, atomic=migration.atomic) as editor:
            migration.apply(before.clone(), editor, collect_sql=True)
    finally:
        connection.close()
    allowed: dict[str, str] = getattr(migration, "lint_exceptions", {})
    sql = "\n".join(line for line in editor.collected_sql if not line.startswith("--"))
    return [found for found in _squawk(sql, in_transaction=migration.atomic) if found.rule not in allowed]


def _squawk(sql: str, *, in_transaction: bool) -> list[Finding]:
    """Raises AssertionError when squawk cannot read the SQL."""
    program = shutil.which("squawk", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert program, "squawk is missing"
    command = [program, "--reporter", "json", "--pg-version", "14", "--exclude", ",".join(EXCLUDED)]
    command += ["--assume-in-transaction"] if in_transaction else []
    done = subprocess.run(command, input=sql, capture_output=True, text=True, timeout=60, check=False)
    hits: list[dict[str, Any]] = json.loads(done.stdout or "[]")
    assert done.returncode == bool(hits), done.stderr
    lines = [*sql.splitlines(), ""]
    return [Finding(hit["rule_name"], lines[hit["line"]][:200]) for hit in hits]
