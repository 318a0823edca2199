"""What the public list shows, and in which order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session, joinedload

from bidding.supermarket.models import Project, ServiceItem, State


@dataclass(frozen=True)
class Search:
    """What somebody looks for; nothing given finds all."""

    words: str = ""
    state: State | None = None
    item_id: int | None = None
    region_id: int | None = None


def published(db: Session, search: Search, *, page: int = 1, size: int = 20) -> Sequence[Project]:
    """One page of the published projects, newest first."""
    query = _narrowed(select(Project), search).order_by(Project.published_at.desc(), Project.id.desc())
    query = query.options(joinedload(Project.item), joinedload(Project.owner), joinedload(Project.region))
    return db.scalars(query.limit(size).offset((page - 1) * size)).unique().all()


def count(db: Session, search: Search) -> int:
    """How many published projects there are of this kind."""
    return db.scalar(_narrowed(select(func.count(Project.id)), search)) or 0


def _narrowed(query: Select[Any], search: Search) -> Select[Any]:
    query = query.where(Project.published_at.is_not(None))
    if words := search.words.strip():
        like = "%" + words.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%"
        query = query.join(ServiceItem).where(
            or_(Project.title.ilike(like), Project.number.ilike(like), ServiceItem.name.ilike(like))
        )
    if search.state is not None:
        query = query.where(Project.state == search.state)
    if search.item_id is not None:
        query = query.where(Project.item_id == search.item_id)
    if search.region_id is not None:
        query = query.where(Project.region_id == search.region_id)
    return query
