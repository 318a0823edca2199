"""What the evaluation room keeps: experts, sessions, seats, scores and the report."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, Uuid, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from bidding.tenders.models import Tender
from ca.openings import Opening
from ca.parties import Organisation, Person, Region
from storage.db import Json, Moment, Row, SecretRow, by_value


class ExpertKind(StrEnum):
    """技术类 / 经济类: two thirds of a panel at least are technical or economic experts (招标投标法 art. 37)."""

    TECHNICAL = "technical"
    ECONOMIC = "economic"


EXPERT_KIND_NAMES = {ExpertKind.TECHNICAL: "技术类", ExpertKind.ECONOMIC: "经济类"}


class Expert(Row):
    """An expert 评标专家 of the expert library."""

    __tablename__ = "expert"
    called: ClassVar[str] = "评标专家"

    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), unique=True)
    kind: Mapped[ExpertKind] = mapped_column(by_value(ExpertKind))
    specialities: Mapped[list[str]] = mapped_column(Json)
    employer_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"))
    region_id: Mapped[int | None] = mapped_column(ForeignKey("region.id"))
    is_available: Mapped[bool] = mapped_column(default=True)

    person: Mapped[Person] = relationship(lazy="joined", innerjoin=True)
    employer: Mapped[Organisation | None] = relationship()


class Interest(Row):
    """A reason for recusal 回避: the expert has, or had in the last three years, to do with an organisation."""

    __tablename__ = "expert_interest"
    __table_args__ = (UniqueConstraint("expert_id", "organisation_id"),)
    called: ClassVar[str] = "回避关系"

    expert_id: Mapped[int] = mapped_column(ForeignKey("expert.id"), index=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    reason: Mapped[str] = mapped_column(String(200))
    until: Mapped[datetime | None] = mapped_column(Moment)  # None: still so


class State(StrEnum):
    """Where an evaluation session stands."""

    PLANNED = "planned"
    DRAWING = "drawing"
    SEATED = "seated"
    RUNNING = "running"
    PAUSED = "paused"
    SIGNING = "signing"
    FINISHED = "finished"
    ABORTED = "aborted"


RECORDED = frozenset({State.RUNNING, State.PAUSED, State.SIGNING})
"""States in which the recorder records: it starts and stops by the session's state, never by a button."""


