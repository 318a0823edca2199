"""Letters of guarantee 保函 in place of money: handed in by the party, confirmed by the guarantor's answer.

The answer of the guarantor comes through whoever speaks with it (the system); no person at the centre is
asked, because before the opening nobody may learn that there is one.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from ca.rights import Actor
from escrow.models import Deposit, DepositState, Guarantee, GuaranteeState
from storage import clock
from storage.db import take
from storage.lifecycle import move
from storage.objects.store import KeyTaken, Store
from storage.refusals import NotNow, NotValid, NotYours
from storage.values import Money


class NotYourGuarantee(NotYours):
    says = "保函由投标单位自行提交。请用本单位账号登录。"


class GuaranteeTooSmall(NotValid):
    says = "保函金额 {amount} 元低于应缴的 {needed} 元。请提交足额保函。"


class GuaranteeNotNow(NotNow):
    says = "这笔保证金已不在待缴状态，不能再提交保函。"


class OnlyTheGuarantor(NotYours):
    says = "保函由开立机构核验，任何人不能代为确认。"


def hand_in(
    db: Session, deposit: Deposit, *, guarantor: str, number: str, amount: Money, valid_until: datetime, digest: str,
    by: Actor,
) -> Guarantee:  # fmt: skip
    """Hand in a letter of guarantee instead of money; the same letter again is the same."""
    if by.organisation_id != deposit.organisation_id:
        raise NotYourGuarantee
    deposit = take(db, Deposit, deposit.id)
    known = _of(db, deposit)
    if known and (known.guarantor, known.number) == (guarantor, number):
        return known
    if known or deposit.state is not DepositState.EXPECTED:
        raise GuaranteeNotNow
    if amount < deposit.amount:
        raise GuaranteeTooSmall(amount=str(amount), needed=str(deposit.amount))
    letter = Guarantee(
        deposit_id=deposit.id, guarantor=guarantor, number=number, amount=amount, valid_until=valid_until,
        digest=digest, state=GuaranteeState.HANDED_IN,
    )  # fmt: skip
    db.add(letter)
    db.flush()
    return letter


def answer(db: Session, guarantee: Guarantee, *, genuine: bool, by: Actor) -> Guarantee:
    """The guarantor's answer: a genuine letter covers the deposit as money would. Safe to repeat."""
    if by.person_id is not None:
        raise OnlyTheGuarantor
    deposit = take(db, Deposit, guarantee.deposit_id)
    guarantee = take(db, Guarantee, guarantee.id)
    if guarantee.state is not GuaranteeState.HANDED_IN:
        return guarantee
    move(db, guarantee, GuaranteeState.CONFIRMED if genuine else GuaranteeState.REFUSED, by=by)
    if genuine and deposit.state is DepositState.EXPECTED:
        deposit.received_at = clock.database(db)
        move(db, deposit, DepositState.RECEIVED, by=by, guarantee=str(guarantee.id))
    return guarantee


def covers(db: Session, deposit: Deposit) -> bool:
    """Whether a confirmed letter in force covers the whole deposit."""
    letter = _of(db, deposit)
    return (
        letter is not None
        and letter.state is GuaranteeState.CONFIRMED
        and letter.amount >= deposit.amount
        and letter.valid_until > clock.database(db)
    )


def give_back(db: Session, deposits: Sequence[Deposit], *, by: Actor) -> None:
    """The letters for these deposits are no longer needed."""
    letters = select(Guarantee).where(
        Guarantee.deposit_id.in_([one.id for one in deposits]), Guarantee.state == GuaranteeState.CONFIRMED
    )
    for letter in db.scalars(letters).all():
        move(db, letter, GuaranteeState.GIVEN_BACK, by=by)


def claim(db: Session, deposit: Deposit, *, by: Actor) -> None:
    """The deposit is kept: the guarantor is asked to pay."""
    letter = _of(db, deposit)
    if letter and letter.state is GuaranteeState.CONFIRMED:
        move(db, letter, GuaranteeState.CLAIMED, by=by)


def _of(db: Session, deposit: Deposit) -> Guarantee | None:
    return db.scalar(select(Guarantee).filter_by(deposit_id=deposit.id))


def keep(store: Store, guarantee: Guarantee, content: bytes) -> None:
    """Keep the letter itself, under a name that tells nothing; the same letter is kept once."""
    with suppress(KeyTaken):
        store.put(f"guarantee/{guarantee.id}", content, media_type="application/pdf")
