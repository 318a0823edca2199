"""投标登记: a bidder says that it means to bid, and learns where to pay the deposit.

Downloading the documents asks for nothing of the kind (电子招标投标办法 第二十条). Nobody but the bidder
sees its registration before the deadline: its id is random, its journal file is named by that id and
tells neither tender nor party.
"""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from bidding.tenders import rules
from bidding.tenders.bids import Registration
from bidding.tenders.models import State, Tender
from ca.rights import SYSTEM, Actor, Role
from escrow import deposits
from storage import clock, journal
from storage.db import find
from storage.refusals import NotFound, NotNow, NotYours


class NotABidder(NotYours):
    says = "只有投标人的账号可以办理投标。请用投标人的账号登录。"


class OwnTender(NotYours):
    says = "招标人不能参加自己的招标项目。"


class NotOpenForBids(NotNow):
    says = "项目现在是“{state}”，不接受投标。"


class DeadlinePassed(NotNow):
    says = "投标截止时间（{deadline:%Y-%m-%d %H:%M:%S}，北京时间）已过，不再接受投标。"


def register(db: Session, tender: Tender, *, by: Actor) -> Registration:
    """Register the actor's organisation for the tender's lot and expect its deposit. Safe to repeat."""
    bidder = _bidder(by)
    if bidder == tender.procuring_entity_id:
        raise OwnTender
    known = of(db, tender, by)
    if known is not None:
        return known
    still_open(db, hold_open(db, tender.id))
    account = ""
    if tender.deposit_amount.fen:
        account = deposits.expect(db, tender.lot.reference, bidder, tender.deposit_amount, by=by).sub_account
    registration = Registration(
        tender_id=tender.id, lot_id=tender.lot.id, bidder_id=bidder, person_id=by.person_id, sub_account=account
    )
    db.add(registration)
    db.flush()
    journal.record(db, registration.file, "tender_registration.made", by=SYSTEM)
    return registration


def of(db: Session, tender: Tender, by: Actor | None) -> Registration | None:
    """The registration of the actor's organisation, if it has one."""
    if by is None or by.organisation_id is None or not by.is_a(Role.BIDDER):
        return None
    return db.scalar(select(Registration).filter_by(lot_id=tender.lot.id, bidder_id=by.organisation_id))


def mine(db: Session, id_: object, by: Actor) -> Registration:
    """The registration with this id, if it is the actor's; others' are not even there."""
    registration = find(db, Registration, id_)
    if not by.is_a(Role.BIDDER) or registration.bidder_id != by.organisation_id:
        raise NotFound
    return registration


def all_mine(db: Session, by: Actor) -> Sequence[Registration]:
    """Every registration of the actor's organisation, the latest deadline first."""
    return db.scalars(
        select(Registration)
        .join(Tender, Tender.id == Registration.tender_id)
        .filter(Registration.bidder_id == by.organisation_id)
        .order_by(Tender.submission_deadline.desc())
    ).all()


def hold_open(db: Session, tender_id: int) -> Tender:
    """The tender, with a shared lock: bidders do not wait for each other, but the freeze waits for them."""
    tender = db.get(Tender, tender_id, with_for_update={"read": True}, populate_existing=True)
    if tender is None:
        raise NotFound(what=Tender.called)
    return tender


def still_open(db: Session, tender: Tender) -> None:
    """Refuse unless bids may be made now, by the database's clock."""
    if tender.state is not State.PUBLISHED:
        raise NotOpenForBids(state=tender.STATE_NAMES[tender.state])
    if clock.database(db) >= tender.submission_deadline:
        raise DeadlinePassed(deadline=rules.beijing(tender.submission_deadline))


def _bidder(by: Actor) -> int:
    if by.organisation_id is None or not by.is_a(Role.BIDDER):
        raise NotABidder
    return by.organisation_id
