"""The journal 日志: who did what, when; written in the act's own transaction and never changed.

Entries of one file (one tender, one supermarket project, one session) form a hash chain:

    hash = SHA-256("gongheng/journal/1" ‖ 0x00 ‖ canonical JSON of {file, number, at, act, by, facts, prev})

so that a changed, dropped, added or reordered entry shows. The database refuses UPDATE and DELETE, by a
trigger and by the rights of the role the application uses. Facts are references, never sealed content,
masked names, or anything that would tell a secret before its hour.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Protocol

from sqlalchemy import BigInteger, Identity, String, UniqueConstraint, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage import clock
from storage.db import Base, Json, Moment

FIRST = "0" * 64


class Author(Protocol):
    """Who acts: a person, or the system when `person_id` is None."""

    @property
    def person_id(self) -> int | None: ...


class Entry(Base):
    """One line of the journal."""

    __tablename__ = "journal"
    __table_args__ = (UniqueConstraint("file", "number"),)
    called: ClassVar[str] = "日志条目"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    file: Mapped[str] = mapped_column(String(80))
    number: Mapped[int] = mapped_column()
    at: Mapped[datetime] = mapped_column(Moment)
    act: Mapped[str] = mapped_column(String(80), index=True)
    by: Mapped[int | None] = mapped_column()  # a person's number; None: the system itself
    facts: Mapped[dict[str, Any]] = mapped_column(Json)
    prev: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))
    tx: Mapped[int] = mapped_column(
        BigInteger, server_default=text("(pg_current_xact_id()::text::bigint)"), index=True
    )  # the transaction that wrote it; outside the hash

    def digest(self) -> str:
        """The hash this entry must have."""
        body = {
            "file": self.file, "number": self.number, "at": self.at.astimezone(UTC).isoformat(timespec="microseconds"),
            "act": self.act, "by": self.by, "facts": self.facts, "prev": self.prev,
        }  # fmt: skip
        line = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(b"gongheng/journal/1\x00" + line.encode()).hexdigest()


@dataclass(frozen=True)
class Whole:
    """What a check of one file found."""

    entries: int
    head: str
    first_bad: int | None = None  # number of the first entry that does not fit

    @property
    def ok(self) -> bool:
        return self.first_bad is None


def record(db: Session, file: str, act: str, *, by: Author | None, **facts: Any) -> Entry:
    """Write one entry at the end of a file, in the caller's transaction.

    Two writers of one file queue on a lock of that file, so numbers and times ascend together.
    """
    db.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:file, 0))"), {"file": f"journal/{file}"})
    newest = select(Entry.number, Entry.hash).filter_by(file=file).order_by(Entry.number.desc()).limit(1)
    last = db.execute(newest).first()
    entry = Entry(
        file=file,
        number=last.number + 1 if last else 1,
        at=clock.database(db),
        act=act,
        by=by.person_id if by else None,
        facts=_plain(facts),
        prev=last.hash if last else FIRST,
    )
    entry.hash = entry.digest()
    db.add(entry)
    db.flush()
    return entry


def entries(db: Session, file: str) -> Sequence[Entry]:
    """All entries of a file, in order."""
    return db.scalars(select(Entry).filter_by(file=file).order_by(Entry.number)).all()


def after(db: Session, tx: int, id_: int, limit: int = 200) -> Sequence[Entry]:
    """Entries written after (tx, id), in the order of their transactions, each exactly once.

    Only entries of transactions older than every one still under way are given, so that one which commits
    late is never passed over.
    """
    settled = text("journal.tx < pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
    later = (Entry.tx > tx) | ((Entry.tx == tx) & (Entry.id > id_))
    return db.scalars(select(Entry).where(settled, later).order_by(Entry.tx, Entry.id).limit(limit)).all()


def is_whole(db: Session, file: str) -> Whole:
    """Recompute the chain of one file."""
    return check(entries(db, file))


def check(chain: Sequence[Entry]) -> Whole:
    """Whether these entries, from the first on, form one unbroken chain."""
    prev = FIRST
    for place, entry in enumerate(chain, start=1):
        if entry.number != place or entry.prev != prev or entry.hash != entry.digest():
            return Whole(entries=len(chain), head=prev, first_bad=place)
        prev = entry.hash
    return Whole(entries=len(chain), head=prev)


def _plain(facts: dict[str, Any]) -> dict[str, Any]:
    """Facts as JSON keeps them, so that the hash of today is the hash of what is read back."""

    def spoken(value: Any) -> Any:
        return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)

    plain: dict[str, Any] = json.loads(json.dumps(facts, default=spoken, ensure_ascii=False), parse_float=_no_float)
    return plain


def _no_float(text: str) -> Any:
    raise AssertionError(f"facts carry no floats: {text}")


# The database says it again: nobody changes the past.
PROTECT = """
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '%% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege'; END $$;
CREATE TRIGGER journal_is_append_only BEFORE UPDATE OR DELETE ON journal
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER journal_is_never_emptied BEFORE TRUNCATE ON journal
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""
