"""The SQLAlchemy models of the Flask and the FastAPI peer: Forecourt's tables, as far as they are read."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, SmallInteger, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tests.benchmarks.peers import DATABASE_URL


class Base(DeclarativeBase):
    """The declarative base."""


class User(Base):
    __tablename__ = "accounts_user"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    username: Mapped[str | None] = mapped_column(String(64))
    password: Mapped[str] = mapped_column(String(128))
    is_active: Mapped[bool]
    is_superuser: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class Car(Base):
    __tablename__ = "cars_car"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    make: Mapped[str] = mapped_column(String(128))
    model: Mapped[str] = mapped_column(String(160))
    year: Mapped[int] = mapped_column(SmallInteger)
    category: Mapped[str] = mapped_column(String(128))
    make_key: Mapped[str] = mapped_column(String(256))
    source: Mapped[str] = mapped_column(String(32))
    external_id: Mapped[str | None] = mapped_column(String(64))
    source_updated_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_in_run: Mapped[int | None] = mapped_column("created_in_run_id", BigInteger)
    locked_fields: Mapped[list[Any]] = mapped_column(JSONB)
    withdrawn_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


def url_for(driver: str) -> str:
    """The database URL with SQLAlchemy's name of the driver, such as `postgresql+asyncpg`."""
    return DATABASE_URL.replace("postgres", driver, 1)
