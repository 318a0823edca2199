"""递交: a sealed, signed file that lies in the store becomes a bid, or is told why not.

Two small steps over bytes already there. `hand_in` takes the time from the database's clock once the last
byte is durable, under a shared lock of the tender, and writes a bid that is being verified; nothing can
make it late after that. `verify` then checks, in this order: the sealed file's form (upload codes of
sealing.md), the signature and its certificate's chain, whose certificate it is, the deposit. A bid that
passes gets its signed receipt at once; one that does not says why and may be handed in again. The freeze
waits for those that were handed in in time (`opening.freeze`).
"""

import logging
import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from bidding.tenders import receipts, registration, rules, uploads
from bidding.tenders.bids import Bid, BidState, Registration, Upload
from bidding.tenders.models import State, Tender
from bidding.tenders.recognised import Recognised
from ca.certificates import Unreadable
from ca.ecdsa import PlatformKey
from ca.rights import SYSTEM, Actor
from ca.sealing.faults import UPLOAD, UploadRefused
from ca.sealing.header import HEAD_AT_MOST, Header, check_upload
from ca.sealing.params import Params
from escrow import deposits
from storage import clock
from storage.db import find, take
from storage.lifecycle import move
from storage.objects import OutOfReach, Store
from storage.refusals import NotNow, NotValid

log = logging.getLogger(__name__)
LONGEST_SIGNATURE = 64 * 1024  # bytes; real ones have 2–20 KiB

# Why a bid was refused, beside the upload codes of ca.sealing.faults.
REFUSED = {
    "SIGNATURE_UNREADABLE": "签名文件无法识别",
    "SIGNATURE": "电子签名未通过核验",
    "OTHER_SIGNER": "签名证书不属于投标人（统一社会信用代码不一致）",
    "DEPOSIT": "投标保证金未到账，也没有有效保函",
    "DIGEST": "文件在服务器上的摘要不一致，请重新上传",
    "UNVERIFIABLE": "文件或签名无法核验，请重新制作后再递交",
}


class NotUploadedYet(NotNow):
    says = "文件还没有上传完整（{received}/{size} 字节）。请续传后再递交。"


class SignatureTooLong(NotValid):
    says = "签名文件是空的或超过 {most} 字节。请选择加密文件的 .p7s 签名文件。"


class TooLate(NotNow):
    """The last byte came after the deadline; that it came is kept as evidence."""

    says = "投标截止时间（{deadline:%Y-%m-%d %H:%M:%S}，北京时间）已过，文件于 {at:%H:%M:%S} 收齐，依法拒收。"
    keeps = True


class CannotWithdraw(NotNow):
    says = "这份投标文件现在是“{state}”，不能撤回。"


def hand_in(
    db: Session, upload: Upload, signature: bytes, *, by: Actor, address: str | None = None
) -> Bid:  # fmt: skip
    """All bytes are there: take the time, and let the bid be verified. Safe to repeat.

    signature: detached CMS over the sealed file. Raises TooLate after the deadline, and keeps that as a fact.
    """
    mine = registration.mine(db, upload.registration_id, by)
    tender = registration.hold_open(db, mine.tender_id)
    upload = take(db, Upload, upload.id)
    if known := _already(db, upload):
        return known
    if upload.completed_at is None:
        raise NotUploadedYet(received=upload.received, size=upload.size)
    if not 0 < len(signature) <= LONGEST_SIGNATURE:
        raise SignatureTooLong(most=LONGEST_SIGNATURE)
    late = tender.published_at is not None and clock.database(db) >= tender.submission_deadline
    if not late and tender.state is not State.PUBLISHED:
        raise registration.NotOpenForBids(state=tender.STATE_NAMES[tender.state])
    bid = Bid(
        id=uuid.uuid4(), registration_id=mine.id, tender_id=mine.tender_id, lot_id=mine.lot_id,
        bidder_id=mine.bidder_id, person_id=by.person_id, upload_id=upload.id, address=address,
        received_at=clock.database(db), object_key=upload.object_key, size=upload.size, digest=upload.digest,
        signature=signature,
    )  # fmt: skip
    bid.state = BidState.VERIFYING
    db.add(bid)
    db.flush()
    if bid.received_at >= tender.submission_deadline:
        bid.object_key = None
        move(db, bid, BidState.LATE_REJECTED, by=SYSTEM, received_at=bid.received_at)
        raise TooLate(deadline=rules.beijing(tender.submission_deadline), at=rules.beijing(bid.received_at))
    return bid


def due_to_verify(db: Session) -> Sequence[uuid.UUID]:
    """Bids handed in and not yet verified."""
    return db.scalars(select(Bid.id).filter_by(state=BidState.VERIFYING).order_by(Bid.received_at)).all()


def verify(db: Session, store: Store, bid_id: uuid.UUID, *, key: PlatformKey, recognised: Recognised) -> Bid:
    """Check what was handed in; the bid is sealed with a receipt, or refused with a code. Safe to repeat."""
    held = take(db, Registration, find(db, Bid, bid_id).registration_id)  # one version of one bidder at a time
    bid = take(db, Bid, bid_id)
    if bid.state is not BidState.VERIFYING:
        return bid
    tender = find(db, Tender, bid.tender_id)
    if tender.state is not State.PUBLISHED:
        bid.object_key = None
        move(db, bid, BidState.RETURNED, by=SYSTEM)
        return bid
    code = _judged(db, store, tender, held, bid, recognised)
    if code is not None:
        bid.refused_code, bid.object_key = code, None  # the upload keeps it: it may be handed in again
        move(db, bid, BidState.REFUSED, by=SYSTEM, code=code)
        return bid
    _replace(db, bid)
    held.last_seq = bid.seq or held.last_seq
    find(db, Upload, bid.upload_id).used = True
    bid.receipt = receipts.of(tender, bid, key)
    move(db, bid, BidState.SEALED, by=SYSTEM, receipt=receipts.fingerprint(bid.receipt))
    return bid


