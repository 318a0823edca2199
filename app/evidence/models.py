"""Bundles that were made, each with what it was made of, so that a new one is made when things have moved on."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from sqlalchemy import BigInteger, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from storage.db import Moment, Row, by_value


class Scope(StrEnum):
    """For whom a bundle is."""

    PUBLIC = "public"
    SUPERVISION = "supervision"  # with the recording's media, the sealed bids, and every journal entry


class EvidenceBundle(Row):
    """An evidence bundle 证据包 in the object store."""

    __tablename__ = "evidence_bundle"
    __table_args__ = (UniqueConstraint("file", "scope", "stamp"),)
    called: ClassVar[str] = "证据包"

    file: Mapped[str] = mapped_column(String(80), index=True)  # the journal file of its project
    scope: Mapped[Scope] = mapped_column(by_value(Scope))
    stamp: Mapped[str] = mapped_column(String(64))  # digest of everything it was made of
    object_key: Mapped[str] = mapped_column(String(200))
    manifest: Mapped[str] = mapped_column(String(64))  # SHA-256
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)
    made_at: Mapped[datetime] = mapped_column(Moment)
