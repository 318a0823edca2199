"""What the tenders lay on a desk: for each party its one next act, with the moment by which it must be done.

A bidder sees its own registrations only; nobody's desk tells how many bids a tender has.
"""

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session, lazyload

from bidding.tenders.bids import COUNTS, Bid, BidState, Registration
from bidding.tenders.models import Contract, ContractState, State, Tender
from ca.desk import Lying, Pile
from ca.rights import Actor, Role

DRAFT = "“{name}”还是草稿，请上传文件并提交发布"
JOINING = "“{name}”正在等待密钥持有人加入"
OPEN = "“{name}”正在招标"
EVALUATED = "“{name}”评标完成，请公示中标候选人"
STANDSTILL = "“{name}”公示期满后请定标"
SIGN = "“{name}”的合同等您确认"
HAND_IN = "“{name}”已登记，请在截止前递交投标文件"
HANDED_IN = "“{name}”的投标文件已递交"
UNLOCK = "“{name}”正在开标，请解密您的投标文件"
CONFIRM = "“{name}”已开标，请确认您的开标结果"
CLOSE = "“{name}”解密已截止，请签署关闭"
TO_PUBLISH, LOOK, TO_CANDIDATES, TO_AWARD, TO_SIGN = "去发布", "查看", "去公示", "去定标", "去确认"
TO_HAND_IN, TO_UNLOCK, TO_CLOSE = "去递交", "去解密", "去签署"
SENTENCES = (
    DRAFT, JOINING, OPEN, EVALUATED, STANDSTILL, SIGN, HAND_IN, HANDED_IN, UNLOCK, CONFIRM, CLOSE, TO_PUBLISH, LOOK,
    TO_CANDIDATES, TO_AWARD, TO_SIGN, TO_HAND_IN, TO_UNLOCK, TO_CLOSE,
)  # fmt: skip

# state -> pile, sentence, page, button, the moment it is waited for
OF_BUYER = {
    State.DRAFT: (Pile.NOW, DRAFT, "tenders.publication", TO_PUBLISH, ""),
    State.JOINING: (Pile.COMING, JOINING, "tenders.show", LOOK, ""),
    State.PUBLISHED: (Pile.COMING, OPEN, "tenders.show", LOOK, "submission_deadline"),
    State.EVALUATED: (Pile.NOW, EVALUATED, "tenders.candidates", TO_CANDIDATES, ""),
    State.STANDSTILL: (Pile.COMING, STANDSTILL, "tenders.awarding", TO_AWARD, "standstill_until"),
}
# state of the tender, state of the own bid (None: there is none)
OF_BIDDER = {
    (State.PUBLISHED, None): (Pile.NOW, HAND_IN, "tenders.handing_in", TO_HAND_IN, "submission_deadline"),
    (State.PUBLISHED, BidState.SEALED): (Pile.COMING, HANDED_IN, "tenders.show", LOOK, "submission_deadline"),
    (State.UNLOCKING, BidState.LOCKED): (Pile.NOW, UNLOCK, "tenders.unlocking", TO_UNLOCK, "unlock_until"),
    (State.OPENED, BidState.OPENED): (Pile.NOW, CONFIRM, "tenders.confirming", TO_SIGN, ""),
}


def desk(db: Session, actor: Actor) -> list[Lying]:
    """What lies before this person."""
    found: list[Lying] = []
    if actor.is_a(Role.PROCURING_ENTITY):
        found += _of_buyer(db, actor)
    if actor.is_a(Role.BIDDER):
        found += _of_bidder(db, actor)
    if actor.is_a(Role.SUPERVISOR):
        found += [
            _lying(tender, Pile.NOW, CLOSE, "tenders.closing", TO_CLOSE, "")
            for tender in db.scalars(select(Tender).filter_by(state=State.UNLOCKS_FROZEN).order_by(Tender.id))
        ]
    if actor.is_a(Role.PROCURING_ENTITY, Role.BIDDER):
        found += _contracts(db, actor)
    return found


def _of_buyer(db: Session, actor: Actor) -> Iterator[Lying]:
    mine = select(Tender).filter_by(procuring_entity_id=actor.organisation_id).where(Tender.state.in_(OF_BUYER))
    for tender in db.scalars(mine.order_by(Tender.id)):
        yield _lying(tender, *OF_BUYER[tender.state])


def _of_bidder(db: Session, actor: Actor) -> Iterator[Lying]:
    states = {state for state, _ in OF_BIDDER}
    rows = db.execute(
        select(Tender, Bid)
        .join(Registration, Registration.tender_id == Tender.id)
        .outerjoin(Bid, (Bid.registration_id == Registration.id) & Bid.state.in_(COUNTS))
        .where(Registration.bidder_id == actor.organisation_id, Tender.state.in_(states))
        .options(lazyload(Bid.lot), lazyload(Bid.bidder))  # an inner join of theirs would drop who has no bid yet
        .order_by(Tender.id)
    )
    for tender, bid in rows:
        if bid is not None and bid.confirmed_at is not None:
            continue
        told = OF_BIDDER.get((tender.state, bid.state if bid is not None else None))
        if told is not None:
            yield _lying(tender, *told)


def _contracts(db: Session, actor: Actor) -> Iterator[Lying]:
    for contract in db.scalars(select(Contract).filter_by(state=ContractState.DRAFT).order_by(Contract.id)):
        tender = contract.tender
        buyer = actor.organisation_id == tender.procuring_entity_id and contract.buyer_signed_at is None
        supplier = actor.organisation_id == contract.supplier_id and contract.supplier_signed_at is None
        if (buyer and actor.is_a(Role.PROCURING_ENTITY)) or (supplier and actor.is_a(Role.BIDDER)):
            yield Lying(
                Pile.NOW, SIGN, "tenders.contract", {"tender_id": tender.id}, {"name": tender.name},
                at=contract.sign_until, act=TO_SIGN,
            )  # fmt: skip


def _lying(tender: Tender, pile: Pile, says: str, endpoint: str, act: str, moment: str) -> Lying:
    at = getattr(tender, moment) if moment else None
    return Lying(pile, says, endpoint, {"tender_id": tender.id}, {"name": tender.name}, at=at, act=act)