class Session(Row):
    """An evaluation session 评标会: one panel over one tender, in several places at once."""

    __tablename__ = "evaluation_session"
    called: ClassVar[str] = "评标会"
    STATE_NAMES: ClassVar[dict[State, str]] = {
        State.PLANNED: "已安排",
        State.DRAWING: "抽取专家中",
        State.SEATED: "专家已抽取，待签到",
        State.RUNNING: "评标中",
        State.PAUSED: "暂停",
        State.SIGNING: "报告待签字",
        State.FINISHED: "评标结束",
        State.ABORTED: "已终止",
    }
    MOVES: ClassVar[dict[State, set[State]]] = {
        State.PLANNED: {State.DRAWING, State.ABORTED},
        State.DRAWING: {State.SEATED, State.ABORTED},
        State.SEATED: {State.RUNNING, State.ABORTED},
        State.RUNNING: {State.PAUSED, State.SIGNING, State.ABORTED},
        State.PAUSED: {State.RUNNING, State.ABORTED},
        State.SIGNING: {State.FINISHED, State.ABORTED},
        State.FINISHED: set(),
        State.ABORTED: set(),
    }
    __table_args__ = (
        CheckConstraint("places >= 5 AND places % 2 = 1", name="odd_and_five_at_least"),  # 招标投标法 art. 37
        CheckConstraint(
            "(state IN ('running', 'paused', 'signing', 'finished')) <= (zero_at IS NOT NULL)", name="runs_from_zero"
        ),
        CheckConstraint("(state = 'finished') <= (finished_at IS NOT NULL)", name="finished_has_its_moment"),
        Index("one_live_session", "tender_id", unique=True, postgresql_where=text("state <> 'aborted'")),
    )

    tender_id: Mapped[int] = mapped_column(ForeignKey("tender.id"))
    region_id: Mapped[int | None] = mapped_column(ForeignKey("region.id"), index=True)
    main_venue: Mapped[str] = mapped_column(String(120))
    places: Mapped[int] = mapped_column(default=5)
    planned_at: Mapped[datetime] = mapped_column(Moment)
    state: Mapped[State] = mapped_column(by_value(State), default=State.PLANNED, index=True)
    zero_at: Mapped[datetime | None] = mapped_column(Moment, index=True)  # zero of the session's clock
    finished_at: Mapped[datetime | None] = mapped_column(Moment)
    recording_opened_at: Mapped[datetime | None] = mapped_column(Moment)
    events_told: Mapped[int] = mapped_column(default=0)  # number of the journal entry the recorder heard last
    recording_closed_at: Mapped[datetime | None] = mapped_column(Moment)
    manifest_key: Mapped[str | None] = mapped_column(String(200))  # object of the recording's manifest

    tender: Mapped[Tender] = relationship(lazy="joined", innerjoin=True)
    region: Mapped[Region | None] = relationship()
    seats: Mapped[list["Seat"]] = relationship(back_populates="session", order_by="Seat.number", lazy="selectin")

    @property
    def file(self) -> str:
        """The session's journal file."""
        return f"session/{self.id}"

    @property
    def recording(self) -> str:
        """The name under which the recorder knows this session."""
        return f"session-{self.id}"

    @property
    def members(self) -> list["Seat"]:
        """The seats that are taken: those who were drawn and have not declined."""
        return [seat for seat in self.seats if seat.state is not SeatState.DECLINED]

    @property
    def leader(self) -> "Seat | None":
        """The panel's leader 组长, once elected."""
        return next((seat for seat in self.members if seat.is_leader), None)


class SeatState(StrEnum):
    """Where one member stands."""

    NOTIFIED = "notified"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    CHECKED_IN = "checked_in"


class Seat(SecretRow):
    """A seat of the panel 评委席位. Who sits there is secret until the result (招标投标法 art. 37)."""

    __tablename__ = "seat"
    called: ClassVar[str] = "评委席位"
    STATE_NAMES: ClassVar[dict[SeatState, str]] = {
        SeatState.NOTIFIED: "已通知",
        SeatState.ACCEPTED: "确认参加",
        SeatState.DECLINED: "不能参加",
        SeatState.CHECKED_IN: "已签到",
    }
    MOVES: ClassVar[dict[SeatState, set[SeatState]]] = {
        SeatState.NOTIFIED: {SeatState.ACCEPTED, SeatState.DECLINED},
        SeatState.ACCEPTED: {SeatState.CHECKED_IN, SeatState.DECLINED},
        SeatState.DECLINED: set(),
        SeatState.CHECKED_IN: set(),
    }
    __table_args__ = (
        UniqueConstraint("session_id", "expert_id"),
        UniqueConstraint("session_id", "number"),
        Index("one_leader", "session_id", unique=True, postgresql_where=text("is_leader")),
        CheckConstraint("(state = 'checked_in') = (checked_in_at IS NOT NULL)", name="checked_in_has_its_moment"),
    )

    session_id: Mapped[int] = mapped_column(ForeignKey("evaluation_session.id"), index=True)
    expert_id: Mapped[int] = mapped_column(ForeignKey("expert.id"))
    number: Mapped[int] = mapped_column()  # 1…: how pages and the recording call the member
    venue: Mapped[str] = mapped_column(String(120), default="")
    state: Mapped[SeatState] = mapped_column(by_value(SeatState), default=SeatState.NOTIFIED)
    is_leader: Mapped[bool] = mapped_column(default=False)
    vote_for: Mapped[int | None] = mapped_column()  # number of the seat they want as leader
    checked_in_at: Mapped[datetime | None] = mapped_column(Moment)
    submitted_at: Mapped[datetime | None] = mapped_column(Moment)  # scores handed in; sealed from then on

    session: Mapped[Session] = relationship(back_populates="seats")
    expert: Mapped[Expert] = relationship(lazy="joined", innerjoin=True)

    @property
    def file(self) -> str:
        """Seats are told in their session's file."""
        return f"session/{self.session_id}"

    @property
    def name(self) -> str:
        """How a member is called where names are secret."""
        return f"member-{self.number}"


