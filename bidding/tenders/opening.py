"""开标, first half: from the deadline to the supervisor's close.

The freeze fixes and publishes the list of bids; bidders send the key of their own lock, checked at once
against its commitment; the window ends and what was sent is fixed too; the supervisor signs both roots;
only then are the key holders asked (`ca.openings`). Nothing secret moves before everything is fixed, so
nobody can decide anything after having seen a price (sealing.md F2, F4, F9, F10).
"""

import io
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from bidding.tenders import receipts, registration, returning, rules
from bidding.tenders.bids import Bid, BidState
from bidding.tenders.days import calendar
from bidding.tenders.models import State, Tender
from bidding.tenders.recognised import Recognised
from ca import canonical, openings
from ca.certificates import Unreadable
from ca.ecdsa import PlatformKey
from ca.parties import Organisation
from ca.rights import SYSTEM, Actor, Role
from ca.sealing import messages
from ca.sealing.faults import BIDDER, Fault
from ca.sealing.file import check_kb
from ca.sealing.header import Header
from ca.sealing.params import is_hex, written
from escrow import deposits
from storage import clock, journal
from storage.db import find, take
from storage.lifecycle import move
from storage.refusals import NotNow, NotValid, NotYours


class NotUnlocking(NotNow):
    says = "项目现在是“{state}”，不在解密时间内。解密时间为 {start:%H:%M:%S} 至 {end:%H:%M:%S}（北京时间）。"


class WrongKey(NotValid):
    says = "解密密钥与投标文件不符。请确认使用的是本项目最后一次递交的救援文件，再试一次。"


class NothingToUnlock(NotNow):
    says = "您的投标文件现在是“{state}”，不需要解密。"


class NotSupervisor(NotYours):
    says = "只有行政监督人员可以签署解密关闭。请用监督人员的账号登录。"


class ObjectionsFirst(NotNow):
    says = "解密截止后须留出异议时间，{at:%H:%M:%S}（北京时间）之后才能签署关闭。"


class NothingToClose(NotNow):
    says = "项目现在是“{state}”，还不能或不需要签署关闭。"


class CloseSignatureBad(NotValid):
    says = "签署关闭的签名未通过核验：{reason}。请用监督部门的证书对本页给出的内容签名。"


# --- the freeze -------------------------------------------------------------------------------------------


def due_to_freeze(db: Session) -> Sequence[int]:
    """Tenders past their deadline, all of whose bids handed in in time are verified."""
    verifying = exists().where(
        Bid.tender_id == Tender.id, Bid.state == BidState.VERIFYING, Bid.received_at < Tender.submission_deadline
    )
    return db.scalars(
        select(Tender.id)
        .filter_by(state=State.PUBLISHED)
        .where(Tender.submission_deadline <= func.gh_clock(), ~verifying)
        .order_by(Tender.id)
    ).all()


def freeze(db: Session, tender_id: int, *, key: PlatformKey) -> Tender:
    """截止: fix the list of bids for good and publish it, or end the tender with too few. Safe to repeat.

    The row's lock waits for every bidder who is in the middle of handing in (they hold it shared); bids
    handed in in time are verified first.
    """
    tender = take(db, Tender, tender_id)
    if tender.state is not State.PUBLISHED or clock.database(db) < tender.submission_deadline:
        return tender
    if db.scalar(select(Bid.id).filter_by(tender_id=tender.id, state=BidState.VERIFYING).limit(1)):
        return tender
    assert tender.opening is not None
    bids = listed(db, tender, BidState.SEALED)
    entries = [entry(bid) for bid in bids]
    root = freeze_root(entries)
    tender.frozen_at, tender.freeze_root = clock.database(db), root
    fewest = tender.rules["fewest_bids"]
    if len(bids) < fewest.value:
        _too_few(db, tender, bids, fewest)
        return tender
    tender.freeze = receipts.of_freeze(tender, root, len(bids), written(tender.frozen_at), key)
    for bid in bids:
        move(db, bid, BidState.LOCKED, by=SYSTEM, tender=tender.number, root=root)
    openings.advance(db, tender.opening, openings.State.FROZEN, by=SYSTEM, root=root)
    deposits.hold(db, tender.lot.reference, by=SYSTEM)
    move(db, tender, State.FROZEN, by=SYSTEM, root=root, bids=entries, names=[bid.bidder.name for bid in bids])
    returning.release_absent(db, tender)
    return tender


def _too_few(db: Session, tender: Tender, bids: Sequence[Bid], fewest: rules.Rule) -> None:
    """流标: nobody opens anything, everything goes back; the number stays untold."""
    assert tender.opening is not None
    tender.reason = f"投标人少于{fewest.value}个，不得开标（{fewest.source}）"
    openings.advance(db, tender.opening, openings.State.CANCELLED, by=SYSTEM)
    returning.return_bids(db, bids)
    returning.release_all(db, tender, reason="failed")
    move(db, tender, State.FAILED, by=SYSTEM, root=tender.freeze_root, reason=tender.reason)


