"""到期 What is due in the supermarket, and the one act that does it; both safe to repeat."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from bidding.supermarket import publishing, results, selection
from bidding.supermarket.keys import Keys
from bidding.supermarket.models import Draw, Objection, Project, State
from ca.openings import Opening
from ca.openings import State as OpeningState
from storage.db import take


def due(db: Session) -> Sequence[int]:
    """Projects whose moment has come by the database's clock and which still wait."""
    now = func.gh_clock()
    late = (Project.state == State.PREPARING) & (Project.announce_by < now)
    joined = (Project.state == State.PREPARING) & _opening_is(OpeningState.PUBLISHED)
    ready = (Project.state == State.REGISTRATION) & (Project.closes_at <= now)
    drawn = (Project.state == State.POOL_COMMITTED) & _opening_is(OpeningState.COMBINED)
    unanswered = select(Objection.id).where(Objection.project_id == Project.id, Objection.answer.is_(None)).exists()
    over = (Project.state == State.RESULT) & (Project.objections_until <= now) & ~unanswered
    return db.scalars(select(Project.id).where(late | joined | ready | drawn | over).order_by(Project.id)).all()


def _opening_is(state: OpeningState) -> ColumnElement[bool]:
    return select(Draw.id).join(Opening).where(Draw.project_id == Project.id, Opening.state == state).exists()


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
