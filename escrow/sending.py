"""To the bank 送银行: orders become files, files are told to the bank, and silence is followed by a question.

A file's number is its MsgId, a payment's EndToEndId the number of its ledger transfer. Before a file is told
the bank is asked whether it has it already, so a crash between telling and remembering costs a question and
never a second payment.
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload

from ca.rights import SYSTEM, Actor, Role
from escrow import ledger, many, refunds, rules
from escrow.banks import reach
from escrow.banks.bank import Bank, Heard
from escrow.models import Deposit, PaymentFile, Receipt, Reconciliation, Refund, RefundState, Standing
from storage import clock, jobs
from storage.db import take
from storage.refusals import NotNow, NotYours
from storage.values import Money


class NotForYouToSend(NotYours):
    says = "重新退还由交易中心工作人员或缴款单位自己办理。"


class NothingCameBack(NotNow):
    says = "这笔退款没有被拒绝或退回，无需重新下达。请查看退款状态。"


# --- order 下达 ----------------------------------------------------------------------------------------


def send_back(
    db: Session, receipts: Sequence[Receipt], stage: str, *, reason: str, by: Actor,
    parts: Mapping[uuid.UUID, Money] | None = None,
) -> list[Refund]:  # fmt: skip
    """Order these receipts back, and leave the job that sends them: row, posting and job in one transaction."""
    made = refunds.order(db, receipts, stage, reason=reason, by=by, parts=parts)
    for bank, account in sorted({(receipt.bank, receipt.account) for receipt in receipts}):
        announce(db, bank, account)
    return made


def reorder(db: Session, refund: Refund, *, by: Actor) -> Refund:
    """Send again what the bank rejected or what came back, as a new order; two at once make one.

    The centre does it, or the party whose deposit it is: before the opening nobody else may know of it.
    """
    receipt = take(db, Receipt, refund.receipt_id)
    if not _may_reorder(by, receipt):
        raise NotForYouToSend
    newest = db.scalar(select(Refund).filter_by(receipt_id=receipt.id).order_by(Refund.number.desc()).limit(1))
    assert newest is not None
    if newest.state not in refunds.DEAD:
        if newest.number > refund.number and newest.state is RefundState.ORDERED:
            return newest  # somebody just did
        raise NothingCameBack
    [again] = send_back(db, [receipt], "returned", reason=newest.reason, by=by)
    refunds.follow(db, [again], by=by)
    return again


def reorder_deposit(db: Session, deposit: Deposit, *, by: Actor) -> list[Refund]:
    """Send again everything of one deposit that the bank rejected or sent back."""
    dead = [one for one in dead_of(db, deposit.organisation_id) if one.receipt.deposit_id == deposit.id]
    if not dead:
        raise NothingCameBack
    return [reorder(db, refund, by=by) for refund in dead]


def _may_reorder(by: Actor, receipt: Receipt) -> bool:
    if by.person_id is None or by.is_a(Role.CENTRE_STAFF):
        return True
    is_own = receipt.deposit is not None and receipt.deposit.organisation_id == by.organisation_id
    return is_own and receipt.standing is Standing.MATCHED


def dead_of(db: Session, organisation_id: int, payer_account: str = "") -> list[Refund]:
    """A party's refunds that the bank rejected or sent back and nobody has ordered again; of one account, if named."""
    newest = select(Refund.receipt_id, func.max(Refund.number).label("number")).group_by(Refund.receipt_id).subquery()
    dead = (
        select(Refund).join(newest, (newest.c.receipt_id == Refund.receipt_id) & (newest.c.number == Refund.number))
        .join(Receipt, Receipt.id == Refund.receipt_id).join(Deposit, Deposit.id == Receipt.deposit_id)
        .where(Refund.state.in_(refunds.DEAD), Receipt.standing == Standing.MATCHED)
        .where(Deposit.organisation_id == organisation_id).order_by(Refund.ordered_at)
    )  # fmt: skip
    if payer_account:
        dead = dead.where(Receipt.payer_account == payer_account)
    return list(db.scalars(dead))


