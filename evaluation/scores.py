"""评分 Scores: each member for himself until all have handed in; afterwards only with a ground, a reason and
the leader's consent, and every change leaves its trace.
"""

from collections import Counter
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session as Db

from bidding.tenders.models import Tender
from ca.rights import Actor
from evaluation.methods.figures import exact
from evaluation.models import Change, ChangeState, Ground, Review, Score, Seat, Session
from evaluation.sessions import NotTheLeader, running_member
from storage import clock, journal
from storage.db import find, take
from storage.lifecycle import move
from storage.refusals import NotFound, NotNow, NotValid


class NoSuchBid(NotFound):
    says = "没有这份投标文件。请从本次评标的投标文件中选择。"


class NoSuchCriterion(NotValid):
    says = "评标办法里没有“{criterion}”这一项。请刷新页面后再评分。"


class OutOfRange(NotValid):
    says = "“{criterion}”的分值应在 0 到 {most} 之间，最多两位小数。请改正。"


class ReasonMissing(NotValid):
    says = "请写明理由。"


class HandedIn(NotNow):
    says = "您已经提交评分。如确需修改，请申请修改并写明法定情形和理由，由组长同意。"


class NotHandedIn(NotNow):
    says = "评分提交之后才需要申请修改；现在可以直接改。"


class Unfinished(NotNow):
    says = "还有 {missing} 项没有评审或评分。全部完成后才能提交。"


class NotForOneself(NotNow):
    says = "不能同意自己的修改申请。请由其他评委表决。"


class AlreadyDecided(NotNow):
    says = "这项修改申请已经处理。"


def criteria(tender: Tender) -> dict[str, dict[str, Any]]:
    """The tender's criteria by id, as its notice published them."""
    return {criterion["id"]: criterion for criterion in tender.evaluation.get("criteria", [])}


def review(db: Db, session: Session, bid_id: UUID, *, passes: bool, reason: str, bids: set[UUID], by: Actor) -> Review:
    """资格与符合性审查: whether a bid qualifies and responds; a no needs its reason."""
    session, seat = _scoring(db, session, by)
    _check_bid(bid_id, bids)
    if not passes and not reason.strip():
        raise ReasonMissing
    word = db.scalar(select(Review).filter_by(seat_id=seat.id, bid_id=bid_id))
    if word is None:
        word = Review(seat_id=seat.id, bid_id=bid_id, passes=passes, reason=reason)
        db.add(word)
    word.passes, word.reason = passes, reason
    journal.record(db, session.file, "bid.reviewed", by=None, seat=seat.name, bid=bid_id)
    return word


def give(db: Db, session: Session, bid_id: UUID, values: dict[str, str], *, bids: set[UUID], by: Actor) -> None:
    """Score one bid, some or all criteria; may be done again until the member hands in."""
    session, seat = _scoring(db, session, by)
    _check_bid(bid_id, bids)
    for criterion, value in values.items():
        value = _in_range(session.tender, criterion, value)
        known = db.scalar(select(Score).filter_by(seat_id=seat.id, bid_id=bid_id, criterion=criterion))
        if known is None:
            db.add(Score(seat_id=seat.id, bid_id=bid_id, criterion=criterion, value=value))
        else:
            known.value = value
    db.flush()
    journal.record(db, session.file, "scores.given", by=None, seat=seat.name, bid=bid_id, criteria=sorted(values))


def fill_in(
    db: Db, session: Session, bid_id: UUID, *, passes: bool | None, reason: str, values: dict[str, str],
    bids: set[UUID], by: Actor,
) -> None:  # fmt: skip
    """Keep a sheet of one bid as a form has it; only what is new is written down. Safe to repeat."""
    session, seat = _scoring(db, session, by)
    _check_bid(bid_id, bids)
    word = db.scalar(select(Review).filter_by(seat_id=seat.id, bid_id=bid_id))
    if passes is not None and (word is None or (word.passes, word.reason) != (passes, reason)):
        review(db, session, bid_id, passes=passes, reason=reason, bids=bids, by=by)
    kept = db.scalars(select(Score).filter_by(seat_id=seat.id, bid_id=bid_id))
    known = {score.criterion: score.value for score in kept}
    new = {criterion: value for criterion, value in values.items() if known.get(criterion) != value}
    if new:
        give(db, session, bid_id, new, bids=bids, by=by)


def hand_in(db: Db, session: Session, *, bids: set[UUID], by: Actor) -> Seat:
    """提交评分: everything reviewed and every bid that passes scored; sealed from now on. Safe to repeat."""
    session, seat = running_member(db, session, by)
    if seat.submitted_at is not None:
        return seat
    missing = unfinished(db, session, seat, bids)
    if missing:
        raise Unfinished(missing=missing)
    seat.submitted_at = clock.database(db)
    journal.record(db, session.file, "scores.handed_in", by=None, seat=seat.name)
    return seat


