"""Papers that have been issued, each with the code by which anybody checks it."""

import secrets
from datetime import datetime
from typing import ClassVar

from sqlalchemy import BigInteger, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from storage.db import Moment, Row

LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # none that is mistaken for another on paper


def new_code() -> str:
    """A check code of 60 random bits, in three groups that people can type."""
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(4)) for _ in range(3))


class Document(Row):
    """A paper issued for one entry of the journal."""

    __tablename__ = "document"
    __table_args__ = (UniqueConstraint("entry_id", "kind"),)
    called: ClassVar[str] = "文书"

    code: Mapped[str] = mapped_column(String(14), unique=True, default=new_code)
    kind: Mapped[str] = mapped_column(String(40))
    title: Mapped[str] = mapped_column(String(120))
    file: Mapped[str] = mapped_column(String(80), index=True)  # the journal file it belongs to
    entry_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("journal.id"))
    object_key: Mapped[str] = mapped_column(String(200))
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    bytes: Mapped[int] = mapped_column()
    issued_at: Mapped[datetime] = mapped_column(Moment)
    is_public: Mapped[bool] = mapped_column(default=True)
    void_at: Mapped[datetime | None] = mapped_column(Moment)  # no longer in force: another took its place
