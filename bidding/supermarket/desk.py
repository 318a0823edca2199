"""What the supermarket lays on a desk. Nothing on it tells, or depends on, who has registered."""

from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from bidding.supermarket import contributions
from bidding.supermarket.models import Admission, Contribution, Draw, Objection, Project, State
from ca.desk import Lying, Pile
from ca.rights import Actor, Role
from storage import clock

DRAFT = "“{title}”还是草稿"
SEAL = "“{title}”等您提交密封随机数"
ANSWER = "“{title}”有异议等您答复"
DRAW = "“{title}”当众摇号"
OPEN = "“{title}”可以报名"
SELECTED = "贵单位在“{title}”中选"
RESULT = "“{title}”已公布中选结果"
NOTICE = "“{title}”的中选通知书已发出"
FAILED = "“{title}”选取失败"
PUBLISH, CONTRIBUTE, REPLY, LOOK = "提交发布", "提交随机数", "答复", "查看"
SENTENCES = (DRAFT, SEAL, ANSWER, DRAW, OPEN, SELECTED, RESULT, NOTICE, FAILED, PUBLISH, CONTRIBUTE, REPLY, LOOK)
RECENTLY = timedelta(days=14)
MOST = 20


def desk(db: Session, actor: Actor) -> list[Lying]:
    """What lies before this person."""
    found: list[Lying] = []
    if actor.is_a(Role.PROJECT_OWNER):
        found += _of_owner(db, actor)
    if actor.is_a(Role.SUPERVISOR):
        found += _of_supervisor(db, actor)
    if actor.is_a(Role.INTERMEDIARY):
        found += _of_intermediary(db, actor)
    return found


def _of_owner(db: Session, actor: Actor) -> Iterable[Lying]:
    mine = select(Project).filter_by(owner_id=actor.organisation_id)
    for project in db.scalars(mine.filter_by(state=State.DRAFT).order_by(Project.id.desc()).limit(MOST)):
        yield _lying(Pile.NOW, DRAFT, project, act=PUBLISH)
    for project in db.scalars(mine.filter_by(state=State.REGISTRATION).order_by(Project.closes_at).limit(MOST)):
        if not _has_sealed(db, project, contributions.OWNER):
            yield _lying(Pile.NOW, SEAL, project, "contribution", at=project.closes_at, act=CONTRIBUTE)
        yield _lying(Pile.COMING, DRAW, project, "hall", at=project.closes_at)
    asked = select(Objection).join(Project).where(
        Project.owner_id == actor.organisation_id, Objection.answer.is_(None), Project.state == State.RESULT
    )  # fmt: skip
    for objection in db.scalars(asked.limit(MOST)):
        project = db.get_one(Project, objection.project_id)
        yield Lying(
            Pile.NOW,
            ANSWER,
            "supermarket.answering",
            {"objection_id": objection.id},
            {"title": project.title},
            act=REPLY,
        )
    yield from _changed(db, mine)


def _of_supervisor(db: Session, actor: Actor) -> Iterable[Lying]:
    running = select(Project).filter_by(state=State.REGISTRATION).order_by(Project.closes_at).limit(MOST)
    for project in db.scalars(running):
        if not contributions.oversees(actor, project):
            continue
        if not _has_sealed(db, project, contributions.SUPERVISOR):
            yield _lying(Pile.NOW, SEAL, project, "contribution", at=project.closes_at, act=CONTRIBUTE)
        yield _lying(Pile.COMING, DRAW, project, "hall", at=project.closes_at)


def _of_intermediary(db: Session, actor: Actor) -> Iterable[Lying]:
    held = select(Admission.item_id).filter_by(organisation_id=actor.organisation_id)
    running = select(Project).filter_by(state=State.REGISTRATION).where(Project.item_id.in_(held))
    for project in db.scalars(running.order_by(Project.closes_at).limit(MOST)):
        yield _lying(Pile.COMING, OPEN, project, at=project.closes_at)
    won = select(Project).filter_by(selected_id=actor.organisation_id).order_by(Project.result_at.desc()).limit(MOST)
    for project in db.scalars(won):
        yield _lying(Pile.CHANGED, SELECTED, project, at=project.issued_at or project.result_at, act=LOOK)


def _changed(db: Session, mine) -> Iterable[Lying]:  # type: ignore[no-untyped-def]
    since = clock.now() - RECENTLY
    told = {State.RESULT: RESULT, State.NOTICE_ISSUED: NOTICE, State.FAILED: FAILED}
    for project in db.scalars(mine.where(Project.state.in_(told), Project.closes_at > since).limit(MOST)):
        at = project.issued_at or project.result_at or project.closes_at
        yield _lying(Pile.CHANGED, told[project.state], project, at=at, act=LOOK)


def _lying(pile: Pile, says: str, project: Project, page: str = "show", **more) -> Lying:  # type: ignore[no-untyped-def]
    return Lying(pile, says, f"supermarket.{page}", {"project_id": project.id}, {"title": project.title}, **more)


def _has_sealed(db: Session, project: Project, label: str) -> bool:
    query = select(Contribution.id).join(Draw).where(Draw.project_id == project.id, Contribution.label == label)
    return db.scalar(query.limit(1)) is not None
