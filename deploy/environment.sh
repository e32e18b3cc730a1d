# For backup.sh and restore.sh, which source it: the settings they need, as the service reads them.
if [ -z "${PYTHON:-}" ]; then
    PYTHON=.venv/bin/python
    [ -x "$PYTHON" ] || PYTHON=python3
fi
setting() { # NAME DEFAULT - the environment, else .env, else the default.
    eval "value=\${$1:-}"
    if [ -z "$value" ] && [ -f .env ] && [ "${FORECOURT_IGNORE_DOTENV:-}" != 1 ]; then
        value=$(sed -n "s/^$1=//p" .env | tail -n 1)
    fi
    echo "${value:-$2}"
}
DATA_DIR=$(setting DATA_DIR var)
DATABASE_URL=$(setting DATABASE_URL "sqlite:///$PWD/$DATA_DIR/forecourt.sqlite3")
case "$DATA_DIR" in /*) DATABASE_URL=$(setting DATABASE_URL "sqlite:///$DATA_DIR/forecourt.sqlite3") ;; esac
AWS_S3_BUCKET=$(setting AWS_S3_BUCKET "")
SQLITE_FILE=${DATABASE_URL#sqlite:///}
export DATA_DIR DATABASE_URL
