"""Money home 退还: orders made in one transaction with their posting and their job, sent once, followed to the end.

An order goes to the account the money came from (原路退回), or to another account of the same party that two
people have approved. Its EndToEndId is the number of the ledger transfer that ordered it. When an answer is
missing we ask; we never send the same money under a new number. A payment that comes back after days opens
the matter again. Money on its way walks through accounts of its own: ordered, sent, and at last the bank.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from ca.rights import Actor
from escrow import interest, ledger, many
from escrow.ledger import Posting
from escrow.models import (
    Deposit,
    DepositState,
    PayeeAccount,
    PayeeState,
    Receipt,
    Refund,
    RefundState,
    Standing,
)
from storage import clock
from storage.forms import BEIJING
from storage.lifecycle import move
from storage.refusals import NotValid
from storage.values import Money

INTEREST = "interest"  # the ledger account interest is paid from; what the bank pays us fills it again
DEAD = (RefundState.REJECTED, RefundState.RETURNED)
ON_THE_WAY = (RefundState.SENT, RefundState.UNCLEAR, RefundState.ACCEPTED)


class NoAccountToPay(NotValid):
    says = "付款方没有可以退回的账号。请让对方补充账户，并由两人审核。"


@dataclass(frozen=True)
class Payee:
    """Who is paid, and where."""

    name: str
    account: str
    bank: str = ""


# --- order 下达 ----------------------------------------------------------------------------------------


def order(
    db: Session, receipts: Sequence[Receipt], stage: str, *, reason: str, by: Actor,
    parts: Mapping[uuid.UUID, Money] | None = None,
) -> list[Refund]:  # fmt: skip
    """Order these receipts back, out of the ledger accounts of their `stage`; safe to repeat.

    `parts` says how much of a receipt goes back, when not all of it. `escrow.sending.send_back` adds the job.
    """
    alive = db.scalars(
        select(Refund).where(Refund.receipt_id.in_([one.id for one in receipts]), Refund.state.not_in(DEAD))
    ).all()
    known = {refund.receipt_id for refund in alive}
    now = clock.database(db)
    fresh = [receipt for receipt in receipts if receipt.id not in known]
    before, others = _earlier(db, fresh), _other_accounts(db, fresh)
    drafts = [
        _draft(receipt, stage, (parts or {}).get(receipt.id, receipt.amount), now, before.get(receipt.id), others)
        for receipt in fresh
    ]
    if not drafts:
        return list(alive)
    ledger.open_accounts(db, [INTEREST], floor=None)
    ledger.open_accounts(db, [f"{draft.receipt.purse}/{end}" for draft in drafts for end in ("ordered", "sent")])
    numbers = ledger.post(db, [draft.posting for draft in drafts])
    ledger.post(db, [draft.interest_posting for draft in drafts if draft.new_interest.fen])
    made = [
        Refund(
            id=draft.id, receipt_id=draft.receipt.id, number=draft.number, principal=draft.principal,
            interest=draft.interest, payee_name=draft.payee.name, payee_account=draft.payee.account,
            payee_bank=draft.payee.bank, reason=reason, transfer_id=transfer, ordered_at=now,
            state=RefundState.ORDERED,
        )
        for draft, transfer in zip(drafts, numbers, strict=True)
    ]  # fmt: skip
    db.add_all(made)
    db.flush()
    many.record_all(db, [(refund.file, "refund.ordered", _told(refund)) for refund in made], by=by)
    return [*alive, *made]


@dataclass(frozen=True)
class _Draft:
    """A refund about to be ordered."""

    id: uuid.UUID
    receipt: Receipt
    stage: str
    number: int
    principal: Money
    old_interest: Money  # went out with an earlier order and came back with it
    new_interest: Money
    payee: Payee

    @property
    def interest(self) -> Money:
        return self.old_interest + self.new_interest

    @property
    def posting(self) -> Posting:
        purse, amount = self.receipt.purse, self.principal + self.old_interest
        return Posting(f"refund/{self.id}", "refund.ordered", f"{purse}/{self.stage}", f"{purse}/ordered", amount)

    @property
    def interest_posting(self) -> Posting:
        key = f"refund/{self.id}/interest"
        return Posting(key, "interest", INTEREST, f"{self.receipt.purse}/ordered", self.new_interest)


def _told(refund: Refund) -> dict[str, object]:
    return {
        "amount": refund.amount.fen, "interest": refund.interest.fen, "number": refund.number, "reason": refund.reason,
    }  # fmt: skip


def _earlier(db: Session, receipts: Sequence[Receipt]) -> dict[uuid.UUID, Refund]:
    """The last order that each of these receipts had before."""
    rows = select(Refund).where(Refund.receipt_id.in_([one.id for one in receipts])).order_by(Refund.number)
    return {refund.receipt_id: refund for refund in db.scalars(rows)}


def _other_accounts(db: Session, receipts: Sequence[Receipt]) -> dict[tuple[int, str], Payee]:
    """Accounts that two people approved, by their party and the paying account they stand in for."""
    parties = {one.deposit.organisation_id for one in receipts if one.deposit is not None}
    rows = (
        select(PayeeAccount)
        .where(PayeeAccount.organisation_id.in_(parties), PayeeAccount.state == PayeeState.APPROVED)
        .where(PayeeAccount.is_basic.is_(False)).order_by(PayeeAccount.proposed_at)
    )  # fmt: skip
    return {(one.organisation_id, one.replaces): Payee(one.name, one.number, one.bank) for one in db.scalars(rows)}


def _draft(
    receipt: Receipt, stage: str, principal: Money, now: datetime, before: Refund | None,
    others: Mapping[tuple[int, str], Payee],
) -> _Draft:  # fmt: skip
    old, new = Money(0), Money(0)
    if before is not None:
        old, principal = before.interest, before.principal
    elif stage == "held" and receipt.deposit is not None:
        today = now.astimezone(BEIJING).date()
        new = interest.due(receipt.deposit.regime, principal, receipt.value_date, today)
    return _Draft(
        id=uuid.uuid4(), receipt=receipt, stage=stage, number=before.number + 1 if before else 1, principal=principal,
        old_interest=old, new_interest=new, payee=_payee(receipt, others),
    )  # fmt: skip


def _payee(receipt: Receipt, others: Mapping[tuple[int, str], Payee]) -> Payee:
    """Where a receipt goes back to: another account its party named and two people approved, else the payer's."""
    if receipt.standing is Standing.MATCHED and receipt.deposit is not None:
        other = others.get((receipt.deposit.organisation_id, receipt.payer_account))
        if other is not None:
            return other
    if not receipt.payer_account:
        raise NoAccountToPay
    return Payee(receipt.payer_name or "—", receipt.payer_account, receipt.payer_bank)


