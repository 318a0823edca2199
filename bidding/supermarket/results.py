"""结果 Results: the name is published, may be objected to, and becomes a selection notice.

The notice's facts are fixed here; its PDF is made from the journal by whoever prints documents.
"""

import secrets

from sqlalchemy import select
from sqlalchemy.orm import Session

from bidding.supermarket.models import Objection, Project, State
from bidding.supermarket.publishing import check_owner
from ca import openings
from ca.parties import Organisation
from ca.rights import SYSTEM, Actor, Role
from storage import clock, journal
from storage.db import take
from storage.lifecycle import move
from storage.refusals import NotNow, NotValid, NotYours

FAILURES = {
    "too_few": "符合条件的报名少于规则规定的家数",
    "no_contributions": "业主和监督方没有都提交随机数，不能摇号",
    "void_contributions": "有随机数无法打开，有效的不足两份",
    "declined": "中选人放弃，名单中已无下一位",
}
CODE_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # none that is read for another


class NotSelected(NotYours):
    says = "只有中选的中介机构可以放弃。请用中选单位的账号登录。"


class NotOpenToObjections(NotNow):
    says = "现在不在结果公示期内，不能提出异议。"


class ObjectionsStand(NotNow):
    says = "还有异议没有答复，不能发出中选通知书。"


class NoticePeriodRuns(NotNow):
    says = "结果公示期未满，不能发出中选通知书。"


class AlreadyAnswered(NotNow):
    says = "这项异议已经答复。"


class MayNotObject(NotYours):
    says = "只有中介机构可以提出异议。请用中介机构的账号登录。"


class EmptyText(NotValid):
    says = "请写明内容。"


def announce(db: Session, project: Project) -> None:
    """Publish whose turn it is, with the name, and begin the period for objections 公示."""
    draw = project.draw
    assert draw.order is not None
    code = draw.order[draw.place]
    winner = db.scalars(select(Organisation).filter_by(credit_code=code)).one()
    now = clock.database(db)
    project.selected_id, project.result_at = winner.id, now
    project.objections_until = project.rules.period("objection").after(db, now)
    move(db, project, State.RESULT, by=SYSTEM, selected=winner.id, firm=code, place=draw.place + 1)


def fail(db: Session, project: Project, why: str, **facts: object) -> None:
    """No selection: say why, and never how many registered."""
    project.failure = why
    move(db, project, State.FAILED, by=SYSTEM, why=why, **facts)
    opening = project.draw.opening
    if openings.State.CANCELLED in opening.MOVES[opening.state]:
        openings.advance(db, opening, openings.State.CANCELLED, by=SYSTEM)


def decline(db: Session, project: Project, *, reason: str, by: Actor) -> None:
    """The selected firm gives up: the next in the same order takes its place, or the project fails."""
    project = take(db, Project, project.id)
    if not by.is_a(Role.INTERMEDIARY) or project.selected_id is None or by.organisation_id != project.selected_id:
        raise NotSelected
    if not reason.strip():
        raise EmptyText
    gone, project.selected_id, project.check_code, project.issued_at = project.selected_id, None, None, None
    move(db, project, State.DECLINED, by=by, declined=gone, reason=reason)
    project.draw.place += 1
    if project.draw.place >= len(project.draw.order or []):
        return fail(db, project, "declined")
    announce(db, project)
    return None


def object_to(db: Session, project: Project, text: str, *, by: Actor) -> Objection:
    """Raise an objection 异议 to a published result."""
    project = take(db, Project, project.id)
    if not by.is_a(Role.INTERMEDIARY) or by.organisation_id is None:
        raise MayNotObject
    now = clock.database(db)
    if project.state is not State.RESULT or project.objections_until is None or now >= project.objections_until:
        raise NotOpenToObjections
    if not text.strip():
        raise EmptyText
    objection = Objection(organisation_id=by.organisation_id, text=text.strip()[:5000], raised_at=now)
    project.objections.append(objection)
    db.flush()
    journal.record(db, project.file, "objection.raised", by=by, objection=objection.id)
    return objection


def answer(db: Session, objection: Objection, text: str, *, by: Actor) -> None:
    """The owner answers an objection; once all are answered the notice may leave."""
    project = take(db, Project, objection.project_id)
    objection = take(db, Objection, objection.id)
    check_owner(project, by)
    if objection.answer is not None:
        raise AlreadyAnswered
    if not text.strip():
        raise EmptyText
    objection.answer, objection.answered_at = text.strip()[:5000], clock.database(db)
    journal.record(db, project.file, "objection.answered", by=by, objection=objection.id)


def issue(db: Session, project: Project) -> None:
    """Issue the selection notice 中选通知书 after the period for objections. Safe to repeat."""
    project = take(db, Project, project.id)
    if project.state is State.NOTICE_ISSUED:
        return
    now = clock.database(db)
    if project.objections_until is None or now < project.objections_until:
        raise NoticePeriodRuns
    if any(objection.answer is None for objection in project.objections):
        raise ObjectionsStand
    project.check_code = "".join(secrets.choice(CODE_LETTERS) for _ in range(12))
    project.issued_at = now
    move(
        db, project, State.NOTICE_ISSUED, by=SYSTEM, selected=project.selected_id, code=project.check_code,
        contract_until=project.rules.period("contract").after(db, now),
    )  # fmt: skip
