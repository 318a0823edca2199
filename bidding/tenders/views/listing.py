"""What the public list of tenders shows, and in which order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from bidding.tenders.models import State, Tender
from ca.parties import Organisation


@dataclass(frozen=True)
class Search:
    """What somebody looks for; nothing given finds all."""

    words: str = ""
    state: State | None = None
    region_id: int | None = None


def published(db: Session, search: Search, *, page: int = 1, size: int = 20) -> Sequence[Tender]:
    """One page of the published tenders, newest first."""
    query = _narrowed(select(Tender), search).order_by(Tender.published_at.desc(), Tender.id.desc())
    return db.scalars(query.limit(size).offset((page - 1) * size)).unique().all()


def count(db: Session, search: Search) -> int:
    """How many there are of this kind."""
    return db.scalar(_narrowed(select(func.count(Tender.id)), search)) or 0


def unpublished(db: Session, organisation_id: int | None) -> Sequence[Tender]:
    """The drafts of one procuring entity, and those that wait for their key holders."""
    drafts = select(Tender).filter_by(procuring_entity_id=organisation_id, published_at=None)
    return db.scalars(drafts.where(Tender.state.in_([State.DRAFT, State.JOINING])).order_by(Tender.id.desc())).all()


def _narrowed(query: Select[Any], search: Search) -> Select[Any]:
    query = query.where(Tender.published_at.is_not(None))
    if words := search.words.strip():
        like = "%" + words.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%"
        query = query.join(Organisation, Organisation.id == Tender.procuring_entity_id).where(
            or_(Tender.name.ilike(like), Tender.number.ilike(like), Organisation.name.ilike(like))
        )
    if search.state is not None:
        query = query.where(Tender.state == search.state)
    if search.region_id is not None:
        query = query.where(Tender.region_id == search.region_id)
    return query