# --- pack 组成付款文件 -----------------------------------------------------------------------------------


def announce(db: Session, bank: str, account: str) -> None:
    """Leave a job that packs what is ordered for this account; one that still waits is enough."""
    jobs.later(db, "escrow.pack_refunds", once=f"escrow.pack_refunds/{bank}/{account}", bank=bank, account=account)


@jobs.task("escrow.pack_refunds")
def pack_refunds(db: Session, bank: str, account: str) -> None:
    """The job: pack what is ordered for one bank account."""
    pack(db, bank, account, by=SYSTEM)


def due_to_pack(db: Session) -> list[str]:
    """The accounts, as "bank/account", with orders that no file carries yet: what a lost job would have packed."""
    waiting = (
        select(Receipt.bank, Receipt.account).join(Refund, Refund.receipt_id == Receipt.id)
        .where(Refund.state == RefundState.ORDERED).distinct()
    )  # fmt: skip
    return [f"{bank}/{account}" for bank, account in db.execute(waiting) if not is_stopped(db, bank, account)]


def pack_due(db: Session, bank_and_account: str) -> list[PaymentFile]:
    """The due act for `due_to_pack`."""
    bank, _, account = bank_and_account.partition("/")
    return pack(db, bank, account, by=SYSTEM)


def is_stopped(db: Session, bank: str, account: str) -> bool:
    """Whether the last reconciliation of this account found a difference: then nothing leaves it by itself."""
    newest = db.scalar(
        select(Reconciliation).filter_by(bank=bank, account=account).order_by(Reconciliation.id.desc()).limit(1)
    )
    return newest is not None and not newest.agrees


def pack(db: Session, bank: str, account: str, *, by: Actor) -> list[PaymentFile]:
    """Put the ordered refunds of one bank account into files for the bank; each is in one file only."""
    if is_stopped(db, bank, account):
        return []
    waiting = (
        select(Refund).join(Receipt, Receipt.id == Refund.receipt_id)
        .where(Refund.state == RefundState.ORDERED, Receipt.bank == bank, Receipt.account == account)
        .order_by(Refund.ordered_at, Refund.id).limit(ledger.MOST).with_for_update(of=Refund, skip_locked=True)
        .options(joinedload(Refund.receipt, innerjoin=True)).execution_options(populate_existing=True)
    )  # fmt: skip
    found, size = db.scalars(waiting).all(), rules.bank("payments_in_a_file")
    return [_pack_one(db, bank, account, found[start : start + size], by) for start in range(0, len(found), size)]


def _pack_one(db: Session, bank: str, account: str, chosen: Sequence[Refund], by: Actor) -> PaymentFile:
    file = PaymentFile(id=uuid.uuid4(), bank=bank, account=account, packed_at=clock.database(db))
    db.add(file)
    db.flush()
    ledger.post(db, [refunds.step(refund, "send", "ordered", f"{refund.receipt.purse}/sent") for refund in chosen])
    for refund in chosen:
        refund.file_id, refund.sent_at = file.id, file.packed_at
    many.move_all(db, chosen, RefundState.SENT, by=by, facts=lambda _: {"payment_file": file.msg_id})
    refunds.follow(db, chosen, by=by)
    jobs.later(db, "escrow.send_file", file=str(file.id))
    return file


# --- tell 送出 -----------------------------------------------------------------------------------------


@jobs.task("escrow.send_file")
def send_file(db: Session, file: str) -> None:
    """The job: tell the bank one file. Raises Unreachable, and is then tried again, with the same numbers."""
    tell(db, take(db, PaymentFile, uuid.UUID(file)))


