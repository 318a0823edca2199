"""What the strongroom keeps: deposits, what came in, and what goes back; the other rows stand beside.

Two kinds of truth are compared every day (`escrow.reconciliation`): the ledger (`escrow.accounts`), which
only grows, and the things with a life (`Deposit`, `Refund`). What the bank says is in `escrow.statements`.
Everything whose number would tell how many bidders there are carries a random name.
"""

import uuid
from datetime import date, datetime
from enum import StrEnum
from typing import ClassVar

from sqlalchemy import CheckConstraint, Date, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from escrow.accounts import Account, Entry, Transfer
from escrow.statements import BankLine, BankMessage, Explanation, Reconciliation, Statement
from storage.db import Fen, Moment, SecretRow, by_value
from storage.values import Money

# --- deposits 保证金 -----------------------------------------------------------------------------------


class Regime(StrEnum):
    """The law under which a deposit is paid; decides interest and time limits (`escrow.rules`)."""

    TENDERING = "tendering"
    PROCUREMENT = "procurement"


class PayerRule(StrEnum):
    """From which account a deposit may come."""

    ANY = "any"
    SAME_NAME = "same_name"
    BASIC_ACCOUNT = "basic_account"


class DepositState(StrEnum):
    """Where a deposit stands."""

    EXPECTED = "expected"
    RECEIVED = "received"
    HELD = "held"
    REFUND_ORDERED = "refund_ordered"
    REFUNDING = "refunding"
    REFUNDED = "refunded"
    RETURNED = "returned"
    FORFEIT_PENDING = "forfeit_pending"
    FORFEITED = "forfeited"
    LAPSED = "lapsed"


_D = DepositState


class Deposit(SecretRow):
    """A deposit 保证金 of one party for one reference, with a sub-account number of its own to pay to."""

    __tablename__ = "deposit"
    __table_args__ = (
        UniqueConstraint("reference", "organisation_id"),
        CheckConstraint("amount > 0", name="asks_for_something"),
        CheckConstraint("received >= 0", name="received_not_negative"),
        CheckConstraint(
            "state NOT IN ('held', 'forfeit_pending', 'forfeited') OR opened_at IS NOT NULL",
            name="held_means_opened",
        ),
        CheckConstraint(
            "(state IN ('forfeit_pending', 'forfeited')) <= (forfeit_reason IS NOT NULL)",
            name="forfeit_has_reason",
        ),
    )
    called: ClassVar[str] = "保证金"
    State: ClassVar[type[DepositState]] = DepositState
    STATE_NAMES: ClassVar[dict[DepositState, str]] = {
        _D.EXPECTED: "待缴纳",
        _D.RECEIVED: "已到账",
        _D.HELD: "已冻结",
        _D.REFUND_ORDERED: "已下达退还指令",
        _D.REFUNDING: "退还中",
        _D.REFUNDED: "已退还",
        _D.RETURNED: "退款被退回",
        _D.FORFEIT_PENDING: "拟不予退还",
        _D.FORFEITED: "不予退还",
        _D.LAPSED: "未缴纳",
    }
    STATE_TONES: ClassVar[dict[DepositState, str]] = {
        _D.RECEIVED: "good", _D.REFUND_ORDERED: "wait", _D.REFUNDING: "wait", _D.RETURNED: "stop",
        _D.FORFEIT_PENDING: "stop", _D.LAPSED: "quiet",
    }  # fmt: skip
    MOVES: ClassVar[dict[DepositState, set[DepositState]]] = {
        _D.EXPECTED: {_D.RECEIVED, _D.REFUND_ORDERED, _D.LAPSED},
        _D.RECEIVED: {_D.HELD, _D.REFUND_ORDERED},
        _D.HELD: {_D.REFUND_ORDERED, _D.FORFEIT_PENDING},
        _D.FORFEIT_PENDING: {_D.FORFEITED, _D.HELD},
        _D.REFUND_ORDERED: {_D.REFUNDING, _D.REFUNDED, _D.RETURNED},
        _D.REFUNDING: {_D.REFUNDED, _D.RETURNED},
        _D.REFUNDED: {_D.RETURNED},
        _D.RETURNED: {_D.REFUND_ORDERED},
        _D.LAPSED: set(),
        _D.FORFEITED: set(),
    }

    reference: Mapped[str] = mapped_column(String(120), index=True)
    title: Mapped[str] = mapped_column(String(200))  # what the reference is called, for its party's page
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    amount: Mapped[Money] = mapped_column(Fen)
    received: Mapped[Money] = mapped_column(Fen, default=Money(0))
    sub_account: Mapped[str] = mapped_column(String(34), unique=True)  # 虚拟子账号
    regime: Mapped[Regime] = mapped_column(by_value(Regime), default=Regime.TENDERING)
    payer_rule: Mapped[PayerRule] = mapped_column(by_value(PayerRule), default=PayerRule.ANY)
    state: Mapped[DepositState] = mapped_column(by_value(DepositState), default=DepositState.EXPECTED)
    expected_at: Mapped[datetime] = mapped_column(Moment)
    received_at: Mapped[datetime | None] = mapped_column(Moment)
    opened_at: Mapped[datetime | None] = mapped_column(Moment)  # from here on others may know of it
    release_reason: Mapped[str | None] = mapped_column(String(300))
    forfeit_reason: Mapped[str | None] = mapped_column(String(300))
    forfeit_by: Mapped[int | None] = mapped_column()  # the person who asked for it; another one confirms
    frozen_by: Mapped[str | None] = mapped_column(String(200))  # the decision that freezes it 冻结决定

    receipts: Mapped[list["Receipt"]] = relationship(back_populates="deposit", order_by="Receipt.booked_at")
    guarantee: Mapped["Guarantee | None"] = relationship(back_populates="deposit")

    @property
    def file(self) -> str:
        return f"deposit/{self.id}"

    @property
    def missing(self) -> Money:
        """What is still to be paid."""
        return max(self.amount - self.received, Money(0))

    def account(self, stage: str) -> str:
        """The code of this deposit's ledger account for a stage: received, held, ordered, sent, returned."""
        return f"deposit/{self.id}/{stage}"