def unfinished(db: Db, session: Session, seat: Seat, bids: set[UUID]) -> int:
    """How many words and scores a member still owes.

    A member scores also a bid that he would reject: the majority may let it pass, and then his scores count.
    """
    reviewed = set(db.scalars(select(Review.bid_id).filter_by(seat_id=seat.id)))
    given = {(score.bid_id, score.criterion) for score in db.scalars(select(Score).filter_by(seat_id=seat.id))}
    needed = {(bid, criterion) for bid in bids for criterion in criteria(session.tender)}
    return len(bids - reviewed) + len(needed - given)


def ask_change(
    db: Db, session: Session, bid_id: UUID, criterion: str, to: str, *, ground: Ground, reason: str, by: Actor
) -> Change:
    """申请修改评分: after handing in, on a ground of law, with a reason (87号令 art. 64)."""
    session, seat = running_member(db, session, by)
    if seat.submitted_at is None:
        raise NotHandedIn
    if not reason.strip():
        raise ReasonMissing
    score = db.scalar(select(Score).filter_by(seat_id=seat.id, bid_id=bid_id, criterion=criterion))
    if score is None:
        raise NoSuchBid
    change = Change(
        session_id=session.id, seat_id=seat.id, bid_id=bid_id, criterion=criterion, was=score.value,
        to=_in_range(session.tender, criterion, to), ground=ground, reason=reason, asked_at=clock.database(db),
    )  # fmt: skip
    db.add(change)
    db.flush()
    journal.record(
        db, session.file, "score_change.asked", by=None, change=change.id, seat=seat.name, bid=bid_id,
        criterion=criterion, was=change.was, to=change.to, ground=ground.value, reason=reason,
    )  # fmt: skip
    return change


def decide_change(db: Db, session: Session, change_id: int, *, consent: bool, by: Actor) -> Change:
    """组长同意: the leader decides; the leader's own request is decided by any other member."""
    session, seat = running_member(db, session, by)
    change = take(db, Change, change_id)
    if change.session_id != session.id:
        raise NoSuchBid
    if change.state is not ChangeState.ASKED:
        raise AlreadyDecided
    if change.seat_id == seat.id:
        raise NotForOneself
    asked_by = find(db, Seat, change.seat_id)
    if not seat.is_leader and not asked_by.is_leader:
        raise NotTheLeader
    score = db.scalar(
        select(Score).filter_by(seat_id=change.seat_id, bid_id=change.bid_id, criterion=change.criterion)
    )
    now = clock.database(db)
    assert score is not None
    assert score.value == change.was, "nothing else may change a score that was handed in"
    if consent:
        score.value = change.to
    change.decided_by, change.decided_at = seat.id, now
    move(
        db, change, ChangeState.APPROVED if consent else ChangeState.REFUSED, by=None, change=change.id,
        decided_by=seat.name, bid=change.bid_id, criterion=change.criterion, was_score=change.was, to_score=change.to,
    )  # fmt: skip
    return change


def all_handed_in(session: Session) -> bool:
    """Whether every member has handed in; only then may anybody see another's scores."""
    return all(seat.submitted_at is not None for seat in session.members) and bool(session.members)


def rejected(db: Db, session: Session, bids: set[UUID]) -> dict[UUID, str]:
    """否决投标: bids that more than half of the members found not to qualify, with the first reason given."""
    words = db.scalars(
        select(Review).join(Seat, Seat.id == Review.seat_id).filter(Seat.session_id == session.id).order_by(Seat.number)
    ).all()
    against = Counter(word.bid_id for word in words if not word.passes)
    most = {bid for bid in bids if against[bid] * 2 > session.places}
    return {bid: next(word.reason for word in words if word.bid_id == bid and not word.passes) for bid in most}


def _scoring(db: Db, session: Session, by: Actor) -> tuple[Session, Seat]:
    session, seat = running_member(db, session, by)
    if seat.submitted_at is not None:
        raise HandedIn
    return session, seat


def _check_bid(bid_id: UUID, bids: set[UUID]) -> None:
    if bid_id not in bids:
        raise NoSuchBid


def _in_range(tender: Tender, criterion: str, value: str) -> str:
    known = criteria(tender).get(criterion)
    if known is None:
        raise NoSuchCriterion(criterion=criterion)
    try:
        number = exact(value.strip())
        good = number <= exact(known["max"]) and (number * 100).denominator == 1
    except ValueError:
        good = False
    if not good:
        raise OutOfRange(criterion=known.get("name", criterion), most=known["max"])
    return value.strip()