def tell(db: Session, file: PaymentFile) -> None:
    """Make sure the bank has this file: ask first, then tell; once it has it, there is nothing to do."""
    if file.told_at is not None:
        return
    bank = reach.named(db, file.bank)
    payments = list(file.refunds)
    file.tries += 1
    if bank.ask(payments[0].end_to_end_id).heard is Heard.UNKNOWN:
        bank.tell(file.msg_id, payments)
    file.told_at = clock.database(db)


# --- ask 查询 ------------------------------------------------------------------------------------------


def due_to_tell(db: Session) -> list[uuid.UUID]:
    """Files packed a while ago of which we do not know that the bank has them (a lost job, a bank that was away)."""
    late = clock.database(db) - timedelta(seconds=rules.bank("patience_seconds"))
    return list(db.scalars(
        select(PaymentFile.id).where(
            PaymentFile.told_at.is_(None), func.coalesce(PaymentFile.asked_at, PaymentFile.packed_at) < late
        ).order_by(PaymentFile.packed_at).limit(20)
    ))  # fmt: skip


def tell_due(db: Session, file_id: uuid.UUID) -> None:
    """The due act for `due_to_tell`: leave the job again; what has been told meanwhile does nothing."""
    file = take(db, PaymentFile, file_id)
    if file.told_at is None:
        file.asked_at = clock.database(db)
        jobs.later(db, "escrow.send_file", once=f"escrow.send_file/{file.id}", file=str(file.id))


def due_to_ask(db: Session) -> list[uuid.UUID]:
    """Files the bank has, with payments it has told nothing about for longer than our patience (it doubles)."""
    now = clock.database(db)
    patience, longest = rules.bank("patience_seconds"), rules.bank("longest_patience_seconds")
    open_ = (
        select(Refund.file_id).where(Refund.state.in_([RefundState.SENT, RefundState.UNCLEAR]))
        .where(Refund.file_id.is_not(None)).distinct()
    )  # fmt: skip
    files = db.scalars(select(PaymentFile).where(PaymentFile.told_at.is_not(None), PaymentFile.id.in_(open_)))
    return [
        file.id for file in files
        if now - (file.asked_at or file.told_at or now)
        >= timedelta(seconds=min(patience * 2 ** min(file.asks, 12), longest))
    ]  # fmt: skip


def ask_due(db: Session, file_id: uuid.UUID) -> None:
    """The due act for `due_to_ask`: leave the job that asks."""
    file = take(db, PaymentFile, file_id)
    file.asked_at, file.asks = clock.database(db), file.asks + 1
    jobs.later(db, "escrow.ask_file", once=f"escrow.ask_file/{file.id}", file=str(file.id))


@jobs.task("escrow.ask_file")
def ask_file(db: Session, file: str) -> None:
    """The job: ask the bank about every payment of a file that it has told nothing about."""
    ask(db, take(db, PaymentFile, uuid.UUID(file)))


def ask(db: Session, file: PaymentFile) -> None:
    """Ask about what is unclear. What the bank never had is told again, under the same numbers."""
    bank, missing = reach.named(db, file.bank), 0
    for refund in list(file.refunds):
        refund = take(db, Refund, refund.id)
        if refund.state in (RefundState.SENT, RefundState.UNCLEAR):
            missing += _ask_one(db, bank, refund)
    if missing and missing == len(file.refunds):
        file.told_at = None
        jobs.later(db, "escrow.send_file", once=f"escrow.send_file/{file.id}", file=str(file.id))


def _ask_one(db: Session, bank: Bank, refund: Refund) -> int:
    """Ask about one payment; 1 when the bank never had it."""
    told = bank.ask(refund.end_to_end_id)
    if told.heard is Heard.REJECTED:
        refunds.rejected(db, refund, told.reason, by=SYSTEM)
    elif told.heard is Heard.UNKNOWN:
        refunds.unclear(db, refund, by=SYSTEM)
    else:
        refunds.accepted(db, [refund], by=SYSTEM)
    return int(told.heard is Heard.UNKNOWN)
