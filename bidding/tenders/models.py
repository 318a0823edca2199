"""招标投标's rows: the tender and its lots, what is published with it, and what comes of it.

Bids and all that must stay blind until the deadline stand in `bids.py`.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import CheckConstraint, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from bidding.tenders import rules
from ca.openings import Opening
from ca.parties import Organisation, Region
from ca.sealing.params import Params
from storage.db import Fen, Json, Moment, Row, by_value
from storage.values import Money


class State(StrEnum):
    """Where a tender stands."""

    DRAFT = "draft"
    JOINING = "joining"
    PUBLISHED = "published"
    FROZEN = "frozen"
    UNLOCKING = "unlocking"
    UNLOCKS_FROZEN = "unlocks_frozen"
    CLOSED = "closed"
    OPENING = "opening"
    OPENED = "opened"
    EVALUATED = "evaluated"
    STANDSTILL = "standstill"
    AWARDED = "awarded"
    CONTRACTED = "contracted"
    FAILED = "failed"
    CANCELLED = "cancelled"


class DocumentKind(StrEnum):
    """What a published file is."""

    BIDDING_DOCUMENTS = "bidding_documents"
    DRAWINGS = "drawings"
    CLARIFICATION = "clarification"
    OTHER = "other"


class ContractState(StrEnum):
    """Where a contract stands."""

    DRAFT = "draft"
    SIGNED = "signed"


BLIND = frozenset({State.DRAFT, State.JOINING, State.PUBLISHED})
"""States in which nothing may tell who registered, paid or submitted, or how many."""


class Tender(Row):
    """A tender 招标项目: what is bought, by whom, by when, and what became of it."""

    __tablename__ = "tender"
    called: ClassVar[str] = "招标项目"
    STATE_NAMES: ClassVar[dict[State, str]] = {
        State.DRAFT: "草稿",
        State.JOINING: "等待密钥持有人确认",
        State.PUBLISHED: "招标公告中",
        State.FROZEN: "投标截止",
        State.UNLOCKING: "投标人解密中",
        State.UNLOCKS_FROZEN: "解密截止",
        State.CLOSED: "等待释放密钥",
        State.OPENING: "开标中",
        State.OPENED: "已开标",
        State.EVALUATED: "评标完成",
        State.STANDSTILL: "中标候选人公示",
        State.AWARDED: "已定标",
        State.CONTRACTED: "已签合同",
        State.FAILED: "流标",
        State.CANCELLED: "终止招标",
    }
    STATE_TONES: ClassVar[dict[State, str]] = {
        State.DRAFT: "quiet",
        State.JOINING: "wait",
        State.UNLOCKS_FROZEN: "wait",
        State.STANDSTILL: "wait",
        State.AWARDED: "good",
        State.CONTRACTED: "good",
        State.FAILED: "stop",
        State.CANCELLED: "stop",
    }
    MOVES: ClassVar[dict[State, set[State]]] = {
        State.DRAFT: {State.JOINING, State.CANCELLED},
        State.JOINING: {State.PUBLISHED, State.DRAFT, State.CANCELLED},
        State.PUBLISHED: {State.FROZEN, State.FAILED, State.CANCELLED},
        State.FROZEN: {State.UNLOCKING, State.CANCELLED},
        State.UNLOCKING: {State.UNLOCKS_FROZEN, State.CANCELLED},
        State.UNLOCKS_FROZEN: {State.CLOSED, State.FAILED, State.CANCELLED},
        State.CLOSED: {State.OPENING, State.CANCELLED},
        State.OPENING: {State.OPENED, State.FAILED},
        State.OPENED: {State.EVALUATED, State.FAILED, State.CANCELLED},
        State.EVALUATED: {State.STANDSTILL, State.FAILED, State.CANCELLED},
        State.STANDSTILL: {State.AWARDED, State.FAILED, State.CANCELLED},
        State.AWARDED: {State.CONTRACTED, State.STANDSTILL, State.FAILED},
        State.CONTRACTED: set(),
        State.FAILED: set(),
        State.CANCELLED: set(),
    }
    __table_args__ = (
        CheckConstraint("unlock_until > submission_deadline AND release_until > unlock_until", name="times_ascend"),
        CheckConstraint("deposit_amount >= 0 AND budget > 0", name="amounts_make_sense"),
        CheckConstraint(
            "(state IN ('awarded', 'contracted')) <= (winner_bid IS NOT NULL)", name="awarded_means_a_winner"
        ),
        CheckConstraint(
            "state IN ('draft', 'joining', 'cancelled') OR params_hash IS NOT NULL", name="published_means_params"
        ),
        CheckConstraint(
            "state IN ('draft', 'joining', 'published', 'cancelled') OR freeze_root IS NOT NULL",
            name="after_deadline_means_frozen",
        ),
    )

    number: Mapped[str] = mapped_column(String(40), unique=True)
    name: Mapped[str] = mapped_column(String(120))
    description: Mapped[str] = mapped_column(Text)
    procuring_entity_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    region_id: Mapped[int | None] = mapped_column(ForeignKey("region.id"))
    profile: Mapped[str] = mapped_column(String(40))
    method: Mapped[str] = mapped_column(String(40))
    evaluation: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    budget: Mapped[Money] = mapped_column(Fen)
    deposit_amount: Mapped[Money] = mapped_column(Fen)
    submission_deadline: Mapped[datetime] = mapped_column(Moment, index=True)
    unlock_until: Mapped[datetime] = mapped_column(Moment)
    release_until: Mapped[datetime] = mapped_column(Moment)
    state: Mapped[State] = mapped_column(by_value(State), default=State.DRAFT, index=True)

    opening_id: Mapped[int | None] = mapped_column(ForeignKey("opening.id"))
    rounds: Mapped[int] = mapped_column(default=0)  # openings begun: a changed holder list is a new opening
    params_hash: Mapped[str | None] = mapped_column(String(64))
    holders: Mapped[list[int]] = mapped_column(Json, default=list)  # person ids, the procuring entity's first
    threshold: Mapped[int] = mapped_column(default=3)

    published_at: Mapped[datetime | None] = mapped_column(Moment)
    frozen_at: Mapped[datetime | None] = mapped_column(Moment)
    freeze_root: Mapped[str | None] = mapped_column(String(64))
    freeze: Mapped[dict[str, Any] | None] = mapped_column(Json)
    unlocks_frozen_at: Mapped[datetime | None] = mapped_column(Moment)
    unlock_root: Mapped[str | None] = mapped_column(String(64))
    close: Mapped[dict[str, Any] | None] = mapped_column(Json)
    closed_at: Mapped[datetime | None] = mapped_column(Moment)
    opened_at: Mapped[datetime | None] = mapped_column(Moment)
    ranking: Mapped[list[dict[str, Any]] | None] = mapped_column(Json)
    report: Mapped[dict[str, Any] | None] = mapped_column(Json)
    reported_at: Mapped[datetime | None] = mapped_column(Moment)
    standstill_until: Mapped[datetime | None] = mapped_column(Moment)
    winner_bid: Mapped[str | None] = mapped_column(String(36))  # id of the winning bid
    awarded_at: Mapped[datetime | None] = mapped_column(Moment)
    reason: Mapped[str | None] = mapped_column(String(500))  # why failed or cancelled, or not the first was awarded

    procuring_entity: Mapped[Organisation] = relationship(lazy="joined", innerjoin=True)
    region: Mapped[Region | None] = relationship()
    opening: Mapped[Opening | None] = relationship()
    lots: Mapped[list["Lot"]] = relationship(
        f"{__name__}.Lot", back_populates="tender", order_by=lambda: Lot.number, lazy="selectin"
    )
    documents: Mapped[list["Document"]] = relationship(
        f"{__name__}.Document", back_populates="tender", order_by=lambda: Document.id
    )

    @property
    def file(self) -> str:
        """The tender's journal file."""
        return f"tender/{self.id}"

    @property
    def rules(self) -> rules.Profile:
        """The rules it runs under."""
        return rules.profile(self.profile)

    @property
    def params(self) -> Params:
        """The parameters its bids are sealed for, once they are closed."""
        assert self.opening is not None
        assert self.opening.params is not None
        return Params.read(self.opening.params.encode())

    @property
    def is_blind(self) -> bool:
        """Whether nothing may yet tell who takes part, or how many."""
        return self.state in BLIND

    @property
    def lot(self) -> "Lot":
        """The only lot, while there is only one."""
        (lot,) = self.lots
        return lot