# --- what the bank said 银行回执 -------------------------------------------------------------------------


def by_end_to_end_ids(db: Session, numbers: Iterable[str]) -> dict[str, Refund]:
    """The refunds that messages of the bank speak of, taken in hand in the order of their ids."""
    transfers: dict[uuid.UUID, str] = {}
    for number in numbers:
        with suppress(ValueError):
            transfers[uuid.UUID(hex=number)] = number
    rows = (
        select(Refund).where(Refund.transfer_id.in_(transfers)).order_by(Refund.id).with_for_update(of=Refund)
        .options(joinedload(Refund.receipt, innerjoin=True)).execution_options(populate_existing=True)
    )  # fmt: skip
    return {transfers[refund.transfer_id]: refund for refund in db.scalars(rows)}


def by_end_to_end_id(db: Session, end_to_end_id: str) -> Refund | None:
    """The refund a message of the bank speaks of, taken in hand; None when it is not one of ours."""
    return by_end_to_end_ids(db, [end_to_end_id]).get(end_to_end_id)


def accepted(db: Session, refunds: Sequence[Refund], *, by: Actor) -> None:
    """The bank took these payments; what is further on already is left as it is."""
    fresh = [one for one in refunds if one.state in (RefundState.SENT, RefundState.UNCLEAR)]
    many.move_all(db, fresh, RefundState.ACCEPTED, by=by)
    follow(db, fresh, by=by)


def unclear(db: Session, refund: Refund, *, by: Actor) -> None:
    """No answer in time: we do not know, and ask."""
    if refund.state is RefundState.SENT:
        move(db, refund, RefundState.UNCLEAR, by=by)


