"""Planning 评标安排: which opened tenders still wait for a session."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session as Db

from bidding.tenders.models import State as TenderState
from bidding.tenders.models import Tender
from evaluation.models import Session, State


def waiting(db: Db) -> Sequence[Tender]:
    """Opened tenders without a live session, the longest opened first."""
    live = select(Session.id).where(Session.tender_id == Tender.id, Session.state != State.ABORTED)
    opened = select(Tender).filter_by(state=TenderState.OPENED).where(~live.exists())
    return db.scalars(opened.order_by(Tender.opened_at, Tender.id)).all()
