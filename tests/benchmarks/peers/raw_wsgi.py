"""The raw limit: what any framework could at best reach in Python under the same server. No framework, no
ORM; one psycopg connection per thread in autocommit mode, statements prepared by the server, orjson, and
the checks that Forecourt makes: signature, active user, token version, live session. Served by gunicorn's
gthread worker.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

import jwt
import orjson
import psycopg
from psycopg.rows import dict_row

from tests.benchmarks.peers import DATABASE_URL, FIELDS, JWT_ISSUER, JWT_SECRET_KEY

COUNTED = 10_000
USER = (
    "SELECT 1 FROM accounts_user u JOIN accounts_tokenfamily f ON f.user_id = u.id"
    " WHERE u.id = %s AND f.id = %s AND u.token_version = %s AND u.is_active AND f.revoked_at IS NULL"
)
COLUMNS = ", ".join("created_in_run_id AS created_in_run" if name == "created_in_run" else name for name in FIELDS)
MATCHING = "FROM cars_car WHERE withdrawn_at IS NULL AND make_key = %(make)s AND year = %(year)s"
PAGE = f"SELECT {COLUMNS} {MATCHING} ORDER BY id LIMIT %(limit)s OFFSET %(offset)s"
COUNT = f"SELECT count(*) FROM (SELECT 1 {MATCHING} LIMIT {COUNTED + 1}) AS matching"
LIST = f"SELECT ({COUNT}) AS count, page.* FROM ({PAGE}) AS page"
DETAIL = f"SELECT {COLUMNS} FROM cars_car WHERE id = %s"

local = threading.local()


def connection() -> psycopg.Connection[dict[str, Any]]:
    """This thread's connection, opened at its first request."""
    found: psycopg.Connection[dict[str, Any]] | None = getattr(local, "connection", None)
    if found is None:
        found = psycopg.connect(
            DATABASE_URL,
            autocommit=True,
            prepare_threshold=0,
            row_factory=dict_row,
            application_name="bench-raw",
        )
        local.connection = found
    return found


def signed_in(environ: dict[str, Any]) -> bool:
    token = environ.get("HTTP_AUTHORIZATION", "")[7:]
    try:
        claims = jwt.decode(token, JWT_SECRET_KEY, algorithms=["HS256"], issuer=JWT_ISSUER)
    except jwt.PyJWTError:
        return False
    parameters = (int(claims["sub"]), claims["family"], claims["tv"])
    return connection().execute(USER, parameters).fetchone() is not None


def list_cars(query: dict[str, str]) -> bytes:
    page, limit = int(query.get("page", 1)), int(query.get("limit", 20))
    values = {
        "make": query["make"].casefold(),
        "year": int(query["year"]),
        "limit": limit,
        "offset": (page - 1) * limit,
    }
    rows = connection().execute(LIST, values).fetchall()
    count = rows[0]["count"] if rows else 0
    for row in rows:
        del row["count"]
    return orjson.dumps({"count": count, "page": page, "results": rows}, option=orjson.OPT_UTC_Z)


def get_car(car_id: int) -> bytes | None:
    row = connection().execute(DETAIL, (car_id,)).fetchone()
    return orjson.dumps(row, option=orjson.OPT_UTC_Z) if row else None


def answer(environ: dict[str, Any]) -> tuple[HTTPStatus, bytes]:
    path: str = environ["PATH_INFO"]
    if not signed_in(environ):
        return HTTPStatus.UNAUTHORIZED, b"{}"
    if path == "/api/cars":
        return HTTPStatus.OK, list_cars(dict(parse_qsl(environ["QUERY_STRING"])))
    body = get_car(int(path.rpartition("/")[2]))
    return (HTTPStatus.OK, body) if body else (HTTPStatus.NOT_FOUND, b"{}")


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    status, body = answer(environ)
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response(f"{status.value} {status.phrase}", headers)
    return [body]