def withdraw(db: Session, bid: Bid, *, by: Actor) -> Bid:
    """撤回 before the deadline: the bid is as if never submitted and its ciphertext deleted. Safe to repeat."""
    mine = registration.mine(db, bid.registration_id, by)
    tender = registration.hold_open(db, mine.tender_id)
    take(db, Registration, mine.id)
    bid = take(db, Bid, bid.id)
    if bid.state is BidState.WITHDRAWN:
        return bid
    registration.still_open(db, tender)
    if bid.state is not BidState.SEALED:
        raise CannotWithdraw(state=bid.STATE_NAMES[bid.state])
    move(db, bid, BidState.WITHDRAWN, by=SYSTEM)
    return bid


def why(code: str | None) -> str | None:
    """What a refusal code means, in words."""
    return {**UPLOAD, **REFUSED}.get(code) if code else None


def mine(db: Session, bid_id: Any, by: Actor) -> Bid:
    """The bid with this id, if it is the actor's; others' are not even there."""
    bid = find(db, Bid, bid_id)
    registration.mine(db, bid.registration_id, by)
    return bid


def versions(db: Session, of: Registration) -> Sequence[Bid]:
    """Everything the bidder handed in for this registration, the latest first."""
    return db.scalars(select(Bid).filter_by(registration_id=of.id).order_by(Bid.received_at.desc())).all()


def due_to_delete(db: Session) -> Sequence[uuid.UUID]:
    """Bids whose ciphertext must not be kept any longer: replaced, withdrawn, returned."""
    gone = [BidState.REPLACED, BidState.WITHDRAWN, BidState.RETURNED]
    return db.scalars(select(Bid.id).where(Bid.state.in_(gone), Bid.object_key.is_not(None))).all()


def delete_ciphertext(db: Session, store: Store, bid_id: uuid.UUID) -> None:
    """Delete it from the store; the row keeps its digest. Safe to repeat."""
    bid = take(db, Bid, bid_id)
    if bid.object_key is not None:
        uploads.erase(store, bid.object_key)
        bid.object_key = None


def _already(db: Session, upload: Upload) -> Bid | None:
    """The bid this upload became, if it was handed in before and not refused."""
    return db.scalar(
        select(Bid)
        .where(Bid.upload_id == upload.id, Bid.state.not_in([BidState.REFUSED, BidState.LATE_REJECTED]))
        .limit(1)
    )


def _judged(
    db: Session, store: Store, tender: Tender, held: Registration, bid: Bid, recognised: Recognised
) -> str | None:  # fmt: skip
    """What is wrong, or None. Bytes that our own readers stumble over hurt their bidder, never the tender.

    The freeze waits for this check, so it must come to an end whatever was handed in. A store or database
    out of reach is another matter: then it is tried again.
    """
    try:
        return _first_fault(db, store, tender, held, bid, recognised)
    except (OutOfReach, SQLAlchemyError):
        raise
    except Exception:
        log.exception("a bid could not be verified")
        return "UNVERIFIABLE"


def _first_fault(
    db: Session, store: Store, tender: Tender, held: Registration, bid: Bid, recognised: Recognised
) -> str | None:  # fmt: skip
    """The code of the first thing that is wrong, or None."""
    # 1. The sealed file: form, opening, lot, bidder, version.
    try:
        header = _header(store, bid, tender.params, held)
    except UploadRefused as refused:
        return str(refused.facts["fault"])
    bid.header, bid.seq = header.fields, header.seq
    # 2. The bytes in the store are those that were hashed when they arrived.
    assert bid.object_key is not None
    if store.stat(bid.object_key).sha256 != bid.digest:
        return "DIGEST"
    # 3. The signature over the sealed file and the path of its certificate, at the moment of receipt.
    try:
        with store.open(bid.object_key) as file:
            verdict = recognised.verify(bid.signature, file, at=bid.received_at)
    except Unreadable:
        return "SIGNATURE_UNREADABLE"
    bid.verdict = verdict.as_facts()
    if not verdict.good:
        return "SIGNATURE"
    # 4. The certificate is the bidder's.
    if verdict.credit_code != bid.bidder.credit_code:
        return "OTHER_SIGNER"
    # 5. The deposit is there.
    if tender.deposit_amount.fen and not deposits.is_covered(db, bid.lot.reference, bid.bidder_id):
        return "DEPOSIT"
    return None


def _header(store: Store, bid: Bid, params: Params, held: Registration) -> Header:
    assert bid.object_key is not None
    with store.open(bid.object_key, length=min(HEAD_AT_MOST, bid.size)) as source:
        head = source.read()
    return check_upload(
        head, bid.size, params, lot=str(bid.lot.number), bidder=bid.bidder.credit_code, after=held.last_seq
    )


def _replace(db: Session, bid: Bid) -> None:
    """The version that counted until now counts no longer."""
    before = db.scalar(
        select(Bid).filter_by(lot_id=bid.lot_id, bidder_id=bid.bidder_id, state=BidState.SEALED).with_for_update()
    )
    if before is not None:
        move(db, before, BidState.REPLACED, by=SYSTEM)
