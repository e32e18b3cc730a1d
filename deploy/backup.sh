#!/bin/sh
# deploy/backup.sh FOLDER - a backup of this installation as FOLDER/<UTC time>: the database, the files, checksums.
#
# The service goes on. Reads the environment as the service does (DATABASE_URL, DATA_DIR); `.env` beside manage.py counts
# where they are not set. Needs the client programs of PostgreSQL, of the server's version or newer. A backup is complete
# when its SHA256SUMS is there; it is written last. Exit status 0 only then. With a bucket (AWS_S3_BUCKET) the files are
# the bucket's business: turn on its versioning.
set -eu
cd "$(dirname "$0")/.."
[ $# -eq 1 ] || { echo "usage: deploy/backup.sh FOLDER" >&2; exit 2; }
. deploy/environment.sh

target="$1/$(date -u +%Y%m%dT%H%M%SZ)"
umask 077
mkdir -p "$1"
mkdir "$target"

# The database first: a file that comes meanwhile is one too many, which the sweep of files clears away; a row whose file
# went in between would be one too few.
case "$DATABASE_URL" in
sqlite:*)
    "$PYTHON" - "$SQLITE_FILE" "$target/database.sqlite3" <<'PYTHON'
import sqlite3, sys
source, copy = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True), sqlite3.connect(sys.argv[2])
source.backup(copy)
(found,) = copy.execute("PRAGMA integrity_check").fetchone()
sys.exit(0 if found == "ok" else f"the copy is damaged: {found}")
PYTHON
    ;;
*)
    pg_dump --format=custom --no-owner --no-privileges --lock-wait-timeout=30000 --file="$target/database.dump" \
        --dbname="$DATABASE_URL"
    pg_restore --list "$target/database.dump" >/dev/null
    ;;
esac
if [ -z "${AWS_S3_BUCKET:-}" ] && [ -d "$DATA_DIR/media" ]; then
    # 1: a file changed or went while it was read.
    tar -C "$DATA_DIR" -cf "$target/media.tar" media || [ $? -eq 1 ]
fi
(cd "$target" && sha256sum -- * >SHA256SUMS.part && mv SHA256SUMS.part SHA256SUMS)
echo "$target"
