"""The ledger's rows 账簿: accounts, transfers and their entries. Only `escrow.ledger` writes them."""

import uuid
from datetime import datetime
from typing import ClassVar

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from storage.db import Base, Fen, Moment, Row, SecretRow
from storage.values import Money


class Account(Row):
    """An account of the ledger 科目. Its balance is the sum of its entries, kept by the posting itself.

    Positive means: we owe it to somebody. Accounts at a bank run below zero (what the bank owes us), so
    that all balances together are zero. `floor` is the least it may be; none for mirrors of the world.
    """

    __tablename__ = "ledger_account"
    __table_args__ = (CheckConstraint("floor IS NULL OR balance >= floor", name="never_below_its_floor"),)
    called: ClassVar[str] = "账簿科目"

    code: Mapped[str] = mapped_column(String(120), unique=True)
    floor: Mapped[int | None] = mapped_column(BigInteger)
    balance: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")  # fen
    version: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")  # how many entries it has


class Transfer(SecretRow):
    """One movement of money 转账, known by the key its caller gave it; made once and never changed."""

    __tablename__ = "ledger_transfer"
    __table_args__ = (CheckConstraint("amount > 0", name="moves_something"),)
    called: ClassVar[str] = "账簿转账"

    key: Mapped[str] = mapped_column(String(160), unique=True)
    asked: Mapped[bytes] = mapped_column(LargeBinary(32))  # SHA-256 of the parameters
    kind: Mapped[str] = mapped_column(String(40))
    amount: Mapped[Money] = mapped_column(Fen)
    at: Mapped[datetime] = mapped_column(Moment)


class Entry(Base):
    """One side of a transfer 分录, in fen: below zero it leaves the account, above zero it arrives."""

    __tablename__ = "ledger_entry"
    __table_args__ = (
        CheckConstraint("amount <> 0", name="moves_something"),
        Index("ix_ledger_entry_account_id", "account_id"),
    )
    called: ClassVar[str] = "账簿分录"

    transfer_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("ledger_transfer.id"), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("ledger_account.id"), primary_key=True)
    amount: Mapped[int] = mapped_column(BigInteger)
