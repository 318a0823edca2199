"""What the supermarket keeps: items, intermediaries, projects – and registrations that nobody can read."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary, Sequence, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from bidding.supermarket import rules
from ca.openings import Opening
from ca.parties import Organisation, Region
from storage.db import Base, Fen, Json, Moment, Row, by_value
from storage.values import Money

NUMBERS = Sequence("supermarket_number", metadata=Base.metadata)  # 项目编号
CELL_BYTES = 32 + 12 + 2048 + 16  # entry, nonce, sealed record, tag


class ServiceItem(Row):
    """A service item 中介服务事项 of the catalogue that an authority keeps."""

    __tablename__ = "service_item"
    called: ClassVar[str] = "中介服务事项"

    code: Mapped[str] = mapped_column(String(20), unique=True)
    name: Mapped[str] = mapped_column(String(120))
    requirement: Mapped[str] = mapped_column(Text, default="")  # 资质要求
    law: Mapped[str] = mapped_column(Text, default="")  # 设定依据
    authority_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"))

    authority: Mapped[Organisation | None] = relationship()


class Standing(StrEnum):
    """How an intermediary stands 信用状态."""

    GOOD = "good"
    SUSPENDED = "suspended"
    BLACKLISTED = "blacklisted"


STANDINGS = {Standing.GOOD: "正常", Standing.SUSPENDED: "暂停参选", Standing.BLACKLISTED: "黑名单"}


class Admission(Row):
    """An intermediary admitted 入驻 for one service item, for a time. Rows are never deleted."""

    __tablename__ = "admission"
    __table_args__ = (
        UniqueConstraint("organisation_id", "item_id"),
        CheckConstraint("valid_from < valid_until", name="period"),
    )
    called: ClassVar[str] = "入驻"

    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    item_id: Mapped[int] = mapped_column(ForeignKey("service_item.id"), index=True)
    valid_from: Mapped[datetime] = mapped_column(Moment)
    valid_until: Mapped[datetime] = mapped_column(Moment)
    standing: Mapped[Standing] = mapped_column(by_value(Standing), default=Standing.GOOD)

    organisation: Mapped[Organisation] = relationship()
    item: Mapped[ServiceItem] = relationship()


class RegionRules(Row):
    """Which profile of rules a region follows; without a row: the standard one."""

    __tablename__ = "supermarket_region_rules"
    called: ClassVar[str] = "地区规则"

    region_id: Mapped[int] = mapped_column(ForeignKey("region.id"), unique=True)
    profile: Mapped[str] = mapped_column(String(40))


class Method(StrEnum):
    """How one is chosen 选取方式; each is a pure file in `methods`."""

    RANDOM = "random"


METHOD_NAMES = {Method.RANDOM: "随机选取"}


class State(StrEnum):
    DRAFT = "draft"
    PREPARING = "preparing"
    REGISTRATION = "registration"
    CLOSED = "closed"
    POOL_COMMITTED = "pool_committed"
    DRAWN = "drawn"
    RESULT = "result"
    DECLINED = "declined"
    NOTICE_ISSUED = "notice_issued"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"


CHOSEN = (State.RESULT, State.NOTICE_ISSUED)


class Project(Row):
    """A project 采购项目: an owner's job that looks for one intermediary."""

    __tablename__ = "supermarket_project"
    called: ClassVar[str] = "中介超市项目"
    __table_args__ = (
        CheckConstraint("(state IN ('result', 'notice_issued')) = (selected_id IS NOT NULL)", name="chosen"),
        CheckConstraint("state IN ('draft', 'withdrawn') OR closes_at IS NOT NULL", name="closes"),
        CheckConstraint("budget > 0", name="budget"),
    )

    number: Mapped[str] = mapped_column(String(40), unique=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"), index=True)
    region_id: Mapped[int | None] = mapped_column(ForeignKey("region.id"), index=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("service_item.id"), index=True)
    title: Mapped[str] = mapped_column(String(120))
    scope: Mapped[str] = mapped_column(Text)  # 服务内容
    budget: Mapped[Money] = mapped_column(Fen)  # 预算金额: the fee at most
    method: Mapped[Method] = mapped_column(by_value(Method), default=Method.RANDOM)
    state: Mapped[State] = mapped_column(by_value(State), default=State.DRAFT, index=True)
    profile: Mapped[str] = mapped_column(String(40), default=rules.STANDARD)
    published_at: Mapped[datetime | None] = mapped_column(Moment)
    announce_by: Mapped[datetime | None] = mapped_column(Moment)  # until when the holders may join
    closes_at: Mapped[datetime | None] = mapped_column(Moment)  # 报名截止
    result_at: Mapped[datetime | None] = mapped_column(Moment)
    objections_until: Mapped[datetime | None] = mapped_column(Moment)  # 公示截止
    issued_at: Mapped[datetime | None] = mapped_column(Moment)
    failure: Mapped[str | None] = mapped_column(String(40))  # why it failed, a code of results.FAILURES
    selected_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"))
    check_code: Mapped[str | None] = mapped_column(String(20), unique=True)  # 核验码 of the selection notice

    owner: Mapped[Organisation] = relationship(foreign_keys=owner_id)
    selected: Mapped[Organisation | None] = relationship(foreign_keys=selected_id)
    region: Mapped[Region | None] = relationship()
    item: Mapped[ServiceItem] = relationship()
    recusals: Mapped[list["Recusal"]] = relationship(lambda: Recusal, cascade="all, delete-orphan")
    draws: Mapped[list["Draw"]] = relationship(lambda: Draw, back_populates="project", order_by=lambda: Draw.number)
    objections: Mapped[list["Objection"]] = relationship(lambda: Objection, order_by=lambda: Objection.id)

    STATE_NAMES: ClassVar[Mapping[Any, str]] = {
        State.DRAFT: "草稿",
        State.PREPARING: "等待持有人加入",
        State.REGISTRATION: "报名中",
        State.CLOSED: "报名已截止",
        State.POOL_COMMITTED: "名单已锁定，等待开启",
        State.DRAWN: "已摇号",
        State.RESULT: "结果公示中",
        State.DECLINED: "中选人放弃",
        State.NOTICE_ISSUED: "已发中选通知书",
        State.FAILED: "选取失败",
        State.WITHDRAWN: "已撤回",
    }
    MOVES: ClassVar[Mapping[Any, set[Any]]] = {
        State.DRAFT: {State.PREPARING, State.WITHDRAWN},
        State.PREPARING: {State.REGISTRATION, State.DRAFT, State.WITHDRAWN},
        State.REGISTRATION: {State.CLOSED, State.WITHDRAWN},
        State.CLOSED: {State.POOL_COMMITTED, State.FAILED},
        State.POOL_COMMITTED: {State.DRAWN, State.FAILED},
        State.DRAWN: {State.RESULT},
        State.RESULT: {State.NOTICE_ISSUED, State.DECLINED},
        State.DECLINED: {State.RESULT, State.FAILED},
        State.NOTICE_ISSUED: {State.DECLINED},
        State.FAILED: set(),
        State.WITHDRAWN: set(),
    }

    @property
    def file(self) -> str:
        return f"supermarket/{self.id}"

    @property
    def rules(self) -> rules.Rules:
        """The rules this project runs under, fixed at its publication."""
        return rules.of(self.profile)

    @property
    def draw(self) -> "Draw":
        """The latest draw; there is one from the publication on."""
        return self.draws[-1]

    @property
    def latest_draw(self) -> "Draw | None":
        """The latest draw, if there is one."""
        return self.draws[-1] if self.draws else None


class Recusal(Row):
    """A firm that may not register for a project 回避, and why."""

    __tablename__ = "supermarket_recusal"
    __table_args__ = (UniqueConstraint("project_id", "organisation_id"),)
    called: ClassVar[str] = "回避"

    project_id: Mapped[int] = mapped_column(ForeignKey("supermarket_project.id"))
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    reason: Mapped[str] = mapped_column(String(200))

    organisation: Mapped[Organisation] = relationship()


class Draw(Row):
    """One draw 摇号 of a project: an opening of its own, and the objects that anybody recomputes.

    Objects are kept as their canonical text, because their bytes are what is hashed and signed.
    """

    __tablename__ = "supermarket_draw"
    __table_args__ = (
        UniqueConstraint("project_id", "purpose", "number"),
        CheckConstraint("(pool IS NULL) = (pool_signature IS NULL)", name="pool_is_signed"),
        CheckConstraint("seed IS NULL OR pool IS NOT NULL", name="no_seed_before_the_pool"),
        CheckConstraint("(seed IS NULL) = (bundle IS NULL)", name="bundle_with_the_seed"),
    )
    called: ClassVar[str] = "摇号"

    project_id: Mapped[int] = mapped_column(ForeignKey("supermarket_project.id"))
    purpose: Mapped[str] = mapped_column(String(20), default="select")
    number: Mapped[int] = mapped_column(default=1)
    opening_id: Mapped[int] = mapped_column(ForeignKey("opening.id"), unique=True)
    capacity: Mapped[int]
    notice: Mapped[str | None] = mapped_column(Text)
    notice_signatures: Mapped[dict[str, str] | None] = mapped_column(Json)  # owner, platform
    pool: Mapped[str | None] = mapped_column(Text)
    pool_signature: Mapped[str | None] = mapped_column(String(128))
    facts: Mapped[list[list[str]] | None] = mapped_column(Json)  # [credit code, status] at the close
    seed: Mapped[str | None] = mapped_column(String(64))
    order: Mapped[list[str] | None] = mapped_column(Json)  # credit codes in the order drawn
    place: Mapped[int] = mapped_column(default=0)  # whose turn it is in that order
    bundle: Mapped[str | None] = mapped_column(Text)

    project: Mapped[Project] = relationship(back_populates="draws")
    opening: Mapped[Opening] = relationship()
    contributions: Mapped[list["Contribution"]] = relationship(lambda: Contribution, back_populates="draw")


class Contribution(Row):
    """A box 密封随机数 with 32 bytes of chance, sealed to the holders; everybody may see the box."""

    __tablename__ = "supermarket_contribution"
    __table_args__ = (UniqueConstraint("draw_id", "label", "seq"), CheckConstraint("seq >= 1", name="seq"))
    called: ClassVar[str] = "密封随机数"

    draw_id: Mapped[int] = mapped_column(ForeignKey("supermarket_draw.id"))
    label: Mapped[str] = mapped_column(String(40))
    seq: Mapped[int]
    box: Mapped[str] = mapped_column(Text)
    person_id: Mapped[int | None] = mapped_column(ForeignKey("person.id"))  # None: the platform itself
    at: Mapped[datetime] = mapped_column(Moment)

    draw: Mapped[Draw] = relationship(back_populates="contributions")


class Cell(Base):
    """A registration 报名 or its withdrawal, sealed: of one size, in no order, of no project that shows.

    Neither the table nor a copy of it connects a row with a firm or a project (`draws.md`, 2).
    """

    __tablename__ = "supermarket_cell"
    __table_args__ = (
        CheckConstraint("octet_length(entry) = 32", name="entry_size"),
        CheckConstraint(f"octet_length(cell) = {CELL_BYTES}", name="one_size"),
        CheckConstraint("octet_length(once) = 32", name="once_size"),
        CheckConstraint("hour = date_trunc('hour', hour, 'UTC')", name="no_finer_than_the_hour"),
    )
    called: ClassVar[str] = "报名"

    entry: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    cell: Mapped[bytes] = mapped_column(LargeBinary)
    once: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    hour: Mapped[datetime] = mapped_column(Moment, index=True)


class Objection(Row):
    """An objection 异议 to a published result; while one is open no notice is issued."""

    __tablename__ = "supermarket_objection"
    __table_args__ = (CheckConstraint("(answer IS NULL) = (answered_at IS NULL)", name="answered"),)
    called: ClassVar[str] = "异议"

    project_id: Mapped[int] = mapped_column(ForeignKey("supermarket_project.id"), index=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    text: Mapped[str] = mapped_column(Text)
    raised_at: Mapped[datetime] = mapped_column(Moment)
    answer: Mapped[str | None] = mapped_column(Text)
    answered_at: Mapped[datetime | None] = mapped_column(Moment)

    organisation: Mapped[Organisation] = relationship()
