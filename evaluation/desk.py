"""What the evaluation room lays on a desk: for a member the next step, for the others what waits for them."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session as Db

from ca.desk import Lying, Pile
from ca.rights import Actor, Role
from evaluation import experts, planning, seeing
from evaluation.models import (
    RECORDED,
    Change,
    ChangeState,
    ExpertDraw,
    Report,
    ReportSignature,
    Seat,
    SeatState,
    Session,
    State,
)
from storage import clock

INVITED = "您被抽中参加“{name}”的评标，请确认能否参加"
COME = "“{name}”评标，请按时签到"
VOTE = "“{name}”评标，请推选组长"
OPEN = "“{name}”评委已到齐，请开始评标"
SCORE = "“{name}”正在评标，请评审打分"
DECIDE = "“{name}”有评分修改申请等您决定"
COMPILE = "“{name}”全部评分已提交，请汇总报告"
SIGN = "“{name}”的评标报告等您签字"
WAIT = "“{name}”评标正在进行"
OVER = "“{name}”评标已结束"
TO_PLAN = "“{name}”已开标，等待安排评标会"
TO_DRAW = "“{name}”的评标会已安排，等待抽取专家"
TO_SEAL = "“{name}”抽取专家，请提交密封随机数"
LIVE = "“{name}”正在评标，可以看实况"
ANSWER, CHECK_IN, ELECT, BEGIN, ENTER, LOOK = "答复", "签到", "推选", "开始评标", "进入评标室", "查看"
PLAN, DRAW, SEAL, WATCH, READ = "安排评标会", "申请抽取", "提交", "看实况", "阅读并签署"
SENTENCES = (
    INVITED, COME, VOTE, OPEN, SCORE, DECIDE, COMPILE, SIGN, WAIT, OVER, TO_PLAN, TO_DRAW, TO_SEAL, LIVE,
    ANSWER, CHECK_IN, ELECT, BEGIN, ENTER, LOOK, PLAN, DRAW, SEAL, WATCH, READ,
)  # fmt: skip
RECENTLY = timedelta(days=7)


def desk(db: Db, actor: Actor) -> list[Lying]:
    """What lies before this person."""
    found: list[Lying] = []
    if actor.is_a(Role.EXPERT):
        found += _of_member(db, actor)
    if actor.is_a(Role.CENTRE_STAFF):
        found += _of_centre(db)
    if actor.is_a(Role.PROCURING_ENTITY, Role.SUPERVISOR):
        found += _to_seal(db, actor)
    if actor.is_a(Role.SUPERVISOR):
        found += _live(db, actor)
    return found


def _of_member(db: Db, actor: Actor) -> Iterator[Lying]:
    for session in seeing.of_expert(db, actor):
        own = seeing.seat(session, actor)
        step = _step(db, session, own) if own else None
        if step is not None:
            pile, says, endpoint, words = step
            at = session.finished_at if pile is Pile.CHANGED else session.planned_at
            moment = at if session.state in (State.SEATED, State.FINISHED) else None
            yield _lying(session, pile, says, endpoint, words, moment)


def _step(db: Db, session: Session, own: Seat) -> tuple[Pile, str, str, str] | None:
    """What a member does next."""
    if session.state is State.SEATED:
        return _before(session, own)
    if session.state is State.FINISHED and session.finished_at and session.finished_at > clock.now() - RECENTLY:
        return Pile.CHANGED, OVER, "evaluation.show", LOOK
    if session.state not in RECORDED:
        return None
    if own.state is not SeatState.CHECKED_IN:
        return Pile.NOW, COME, "evaluation.checking_in", CHECK_IN
    if session.state is State.SIGNING:
        signed = db.scalar(select(ReportSignature).join(Report).where(ReportSignature.seat_id == own.id))
        return (Pile.COMING, WAIT, "evaluation.show", LOOK) if signed else (Pile.NOW, SIGN, "evaluation.signing", READ)
    if own.submitted_at is None:
        return Pile.NOW, SCORE, "evaluation.room", ENTER
    return _afterwards(db, session, own)


def _before(session: Session, own: Seat) -> tuple[Pile, str, str, str]:
    if own.state is SeatState.NOTIFIED:
        return Pile.NOW, INVITED, "evaluation.answering", ANSWER
    if own.state is SeatState.ACCEPTED:
        return Pile.NOW, COME, "evaluation.checking_in", CHECK_IN
    here = all(seat.state is SeatState.CHECKED_IN for seat in session.members)
    if session.leader is None and own.vote_for is None:
        return Pile.NOW, VOTE, "evaluation.voting", ELECT
    if own.is_leader and here and len(session.members) == session.places:
        return Pile.NOW, OPEN, "evaluation.opening", BEGIN
    return Pile.COMING, WAIT, "evaluation.show", LOOK


def _afterwards(db: Db, session: Session, own: Seat) -> tuple[Pile, str, str, str]:
    asked = db.scalars(select(Change).filter_by(session_id=session.id, state=ChangeState.ASKED)).all()
    leads = {seat.id for seat in session.members if seat.is_leader}
    if any(change.seat_id != own.id and (own.is_leader or change.seat_id in leads) for change in asked):
        return Pile.NOW, DECIDE, "evaluation.room", ENTER
    if own.is_leader and not asked and all(seat.submitted_at for seat in session.members):
        return Pile.NOW, COMPILE, "evaluation.compiling", ENTER
    return Pile.COMING, WAIT, "evaluation.room", ENTER


def _of_centre(db: Db) -> Iterator[Lying]:
    for tender in planning.waiting(db):
        values, facts = {"tender": tender.id}, {"name": tender.name}
        yield Lying(Pile.NOW, TO_PLAN, "evaluation.planning_one", values, facts, act=PLAN)
    for session in db.scalars(select(Session).filter_by(state=State.PLANNED)):
        yield _lying(session, Pile.NOW, TO_DRAW, "evaluation.asking_draw", DRAW, session.planned_at)
    for session in db.scalars(select(Session).filter_by(state=State.SEATED)):
        says = WAIT if session.leader else COME
        yield _lying(session, Pile.COMING, says, "evaluation.show", LOOK, session.planned_at)


def _to_seal(db: Db, actor: Actor) -> Iterator[Lying]:
    open_ = select(ExpertDraw).join(Session).where(Session.state == State.DRAWING, ExpertDraw.pool.is_(None))
    for draw in db.scalars(open_.where(ExpertDraw.notice.is_not(None))):
        label = experts.label_for(draw, actor)
        if label is not None and label not in draw.contributions and seeing.may_follow(draw.session, actor):
            facts = {"name": draw.session.tender.name}
            yield Lying(
                Pile.NOW, TO_SEAL, "evaluation.contribution", {"draw_id": draw.id}, facts, draw.opening.deadline, SEAL
            )


def _live(db: Db, actor: Actor) -> Iterator[Lying]:
    for session in db.scalars(select(Session).where(Session.state.in_(RECORDED))):
        if seeing.may_see(session, actor):
            yield _lying(session, Pile.NOW, LIVE, "supervision.replay", WATCH, None)


def _lying(session: Session, pile: Pile, says: str, endpoint: str, act: str, at: datetime | None) -> Lying:
    return Lying(pile, says, endpoint, {"session_id": session.id}, {"name": session.tender.name}, at, act)
