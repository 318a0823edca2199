"""开标大厅: what is read out to everybody, and what bidders say on the spot.

The hall shows the frozen list from the freeze on, who has unlocked while it happens, and the prices once
all keys are here; a bidder confirms its line, or objects and is answered at once (实施条例 第四十四条).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bidding.tenders import notices, opening
from bidding.tenders.bids import Bid, BidState, Objection
from bidding.tenders.models import State, Tender
from ca import openings
from ca.rights import Actor, Role
from storage import clock, journal
from storage.db import find, take
from storage.refusals import NotFound, NotNow, NotValid, NotYours

LONGEST = 2000
HALL_OPEN = frozenset(
    {State.FROZEN, State.UNLOCKING, State.UNLOCKS_FROZEN, State.CLOSED, State.OPENING, State.OPENED}
)  # fmt: skip
STEPS = [State.FROZEN, State.UNLOCKING, State.UNLOCKS_FROZEN, State.CLOSED, State.OPENING, State.OPENED]
CONFIRMABLE = frozenset({BidState.OPENED, BidState.REVOKED_BIDDER_FAULT, BidState.WITHDRAWN_OTHER_CAUSE})


class NothingToConfirm(NotNow):
    says = "开标结果还没有宣读，暂不能确认。"


class HallClosed(NotNow):
    says = "开标异议只能在开标现场提出，本项目的开标已经结束。"


class NotOnTheList(NotYours):
    says = "只有参加本次开标的投标人可以提出异议。"


class NoWords(NotValid):
    says = "请写明内容，最多 {most} 个字。"


@dataclass(frozen=True)
class Line:
    """A bid as the hall shows it."""

    bid_id: str
    bidder: str
    credit_code: str
    seq: int
    digest: str
    state: BidState
    is_unlocked: bool
    result: str | None
    culprit: str | None
    fault: str | None
    price: Any
    form: dict[str, Any]
    is_confirmed: bool


@dataclass(frozen=True)
class Seat:
    """A key holder as the hall shows it."""

    holder: str
    name: str
    is_released: bool
    false_keys: int


def lines(db: Session, tender: Tender) -> list[Line]:
    """The frozen list; empty while the tender is blind or when it failed for want of bids."""
    if tender.is_blind:
        return []
    return [_line(bid) for bid in opening.listed(db, tender, *opening.SHOWN)]


def seats(tender: Tender) -> list[Seat]:
    """The key holders and which of them have released."""
    if tender.opening is None:
        return []
    return [
        Seat(
            holder=seat.holder, name=seat.person.organisation.name if seat.person.organisation else seat.person.name,
            is_released=seat.key is not None, false_keys=len(seat.false_keys or []),
        )
        for seat in tender.opening.seats
    ]  # fmt: skip


def needed(tender: Tender) -> int:
    """How many holders must release."""
    return tender.opening.m if tender.opening else 0


def released(tender: Tender) -> int:
    """How many have."""
    return len(openings.scalars(tender.opening)) if tender.opening else 0


def confirm(db: Session, bid: Bid, *, by: Actor) -> Bid:
    """A bidder confirms what was read out for its bid. Safe to repeat."""
    bid = take(db, Bid, bid.id)
    if not by.is_a(Role.BIDDER) or bid.bidder_id != by.organisation_id:
        raise NotFound(what=Bid.called)
    tender = find(db, Tender, bid.tender_id)
    if tender.state is not State.OPENED or bid.state not in CONFIRMABLE:
        raise NothingToConfirm
    if bid.confirmed_at is None:
        bid.confirmed_at = clock.database(db)
        journal.record(db, tender.file, "tender.line_confirmed", by=by, bidder=bid.bidder.credit_code)
    return bid


def object_to(db: Session, tender: Tender, words: str, *, by: Actor) -> Objection:
    """提出开标异议: by a bidder on the list, while the opening lasts."""
    tender = take(db, Tender, tender.id)
    if tender.state not in HALL_OPEN:
        raise HallClosed
    if not by.is_a(Role.BIDDER) or not any(
        bid.bidder_id == by.organisation_id for bid in opening.listed(db, tender, *opening.SHOWN)
    ):
        raise NotOnTheList
    objection = Objection(
        tender_id=tender.id, bidder_id=by.organisation_id, person_id=by.person_id, words=_words(words),
        raised_at=clock.database(db),
    )  # fmt: skip
    db.add(objection)
    db.flush()
    journal.record(db, tender.file, "opening_objection.raised", by=by, objection=objection.id)
    return objection


def answer(db: Session, objection: Objection, words: str, *, by: Actor) -> Objection:
    """答复开标异议: by the procuring entity, on the spot. Safe to repeat."""
    objection = take(db, Objection, objection.id)
    tender = notices.mine(find(db, Tender, objection.tender_id), by)
    if objection.answer is None:
        now = clock.database(db)
        objection.answer, objection.answered_by, objection.answered_at = _words(words), by.person_id, now
        db.flush()
        journal.record(db, tender.file, "opening_objection.answered", by=by, objection=objection.id)
    return objection


def objections(db: Session, tender: Tender) -> Sequence[Objection]:
    """What was objected to, in order."""
    return db.scalars(select(Objection).filter_by(tender_id=tender.id).order_by(Objection.id)).all()


def record(db: Session, tender: Tender) -> dict[str, Any]:
    """The facts of the opening record 开标记录, for the page, the PDF and the bundle (办法 第三十二条)."""
    if tender.opened_at is None:
        raise NotFound(what="开标记录")
    return {
        "number": tender.number, "name": tender.name, "procuring_entity": tender.procuring_entity.name,
        "params": tender.params_hash, "deadline": tender.submission_deadline, "frozen_at": tender.frozen_at,
        "freeze_root": tender.freeze_root, "unlock_root": tender.unlock_root, "closed_at": tender.closed_at,
        "closed_by": (tender.close or {}).get("holder"), "opened_at": tender.opened_at,
        "ceiling_price": tender.lot.ceiling_price, "holders": [seat.name for seat in seats(tender) if seat.is_released],
        "lines": [
            {
                "bidder": line.bidder, "credit_code": line.credit_code, "price": line.price, "result": line.result,
                "culprit": line.culprit, "fault": line.fault, "digest": line.digest, "is_confirmed": line.is_confirmed,
                "form": line.form,
            }
            for line in lines(db, tender)
        ],
        "objections": [
            {
                "bidder": one.bidder.name, "words": one.words, "raised_at": one.raised_at, "answer": one.answer,
                "answered_at": one.answered_at,
            }
            for one in objections(db, tender)
        ],
    }  # fmt: skip


def _words(words: str) -> str:
    words = words.strip()
    if not words or len(words) > LONGEST:
        raise NoWords(most=LONGEST)
    return words


def _line(bid: Bid) -> Line:
    hidden = {"opening", "lot", "bidder", "seq", "price"}
    form = {name: value for name, value in (bid.form or {}).items() if name not in hidden}
    return Line(
        bid_id=str(bid.id), bidder=bid.bidder.name, credit_code=bid.bidder.credit_code, seq=bid.seq or 0,
        digest=bid.digest, state=bid.state, is_unlocked=bid.unlocked_at is not None, result=bid.result,
        culprit=bid.culprit, fault=bid.fault, price=bid.price, form=form, is_confirmed=bid.confirmed_at is not None,
    )  # fmt: skip
