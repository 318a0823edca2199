"""Who may see what of a session. What one may not see answers as if it were not there.

Names of the panel are secret until the result (招标投标法 art. 37): outside the panel, members are `member-N`.
Nobody sees another's scores before all have handed in.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session as Db

from ca.rights import Actor, Role
from evaluation import recordings, scores
from evaluation.models import (
    Change,
    ChangeState,
    ExpertDraw,
    Report,
    Review,
    Score,
    Seat,
    SeatState,
    Session,
    State,
)
from evaluation.sessions import of_expert
from storage.db import find
from storage.refusals import NotFound


def seen(db: Db, session_id: int, actor: Actor | None) -> Session:
    """A session that this actor may see; anything else is NotFound."""
    session = find(db, Session, session_id)
    if actor is None or not may_see(session, actor):
        raise NotFound(what=Session.called)
    return session


def may_see(session: Session, actor: Actor) -> bool:
    """Members, the centre's staff, supervisors of the region, and the procuring entity its own."""
    if seat(session, actor) is not None or actor.is_a(Role.CENTRE_STAFF):
        return True
    if actor.is_a(Role.SUPERVISOR) and recordings.oversees(session, actor):
        return True
    return is_buyer(session, actor)


def is_buyer(session: Session, actor: Actor) -> bool:
    """Whether somebody stands for the procuring entity."""
    return actor.is_a(Role.PROCURING_ENTITY) and actor.organisation_id == session.tender.procuring_entity_id


def seat(session: Session, actor: Actor) -> Seat | None:
    """The actor's own seat, if there is one."""
    if actor.person_id is None or not actor.is_a(Role.EXPERT):
        return None
    return next((each for each in session.members if each.expert.person_id == actor.person_id), None)


def of(db: Db, actor: Actor, *, limit: int = 100) -> list[Session]:
    """The sessions somebody may see, newest first: members their own, the others theirs."""
    mine = of_expert(db, actor) if actor.is_a(Role.EXPERT) else []
    if not actor.is_a(Role.CENTRE_STAFF, Role.SUPERVISOR, Role.PROCURING_ENTITY):
        return mine
    others = db.scalars(select(Session).order_by(Session.id.desc()).limit(limit))
    known = {session.id for session in mine}
    found = mine + [session for session in others if session.id not in known and may_see(session, actor)]
    return sorted(found, key=lambda session: -session.id)


def sees_panel(session: Session, actor: Actor) -> bool:
    """Whether somebody may see the seats (as member-N): not the procuring entity."""
    if seat(session, actor) is not None or actor.is_a(Role.CENTRE_STAFF):
        return True
    return actor.is_a(Role.SUPERVISOR) and recordings.oversees(session, actor)


def name_of(session: Session, each: Seat, actor: Actor) -> str | None:
    """A member's own name: for himself, and among members who have checked in."""
    own = seat(session, actor)
    if own is None:
        return None
    if own.id == each.id or SeatState.CHECKED_IN is own.state is each.state:
        return each.expert.person.name
    return None


def sees_scores(session: Session, actor: Actor) -> bool:
    """Whether somebody may see everybody's scores: members and supervisors, once all have handed in."""
    if not scores.all_handed_in(session):
        return False
    if seat(session, actor) is not None:
        return True
    return actor.is_a(Role.SUPERVISOR) and recordings.oversees(session, actor)


@dataclass(frozen=True)
class Sheet:
    """What one member has written so far."""

    passes: dict[UUID, Review]
    values: dict[tuple[UUID, str], str]


def sheet(db: Db, own: Seat) -> Sheet:
    """A member's own words and scores."""
    words = db.scalars(select(Review).filter_by(seat_id=own.id))
    given = db.scalars(select(Score).filter_by(seat_id=own.id))
    return Sheet(
        {word.bid_id: word for word in words}, {(score.bid_id, score.criterion): score.value for score in given}
    )


@dataclass(frozen=True)
class ChangeLine:
    """A request to change a score, and what the reader may do about it."""

    id: int
    member: int
    bid_id: UUID
    criterion: str
    was: str
    to: str
    ground: str
    reason: str
    state: ChangeState
    asked_at: datetime
    decided_by: int | None
    may_decide: bool


def changes(db: Db, session: Session, actor: Actor) -> list[ChangeLine]:
    """Requests to change a score: all of them once all have handed in; before that one's own and those to decide."""
    numbers = {each.id: each for each in session.seats}
    own = seat(session, actor)
    lines = []
    for change in db.scalars(select(Change).filter_by(session_id=session.id).order_by(Change.id)):
        by = numbers[change.seat_id]
        deciding = own is not None and own.id != by.id and (own.is_leader or by.is_leader)
        if not (sees_scores(session, actor) or deciding or (own is not None and own.id == by.id)):
            continue
        lines.append(ChangeLine(
            change.id, by.number, change.bid_id, change.criterion, change.was, change.to, change.ground.value,
            change.reason, change.state, change.asked_at,
            numbers[change.decided_by].number if change.decided_by else None,
            deciding and change.state is ChangeState.ASKED and session.state is State.RUNNING,
        ))  # fmt: skip
    return lines


def all_scores(db: Db, session: Session) -> dict[UUID, dict[int, dict[str, str]]]:
    """Every score by bid, member and criterion; only for who may see them (`sees_scores`)."""
    numbers = {each.id: each.number for each in session.members}
    found: dict[UUID, dict[int, dict[str, str]]] = {}
    for score in db.scalars(select(Score).where(Score.seat_id.in_(numbers))):
        found.setdefault(score.bid_id, {}).setdefault(numbers[score.seat_id], {})[score.criterion] = score.value
    return found


def report(db: Db, session: Session, actor: Actor) -> Report | None:
    """The report, for members and supervisors as soon as it is compiled, for the others once all have signed."""
    found = db.scalar(select(Report).filter_by(session_id=session.id))
    if found is None or session.state is State.FINISHED or sees_scores(session, actor):
        return found
    return None


def draw(db: Db, draw_id: int, actor: Actor | None) -> ExpertDraw:
    """A draw of experts that this actor may follow: the centre, the supervisor and the procuring entity."""
    found = find(db, ExpertDraw, draw_id)
    if actor is None or not may_follow(found.session, actor):
        raise NotFound(what=ExpertDraw.called)
    return found


def may_follow(session: Session, actor: Actor) -> bool:
    """Whether somebody may follow the draws of a session; experts may not: they would learn who is drawn when."""
    if actor.is_a(Role.CENTRE_STAFF) or is_buyer(session, actor):
        return True
    return actor.is_a(Role.SUPERVISOR) and recordings.oversees(session, actor)


def draws(db: Db, session: Session) -> list[ExpertDraw]:
    """The draws of a session, newest first."""
    return list(db.scalars(select(ExpertDraw).filter_by(session_id=session.id).order_by(ExpertDraw.number.desc())))


def shows_result(session: Session) -> bool:
    """Whether a draw's bundle, which names the pool, may come out: only when the session has finished."""
    return session.state is State.FINISHED


def plain(found: Report) -> dict[str, Any]:
    """A report as programs get it."""
    return {"sheet": found.sheet, "result": found.result, "sha256": found.sha256}