def rejected(db: Session, refund: Refund, bank_reason: str, *, by: Actor) -> None:
    """The bank refused the payment: the money is still here and waits for another account or another order."""
    if refund.state not in ON_THE_WAY:
        return
    purse = refund.receipt.purse
    ledger.open_accounts(db, [f"{purse}/returned"])
    ledger.post(db, [step(refund, "reject", "sent", f"{purse}/returned")])
    refund.bank_reason = bank_reason[:40]
    move(db, refund, RefundState.REJECTED, by=by, bank_reason=bank_reason)
    follow(db, [refund], by=by)


def settled(db: Session, refunds: Sequence[Refund], *, by: Actor) -> list[uuid.UUID]:
    """The bank booked these payments; returns the transfers that booked them here. Safe to repeat."""
    transfers = ledger.post(db, [step(one, "settle", "sent", one.receipt.bank_code) for one in refunds])
    fresh, now = [one for one in refunds if one.state in ON_THE_WAY], clock.database(db)
    for refund in fresh:
        refund.settled_at = now
    many.move_all(db, fresh, RefundState.SETTLED, by=by)
    follow(db, fresh, by=by)
    return transfers


def returned(db: Session, refund: Refund, bank_reason: str, *, by: Actor) -> uuid.UUID:
    """A payment came back: it is here again and waits. A return told before its debit books both."""
    settled(db, [refund], by=by)
    purse = refund.receipt.purse
    ledger.open_accounts(db, [f"{purse}/returned"])
    key = f"return/{refund.id}"
    transfer = ledger.post_one(db, key, "refund.return", refund.receipt.bank_code, f"{purse}/returned", refund.amount)
    if refund.state is RefundState.SETTLED:
        refund.bank_reason = bank_reason[:40]
        move(db, refund, RefundState.RETURNED, by=by, bank_reason=bank_reason)
        follow(db, [refund], by=by)
    return transfer


def step(refund: Refund, step: str, source: str, target: str) -> Posting:
    """One step of a refund's money through the ledger; each step has one key for ever."""
    return Posting(f"{step}/{refund.id}", f"refund.{step}", f"{refund.receipt.purse}/{source}", target, refund.amount)


# --- the deposit follows 保证金随退款而变 ------------------------------------------------------------------


def follow(db: Session, changed: Sequence[Refund], *, by: Actor) -> None:
    """Let the deposits tell where their refunds are."""
    ids = {
        one.receipt.deposit_id for one in changed
        if one.receipt.standing is Standing.MATCHED and one.receipt.deposit_id is not None
    }  # fmt: skip
    if not ids:
        return
    states, going = _newest_states(db, ids), defaultdict[DepositState, list[Deposit]](list)
    for deposit in db.scalars(
        select(Deposit).where(Deposit.id.in_(ids)).order_by(Deposit.id).with_for_update()
        .execution_options(populate_existing=True)
    ):  # fmt: skip
        where = _where(deposit, states.get(deposit.id, set()))
        if where is not None and where is not deposit.state:
            going[where].append(deposit)
    for where, deposits in going.items():
        many.move_all(db, deposits, where, by=by)


def _newest_states(db: Session, deposits: Iterable[uuid.UUID]) -> dict[uuid.UUID, set[RefundState]]:
    """For each deposit, the states of the newest refund of each of its receipts."""
    rows: Any = db.execute(
        select(Receipt.deposit_id, Refund.receipt_id, Refund.state).join(Receipt, Receipt.id == Refund.receipt_id)
        .where(Receipt.deposit_id.in_(deposits), Receipt.standing == Standing.MATCHED).order_by(Refund.number)
    )  # fmt: skip
    newest = {(deposit_id, receipt_id): state for deposit_id, receipt_id, state in rows}
    found: dict[uuid.UUID, set[RefundState]] = {}
    for (deposit_id, _), state in newest.items():
        found.setdefault(deposit_id, set()).add(state)
    return found


def _where(deposit: Deposit, states: set[RefundState]) -> DepositState | None:
    """The state that a deposit's refunds add up to; None when nothing changes, or it was forfeited."""
    if deposit.state is DepositState.FORFEITED or not states:
        return None
    if states & set(DEAD):
        return DepositState.RETURNED
    if states == {RefundState.SETTLED}:
        return DepositState.REFUNDED
    if deposit.state is DepositState.RETURNED:
        return DepositState.REFUND_ORDERED
    if states & set(ON_THE_WAY) and deposit.state is DepositState.REFUND_ORDERED:
        return DepositState.REFUNDING
    return None
