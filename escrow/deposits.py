"""Deposits 保证金: expected, received, held, and home again or forfeited.

The rooms above order with a `reference` and a party; this room obeys and keeps count. Until the opening a
deposit is known to its own party only: nobody else can learn who pays, or how many (`of`, `hold`).
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, joinedload

from ca.rights import Actor, Role
from escrow import guarantees, ledger, many, numbers, sending
from escrow.ledger import Posting
from escrow.models import Deposit, DepositState, PayerRule, Receipt, Refund, Regime, Standing
from storage import clock, journal
from storage.db import take
from storage.lifecycle import move
from storage.refusals import NotNow, NotValid, NotYours
from storage.values import Money

SHORT = "开标时保证金未足额到账"
ORDERING = (Role.CENTRE_STAFF, Role.PROCURING_ENTITY, Role.PROJECT_OWNER, Role.SUPERVISOR, Role.AUTHORITY)


class NotYourDeposit(NotYours):
    says = "这笔保证金属于另一单位。请用本单位账号登录。"


class NotForYouToOrder(NotYours):
    says = "冻结、退还保证金由交易中心或项目方下达。请用有权办理的账号登录。"


class OpenedAlready(NotNow):
    says = "已经开标，不能再缴纳保证金。"


class AmountDiffers(NotValid):
    says = "这笔保证金的金额已定为 {amount} 元，不能改变。"


class NotHeld(NotNow):
    says = "这笔保证金不在“已冻结”状态，不能不予退还。请刷新页面查看当前状态。"


class SecondPersonNeeded(NotYours):
    says = "提出不予退还的人不能自己确认。请由另一人复核。"


# --- before the opening 开标之前 -------------------------------------------------------------------------


def expect(
    db: Session, reference: str, organisation_id: int, amount: Money, *, by: Actor, title: str = "",
    regime: Regime = Regime.TENDERING, payer: PayerRule = PayerRule.ANY,
) -> Deposit:  # fmt: skip
    """Expect a deposit: give the party a sub-account number of its own to pay to; safe to repeat.

    `title` is what people call the reference; `payer` says from which accounts money may come.
    """
    if by.person_id is not None and by.organisation_id != organisation_id:
        raise NotYourDeposit
    known = mine(db, reference, organisation_id)
    if known is None:
        if is_opened(db, reference):
            raise OpenedAlready
        facts = {"title": (title or reference)[:200], "regime": regime, "payer_rule": payer}
        known = _begin(db, reference, organisation_id, amount, by, facts)
    if known.amount != amount:
        raise AmountDiffers(amount=str(known.amount))
    return known


def _begin(
    db: Session, reference: str, organisation_id: int, amount: Money, by: Actor, facts: dict[str, Any]
) -> Deposit:
    new = insert(Deposit).values(
        id=uuid.uuid4(), reference=reference, organisation_id=organisation_id, amount=amount, received=Money(0),
        sub_account=numbers.draw(), state=DepositState.EXPECTED, expected_at=clock.database(db), **facts,
    )  # fmt: skip
    made = db.scalar(new.on_conflict_do_nothing(index_elements=["reference", "organisation_id"]).returning(Deposit.id))
    deposit = mine(db, reference, organisation_id)
    assert deposit is not None
    if made:
        journal.record(db, deposit.file, "deposit.expected", by=by, amount=amount.fen)
    return deposit


def mine(db: Session, reference: str, organisation_id: int) -> Deposit | None:
    """A party's own deposit for a reference."""
    return db.scalar(select(Deposit).filter_by(reference=reference, organisation_id=organisation_id))


def is_covered(db: Session, reference: str, organisation_id: int) -> bool:
    """Whether money that came in, or a confirmed guarantee, covers what this party owes for the reference."""
    deposit = mine(db, reference, organisation_id)
    return (
        deposit is not None
        and deposit.state in (DepositState.RECEIVED, DepositState.HELD)
        and (deposit.received >= deposit.amount or guarantees.covers(db, deposit))
    )