class Standing(StrEnum):
    """What became of money that came in."""

    MATCHED = "matched"
    UNKNOWN = "unknown"
    LATE = "late"
    WRONG_PAYER = "wrong_payer"


STANDING_NAMES = {
    Standing.MATCHED: "已入保证金",
    Standing.UNKNOWN: "子账号不明",
    Standing.LATE: "逾期到账",
    Standing.WRONG_PAYER: "付款账户不符",
}


class Receipt(SecretRow):
    """Money that came in 到账: one credit entry of one bank account, taken in once whatever is repeated."""

    __tablename__ = "receipt"
    __table_args__ = (
        UniqueConstraint("bank", "account", "bank_reference"),
        CheckConstraint("amount > 0", name="brings_something"),
        CheckConstraint("(standing = 'matched') <= (deposit_id IS NOT NULL)", name="matched_to_a_deposit"),
    )
    called: ClassVar[str] = "到账"

    bank: Mapped[str] = mapped_column(String(40))
    account: Mapped[str] = mapped_column(String(34))
    bank_reference: Mapped[str] = mapped_column(String(60))
    sub_account: Mapped[str | None] = mapped_column(String(34))
    amount: Mapped[Money] = mapped_column(Fen)
    payer_name: Mapped[str] = mapped_column(String(140), default="")
    payer_account: Mapped[str] = mapped_column(String(34), default="")
    payer_bank: Mapped[str] = mapped_column(String(40), default="")
    note: Mapped[str] = mapped_column(String(500), default="")
    value_date: Mapped[date] = mapped_column(Date)
    booked_at: Mapped[datetime] = mapped_column(Moment)  # when we took it in
    standing: Mapped[Standing] = mapped_column(by_value(Standing))
    deposit_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("deposit.id"), index=True)

    deposit: Mapped[Deposit | None] = relationship(back_populates="receipts")
    refunds: Mapped[list["Refund"]] = relationship(back_populates="receipt", order_by="Refund.number")

    @property
    def bank_code(self) -> str:
        """The ledger account that mirrors the bank account this came to."""
        return f"bank/{self.bank}/{self.account}"

    @property
    def purse(self) -> str:
        """Whose ledger accounts the money walks through: the deposit's, or its own in suspense 挂账."""
        return f"deposit/{self.deposit_id}" if self.standing is Standing.MATCHED else f"receipt/{self.id}"


# --- money home 退还 -----------------------------------------------------------------------------------


class RefundState(StrEnum):
    """Where a refund stands."""

    ORDERED = "ordered"
    SENT = "sent"
    UNCLEAR = "unclear"
    ACCEPTED = "accepted"
    SETTLED = "settled"
    REJECTED = "rejected"
    RETURNED = "returned"


_R = RefundState