class Review(Row):
    """One member's word on whether a bid qualifies and responds 资格与符合性审查; the majority decides."""

    __tablename__ = "review"
    __table_args__ = (
        UniqueConstraint("seat_id", "bid_id"),
        CheckConstraint("passes OR reason <> ''", name="a_no_has_its_reason"),
    )
    called: ClassVar[str] = "符合性审查"

    seat_id: Mapped[UUID] = mapped_column(ForeignKey("seat.id"), index=True)
    bid_id: Mapped[UUID] = mapped_column(Uuid)
    passes: Mapped[bool] = mapped_column()
    reason: Mapped[str] = mapped_column(String(500), default="")


class Score(Row):
    """One member's score 评分 for one criterion of one bid, as a decimal string."""

    __tablename__ = "score"
    __table_args__ = (UniqueConstraint("seat_id", "bid_id", "criterion"),)
    called: ClassVar[str] = "评分"

    seat_id: Mapped[UUID] = mapped_column(ForeignKey("seat.id"), index=True)
    bid_id: Mapped[UUID] = mapped_column(Uuid)
    criterion: Mapped[str] = mapped_column(String(40))
    value: Mapped[str] = mapped_column(String(20))


class Ground(StrEnum):
    """When a score handed in may be changed (政府采购货物和服务招标投标管理办法 art. 64)."""

    SUM = "sum"
    RANGE = "range"
    OBJECTIVE = "objective"
    ABNORMAL = "abnormal"


GROUND_NAMES = {
    Ground.SUM: "分值汇总计算错误",
    Ground.RANGE: "分项评分超出评分标准范围",
    Ground.OBJECTIVE: "客观评审因素评分不一致",
    Ground.ABNORMAL: "评分畸高、畸低",
}


class ChangeState(StrEnum):
    """Where a request to change a score stands."""

    ASKED = "asked"
    APPROVED = "approved"
    REFUSED = "refused"


class Change(Row):
    """A change of a score that was handed in 评分修改: with its ground, its reason, and the leader's consent."""

    __tablename__ = "score_change"
    called: ClassVar[str] = "评分修改"
    STATE_NAMES: ClassVar[dict[ChangeState, str]] = {
        ChangeState.ASKED: "待组长同意",
        ChangeState.APPROVED: "已同意",
        ChangeState.REFUSED: "未同意",
    }
    MOVES: ClassVar[dict[ChangeState, set[ChangeState]]] = {
        ChangeState.ASKED: {ChangeState.APPROVED, ChangeState.REFUSED},
        ChangeState.APPROVED: set(),
        ChangeState.REFUSED: set(),
    }
    __table_args__ = (
        Index(
            "one_open_change", "seat_id", "bid_id", "criterion", unique=True, postgresql_where=text("state = 'asked'")
        ),
        CheckConstraint("(state = 'asked') = (decided_by IS NULL)", name="decided_by_somebody"),
        CheckConstraint("decided_by <> seat_id", name="nobody_decides_alone"),
    )

    session_id: Mapped[int] = mapped_column(ForeignKey("evaluation_session.id"), index=True)
    seat_id: Mapped[UUID] = mapped_column(ForeignKey("seat.id"))
    bid_id: Mapped[UUID] = mapped_column(Uuid)
    criterion: Mapped[str] = mapped_column(String(40))
    was: Mapped[str] = mapped_column(String(20))
    to: Mapped[str] = mapped_column(String(20))
    ground: Mapped[Ground] = mapped_column(by_value(Ground))
    reason: Mapped[str] = mapped_column(Text)
    state: Mapped[ChangeState] = mapped_column(by_value(ChangeState), default=ChangeState.ASKED)
    asked_at: Mapped[datetime] = mapped_column(Moment)
    decided_by: Mapped[UUID | None] = mapped_column(ForeignKey("seat.id"))
    decided_at: Mapped[datetime | None] = mapped_column(Moment)

    @property
    def file(self) -> str:
        """Changes are told in their session's file."""
        return f"session/{self.session_id}"


