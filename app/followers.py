"""Followers read the journal and tell others: messages, documents, statistics. An act never tells anybody.

Each follower keeps its place in a row. It reads on from there, does its work and moves its place in one
transaction, so that every entry is followed exactly once in effect.
"""

from collections.abc import Callable, Sequence
from typing import ClassVar

from sqlalchemy import BigInteger, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage import journal
from storage.db import Base

Follow = Callable[[Session, journal.Entry, object], None]


class Follower(Base):
    """How far one follower has read."""

    __tablename__ = "follower"
    called: ClassVar[str] = "日志读者"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    tx: Mapped[int] = mapped_column(BigInteger, default=0)
    entry_id: Mapped[int] = mapped_column(BigInteger, default=0)


def waiting(name: str) -> Callable[[Session], Sequence[str]]:
    """Whether this follower has something to read: its name, or nothing."""

    def find(db: Session) -> Sequence[str]:
        place = db.get(Follower, name)
        return [name] if journal.after(db, *(place.tx, place.entry_id) if place else (0, 0), limit=1) else []

    return find


def reading(follow: Follow) -> Callable[[Session, str, object], None]:
    """The act of reading on: follow each new entry, then move the place."""

    def read(db: Session, name: str, equipment: object) -> None:
        place = db.scalar(select(Follower).filter_by(name=name).with_for_update(skip_locked=True))
        if place is None:
            if db.get(Follower, name) is not None:
                return  # another worker is reading
            place = Follower(name=name, tx=0, entry_id=0)
            db.add(place)
            db.flush()
        for entry in journal.after(db, place.tx, place.entry_id):
            follow(db, entry, equipment)
            place.tx, place.entry_id = entry.tx, entry.id

    return read
