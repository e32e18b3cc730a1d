"""FastAPI + SQLAlchemy 2's asynchronous ORM + asyncpg + pydantic, as FastAPI's and SQLAlchemy's manuals lay
it out: a session by dependency, the current user by dependency, a response model. Served by uvicorn with
uvloop and httptools.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated

import jwt
from fastapi import Depends, FastAPI, HTTPException, Query
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from tests.benchmarks.peers import JWT_ISSUER, JWT_SECRET_KEY
from tests.benchmarks.peers.tables import Car, User, url_for

engine = create_async_engine(
    url_for("postgresql+asyncpg"),
    pool_size=8,
    connect_args={"server_settings": {"application_name": "bench-fastapi"}},
)
sessions = async_sessionmaker(engine, expire_on_commit=False)
bearer = HTTPBearer()
app = FastAPI()


class CarOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    make: str
    model: str
    year: int
    category: str
    source: str
    external_id: str | None
    source_updated_at: datetime | None
    created_in_run: int | None
    locked_fields: list[str]
    withdrawn_at: datetime | None
    created_at: datetime
    updated_at: datetime


class CarPage(BaseModel):
    count: int
    page: int
    results: list[CarOut]


async def get_session() -> AsyncIterator[AsyncSession]:
    async with sessions() as session:
        yield session


Session = Annotated[AsyncSession, Depends(get_session)]


async def get_current_user(
    credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)], session: Session
) -> User:
    try:
        claims = jwt.decode(credentials.credentials, JWT_SECRET_KEY, algorithms=["HS256"], issuer=JWT_ISSUER)
    except jwt.PyJWTError as error:
        raise HTTPException(401, "Invalid token") from error
    user = await session.get(User, int(claims["sub"]))
    if user is None or not user.is_active:
        raise HTTPException(401, "Invalid token")
    return user


CurrentUser = Annotated[User, Depends(get_current_user)]


@app.get("/api/cars", response_model=CarPage)
async def list_cars(
    session: Session,
    _user: CurrentUser,
    make: str | None = None,
    year: int | None = None,
    page: Annotated[int, Query(ge=1)] = 1,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> object:
    statement = select(Car).where(Car.withdrawn_at.is_(None))
    if make is not None:
        statement = statement.where(Car.make_key == make.casefold())
    if year is not None:
        statement = statement.where(Car.year == year)
    count = await session.scalar(select(func.count()).select_from(statement.subquery()))
    rows = await session.scalars(statement.order_by(Car.id).offset((page - 1) * limit).limit(limit))
    return {"count": count, "page": page, "results": rows.all()}


@app.get("/api/cars/{car_id}", response_model=CarOut)
async def get_car(car_id: int, session: Session, _user: CurrentUser) -> object:
    car = await session.get(Car, car_id)
    if car is None:
        raise HTTPException(404, "Not found")
    return car