# --- the opening 开标 ----------------------------------------------------------------------------------


def is_opened(db: Session, reference: str) -> bool:
    """Whether the opening has made the deposits of this reference known."""
    found = select(Deposit.id).where(Deposit.reference == reference, Deposit.opened_at.is_not(None)).limit(1)
    return db.scalar(found) is not None


def hold(db: Session, reference: str, *, by: Actor) -> list[Deposit]:
    """The opening: all that has been received is held; what fell short goes home; the rest has lapsed.

    From here on the deposits of this reference may be seen (`of`). Safe to repeat.
    """
    _check_may_order(by)
    now = clock.database(db)
    waiting = _taken(db, select(Deposit.id).where(
        Deposit.reference == reference, Deposit.state.in_([DepositState.EXPECTED, DepositState.RECEIVED])
    ))  # fmt: skip
    for deposit in waiting:
        deposit.opened_at = now
    db.flush()
    ready = [deposit for deposit in waiting if deposit.state is DepositState.RECEIVED]
    _post_held(db, ready)
    many.move_all(db, ready, DepositState.HELD, by=by)
    short = [deposit for deposit in waiting if deposit.state is DepositState.EXPECTED]
    _send_home(db, short, reason=SHORT, by=by)
    return ready


def _post_held(db: Session, deposits: Sequence[Deposit]) -> None:
    with_money = [deposit for deposit in deposits if deposit.received.fen]
    ledger.open_accounts(db, [deposit.account("held") for deposit in with_money])
    ledger.post(
        db,
        [
            Posting(f"hold/{one.id}", "hold", one.account("received"), one.account("held"), one.received)
            for one in with_money
        ],
    )


def of(db: Session, reference: str) -> list[Deposit]:
    """The deposits of a reference; none before its opening has made them known."""
    found = (
        select(Deposit).where(Deposit.reference == reference, Deposit.opened_at.is_not(None))
        .order_by(Deposit.received_at, Deposit.id)
    )  # fmt: skip
    return list(db.scalars(found))


@dataclass(frozen=True)
class SamePayer:
    """Deposits of several parties from one account: deemed collusion (招标投标法实施条例 art. 40(6)); a flag only."""

    payer_account: str
    organisation_ids: tuple[int, ...]


def same_payers(db: Session, reference: str) -> list[SamePayer]:
    """Accounts from which more than one party's deposit was paid; known only after the opening."""
    rows = db.execute(
        select(Receipt.payer_account, Deposit.organisation_id).join(Deposit, Deposit.id == Receipt.deposit_id)
        .where(Deposit.reference == reference, Deposit.opened_at.is_not(None), Receipt.payer_account != "")
        .distinct().order_by(Receipt.payer_account, Deposit.organisation_id)
    )  # fmt: skip
    parties: dict[str, list[int]] = {}
    for account, organisation_id in rows:
        parties.setdefault(account, []).append(organisation_id)
    return [SamePayer(account, tuple(found)) for account, found in parties.items() if len(found) > 1]


# --- home 退还 -----------------------------------------------------------------------------------------


def release(db: Session, reference: str, organisation_ids: Iterable[int], *, reason: str, by: Actor) -> list[Refund]:
    """Order these parties' deposits home, in one transaction with their postings and jobs; safe to repeat.

    A party may take its own home before the opening (a bid withdrawn, art. 35). What a decision has frozen
    stays, and goes by itself when it is freed.
    """
    parties = set(organisation_ids)
    deposits = _taken(
        db, select(Deposit.id).where(Deposit.reference == reference, Deposit.organisation_id.in_(parties))
    )
    for deposit in deposits:
        _check_may_release(by, deposit)
    for deposit in deposits:
        if deposit.state in _BEFORE_HOME:
            deposit.release_reason = deposit.release_reason or reason
    db.flush()
    return _send_home(db, [one for one in deposits if not one.frozen_by], reason=reason, by=by)


