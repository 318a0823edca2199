"""评标会 Sessions: convene, accept or decline, check in, elect a leader, open, pause, finish.

The recorder follows the state of the row: it records from the opening to the last signature, and nobody can
switch it off. Zero of the session's clock is the database's moment of the opening.
"""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session as Db

from bidding.tenders.models import State as TenderState
from bidding.tenders.models import Tender
from ca.rights import Actor, Role
from evaluation.models import Expert, Seat, SeatState, Session, State
from storage import clock, journal
from storage.db import take
from storage.lifecycle import move
from storage.refusals import NotNow, NotValid, NotYours

FEWEST = 5  # 招标投标法 art. 37: five or more, an odd number


class NotOnThePanel(NotYours):
    says = "您不是本次评标会的评委。请核对通知中的项目和时间。"


class NotTheCentre(NotYours):
    says = "评标会由交易中心工作人员安排。请用工作人员账号登录。"


class NotOpenedYet(NotNow):
    says = "项目现在是“{state}”，开标之后才能安排评标。"


class WrongNumber(NotValid):
    says = "评标委员会应为五人以上单数（招标投标法第三十七条）。请改正人数。"


class AlreadyConvened(NotNow):
    says = "这个项目已经安排了评标会。请在评标会页面继续办理。"


class UndertakingMissing(NotValid):
    says = "请先阅读并同意评标承诺书，再签到。"


class NotCheckedIn(NotNow):
    says = "您还没有签到。请先签到。"


class NotEverybodyHere(NotNow):
    says = "还有 {missing} 名评委没有签到。全部签到后才能开始评标。"


class NoLeader(NotNow):
    says = "还没有推选出组长。请评委各推选一人，得票过半者担任组长。"


class NotRunning(NotNow):
    says = "评标会现在是“{state}”，不能办理这项操作。"


class NotTheLeader(NotYours):
    says = "这项操作由评标委员会组长办理。"


def convene(db: Db, tender: Tender, *, places: int, planned_at: datetime, main_venue: str, by: Actor) -> Session:
    """Plan a session over an opened tender; one live session for each tender."""
    check_centre(by)
    tender = take(db, Tender, tender.id)
    if tender.state is not TenderState.OPENED:
        raise NotOpenedYet(state=tender.STATE_NAMES[tender.state])
    if places < FEWEST or places % 2 == 0:
        raise WrongNumber
    if db.scalar(select(Session).filter_by(tender_id=tender.id).where(Session.state != State.ABORTED)):
        raise AlreadyConvened
    session = Session(
        tender_id=tender.id, region_id=tender.region_id, main_venue=main_venue, places=places, planned_at=planned_at
    )
    db.add(session)
    db.flush()
    journal.record(db, session.file, "evaluation_session.planned", by=by, tender=tender.number, places=places)
    return session


def seat_of(session: Session, by: Actor) -> Seat:
    """The seat of whoever acts. Raises NotOnThePanel."""
    for seat in session.members:
        if seat.expert.person_id == by.person_id and by.person_id is not None:
            return seat
    raise NotOnThePanel


def accept(db: Db, session: Session, *, venue: str, by: Actor) -> Seat:
    """Say that one will come, and to which venue. Safe to repeat."""
    seat = _take_seat(db, session, by)
    if seat.state is not SeatState.ACCEPTED:
        move(db, seat, SeatState.ACCEPTED, by=None, seat=seat.name)
    seat.venue = venue
    return seat


def decline(db: Db, session: Session, *, reason: str, by: Actor) -> None:
    """Say that one cannot come; the next in the drawn order takes the place (`experts.fill`)."""
    seat = _take_seat(db, session, by)
    if session.state is not State.SEATED:
        raise NotRunning(state=session.STATE_NAMES[session.state])
    move(db, seat, SeatState.DECLINED, by=None, seat=seat.name, reason=reason)


def check_in(db: Db, session: Session, *, undertakes: bool, by: Actor) -> Seat:
    """签到: sign the undertaking 承诺书 and come in. Safe to repeat."""
    seat = _take_seat(db, session, by)
    if not undertakes:
        raise UndertakingMissing
    if seat.state is SeatState.CHECKED_IN:
        return seat
    if session.state not in (State.SEATED, State.RUNNING):
        raise NotRunning(state=session.STATE_NAMES[session.state])
    if seat.state is SeatState.NOTIFIED:
        move(db, seat, SeatState.ACCEPTED, by=None, seat=seat.name)
    seat.checked_in_at = clock.database(db)
    move(db, seat, SeatState.CHECKED_IN, by=None, seat=seat.name, venue=seat.venue)
    return seat


