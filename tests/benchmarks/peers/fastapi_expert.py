"""What somebody who tunes FastAPI writes: no ORM objects, Core rows on one connection in autocommit mode, the
response built by orjson without a response model, and no count. Served by uvicorn with uvloop and
httptools.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

import jwt
import orjson
from fastapi import Depends, FastAPI, Header, HTTPException, Query, Response
from sqlalchemy import Select, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from tests.benchmarks.peers import FIELDS, JWT_ISSUER, JWT_SECRET_KEY
from tests.benchmarks.peers.tables import Car, User, url_for

engine = create_async_engine(
    url_for("postgresql+asyncpg"),
    pool_size=8,
    isolation_level="AUTOCOMMIT",
    connect_args={"server_settings": {"application_name": "bench-expert"}},
)
app = FastAPI()
cars = Car.__table__
COLUMNS = [Car.__mapper__.columns[name].label(name) for name in FIELDS]
USER_IS_ACTIVE = select(User.__table__.c.is_active).where(User.__table__.c.id == bindparam("user_id"))
ONE_CAR = select(*COLUMNS).where(cars.c.id == bindparam("car_id"))


async def get_connection() -> AsyncIterator[AsyncConnection]:
    async with engine.connect() as connection:
        yield connection


Connection = Annotated[AsyncConnection, Depends(get_connection)]


async def check_user(connection: Connection, authorization: Annotated[str, Header()] = "") -> None:
    try:
        claims = jwt.decode(authorization[7:], JWT_SECRET_KEY, algorithms=["HS256"], issuer=JWT_ISSUER)
    except jwt.PyJWTError as error:
        raise HTTPException(401, "Invalid token") from error
    if not await connection.scalar(USER_IS_ACTIVE, {"user_id": int(claims["sub"])}):
        raise HTTPException(401, "Invalid token")


def answer(content: object) -> Response:
    return Response(orjson.dumps(content, option=orjson.OPT_UTC_Z), media_type="application/json")


def filtered(make: str | None, year: int | None) -> Select[tuple[object, ...]]:
    statement = select(*COLUMNS).where(cars.c.withdrawn_at.is_(None))
    if make is not None:
        statement = statement.where(cars.c.make_key == make.casefold())
    if year is not None:
        statement = statement.where(cars.c.year == year)
    return statement


@app.get("/api/cars", dependencies=[Depends(check_user)])
async def list_cars(
    connection: Connection,
    make: str | None = None,
    year: int | None = None,
    page: Annotated[int, Query(ge=1)] = 1,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> Response:
    statement = filtered(make, year).order_by(cars.c.id).offset((page - 1) * limit).limit(limit)
    rows = (await connection.execute(statement)).all()
    return answer({"page": page, "results": [dict(row._mapping) for row in rows]})


@app.get("/api/cars/{car_id}", dependencies=[Depends(check_user)])
async def get_car(car_id: int, connection: Connection) -> Response:
    row = (await connection.execute(ONE_CAR, {"car_id": car_id})).first()
    if row is None:
        raise HTTPException(404, "Not found")
    return answer(dict(row._mapping))
