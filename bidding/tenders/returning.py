"""Going home 退回: bids that will never be opened, and the deposits of those who are out."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from bidding.tenders.bids import COUNTS, Bid, BidState, Registration
from bidding.tenders.models import Tender
from ca import openings
from ca.rights import SYSTEM
from escrow import deposits
from storage.lifecycle import move


def return_bids(db: Session, bids: Sequence[Bid]) -> None:
    """Unopened, back to their bidders: the ciphertexts are deleted."""
    for bid in bids:
        move(db, bid, BidState.RETURNED, by=SYSTEM)


def release_all(db: Session, tender: Tender, *, reason: str) -> None:
    """The deposits of everybody who registered go home."""
    _release(db, tender, db.scalars(select(Registration.bidder_id).filter_by(tender_id=tender.id)).all(), reason)


def release_absent(db: Session, tender: Tender) -> None:
    """At the deadline: the deposits of those whose bid is not on the list go home at once."""
    here = select(Bid.bidder_id).where(Bid.tender_id == tender.id, Bid.state.in_(COUNTS))
    absent = select(Registration.bidder_id).filter_by(tender_id=tender.id).where(Registration.bidder_id.not_in(here))
    _release(db, tender, db.scalars(absent).all(), "no bid")


def release_of(db: Session, tender: Tender, bidders: Sequence[int], *, reason: str) -> None:
    """The deposits of these bidders go home."""
    _release(db, tender, bidders, reason)


def _release(db: Session, tender: Tender, bidders: Sequence[int], reason: str) -> None:
    if bidders and tender.deposit_amount.fen:
        deposits.release(db, tender.lot.reference, sorted(bidders), reason=reason, by=SYSTEM)


def cancel_opening(db: Session, tender: Tender) -> None:
    """The key holders are not needed any more, unless they were asked already."""
    opening = tender.opening
    if opening is not None and openings.State.CANCELLED in opening.MOVES[opening.state]:
        openings.advance(db, opening, openings.State.CANCELLED, by=SYSTEM)