def listed(db: Session, tender: Tender, *states: BidState) -> Sequence[Bid]:
    """The tender's bids in these states, by lot and bidder's credit code."""
    return db.scalars(
        select(Bid)
        .join(Organisation, Organisation.id == Bid.bidder_id)
        .where(Bid.tender_id == tender.id, Bid.state.in_(states))
        .order_by(Bid.lot_id, Organisation.credit_code)
    ).all()


def entry(bid: Bid) -> dict[str, Any]:
    """A bid as the published list shows it."""
    assert bid.seq is not None
    return {"lot": str(bid.lot.number), "bidder": bid.bidder.credit_code, "seq": bid.seq, "digest": bid.digest}


def freeze_root(entries: Sequence[dict[str, Any]]) -> str:
    """The root of the frozen list."""
    leaves = [messages.bid_leaf(**one | {"digest": bytes.fromhex(one["digest"])}) for one in entries]
    return messages.root(leaves).hex()


def unlock_root(unlocks: Sequence[dict[str, str]]) -> str:
    """The root over {digest, kb} of the unlocked bids."""
    leaves = [messages.unlock_leaf(**{name: bytes.fromhex(text) for name, text in one.items()}) for one in unlocks]
    return messages.root(leaves).hex()


# --- unlocking --------------------------------------------------------------------------------------------


def due_to_begin_unlocking(db: Session) -> Sequence[int]:
    """Tenders whose list is fixed."""
    return db.scalars(select(Tender.id).filter_by(state=State.FROZEN).order_by(Tender.id)).all()


def begin_unlocking(db: Session, tender_id: int) -> Tender:
    """Let the bidders unlock. Safe to repeat."""
    tender = take(db, Tender, tender_id)
    if tender.state is State.FROZEN:
        assert tender.opening is not None
        openings.advance(db, tender.opening, openings.State.UNLOCKING, by=SYSTEM)
        move(db, tender, State.UNLOCKING, by=SYSTEM, until=tender.unlock_until)
    return tender


def unlock(db: Session, bid: Bid, kb: str, *, by: Actor, key: PlatformKey) -> Bid:
    """解密: the bidder sends the key of its own lock; checked at once, answered with a signed receipt.

    kb: 32 bytes in lower-case hex. Safe to repeat with the same key.
    """
    mine = registration.mine(db, bid.registration_id, by)
    tender = registration.hold_open(db, mine.tender_id)
    bid = take(db, Bid, bid.id)
    now = clock.database(db)
    if bid.state is BidState.UNLOCKED and bid.kb == _kb(kb):
        return bid
    if tender.state is not State.UNLOCKING or not tender.submission_deadline <= now < tender.unlock_until:
        raise NotUnlocking(
            state=tender.STATE_NAMES[tender.state], start=rules.beijing(tender.submission_deadline),
            end=rules.beijing(tender.unlock_until),
        )
    if bid.state is not BidState.LOCKED or bid.header is None:
        raise NothingToUnlock(state=bid.STATE_NAMES[bid.state])
    try:
        check_kb(Header(canonical.ascii_encode(bid.header), bid.header), _kb(kb))
    except Fault:
        raise WrongKey from None
    bid.kb, bid.unlocked_at = _kb(kb), now
    bid.unlock_receipt = receipts.of_unlock(tender, bid, written(now), key)
    move(db, bid, BidState.UNLOCKED, by=by, receipt=receipts.fingerprint(bid.unlock_receipt))
    journal.record(db, tender.file, "tender.bid_unlocked", by=by, bidder=bid.bidder.credit_code)
    return bid


def _kb(text: str) -> bytes:
    if not is_hex(text, 32):
        raise WrongKey
    return bytes.fromhex(text)


def due_to_end_unlocking(db: Session) -> Sequence[int]:
    """Tenders whose unlock window is over."""
    return db.scalars(
        select(Tender.id).filter_by(state=State.UNLOCKING).where(Tender.unlock_until <= func.gh_clock())
    ).all()


def end_unlocking(db: Session, tender_id: int) -> Tender:
    """解密截止: fix who unlocked with what; no key is ever accepted afterwards. Safe to repeat."""
    tender = take(db, Tender, tender_id)
    if tender.state is not State.UNLOCKING or clock.database(db) < tender.unlock_until:
        return tender
    assert tender.opening is not None
    for bid in listed(db, tender, BidState.LOCKED):
        move(db, bid, BidState.NOT_UNLOCKED, by=SYSTEM)
    tender.unlocks_frozen_at = clock.database(db)
    tender.unlock_root = unlock_root(unlocks(db, tender))
    names = [bid.bidder.credit_code for bid in listed(db, tender, BidState.UNLOCKED)]
    if not names:
        _nobody_unlocked(db, tender)
        return tender
    openings.advance(db, tender.opening, openings.State.UNLOCKS_FROZEN, by=SYSTEM, root=tender.unlock_root)
    move(db, tender, State.UNLOCKS_FROZEN, by=SYSTEM, root=tender.unlock_root, unlocked=names)
    return tender


