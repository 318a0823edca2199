"""From the deadline to the keys: what the room lays before the holders, and what they give."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ca import canonical, ecdsa
from ca.openings.joining import close_params, unhex
from ca.openings.rows import HolderSeat, Mode, Opening, State, Verdict
from ca.rights import SYSTEM, Actor
from ca.sealing import messages
from ca.tagged import H
from storage import clock, journal
from storage.db import take
from storage.forms import BEIJING
from storage.lifecycle import move
from storage.refusals import NotNow, NotValid


class BeforeDeadline(NotNow):
    says = "截止时间（北京时间 {deadline:%Y-%m-%d %H:%M:%S}）未到，不能开启。"


class OtherEvidence(NotNow):
    says = "已经按另一份凭据请求释放，凭据不能再改。"


class NotAskedYet(NotNow):
    says = "还没有请求释放密钥。请等到开启时刻。"


class BadRelease(NotValid):
    says = "释放的签名不成立。请检查持有人程序。"


def advance(db: Session, opening: Opening, to: State, *, by: Actor, **facts: Any) -> Opening:
    """The steps between the deadline and the release that the tender's room drives.

    FROZEN (list of bids fixed), UNLOCKING, UNLOCKS_FROZEN, CLOSED (supervisor signed), CANCELLED. Facts are
    roots and signatures, for the journal. Safe to repeat.
    """
    assert to in (State.FROZEN, State.UNLOCKING, State.UNLOCKS_FROZEN, State.CLOSED, State.CANCELLED), to
    opening = take(db, Opening, opening.id)
    if opening.state is to:
        return opening
    if to is State.FROZEN:
        _after_deadline(db, opening)
    move(db, opening, to, by=by, **facts)
    return opening


def ask_release(db: Session, opening: Opening, evidence: Mapping[str, Any], *, by: Actor) -> Opening:
    """Lay before the holders what their gates must see, and ask for their keys. Safe to repeat.

    evidence of a draw: {notice, pool, pool_signature, platform}; of bids: {freeze, unlocks, close, …}.
    """
    opening = take(db, Opening, opening.id)
    if opening.evidence is not None:
        if opening.evidence != dict(evidence):
            raise OtherEvidence
        return opening
    _after_deadline(db, opening)
    opening.evidence = dict(evidence)
    digest = hashlib.sha256(canonical.encode(dict(evidence))).hexdigest()
    move(db, opening, State.RELEASING, by=by, evidence=digest)
    return opening


def _after_deadline(db: Session, opening: Opening) -> None:
    if clock.database(db) < opening.deadline:
        raise BeforeDeadline(deadline=opening.deadline.astimezone(BEIJING))


def release(db: Session, opening: Opening, *, key: str, signature: str, by: Actor) -> Verdict:
    """A holder gives its private key of this opening, signed with its signing key.

    A signature that does not hold is refused (anybody could have sent it). A signed key that is not the
    published one is kept and its holder named: FALSE_KEY. Safe to repeat; late ones are kept as well.
    """
    opening = take(db, Opening, opening.id)
    seat = opening.seat_of(by)
    if opening.state not in (State.RELEASING, State.SUSPENDED, State.COMBINED):
        raise NotAskedYet
    if seat.key is not None and seat.key == key:
        return Verdict.RELEASED
    try:
        scalar, signed = unhex(key), unhex(signature)
    except ValueError:
        raise BadRelease from None
    if not ecdsa.verify(unhex(seat.sig_pk or ""), release_message(opening, seat, scalar), signed):
        raise BadRelease
    if not _is_key_of(scalar, seat):
        seat.false_keys = [*seat.false_keys, {"key": key, "signature": signature}][:10]
        journal.record(
            db,
            opening.file,
            "holder_seat.false_key",
            by=by,
            holder=seat.holder,
            verdict=Verdict.FALSE_KEY.value,
        )
        return Verdict.FALSE_KEY
    seat.key, seat.release_signature, seat.released_at = key, signature, clock.database(db)
    db.flush()
    journal.record(db, opening.file, "holder_seat.released", by=by, holder=seat.holder)
    _combine(db, opening)
    return Verdict.RELEASED


def _is_key_of(scalar: bytes, seat: HolderSeat) -> bool:
    try:
        return ecdsa.public_of(scalar).hex() == seat.pk
    except ecdsa.NotAKey:
        return False


def _combine(db: Session, opening: Opening) -> None:
    if opening.state is State.COMBINED or not enough(opening):
        return
    if opening.state is State.SUSPENDED:
        move(db, opening, State.RELEASING, by=SYSTEM)
    move(
        db,
        opening,
        State.COMBINED,
        by=SYSTEM,
        holders=[opening.seats[place].holder for place in scalars(opening)],
    )


def release_message(opening: Opening, seat: HolderSeat, key: bytes) -> bytes:
    """What a holder signs when it releases: over a draw the pool, over bids the two roots and the key."""
    evidence = opening.evidence or {}
    if opening.mode is Mode.DRAW:
        return H("release", H("pool", canonical.encode(evidence["pool"])))
    return messages.release(
        bytes.fromhex(opening.params_hash or ""),
        freeze_root=bytes.fromhex(evidence["freeze"]["root"]),
        unlock_root=bytes.fromhex(evidence["unlocks"]["root"]),
        holder=seat.holder,
        key=key,
    )


def scalars(opening: Opening) -> dict[int, bytes]:
    """The valid released keys by place, as `ca.sealing` opens with them."""
    return {seat.place: bytes.fromhex(seat.key) for seat in opening.seats if seat.key is not None}


def enough(opening: Opening) -> bool:
    """Whether as many holders have released as opening needs."""
    return len(scalars(opening)) >= opening.m


def waiting_for(db: Session, actor: Actor) -> Sequence[Opening]:
    """The openings in which this holder still has something to do, oldest first."""
    to_join = (Opening.state == State.JOINING) & HolderSeat.pk.is_(None)
    to_release = Opening.state.in_([State.RELEASING, State.SUSPENDED, State.COMBINED]) & HolderSeat.key.is_(None)
    query = select(Opening).join(HolderSeat).where(HolderSeat.person_id == actor.person_id, to_join | to_release)
    return db.scalars(query.order_by(Opening.id)).all()


def due(db: Session) -> Sequence[int]:
    """Openings whose holders have all joined, and those whose release time ended with too few."""
    unjoined = select(HolderSeat.id).where(HolderSeat.opening_id == Opening.id, HolderSeat.pk.is_(None)).exists()
    joined = (Opening.state == State.JOINING) & ~unjoined
    late = (Opening.state == State.RELEASING) & (Opening.release_until <= func.gh_clock())
    return db.scalars(select(Opening.id).where(joined | late).order_by(Opening.id)).all()


def settle(db: Session, id_: int, equipment: Any = None) -> None:
    """Do what is due for one opening; needs no equipment. Safe to repeat."""
    opening = take(db, Opening, id_)
    if opening.state is State.JOINING and all(seat.pk for seat in opening.seats):
        close_params(db, opening, by=SYSTEM)
    elif opening.state is State.RELEASING and clock.database(db) >= opening.release_until:
        missing = [seat.holder for seat in opening.seats if seat.key is None]
        move(db, opening, State.SUSPENDED, by=SYSTEM, no_release=missing)