_BEFORE_HOME = (DepositState.EXPECTED, DepositState.RECEIVED, DepositState.HELD)


def _send_home(db: Session, deposits: Sequence[Deposit], *, reason: str, by: Actor) -> list[Refund]:
    """Money goes back by refunds, letters are given back; what was never paid lapses."""
    held = [one for one in deposits if one.state is DepositState.HELD]
    others = [one for one in deposits if one.state in (DepositState.EXPECTED, DepositState.RECEIVED)]
    guarantees.give_back(db, [*held, *others], by=by)
    return [
        *_order_home(db, others, "received", reason, by),
        *_order_home(db, held, "held", reason, by),
    ]


def _order_home(db: Session, deposits: Sequence[Deposit], stage: str, reason: str, by: Actor) -> list[Refund]:
    receipts = _matched(db, deposits)
    paid = {receipt.deposit_id for receipt in receipts}
    with_money = [one for one in deposits if one.id in paid]
    by_letter = [one for one in deposits if one.id not in paid and one.state is not DepositState.EXPECTED]
    lapsed = [one for one in deposits if one.id not in paid and one.state is DepositState.EXPECTED]
    many.move_all(db, [*with_money, *by_letter], DepositState.REFUND_ORDERED, by=by, facts=lambda _: {"reason": reason})
    many.move_all(db, by_letter, DepositState.REFUNDED, by=by)  # nothing to pay
    many.move_all(db, lapsed, DepositState.LAPSED, by=by, facts=lambda _: {"reason": reason})
    return sending.send_back(db, receipts, stage, reason=reason, by=by)


def _matched(db: Session, deposits: Sequence[Deposit]) -> list[Receipt]:
    found = (
        select(Receipt).where(
            Receipt.deposit_id.in_([one.id for one in deposits]), Receipt.standing == Standing.MATCHED
        ).order_by(Receipt.booked_at, Receipt.id).options(joinedload(Receipt.deposit))
    )  # fmt: skip
    return list(db.scalars(found))


# --- frozen by a decision 冻结 ---------------------------------------------------------------------------


def freeze(db: Session, reference: str, organisation_ids: Iterable[int], *, decision: str, by: Actor) -> None:
    """Keep exactly the deposits that a decision on a complaint names, until it is lifted."""
    _check_may_order(by)
    for deposit in _named(db, reference, organisation_ids):
        if deposit.state in _BEFORE_HOME and deposit.frozen_by != decision:
            deposit.frozen_by = decision
            db.flush()
            journal.record(db, deposit.file, "deposit.frozen", by=by, decision=decision)


def unfreeze(db: Session, reference: str, organisation_ids: Iterable[int], *, by: Actor) -> list[Refund]:
    """Lift a freeze; what was ordered home meanwhile goes now."""
    _check_may_order(by)
    freed = [deposit for deposit in _named(db, reference, organisation_ids) if deposit.frozen_by]
    made: list[Refund] = []
    for deposit in freed:
        deposit.frozen_by = None
        db.flush()
        journal.record(db, deposit.file, "deposit.freed", by=by)
        if deposit.release_reason:
            made += _send_home(db, [deposit], reason=deposit.release_reason, by=by)
    return made


def _named(db: Session, reference: str, organisation_ids: Iterable[int]) -> list[Deposit]:
    chosen = Deposit.organisation_id.in_(set(organisation_ids))
    return _taken(db, select(Deposit.id).where(Deposit.reference == reference, chosen))


# --- forfeit 不予退还 ------------------------------------------------------------------------------------


