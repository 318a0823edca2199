"""开标, second half: the released keys are here, every bid is opened, and its price is read out.

Each bid is opened in a transaction of its own with full recomputation of its lock (sealing.md §4, §8), so a
crash repeats one bid and never half of one. Whatever fails has one culprit, named by bytes that anybody can
check; the others go on (电子招标投标办法 第三十一条).
"""

import logging
import shutil
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from bidding.tenders import evidence, returning
from bidding.tenders.bids import Bid, BidState
from bidding.tenders.models import State, Tender
from bidding.tenders.opening import listed
from bidding.tenders.price import PriceWrong, read_price
from bidding.tenders.recognised import Recognised
from ca import asic, openings
from ca.certificates import Unreadable
from ca.ecdsa import PlatformKey
from ca.rights import SYSTEM
from ca.sealing.faults import BIDDER, PLATFORM, Fault
from ca.sealing.file import open_sealed
from ca.strict_zip import BadArchive
from storage import clock
from storage.db import find, take
from storage.lifecycle import move
from storage.objects import Corrupt, KeyTaken, Store
from storage.refusals import NotFound

log = logging.getLogger(__name__)
OPENED = "OPENED"


def due_to_begin(db: Session) -> Sequence[int]:
    """Tenders whose key holders have released enough keys."""
    combined = select(openings.Opening.id).filter_by(state=openings.State.COMBINED)
    return db.scalars(select(Tender.id).filter_by(state=State.CLOSED).where(Tender.opening_id.in_(combined))).all()


def begin(db: Session, tender_id: int) -> Tender:
    """The keys are here: bids that were not unlocked count as revoked, the others are opened. Safe to repeat."""
    tender = take(db, Tender, tender_id)
    if tender.state is not State.CLOSED or tender.opening is None or not openings.enough(tender.opening):
        return tender
    for bid in listed(db, tender, BidState.NOT_UNLOCKED):
        bid.result, bid.culprit = "NOT_UNLOCKED", BIDDER
        move(db, bid, BidState.REVOKED_BIDDER_FAULT, by=SYSTEM, code="NOT_UNLOCKED", culprit=BIDDER)
    holders = [tender.opening.seats[place].holder for place in sorted(openings.scalars(tender.opening))]
    move(db, tender, State.OPENING, by=SYSTEM, holders=holders)
    return tender


def due_to_open(db: Session) -> Sequence[uuid.UUID]:
    """Unlocked bids of tenders whose keys are here, in the order of the list."""
    here = select(Tender.id).filter_by(state=State.OPENING)
    return db.scalars(
        select(Bid.id).where(Bid.state == BidState.UNLOCKED, Bid.tender_id.in_(here)).order_by(Bid.received_at)
    ).all()


def open_bid(db: Session, store: Store, bid_id: uuid.UUID, *, recognised: Recognised) -> Bid:
    """Open one bid, or find whose fault it is that it does not open. Safe to repeat."""
    bid = take(db, Bid, bid_id)
    tender = find(db, Tender, bid.tender_id)
    if bid.state is not BidState.UNLOCKED or tender.state is not State.OPENING:
        return bid
    with tempfile.TemporaryDirectory(prefix="opening-") as folder:
        plain = Path(folder) / "bid.asice"
        try:
            digest = _unseal(store, tender, bid, plain)
        except Fault as fault:
            _failed(db, tender, bid, fault)
            return bid
        _read(tender, bid, plain, recognised)
        bid.plaintext_key, bid.plaintext_sha256 = f"opened/{bid.id}.asice", digest
        _keep(store, bid.plaintext_key, plain, digest)
    bid.result = OPENED
    price = str(bid.price) if bid.price else None
    facts = {"tender": tender.number, "price": price, "fault": bid.fault, "plaintext": digest}
    move(db, bid, BidState.OPENED, by=SYSTEM, **{name: value for name, value in facts.items() if value})
    return bid


def due_to_finish(db: Session) -> Sequence[int]:
    """Tenders all of whose bids are opened or found wanting."""
    left = exists().where(Bid.tender_id == Tender.id, Bid.state == BidState.UNLOCKED)
    return db.scalars(select(Tender.id).filter_by(state=State.OPENING).where(~left)).all()


def finish(db: Session, store: Store, tender_id: int, *, key: PlatformKey) -> Tender:
    """已开标: the opening record's facts are complete and the transcript is kept. Safe to repeat."""
    tender = take(db, Tender, tender_id)
    if tender.state is not State.OPENING or tender.id not in due_to_finish(db):
        return tender
    tender.opened_at = clock.database(db)
    read_out = [_line(bid) for bid in listed(db, tender, *AFTER)]
    transcript = evidence.keep_transcript(db, store, tender, key)
    if any(line["result"] == OPENED for line in read_out):
        move(db, tender, State.OPENED, by=SYSTEM, bids=read_out, transcript=transcript)
        return tender
    tender.reason = "没有一份投标文件能够开启"
    move(db, tender, State.FAILED, by=SYSTEM, reason=tender.reason, bids=read_out, transcript=transcript)
    returning.release_all(db, tender, reason="failed")
    return tender