class Refund(SecretRow):
    """An order to send one receipt back 退还指令, to the account it came from (原路退回).

    Its EndToEndId at the bank is the number of the ledger transfer that ordered it, so that every answer
    finds it, and trying again is the same payment. One receipt has at most one order that is alive.
    """

    __tablename__ = "refund"
    __table_args__ = (
        UniqueConstraint("receipt_id", "number"),
        CheckConstraint("principal > 0 AND interest >= 0", name="sends_something"),
        CheckConstraint("(state = 'settled') <= (settled_at IS NOT NULL)", name="settled_has_a_moment"),
        CheckConstraint("state = 'ordered' OR file_id IS NOT NULL", name="sent_in_a_file"),
        Index(
            "uq_refund_one_alive",
            "receipt_id",
            unique=True,
            postgresql_where=text("state NOT IN ('rejected', 'returned')"),
        ),
        Index(
            "ix_refund_waiting",
            "ordered_at",
            postgresql_where=text("state IN ('ordered', 'sent', 'unclear')"),
        ),
    )
    called: ClassVar[str] = "退还指令"
    State: ClassVar[type[RefundState]] = RefundState
    STATE_NAMES: ClassVar[dict[RefundState, str]] = {
        _R.ORDERED: "已下达",
        _R.SENT: "已送银行",
        _R.UNCLEAR: "结果不明，查询中",
        _R.ACCEPTED: "银行已受理",
        _R.SETTLED: "已退出",
        _R.REJECTED: "银行拒绝",
        _R.RETURNED: "被退回",
    }
    STATE_TONES: ClassVar[dict[RefundState, str]] = {
        _R.ORDERED: "wait", _R.UNCLEAR: "wait", _R.ACCEPTED: "wait", _R.SETTLED: "good", _R.RETURNED: "stop",
    }  # fmt: skip
    MOVES: ClassVar[dict[RefundState, set[RefundState]]] = {
        _R.ORDERED: {_R.SENT},
        _R.SENT: {_R.ACCEPTED, _R.REJECTED, _R.SETTLED, _R.UNCLEAR},
        _R.UNCLEAR: {_R.ACCEPTED, _R.REJECTED, _R.SETTLED},
        _R.ACCEPTED: {_R.SETTLED, _R.REJECTED},
        _R.SETTLED: {_R.RETURNED},
        _R.REJECTED: set(),
        _R.RETURNED: set(),
    }

    receipt_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("receipt.id"))
    number: Mapped[int] = mapped_column()  # 1, 2, … of this receipt
    principal: Mapped[Money] = mapped_column(Fen)
    interest: Mapped[Money] = mapped_column(Fen, default=Money(0))
    payee_name: Mapped[str] = mapped_column(String(140))
    payee_account: Mapped[str] = mapped_column(String(34))
    payee_bank: Mapped[str] = mapped_column(String(40), default="")
    reason: Mapped[str] = mapped_column(String(300))
    state: Mapped[RefundState] = mapped_column(by_value(RefundState), default=RefundState.ORDERED)
    transfer_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("ledger_transfer.id"), unique=True)
    file_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("payment_file.id"), index=True)
    bank_reason: Mapped[str | None] = mapped_column(String(40))
    ordered_at: Mapped[datetime] = mapped_column(Moment)
    sent_at: Mapped[datetime | None] = mapped_column(Moment)
    settled_at: Mapped[datetime | None] = mapped_column(Moment)

    receipt: Mapped[Receipt] = relationship(back_populates="refunds")
    payment_file: Mapped["PaymentFile | None"] = relationship(back_populates="refunds")

    @property
    def file(self) -> str:
        return f"refund/{self.id}"

    @property
    def amount(self) -> Money:
        """All that is sent: principal and interest."""
        return self.principal + self.interest

    @property
    def end_to_end_id(self) -> str:
        """What the bank calls this payment (ISO 20022 EndToEndId, at most 35 characters)."""
        return self.transfer_id.hex


class PaymentFile(SecretRow):
    """A file of payments for one bank account 付款文件; its number is the MsgId, so a repeat is seen as one."""

    __tablename__ = "payment_file"
    called: ClassVar[str] = "付款文件"

    bank: Mapped[str] = mapped_column(String(40))
    account: Mapped[str] = mapped_column(String(34))
    packed_at: Mapped[datetime] = mapped_column(Moment)
    told_at: Mapped[datetime | None] = mapped_column(Moment)  # the bank said that it has the file
    asked_at: Mapped[datetime | None] = mapped_column(Moment)  # when we last asked the bank about it
    tries: Mapped[int] = mapped_column(default=0)
    asks: Mapped[int] = mapped_column(default=0)

    refunds: Mapped[list[Refund]] = relationship(back_populates="payment_file", order_by="Refund.transfer_id")

    @property
    def msg_id(self) -> str:
        return self.id.hex


class PayeeState(StrEnum):
    """Whether another account of a party may receive its refunds."""

    PROPOSED = "proposed"
    SEEN = "seen"
    APPROVED = "approved"
    REFUSED = "refused"


