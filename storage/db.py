"""Rows: how a thing is kept in PostgreSQL, found, and taken in hand to be changed.

PostgreSQL is the only database, so what an act checks kindly a constraint makes certain (house, D10).
"""

import uuid
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar, TypeVar

from sqlalchemy import BigInteger, DateTime, Engine, Enum, Identity, MetaData, Uuid, create_engine
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker
from sqlalchemy.types import TypeDecorator

from storage.refusals import NotFound
from storage.values import Money


class Fen(TypeDecorator[Money]):
    """Money kept as whole fen."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Money | None, dialect: Any) -> int | None:
        return None if value is None else value.fen

    def process_result_value(self, value: int | None, dialect: Any) -> Money | None:
        return None if value is None else Money(value)


class Moment(TypeDecorator[datetime]):
    """A moment kept with its time zone and always given back in UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        assert value is None or value.tzinfo, "a moment knows its time zone"
        return value

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        return None if value is None else value.astimezone(UTC)


def by_value(kind: type[StrEnum]) -> Enum:
    """A column type that keeps an enum by its value, with a CHECK that the database repeats."""
    return Enum(
        kind,
        native_enum=False,
        create_constraint=True,
        validate_strings=True,
        length=40,
        name=kind.__qualname__.replace(".", "_").lower(),
        values_callable=lambda members: [member.value for member in members],
    )


Json = JSONB


class Base(DeclarativeBase):
    """Everything that is kept. `called` is the Chinese name of the thing, used in sentences."""

    called: ClassVar[str] = "记录"
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Row(Base):
    """A kept thing with a number; for things whose count may be known."""

    __abstract__ = True
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)


class SecretRow(Base):
    """A kept thing with a random name; for things whose count or order is a secret (bids, deposits)."""

    __abstract__ = True
    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True, default=uuid.uuid4)


R = TypeVar("R", bound=Base)


def find(db: Session, kind: type[R], id_: Any) -> R:
    """Find a row to look at it."""
    row = db.get(kind, id_)
    if row is None:
        raise NotFound(what=kind.called)
    return row


def take(db: Session, kind: type[R], id_: Any) -> R:
    """Take a row in hand to change it: nobody else changes it until this transaction is over."""
    row = db.get(kind, id_, with_for_update=True, populate_existing=True)
    if row is None:
        raise NotFound(what=kind.called)
    return row


def connect(url: str, **options: Any) -> Engine:
    """An engine on PostgreSQL; `url` as SQLAlchemy writes it, with psycopg 3."""
    return create_engine(
        url.replace("postgresql://", "postgresql+psycopg://", 1),
        connect_args={"options": "-c timezone=UTC", "application_name": "gongheng"},
        pool_pre_ping=True,
        **{"pool_size": 10, "max_overflow": 10} | options,
    )


def sessions(engine: Engine) -> sessionmaker[Session]:
    """What makes sessions: one request or one job = one session = one transaction."""
    return sessionmaker(engine, expire_on_commit=False)