class Lot(Row):
    """A lot 标段 (包): the unit a bid is for."""

    __tablename__ = "lot"
    called: ClassVar[str] = "标段"
    __table_args__ = (UniqueConstraint("tender_id", "number"), CheckConstraint("number > 0", name="numbers_from_one"))

    tender_id: Mapped[int] = mapped_column(ForeignKey("tender.id"))
    number: Mapped[int] = mapped_column()
    name: Mapped[str] = mapped_column(String(120))
    ceiling_price: Mapped[Money | None] = mapped_column(Fen)

    tender: Mapped[Tender] = relationship(back_populates="lots")

    @property
    def reference(self) -> str:
        """What the strongroom knows this lot by."""
        return f"tender/{self.tender_id}/lot/{self.number}"


class Document(Row):
    """A file published with the tender 招标文件, free for everybody and not counted."""

    __tablename__ = "tender_document"
    called: ClassVar[str] = "招标文件"
    KIND_NAMES: ClassVar[dict[DocumentKind, str]] = {
        DocumentKind.BIDDING_DOCUMENTS: "招标文件",
        DocumentKind.DRAWINGS: "图纸",
        DocumentKind.CLARIFICATION: "澄清与修改",
        DocumentKind.OTHER: "其他",
    }
    __table_args__ = (UniqueConstraint("tender_id", "name"),)

    tender_id: Mapped[int] = mapped_column(ForeignKey("tender.id"), index=True)
    kind: Mapped[DocumentKind] = mapped_column(by_value(DocumentKind))
    name: Mapped[str] = mapped_column(String(120))
    size: Mapped[int] = mapped_column()
    sha256: Mapped[str] = mapped_column(String(64))
    object_key: Mapped[str] = mapped_column(String(120))
    added_at: Mapped[datetime] = mapped_column(Moment)

    tender: Mapped[Tender] = relationship(back_populates="documents")