class PayeeAccount(SecretRow):
    """Another account of a party 退款账户变更, for refunds the old one cannot take; two people approve it."""

    __tablename__ = "payee_account"
    __table_args__ = (
        CheckConstraint("second_by IS NULL OR second_by <> first_by", name="two_people"),
        CheckConstraint("(state = 'approved') = (second_by IS NOT NULL)", name="approved_by_two"),
    )
    called: ClassVar[str] = "退款账户变更"
    State: ClassVar[type[PayeeState]] = PayeeState
    STATE_NAMES: ClassVar[dict[PayeeState, str]] = {
        PayeeState.PROPOSED: "待审核",
        PayeeState.SEEN: "已初审，待复审",
        PayeeState.APPROVED: "已通过",
        PayeeState.REFUSED: "未通过",
    }
    MOVES: ClassVar[dict[PayeeState, set[PayeeState]]] = {
        PayeeState.PROPOSED: {PayeeState.SEEN, PayeeState.REFUSED},
        PayeeState.SEEN: {PayeeState.APPROVED, PayeeState.REFUSED},
        PayeeState.APPROVED: set(),
        PayeeState.REFUSED: set(),
    }

    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    name: Mapped[str] = mapped_column(String(140))
    number: Mapped[str] = mapped_column(String(34))
    bank: Mapped[str] = mapped_column(String(40), default="")
    evidence: Mapped[str] = mapped_column(String(300))
    is_basic: Mapped[bool] = mapped_column(default=False)  # 基本账户
    replaces: Mapped[str] = mapped_column(String(34), default="")  # the account it stands in for
    state: Mapped[PayeeState] = mapped_column(by_value(PayeeState), default=PayeeState.PROPOSED)
    first_by: Mapped[int | None] = mapped_column()
    second_by: Mapped[int | None] = mapped_column()
    proposed_at: Mapped[datetime] = mapped_column(Moment)

    @property
    def file(self) -> str:
        return f"payee/{self.id}"


class GuaranteeState(StrEnum):
    """Where a letter of guarantee stands."""

    HANDED_IN = "handed_in"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    CLAIMED = "claimed"
    GIVEN_BACK = "given_back"


_G = GuaranteeState


class Guarantee(SecretRow):
    """A letter of guarantee 保函 in place of money."""

    __tablename__ = "guarantee"
    __table_args__ = (
        UniqueConstraint("guarantor", "number"),
        CheckConstraint("amount > 0", name="covers_something"),
    )
    called: ClassVar[str] = "保函"
    State: ClassVar[type[GuaranteeState]] = GuaranteeState
    STATE_NAMES: ClassVar[dict[GuaranteeState, str]] = {
        _G.HANDED_IN: "已提交，待核验",
        _G.CONFIRMED: "已核验",
        _G.REFUSED: "核验未通过",
        _G.CLAIMED: "已索赔",
        _G.GIVEN_BACK: "已解除",
    }
    MOVES: ClassVar[dict[GuaranteeState, set[GuaranteeState]]] = {
        _G.HANDED_IN: {_G.CONFIRMED, _G.REFUSED},
        _G.CONFIRMED: {_G.CLAIMED, _G.GIVEN_BACK},
        _G.REFUSED: set(),
        _G.CLAIMED: set(),
        _G.GIVEN_BACK: set(),
    }

    deposit_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("deposit.id"), unique=True)
    guarantor: Mapped[str] = mapped_column(String(140))  # 保函开立机构
    number: Mapped[str] = mapped_column(String(60))
    amount: Mapped[Money] = mapped_column(Fen)
    valid_until: Mapped[datetime] = mapped_column(Moment)
    digest: Mapped[str] = mapped_column(String(64))  # SHA-256 of the document
    state: Mapped[GuaranteeState] = mapped_column(by_value(GuaranteeState), default=GuaranteeState.HANDED_IN)

    deposit: Mapped[Deposit] = relationship(back_populates="guarantee")

    @property
    def file(self) -> str:
        return f"deposit/{self.deposit_id}"


__all__ = [
    "STANDING_NAMES",
    "Account",
    "BankLine",
    "BankMessage",
    "Deposit",
    "DepositState",
    "Entry",
    "Explanation",
    "Guarantee",
    "GuaranteeState",
    "PayeeAccount",
    "PayeeState",
    "PayerRule",
    "PaymentFile",
    "Receipt",
    "Reconciliation",
    "Refund",
    "RefundState",
    "Regime",
    "Standing",
    "Statement",
    "Transfer",
]  # fmt: skip
