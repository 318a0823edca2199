"""From the first call to the closed parameters: holders' programs join, the hash goes into the notice."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from ca import ecdsa
from ca.openings.rows import HolderSeat, Mode, Opening, State
from ca.parties import Person
from ca.rights import Actor
from ca.sealing import messages
from ca.sealing.params import ID, MOST_HOLDERS, is_hex
from storage import clock, journal
from storage.db import take
from storage.lifecycle import move
from storage.refusals import NotNow, NotValid


class BadName(NotValid):
    says = "开启名称“{name}”不合格式。请用字母、数字和 . _ : - 组成，最多 64 个字符。"


class WrongNumbers(NotValid):
    says = "{m} / {n} 的持有人组合不符合要求。请按规则增减密钥持有人。"


class SameHolderTwice(NotValid):
    says = "“{holder}”被列为持有人两次。请从不同的单位各选一名持有人。"


class WrongTimes(NotValid):
    says = "截止、解锁和释放的时间必须依次在后，精确到秒，并且尚未过去。请改正时间。"


class TooLateToJoin(NotNow):
    says = "加入的时间已过。请联系交易中心。"


class JoinedWithAnotherKey(NotNow):
    says = "您已用另一把密钥加入这次开启，不能更换。"


class BadJoin(NotValid):
    says = "加入的公钥或签名不成立。请检查持有人程序。"


class KeyUsedBefore(NotValid):
    says = "这把公钥已在别处使用。请为每次开启生成新的密钥。"


class NotAllJoined(NotNow):
    says = "还有 {missing} 名持有人没有加入。"


def begin(
    db: Session, name: str, mode: Mode | str, m: int, holders: Sequence[Person],
    deadline: datetime, unlock_until: datetime, release_until: datetime, *, by: Actor,
) -> Opening:  # fmt: skip
    """Begin an opening: fix its name, times and holders, and wait for the holders' programs to join."""
    mode, labels = Mode(mode), [label_of(person) for person in holders]
    if not ID.fullmatch(name):
        raise BadName(name=name[:80])
    spare = 2 if mode is Mode.TWO_LOCK else 1
    if not 2 <= m <= len(labels) - spare or len(labels) > MOST_HOLDERS:
        raise WrongNumbers(m=m, n=len(labels))
    for label in labels:
        if labels.count(label) > 1:
            raise SameHolderTwice(holder=label)
    times = [deadline, unlock_until, release_until]
    in_order = clock.database(db) < deadline <= unlock_until < release_until
    if (
        not in_order
        or any(moment.microsecond for moment in times)
        or (mode is Mode.TWO_LOCK) != (deadline < unlock_until)
    ):
        raise WrongTimes
    opening = Opening(
        name=name, mode=mode, m=m, deadline=deadline, unlock_until=unlock_until, release_until=release_until,
        seats=[HolderSeat(place=i, holder=labels[i], person_id=one.id) for i, one in enumerate(holders)],
    )  # fmt: skip
    db.add(opening)
    db.flush()
    journal.record(db, opening.file, "opening.joining", by=by, name=name, mode=mode.value, m=m, holders=labels)
    return opening


def label_of(person: Person) -> str:
    """How a holder is called in the parameters: by the body it answers for, so that no body sits twice."""
    return person.organisation.credit_code if person.organisation else f"person:{person.id}"


def join(db: Session, opening: Opening, *, pk: str, sig: str, join: str, ready: str, by: Actor) -> HolderSeat:
    """Take one's seat with a fresh key made for this opening. Safe to repeat with the same key.

    pk, sig: compressed points; join: the signing key over base ‖ pk ‖ sig; ready: the opening key over base.
    """
    opening = take(db, Opening, opening.id)
    seat = opening.seat_of(by)
    if seat.pk is not None:
        if (seat.pk, seat.sig_pk) != (pk, sig):
            raise JoinedWithAnotherKey
        return seat
    if opening.state is not State.JOINING or clock.database(db) >= opening.deadline:
        raise TooLateToJoin
    if not _is_good_join(opening, pk, sig, join, ready):
        raise BadJoin
    if db.scalar(select(func.count()).where(or_(HolderSeat.pk.in_([pk, sig]), HolderSeat.sig_pk == pk))):
        raise KeyUsedBefore
    seat.pk, seat.sig_pk, seat.join, seat.ready, seat.joined_at = pk, sig, join, ready, clock.database(db)
    db.flush()
    journal.record(db, opening.file, "holder_seat.joined", by=by, holder=seat.holder, pk=pk, sig=sig)
    return seat


def _is_good_join(opening: Opening, pk: str, sig: str, join: str, ready: str) -> bool:
    try:
        opening_key, signing_key, joined, had = (unhex(text) for text in (pk, sig, join, ready))
    except ValueError:
        return False
    return (
        opening_key != signing_key
        and ecdsa.verify(opening_key, messages.ready(opening.base), had)
        and ecdsa.verify(signing_key, messages.join(opening.base, opening_key, signing_key), joined)
    )


def unhex(text: str) -> bytes:
    """Lower-case hex only: a second spelling of the same bytes would be a second document."""
    if not is_hex(text):
        raise ValueError("not lower-case hex")
    return bytes.fromhex(text)


def close_params(db: Session, opening: Opening, *, by: Actor) -> Opening:
    """All have joined: fix the parameters and publish their hash. Safe to repeat."""
    opening = take(db, Opening, opening.id)
    if opening.state is State.PUBLISHED:
        return opening
    if missing := sum(1 for seat in opening.seats if seat.pk is None):
        raise NotAllJoined(missing=missing)
    params = opening.closing_params()
    opening.params, opening.params_hash = params.canon.decode(), params.digest.hex()
    move(db, opening, State.PUBLISHED, by=by, params=opening.params_hash)
    return opening