def forfeit(db: Session, reference: str, organisation_id: int, *, reason: str, by: Actor) -> Deposit:
    """Ask that a held deposit be kept (条例 art. 35, 74); another person confirms. Safe to repeat."""
    _check_may_order(by)
    found = _named(db, reference, [organisation_id])
    if not found:
        raise NotHeld
    [deposit] = found
    if deposit.state in (DepositState.FORFEIT_PENDING, DepositState.FORFEITED):
        return deposit
    if deposit.state is not DepositState.HELD:
        raise NotHeld
    deposit.forfeit_reason, deposit.forfeit_by = reason, by.person_id
    move(db, deposit, DepositState.FORFEIT_PENDING, by=by, reason=reason)
    return deposit


def confirm_forfeit(db: Session, deposit: Deposit, *, by: Actor) -> Deposit:
    """A second person confirms: the amount is kept for the reference, anything above it goes home."""
    deposit = _confirmable(db, deposit, by, DepositState.FORFEITED)
    if deposit.state is DepositState.FORFEITED:
        return deposit
    kept = min(deposit.amount, deposit.received)
    over = deposit.received - kept
    if kept.fen:
        target = f"forfeited/{deposit.reference}"
        ledger.open_accounts(db, [target])
        ledger.post_one(db, f"forfeit/{deposit.id}", "forfeit", deposit.account("held"), target, kept)
    guarantees.claim(db, deposit, by=by)
    move(db, deposit, DepositState.FORFEITED, by=by, amount=kept.fen)
    if over.fen:
        _order_over(db, deposit, over, by)
    return deposit


def drop_forfeit(db: Session, deposit: Deposit, *, by: Actor) -> Deposit:
    """A second person does not confirm: the deposit is held as before."""
    deposit = _confirmable(db, deposit, by, DepositState.HELD)
    if deposit.state is DepositState.FORFEIT_PENDING:
        deposit.forfeit_reason = deposit.forfeit_by = None
        move(db, deposit, DepositState.HELD, by=by)
    return deposit


def _confirmable(db: Session, deposit: Deposit, by: Actor, *settled_as: DepositState) -> Deposit:
    if not by.is_a(Role.CENTRE_STAFF):
        raise NotForYouToOrder
    deposit = take(db, Deposit, deposit.id)
    if deposit.state is DepositState.FORFEIT_PENDING and deposit.forfeit_by == by.person_id:
        raise SecondPersonNeeded
    if deposit.state not in (DepositState.FORFEIT_PENDING, *settled_as):
        raise NotHeld
    return deposit


def _order_over(db: Session, deposit: Deposit, over: Money, by: Actor) -> None:
    """What was paid above the amount goes home from the latest receipts."""
    parts: dict[uuid.UUID, Money] = {}
    chosen: list[Receipt] = []
    for receipt in reversed(_matched(db, [deposit])):
        part = min(over, receipt.amount)
        if part.fen:
            parts[receipt.id], over = part, over - part
            chosen.append(receipt)
    sending.send_back(db, chosen, "held", reason="超出应缴金额的部分退还", by=by, parts=parts)


# --- who may ------------------------------------------------------------------------------------------


def _check_may_order(by: Actor) -> None:
    if by.person_id is not None and not by.is_a(*ORDERING):
        raise NotForYouToOrder


def _check_may_release(by: Actor, deposit: Deposit) -> None:
    own = by.organisation_id == deposit.organisation_id and deposit.opened_at is None
    if not own:
        _check_may_order(by)


def _taken(db: Session, ids) -> list[Deposit]:  # type: ignore[no-untyped-def]
    """These deposits in hand, always in the order of their ids so that two acts never wait for each other."""
    chosen = (
        select(Deposit).where(Deposit.id.in_(ids)).order_by(Deposit.id).with_for_update()
        .execution_options(populate_existing=True)
    )  # fmt: skip
    return list(db.scalars(chosen))


__all__ = [
    "AmountDiffers", "NotForYouToOrder", "NotHeld", "NotYourDeposit", "OpenedAlready", "SamePayer",
    "confirm_forfeit", "drop_forfeit", "expect", "forfeit", "freeze", "hold", "is_covered", "is_opened", "mine", "of",
    "release", "same_payers", "unfreeze",
]  # fmt: skip