class Report(Row):
    """The evaluation report 评标报告: the sheet, the result computed from it, and who signed."""

    __tablename__ = "evaluation_report"
    called: ClassVar[str] = "评标报告"

    session_id: Mapped[int] = mapped_column(ForeignKey("evaluation_session.id"), unique=True)
    sheet: Mapped[dict[str, Any]] = mapped_column(Json)
    result: Mapped[dict[str, Any]] = mapped_column(Json)
    sha256: Mapped[str] = mapped_column(String(64))  # of the canonical JSON of {sheet, result}
    compiled_at: Mapped[datetime] = mapped_column(Moment)

    signatures: Mapped[list["ReportSignature"]] = relationship(order_by="ReportSignature.id")


class ReportSignature(Row):
    """A member's signature under the report; who dissents writes why (政府采购法实施条例 art. 41)."""

    __tablename__ = "report_signature"
    __table_args__ = (UniqueConstraint("report_id", "seat_id"),)
    called: ClassVar[str] = "报告签字"

    report_id: Mapped[int] = mapped_column(ForeignKey("evaluation_report.id"))
    seat_id: Mapped[UUID] = mapped_column(ForeignKey("seat.id"))
    dissent: Mapped[str | None] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(Moment)
    statement: Mapped[str] = mapped_column(Text)  # canonical JSON of what was signed
    signature: Mapped[str] = mapped_column(String(128))  # by the platform, over the statement


class ExpertDraw(Row):
    """One draw of experts 专家抽取: an opening of its own and the objects that anybody recomputes.

    Salts keep the entries from telling who is in the pool; they come out with the result.
    """

    __tablename__ = "expert_draw"
    __table_args__ = (
        UniqueConstraint("session_id", "number"),
        CheckConstraint("(pool IS NULL) = (pool_signature IS NULL)", name="pool_is_signed"),
        CheckConstraint("(seed IS NULL) = (bundle IS NULL)", name="bundle_with_the_seed"),
    )
    called: ClassVar[str] = "专家抽取"

    session_id: Mapped[int] = mapped_column(ForeignKey("evaluation_session.id"), index=True)
    number: Mapped[int] = mapped_column(default=1)
    opening_id: Mapped[int] = mapped_column(ForeignKey("opening.id"), unique=True)
    specialities: Mapped[list[str]] = mapped_column(Json)
    salts: Mapped[dict[str, str]] = mapped_column(Json)  # expert id -> salt, hex
    notice: Mapped[str | None] = mapped_column(Text)
    notice_signatures: Mapped[dict[str, str] | None] = mapped_column(Json)
    pad_key: Mapped[str] = mapped_column(String(64))
    contributions: Mapped[dict[str, str]] = mapped_column(Json, default=dict)  # label -> box, hex
    pool: Mapped[str | None] = mapped_column(Text)
    pool_signature: Mapped[str | None] = mapped_column(String(128))
    facts: Mapped[list[list[str]] | None] = mapped_column(Json)
    seed: Mapped[str | None] = mapped_column(String(64))
    order: Mapped[list[int] | None] = mapped_column(Json)  # expert ids in the order drawn
    bundle: Mapped[str | None] = mapped_column(Text)

    session: Mapped[Session] = relationship()
    opening: Mapped[Opening] = relationship()
