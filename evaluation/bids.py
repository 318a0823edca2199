"""The opened bids 已开启的投标文件, as the panel reads them: who bids, for how much, and with which documents.

Reading changes nothing of the bid; that a member opened a document is told in the session's file, so that
the recording shows who read what, and when.
"""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any
from uuid import UUID

from sqlalchemy.orm import Session as Db

from bidding.tenders import unsealing
from bidding.tenders.bids import Bid, BidState
from bidding.tenders.models import Tender
from bidding.tenders.opening import listed
from ca.rights import Actor
from evaluation.models import Session, State
from evaluation.sessions import NotCheckedIn, NotRunning, SeatState, seat_of
from storage import journal
from storage.objects import Store
from storage.refusals import NotFound
from storage.values import Money

READING = frozenset({State.RUNNING, State.PAUSED, State.SIGNING})


class NoSuchPaper(NotFound):
    says = "投标文件里没有这份材料。请从列出的材料中选择。"


@dataclass(frozen=True)
class OpenedBid:
    """A bid that was opened; `fault` is what was found wrong inside, for the panel to judge."""

    bid_id: UUID
    bidder_id: int
    name: str
    price: Money | None
    documents: tuple[dict[str, Any], ...]
    fault: str | None


def opened(db: Db, tender: Tender) -> list[OpenedBid]:
    """Every opened bid of a tender, in the order of the published list."""
    return [_told(bid) for bid in listed(db, tender, BidState.OPENED)]


def ids(bids: Sequence[OpenedBid]) -> set[UUID]:
    """Their ids, as scoring asks for them."""
    return {bid.bid_id for bid in bids}


def for_member(db: Db, session: Session, by: Actor) -> list[OpenedBid]:
    """The bids for a member of the panel: only once he has checked in, and while the session is open."""
    seat = seat_of(session, by)
    if seat.state is not SeatState.CHECKED_IN:
        raise NotCheckedIn
    if session.state not in READING:
        raise NotRunning(state=session.STATE_NAMES[session.state])
    return opened(db, session.tender)


def document(db: Db, store: Store, session: Session, bid_id: UUID, place: int, *, by: Actor) -> tuple[str, IO[bytes]]:
    """Name and content of the place-th document (from 0) of a bid; the session's file tells that it was read."""
    found = next((bid for bid in for_member(db, session, by) if bid.bid_id == bid_id), None)
    if found is None or not 0 <= place < len(found.documents):
        raise NoSuchPaper
    name = str(found.documents[place]["name"])
    bid = db.get(Bid, bid_id)
    assert bid is not None
    try:
        content = unsealing.document(store, bid, name)
    except (KeyError, zipfile.BadZipFile):
        raise NoSuchPaper from None
    seat = seat_of(session, by)
    journal.record(db, session.file, "document.opened", by=None, seat=seat.name, bid=bid_id, document=place)
    return name, content


def _told(bid: Bid) -> OpenedBid:
    return OpenedBid(bid.id, bid.bidder_id, bid.bidder.name, bid.price, tuple(bid.contents or ()), bid.fault)