def elect(db: Db, session: Session, *, number: int, by: Actor) -> Seat | None:
    """推选组长: each member names one; whoever has more than half of the seats leads. The answer is the leader."""
    session = take(db, Session, session.id)
    mine = seat_of(session, by)
    if mine.state is not SeatState.CHECKED_IN:
        raise NotCheckedIn
    if session.state is not State.SEATED or session.leader is not None:
        raise NotRunning(state=session.STATE_NAMES[session.state])
    if number not in {seat.number for seat in session.members}:
        raise NotOnThePanel
    mine.vote_for = number
    votes = [seat.vote_for for seat in session.members]
    journal.record(db, session.file, "leader.voted", by=None, seat=mine.name)
    if votes.count(number) * 2 <= session.places:
        return None
    chosen = next(seat for seat in session.members if seat.number == number)
    chosen.is_leader = True
    journal.record(db, session.file, "leader.elected", by=None, seat=chosen.name)
    return chosen


def open_(db: Db, session: Session, *, by: Actor) -> Session:
    """开始评标: everybody is here and a leader is elected; the session's clock starts, and so does the recording."""
    session = take(db, Session, session.id)
    if session.state is State.RUNNING:
        return session
    if session.state is not State.SEATED:
        raise NotRunning(state=session.STATE_NAMES[session.state])
    _check_conducts(session, by)
    here = [seat for seat in session.members if seat.state is SeatState.CHECKED_IN]
    if len(here) < session.places:
        raise NotEverybodyHere(missing=session.places - len(here))
    if session.leader is None:
        raise NoLeader
    now = clock.database(db)
    session.zero_at = now.replace(microsecond=now.microsecond // 1000 * 1000)
    move(db, session, State.RUNNING, by=_hidden(by), zero=session.zero_at)
    return session


def pause(db: Db, session: Session, *, reason: str, by: Actor) -> None:
    """Pause: nothing can be scored or changed until it goes on; the recording goes on."""
    session = take(db, Session, session.id)
    _check_conducts(session, by)
    move(db, session, State.PAUSED, by=_hidden(by), reason=reason)


def resume(db: Db, session: Session, *, by: Actor) -> None:
    """Go on after a pause."""
    session = take(db, Session, session.id)
    _check_conducts(session, by)
    if session.state is not State.PAUSED:
        raise NotRunning(state=session.STATE_NAMES[session.state])
    move(db, session, State.RUNNING, by=_hidden(by))


def abort(db: Db, session: Session, *, reason: str, by: Actor) -> None:
    """End a session without a result; a new panel evaluates anew."""
    check_centre(by)
    move(db, take(db, Session, session.id), State.ABORTED, by=by, reason=reason)


def running_member(db: Db, session: Session, by: Actor, *, state: State = State.RUNNING) -> tuple[Session, Seat]:
    """The session, held, and the seat of a checked-in member, for an act that needs the session to run."""
    session = take(db, Session, session.id)
    seat = seat_of(session, by)
    if session.state is not state:
        raise NotRunning(state=session.STATE_NAMES[session.state])
    if seat.state is not SeatState.CHECKED_IN:
        raise NotCheckedIn
    return session, seat


def of_expert(db: Db, by: Actor) -> list[Session]:
    """The sessions to which somebody is called, newest first."""
    mine = (
        select(Session)
        .join(Seat, Seat.session_id == Session.id)
        .join(Expert, Expert.id == Seat.expert_id)
        .where(Expert.person_id == by.person_id, Seat.state != SeatState.DECLINED)
    )
    return list(db.scalars(mine.order_by(Session.id.desc())))


def milliseconds(session: Session, moment: datetime) -> int:
    """A moment on the session's clock: ms since zero."""
    assert session.zero_at is not None
    return max(0, int((moment - session.zero_at).total_seconds() * 1000))


def check_centre(by: Actor) -> None:
    """Only the centre's staff. Raises NotTheCentre."""
    if not by.is_a(Role.CENTRE_STAFF):
        raise NotTheCentre


def _take_seat(db: Db, session: Session, by: Actor) -> Seat:
    take(db, Session, session.id)
    return take(db, Seat, seat_of(session, by).id)


def _check_conducts(session: Session, by: Actor) -> None:
    """Who conducts a session: the centre's staff or the leader."""
    if by.is_a(Role.CENTRE_STAFF):
        return
    if not seat_of(session, by).is_leader:
        raise NotTheLeader


def _hidden(by: Actor) -> Actor | None:
    """Members are not named in the journal, which supervisors read: there they are `member-N`."""
    return None if by.is_a(Role.EXPERT) else by