class TenderRules(Row):
    """Which profile of rules the tenders of a region run under."""

    __tablename__ = "tender_rules"
    called: ClassVar[str] = "招标规则"

    region_id: Mapped[int] = mapped_column(ForeignKey("region.id"), unique=True)
    profile: Mapped[str] = mapped_column(String(40))


class Contract(Row):
    """A contract 合同 of one lot, from the winner's bid; both sides confirm it."""

    __tablename__ = "tender_contract"
    called: ClassVar[str] = "合同"
    STATE_NAMES: ClassVar[dict[ContractState, str]] = {
        ContractState.DRAFT: "待双方确认",
        ContractState.SIGNED: "已签订",
    }
    MOVES: ClassVar[dict[ContractState, set[ContractState]]] = {
        ContractState.DRAFT: {ContractState.SIGNED},
        ContractState.SIGNED: set(),
    }
    __table_args__ = (
        UniqueConstraint("tender_id", "bid_id"),
        CheckConstraint(
            "(state = 'signed') = (buyer_signed_at IS NOT NULL AND supplier_signed_at IS NOT NULL)",
            name="signed_means_both",
        ),
    )

    tender_id: Mapped[int] = mapped_column(ForeignKey("tender.id"))
    bid_id: Mapped[str] = mapped_column(String(36))
    supplier_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    price: Mapped[Money] = mapped_column(Fen)
    terms: Mapped[dict[str, Any]] = mapped_column(Json)
    terms_sha256: Mapped[str] = mapped_column(String(64))
    sign_until: Mapped[datetime] = mapped_column(Moment)
    state: Mapped[ContractState] = mapped_column(by_value(ContractState), default=ContractState.DRAFT)
    buyer_signed_at: Mapped[datetime | None] = mapped_column(Moment)
    buyer_signed_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    supplier_signed_at: Mapped[datetime | None] = mapped_column(Moment)
    supplier_signed_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))

    tender: Mapped[Tender] = relationship()
    supplier: Mapped[Organisation] = relationship(lazy="joined", innerjoin=True)

    @property
    def file(self) -> str:
        """Told in the tender's journal file."""
        return self.tender.file