def _nobody_unlocked(db: Session, tender: Tender) -> None:
    assert tender.opening is not None
    for bid in listed(db, tender, BidState.NOT_UNLOCKED):
        bid.result, bid.culprit = "NOT_UNLOCKED", BIDDER
        move(db, bid, BidState.REVOKED_BIDDER_FAULT, by=SYSTEM, code="NOT_UNLOCKED", culprit=BIDDER)
    tender.reason = "解密截止时没有投标人解密"
    openings.advance(db, tender.opening, openings.State.UNLOCKS_FROZEN, by=SYSTEM, root=tender.unlock_root)
    move(db, tender, State.UNLOCKS_FROZEN, by=SYSTEM, root=tender.unlock_root, unlocked=[])
    move(db, tender, State.FAILED, by=SYSTEM, reason=tender.reason)
    returning.release_all(db, tender, reason="failed")


def unlocks(db: Session, tender: Tender) -> list[dict[str, str]]:
    """{digest, kb} of every bid that was unlocked: a secret of the platform until the bids are open."""
    bids = db.scalars(select(Bid).where(Bid.tender_id == tender.id, Bid.kb.is_not(None))).all()
    return [{"digest": bid.digest, "kb": bid.kb.hex()} for bid in bids if bid.kb is not None]


# --- the close --------------------------------------------------------------------------------------------


def close_message(tender: Tender) -> bytes:
    """What the supervisor signs: D ‖ "close\\0" ‖ SHA-256(params) ‖ freeze root ‖ unlock root."""
    assert tender.params_hash
    assert tender.freeze_root
    assert tender.unlock_root
    return messages.close(*(bytes.fromhex(one) for one in (tender.params_hash, tender.freeze_root, tender.unlock_root)))


def close_from(db: Session, tender: Tender) -> datetime:
    """The moment from which the supervisor may sign: the window's end and the time for objections."""
    return rules.earliest(tender.rules["unlock_objections"], tender.unlock_until, calendar(db))


def close(db: Session, tender: Tender, signature: bytes, *, by: Actor, recognised: Recognised) -> Tender:
    """The supervisor signs what is fixed, and the key holders are asked to release. Safe to repeat.

    signature: detached CMS over `close_message` by a certificate of the supervisor's organisation.
    """
    tender = take(db, Tender, tender.id)
    if not by.is_a(Role.SUPERVISOR) or by.organisation_id is None:
        raise NotSupervisor
    if tender.state is State.CLOSED:
        return tender
    if tender.state is not State.UNLOCKS_FROZEN:
        raise NothingToClose(state=tender.STATE_NAMES[tender.state])
    if clock.database(db) < close_from(db, tender):
        raise ObjectionsFirst(at=rules.beijing(close_from(db, tender)))
    message = close_message(tender)
    verdict = _signed_by_supervisor(db, message, signature, by, recognised)
    assert tender.opening is not None
    tender.closed_at = clock.database(db)
    tender.close = {
        "message": message.hex(), "signature": signature.hex(), "holder": verdict["holder"],
        "credit_code": verdict["credit_code"], "time": written(tender.closed_at),
    }  # fmt: skip
    move(db, tender, State.CLOSED, by=by, message=message.hex())
    openings.advance(db, tender.opening, openings.State.CLOSED, by=by, message=message.hex())
    openings.ask_release(db, tender.opening, release_evidence(db, tender), by=by)
    return tender


def release_evidence(db: Session, tender: Tender) -> dict[str, Any]:
    """What each holder's gate must see before it releases."""
    assert tender.freeze is not None
    assert tender.close is not None
    bids = db.scalars(select(Bid).where(Bid.tender_id == tender.id, Bid.state.in_(SHOWN))).all()
    return {
        "freeze": {"root": tender.freeze_root, "bids": len(bids), "message": tender.freeze},
        "unlocks": {"root": tender.unlock_root, "unlocked": sum(bid.kb is not None for bid in bids)},
        "close": {"message": tender.close["message"], "signature": tender.close["signature"]},
    }  # fmt: skip


SHOWN = frozenset(
    {
        BidState.LOCKED, BidState.UNLOCKED, BidState.NOT_UNLOCKED, BidState.OPENED, BidState.REVOKED_BIDDER_FAULT,
        BidState.WITHDRAWN_OTHER_CAUSE,
    }
)  # fmt: skip
"""States of the bids on the frozen list: what the opening hall shows."""


def _signed_by_supervisor(
    db: Session, message: bytes, signature: bytes, by: Actor, recognised: Recognised
) -> dict[str, Any]:  # fmt: skip
    try:
        verdict = recognised.verify(signature, io.BytesIO(message), at=clock.database(db))
    except Unreadable:
        raise CloseSignatureBad(reason="签名文件无法识别") from None
    organisation = find(db, Organisation, by.organisation_id)
    if not verdict.good:
        raise CloseSignatureBad(reason="、".join(verdict.reasons) or "签名不成立")
    if verdict.credit_code != organisation.credit_code:
        raise CloseSignatureBad(reason="证书不属于监督部门")
    return verdict.as_facts()
