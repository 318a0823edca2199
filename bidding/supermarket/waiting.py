"""到期 What is due in the supermarket, and the one act that does it; both safe to repeat."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bidding.supermarket import publishing, results, selection
from bidding.supermarket.keys import Keys
from bidding.supermarket.models import Draw, Objection, Project, State
from ca.openings import Opening
from ca.openings import State as OpeningState
from storage import clock
from storage.db import take


def due(db: Session) -> Sequence[int]:
    """Projects whose moment has come by the database's clock and which still wait."""
    now = func.gh_clock()
    ready = (Project.state == State.REGISTRATION) & (Project.closes_at <= now)
    opened = (
        select(Draw.id)
        .join(Opening)
        .where(Draw.project_id == Project.id, Opening.state == OpeningState.COMBINED)
        .exists()
    )
    unanswered = select(Objection.id).where(Objection.project_id == Project.id, Objection.answer.is_(None)).exists()
    drawn = (Project.state == State.POOL_COMMITTED) & opened
    over = (Project.state == State.RESULT) & (Project.objections_until <= now) & ~unanswered
    timed = db.scalars(select(Project.id).where(ready | drawn | over).order_by(Project.id)).all()
    return [*_to_announce(db), *timed]


def _to_announce(db: Session) -> list[int]:
    preparing = db.scalars(select(Project).where(Project.state == State.PREPARING).order_by(Project.id)).all()
    if not preparing:
        return []
    now = clock.database(db)
    return [project.id for project in preparing if project.draw.opening.params or _is_too_late(project, now)]


def _is_too_late(project: Project, now: datetime) -> bool:
    assert project.closes_at is not None
    return project.closes_at < project.rules.period("registration").after(now.replace(microsecond=0))


def settle_with(db: Session, id_: int, equipment: Any) -> None:
    """The same with what the worker hands to every due act: its settings and the platform's key."""
    settle(db, id_, Keys.at(equipment.settings.keys_folder, equipment.platform_key))


def settle(db: Session, id_: int, keys: Keys) -> None:
    """Do what is due for one project."""
    project = take(db, Project, id_)
    match project.state:
        case State.PREPARING:
            publishing.announce(db, project, keys=keys)
        case State.REGISTRATION:
            selection.close(db, project, keys=keys)
        case State.POOL_COMMITTED:
            selection.conclude(db, project, keys=keys)
        case State.RESULT:
            results.issue(db, project)
