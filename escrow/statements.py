"""What the bank says 银行消息, kept: messages whole, booked entries, statements, and what comparing them found."""

import uuid
from datetime import date, datetime
from typing import Any, ClassVar

from sqlalchemy import BigInteger, Date, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from storage.db import Fen, Json, Moment, Row, SecretRow
from storage.values import Money


class BankMessage(SecretRow):
    """A message of the bank as it came, kept whole; the same bytes are taken in once."""

    __tablename__ = "bank_message"
    __table_args__ = (UniqueConstraint("bank", "digest"),)
    called: ClassVar[str] = "银行消息"

    bank: Mapped[str] = mapped_column(String(40))
    kind: Mapped[str] = mapped_column(String(20))  # camt.054, camt.053, camt.052, pain.002, pacs.004
    msg_id: Mapped[str] = mapped_column(String(40))
    digest: Mapped[str] = mapped_column(String(64))
    body: Mapped[str] = mapped_column(Text)
    received_at: Mapped[datetime] = mapped_column(Moment)
    problem: Mapped[str | None] = mapped_column(String(300))


class BankLine(SecretRow):
    """One booked entry of a bank account 银行流水, whoever told us of it first; known by the bank's reference."""

    __tablename__ = "bank_line"
    __table_args__ = (
        UniqueConstraint("bank", "account", "bank_reference"),
        Index("ix_bank_line_day", "bank", "account", "day"),
    )
    called: ClassVar[str] = "银行流水"

    bank: Mapped[str] = mapped_column(String(40))
    account: Mapped[str] = mapped_column(String(34))
    bank_reference: Mapped[str] = mapped_column(String(60))
    day: Mapped[date] = mapped_column(Date)  # the bank's booking day
    amount: Mapped[int] = mapped_column(BigInteger)  # fen; below zero it left the account
    end_to_end_id: Mapped[str | None] = mapped_column(String(40))
    transfer_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("ledger_transfer.id"))  # None: unexplained


class Statement(SecretRow):
    """A statement 对账单 of one bank account: its day, its balances and its lines, as the bank tells them."""

    __tablename__ = "bank_statement"
    __table_args__ = (UniqueConstraint("bank", "account", "statement_id"),)
    called: ClassVar[str] = "对账单"

    bank: Mapped[str] = mapped_column(String(40))
    account: Mapped[str] = mapped_column(String(34))
    statement_id: Mapped[str] = mapped_column(String(40))
    day: Mapped[date] = mapped_column(Date)
    is_final: Mapped[bool] = mapped_column()  # True: end of day (camt.053); False: so far (camt.052)
    opening: Mapped[Money] = mapped_column(Fen)
    closing: Mapped[Money] = mapped_column(Fen)
    lines: Mapped[list[dict[str, Any]]] = mapped_column(Json)
    taken_at: Mapped[datetime] = mapped_column(Moment)


class Reconciliation(Row):
    """One comparison 对账: ledger, statement and sub-accounts, and what did not agree."""

    __tablename__ = "reconciliation"
    called: ClassVar[str] = "对账"

    bank: Mapped[str] = mapped_column(String(40))
    account: Mapped[str] = mapped_column(String(34))
    day: Mapped[date] = mapped_column(Date)
    at: Mapped[datetime] = mapped_column(Moment)
    differences: Mapped[list[dict[str, Any]]] = mapped_column(Json)

    @property
    def agrees(self) -> bool:
        return not self.differences


class Explanation(Row):
    """What a person found out about a difference 差异说明; it then no longer stops refunds."""

    __tablename__ = "reconciliation_explanation"
    __table_args__ = (UniqueConstraint("bank", "account", "key"),)
    called: ClassVar[str] = "差异说明"

    bank: Mapped[str] = mapped_column(String(40))
    account: Mapped[str] = mapped_column(String(34))
    key: Mapped[str] = mapped_column(String(160))
    note: Mapped[str] = mapped_column(String(500))
    by: Mapped[int] = mapped_column()  # the person's number
    at: Mapped[datetime] = mapped_column(Moment)
