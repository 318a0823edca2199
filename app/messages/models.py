"""Messages in somebody's box, and letters on their way out by e-mail or SMS."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import BigInteger, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from storage.db import Json, Moment, Row, by_value


class Message(Row):
    """A message 站内信 in one person's box: a sentence with its facts, and the page where to go on."""

    __tablename__ = "message"
    __table_args__ = (UniqueConstraint("person_id", "entry_id", "says"),)
    called: ClassVar[str] = "消息"

    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    entry_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("journal.id"))
    says: Mapped[str] = mapped_column(String(300))
    facts: Mapped[dict[str, Any]] = mapped_column(Json)
    endpoint: Mapped[str] = mapped_column(String(80))
    values: Mapped[dict[str, Any]] = mapped_column(Json)
    at: Mapped[datetime] = mapped_column(Moment)
    read_at: Mapped[datetime | None] = mapped_column(Moment)


class Way(StrEnum):
    """How a letter leaves the house."""

    EMAIL = "email"
    SMS = "sms"


class Letter(Row):
    """A message on its way out; tried again until the other side has taken it or the tries are used up."""

    __tablename__ = "letter"
    __table_args__ = (UniqueConstraint("message_id", "way"),)
    called: ClassVar[str] = "外发通知"

    message_id: Mapped[int] = mapped_column(ForeignKey("message.id"))
    way: Mapped[Way] = mapped_column(by_value(Way))
    address: Mapped[str] = mapped_column(String(200))
    tries: Mapped[int] = mapped_column(default=0)
    sent_at: Mapped[datetime | None] = mapped_column(Moment)
    last_answer: Mapped[str | None] = mapped_column(String(200))
