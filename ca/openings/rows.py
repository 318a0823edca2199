"""Rows of an opening 开启 and of its holders' seats."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import CheckConstraint, ForeignKey, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from ca.parties import Person
from ca.rights import Actor
from ca.sealing.params import SUITE, Params, base_of, written
from storage.db import Json, Moment, Row, by_value
from storage.refusals import NotYours


class Mode(StrEnum):
    """What is shut, and who must act before it opens."""

    TWO_LOCK = "two-lock"  # a bid: its bidder and m holders
    COMMITTEE = "committee"  # a bid: m holders alone
    DRAW = "draw"  # contributions and quotes: m holders, over a signed pool


class State(StrEnum):
    JOINING = "joining"
    PUBLISHED = "published"
    FROZEN = "frozen"
    UNLOCKING = "unlocking"
    UNLOCKS_FROZEN = "unlocks_frozen"
    CLOSED = "closed"
    RELEASING = "releasing"
    SUSPENDED = "suspended"
    COMBINED = "combined"
    CANCELLED = "cancelled"


class Verdict(StrEnum):
    """What the check of a released key found."""

    RELEASED = "RELEASED"
    FALSE_KEY = "FALSE_KEY"


class NotAHolder(NotYours):
    says = "您不是这次开启的密钥持有人。请用持有人的账号登录。"


class Opening(Row):
    """One opening 一次开启: its parameters, its holders, and how far it has come."""

    __tablename__ = "opening"
    called: ClassVar[str] = "开启"

    name: Mapped[str] = mapped_column(String(64), unique=True)
    mode: Mapped[Mode] = mapped_column(by_value(Mode))
    m: Mapped[int]
    deadline: Mapped[datetime] = mapped_column(Moment)
    unlock_until: Mapped[datetime] = mapped_column(Moment)
    release_until: Mapped[datetime] = mapped_column(Moment)
    state: Mapped[State] = mapped_column(by_value(State), default=State.JOINING, index=True)
    params: Mapped[str | None] = mapped_column(Text)  # canonical text, once closed
    params_hash: Mapped[str | None] = mapped_column(String(64), unique=True)
    evidence: Mapped[dict[str, Any] | None] = mapped_column(Json)  # what the holders' gates must see

    seats: Mapped[list["HolderSeat"]] = relationship(
        lambda: HolderSeat,
        back_populates="opening",
        order_by=lambda: HolderSeat.place,
        cascade="all, delete-orphan",
    )

    __table_args__ = (
        CheckConstraint("deadline <= unlock_until AND unlock_until < release_until", name="times_in_order"),
        CheckConstraint("m >= 2", name="two_or_more"),
        CheckConstraint("(params IS NULL) = (params_hash IS NULL)", name="params_and_hash"),
        CheckConstraint("state IN ('joining', 'cancelled') OR params IS NOT NULL", name="published_has_params"),
        CheckConstraint(
            "state NOT IN ('releasing', 'suspended', 'combined') OR evidence IS NOT NULL",
            name="released_over_evidence",
        ),
    )

    STATE_NAMES: ClassVar[Mapping[Any, str]] = {
        State.JOINING: "等待持有人加入",
        State.PUBLISHED: "参数已公布",
        State.FROZEN: "已截止冻结",
        State.UNLOCKING: "解锁中",
        State.UNLOCKS_FROZEN: "解锁已截止",
        State.CLOSED: "监督已确认",
        State.RELEASING: "密钥释放中",
        State.SUSPENDED: "因密钥不足中止",
        State.COMBINED: "密钥已齐",
        State.CANCELLED: "已取消",
    }
    MOVES: ClassVar[Mapping[Any, set[Any]]] = {
        State.JOINING: {State.PUBLISHED, State.CANCELLED},
        State.PUBLISHED: {State.FROZEN, State.RELEASING, State.CANCELLED},
        State.FROZEN: {State.UNLOCKING, State.CLOSED, State.CANCELLED},
        State.UNLOCKING: {State.UNLOCKS_FROZEN},
        State.UNLOCKS_FROZEN: {State.CLOSED},
        State.CLOSED: {State.RELEASING},
        State.RELEASING: {State.COMBINED, State.SUSPENDED},
        State.SUSPENDED: {State.RELEASING},
        State.COMBINED: set(),
        State.CANCELLED: set(),
    }

    @property
    def file(self) -> str:
        return f"opening/{self.id}"

    @property
    def base(self) -> bytes:
        """What a join is bound to: everything but the keys (`sealing.md`, 2)."""
        return base_of(self._terms([seat.holder for seat in self.seats]))

    def _terms(self, holders: list[Any]) -> dict[str, Any]:
        return {
            "v": 2, "suite": SUITE, "opening": self.name, "mode": self.mode.value, "m": self.m,
            "holders": holders,
            "deadline": written(self.deadline), "unlock_until": written(self.unlock_until),
            "release_until": written(self.release_until),
        }  # fmt: skip

    def closing_params(self) -> Params:
        """The parameters as they are when every seat has joined."""
        seats = [{"id": seat.holder, "pk": seat.pk} for seat in self.seats]
        if self.mode is Mode.DRAW:
            seats = [written | {"sig": seat.sig_pk} for written, seat in zip(seats, self.seats, strict=True)]
        return Params.of(self._terms(seats))

    def seat_of(self, actor: Actor) -> "HolderSeat":
        """This holder's seat. Raises NotAHolder."""
        for seat in self.seats:
            if actor.person_id is not None and seat.person_id == actor.person_id:
                return seat
        raise NotAHolder


class HolderSeat(Row):
    """A holder's seat 持有人席位 in one opening; bytes are kept as lower-case hex."""

    __tablename__ = "holder_seat"
    called: ClassVar[str] = "密钥持有人席位"
    __table_args__ = (
        UniqueConstraint("opening_id", "place"),
        UniqueConstraint("opening_id", "holder"),
        UniqueConstraint("opening_id", "person_id"),
        CheckConstraint("(pk IS NULL) = (joined_at IS NULL)", name="joined_with_a_key"),
        CheckConstraint("(key IS NULL) = (released_at IS NULL)", name="released_at_a_moment"),
    )

    opening_id: Mapped[int] = mapped_column(ForeignKey("opening.id"))
    place: Mapped[int]
    holder: Mapped[str] = mapped_column(String(64))  # the label in the parameters
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"), index=True)
    pk: Mapped[str | None] = mapped_column(String(66), unique=True)  # a key serves one opening only
    sig_pk: Mapped[str | None] = mapped_column(String(66))
    join: Mapped[str | None] = mapped_column(Text)
    ready: Mapped[str | None] = mapped_column(String(128))
    joined_at: Mapped[datetime | None] = mapped_column(Moment)
    key: Mapped[str | None] = mapped_column(String(64))
    release_signature: Mapped[str | None] = mapped_column(Text)
    released_at: Mapped[datetime | None] = mapped_column(Moment)
    false_keys: Mapped[list[dict[str, str]]] = mapped_column(Json, default=list)

    opening: Mapped[Opening] = relationship(back_populates="seats")
    person: Mapped[Person] = relationship()