AFTER = frozenset({BidState.OPENED, BidState.REVOKED_BIDDER_FAULT, BidState.WITHDRAWN_OTHER_CAUSE})
"""What a bid on the frozen list has become once the opening is over."""


def _line(bid: Bid) -> dict[str, Any]:
    """A bid as the opening record tells it."""
    line = {"bidder": bid.bidder.credit_code, "name": bid.bidder.name, "digest": bid.digest, "result": bid.result}
    more = {"price": str(bid.price) if bid.price else None, "culprit": bid.culprit, "fault": bid.fault}
    return line | {name: value for name, value in more.items() if value}


def _unseal(store: Store, tender: Tender, bid: Bid, plain: Path) -> str:
    """The plaintext at `plain` and its SHA-256. Raises Fault."""
    assert tender.opening is not None
    assert bid.object_key is not None
    assert bid.kb is not None
    assert bid.seq is not None
    sealed = plain.with_name("bid.sealed")
    try:
        with store.open(bid.object_key) as source, sealed.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
    except (OSError, NotFound, Corrupt) as error:  # gone or corrupt in our store: nobody's fault but ours
        raise Fault("DIGEST", PLATFORM, type(error).__name__) from error
    with sealed.open("rb") as source:
        opened = open_sealed(
            source, plain, tender.params, lot=str(bid.lot.number),
            bidder=bid.bidder.credit_code, seq=bid.seq, digest=bytes.fromhex(bid.digest), kb=bid.kb,
            scalars=_scalars(tender.opening),
        )  # fmt: skip
    return opened.sha256.hex()


def _keep(store: Store, key: str, plain: Path, sha256: str) -> None:
    """Put the opened bid into the store; after a crash it may be there already, and is the same."""
    try:
        with plain.open("rb") as source:
            store.put(key, source, media_type="application/vnd.etsi.asic-e+zip")
    except KeyTaken:
        assert store.stat(key).sha256 == sha256, "an opened bid is what it was"


def _scalars(opening: openings.Opening) -> dict[int, bytes]:
    return dict(openings.scalars(opening))


def _failed(db: Session, tender: Tender, bid: Bid, fault: Fault) -> None:
    bid.result, bid.culprit = fault.code, fault.culprit
    to = BidState.REVOKED_BIDDER_FAULT if fault.culprit == BIDDER else BidState.WITHDRAWN_OTHER_CAUSE
    move(db, bid, to, by=SYSTEM, tender=tender.number, code=fault.code, culprit=fault.culprit)


def _read(tender: Tender, bid: Bid, plain: Path, recognised: Recognised) -> None:
    """Price and list of documents; what is wrong inside is noted for the panel, the bid stays opened."""
    try:
        with plain.open("rb") as file:
            container = asic.Container(file)
            verdict = container.verify(trust=recognised.trust, at=bid.received_at, crls=recognised.crls)
            form = container.price()
    except (BadArchive, Unreadable):
        bid.fault = "CONTAINER"
        return
    except Exception:  # our reader stumbled: the bid is opened all the same, and the others wait for it
        log.exception("an opened bid could not be read")
        bid.fault = "CONTAINER"
        return
    bid.contents = [{"name": one.name, "size": one.size, "sha256": one.sha256} for one in verdict.documents]
    if not verdict.good:
        bid.fault = "INNER_SIGNATURE"
    try:
        _take_price(tender, bid, form)
    except PriceWrong as wrong:
        bid.fault = wrong.code


def _take_price(tender: Tender, bid: Bid, raw: bytes | None) -> None:
    assert tender.opening is not None
    assert bid.seq is not None
    if raw is None:
        raise PriceWrong("PRICE_MISSING")
    form = read_price(
        raw, opening=tender.opening.name, lot=str(bid.lot.number), bidder=bid.bidder.credit_code, seq=bid.seq
    )
    bid.price, bid.form = form.price, form.fields


def document(store: Store, bid: Bid, name: str) -> IO[bytes]:
    """One document of an opened bid, as a stream. Raises KeyError for a name that is not in it."""
    assert bid.plaintext_key is not None
    spooled = tempfile.TemporaryFile(prefix="bid-")  # noqa: SIM115 – the caller closes it
    with tempfile.TemporaryDirectory(prefix="reading-") as folder:
        plain = Path(folder) / "bid.asice"
        with store.open(bid.plaintext_key) as source, plain.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        with plain.open("rb") as file:
            archive = asic.Container(file).archive
            for piece in archive.pieces(archive[name]):
                spooled.write(piece)
    spooled.seek(0)
    return spooled
