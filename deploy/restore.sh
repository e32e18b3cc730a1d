#!/bin/sh
# deploy/restore.sh BACKUP - brings a backup of deploy/backup.sh into an empty installation, and audits it.
#
# Where to is what the environment says (DATABASE_URL, DATA_DIR; `.env` beside manage.py where they are not set). The
# database has to be there and empty, so that nothing is overwritten by mistake. Stop web, worker and beat before. Exit
# status 0 when everything is back and the audits find nothing.
set -eu
cd "$(dirname "$0")/.."
[ $# -eq 1 ] && [ -f "$1/SHA256SUMS" ] || { echo "usage: deploy/restore.sh BACKUP (a folder with SHA256SUMS)" >&2; exit 2; }
. deploy/environment.sh

(cd "$1" && sha256sum --check --quiet --strict SHA256SUMS)
if [ -e "$1/media.tar" ] && [ -n "$(ls -A "$DATA_DIR/media" 2>/dev/null)" ]; then
    echo "$DATA_DIR/media is not empty" >&2
    exit 1
fi
case "$DATABASE_URL" in
sqlite:*)
    [ ! -e "$SQLITE_FILE" ] || { echo "$SQLITE_FILE is there already" >&2; exit 1; }
    mkdir -p "$(dirname "$SQLITE_FILE")"
    cp "$1/database.sqlite3" "$SQLITE_FILE"
    ;;
*)
    tables=$(psql --no-psqlrc --tuples-only --no-align --dbname="$DATABASE_URL" \
        --command="SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
    [ "$tables" = 0 ] || { echo "the database is not empty: it has $tables tables" >&2; exit 1; }
    # All or nothing; triggers and references come after the rows, so the rows of the append-only tables pass.
    pg_restore --no-owner --no-privileges --exit-on-error --single-transaction --dbname="$DATABASE_URL" "$1/database.dump"
    psql --no-psqlrc --quiet --dbname="$DATABASE_URL" --command="ANALYZE"
    ;;
esac
if [ -e "$1/media.tar" ]; then
    mkdir -p "$DATA_DIR"
    tar -C "$DATA_DIR" -xf "$1/media.tar"
fi
"$PYTHON" - <<'PYTHON'
import os, sys
sys.path.insert(0, os.getcwd())
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")  # As manage.py.
import django
from django.core.management import CommandError, call_command

django.setup()
failed = []
for audit in (["migrate", "--check"], ["audit_ledger"], ["audit_stock"], ["verify_auctions"]):
    try:
        call_command(*audit)
    except (CommandError, SystemExit) as error:
        failed.append(f"restored, but manage.py {' '.join(audit)} fails: {error}")
sys.exit("\n".join(failed) or 0)
PYTHON
echo "restored $1"
