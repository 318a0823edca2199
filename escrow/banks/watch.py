"""Listening to the bank 收取银行消息: every message is kept whole, taken in, and then filed away at the bank.

`poll` is called each second by the worker, or when the bank calls. A message that was kept is not kept again;
an entry that was taken in is not taken in again, in whatever message or order it is repeated. What is filed
away at the bank was committed here before, in an earlier poll.
"""

import hashlib
import uuid
from collections.abc import Sequence

import structlog
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from ca.rights import SYSTEM
from escrow import receipts, reconciliation, refunds
from escrow.banks.bank import Bank
from escrow.banks.iso20022 import Line, Message, Page, Unreadable, read
from escrow.models import BankLine, BankMessage, PaymentFile, Refund, RefundState, Statement
from storage import clock, journal

log = structlog.get_logger()


def poll(db: Session, bank: Bank) -> int:
    """Take in what waits at the bank; the number of new messages. Raises Unreachable.

    Two who poll at once do no harm: the second finds the first at it and leaves.
    """
    if not db.scalar(
        text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": f"poll/{bank.name}"}
    ):
        return 0
    letters = bank.letters()
    digests = {letter.id: hashlib.sha256(letter.body).hexdigest() for letter in letters}
    kept = set(db.scalars(
        select(BankMessage.digest).where(BankMessage.bank == bank.name, BankMessage.digest.in_(digests.values()))
    ))  # fmt: skip
    safe = [letter.id for letter in letters if digests[letter.id] in kept]
    fresh = [letter for letter in letters if digests[letter.id] not in kept]
    for letter in fresh:
        take_in(db, bank.name, bank.account, letter.body)
    if safe:
        bank.file_away(safe)
    return len(fresh)


def take_in(db: Session, bank: str, account: str, body: bytes) -> BankMessage:
    """Keep one message whole and act on it; the same bytes again do nothing."""
    receipts.lock_account(db, bank, account)
    digest = hashlib.sha256(body).hexdigest()
    known = db.scalar(select(BankMessage).filter_by(bank=bank, digest=digest))
    if known:
        return known
    row = BankMessage(
        bank=bank, kind="", msg_id="", digest=digest, received_at=clock.database(db),
        body=body.decode("utf-8", "backslashreplace").replace("\x00", "�"),
    )  # fmt: skip
    try:
        message = read(body)
    except Unreadable as wrong:
        row.problem = str(wrong)[:300]
        log.warning("bank_message_unreadable", bank=bank, why=str(wrong))
        db.add(row)
        db.flush()
        return row
    row.kind, row.msg_id = message.kind, message.msg_id[:40]
    db.add(row)
    db.flush()
    problems = _act(db, bank, account, message)
    row.problem = "; ".join(problems)[:300] or None
    db.flush()
    return row


def _act(db: Session, bank: str, account: str, message: Message) -> list[str]:
    """Do what a message says; what it says that cannot be true comes back in words."""
    if message.kind == "pain.002":
        return _statuses(db, message)
    if message.kind == "pacs.004":
        return _returns_told(db, message)
    problems: list[str] = []
    for page in message.pages:
        if page.account == account:
            problems += _lines(db, bank, account, page.lines)
            if page.statement is not None:
                _statement(db, bank, page)
    return problems


# --- entries 流水 --------------------------------------------------------------------------------------


def _lines(db: Session, bank: str, account: str, lines: Sequence[Line]) -> list[str]:
    """Take booked entries in: what settles our refunds together, the rest one by one; repeats do nothing."""
    known = _known(db, bank, account, lines)
    ours = refunds.by_end_to_end_ids(db, {line.end_to_end_id for line in lines if line.bank_reference not in known})
    problems, plain, others = [], {}, []
    for line in lines:
        refund = ours.get(line.end_to_end_id)
        if line.bank_reference in known:
            if known[line.bank_reference] != line.amount.fen:
                problems.append(f"{line.bank_reference}: another amount than before")
        elif refund is not None and refund.id not in plain and _is_its_debit(refund, line):
            plain[refund.id] = (refund, line)
        else:
            others.append(line)
    settled = list(plain.values())
    transfers = refunds.settled(db, [refund for refund, _ in settled], by=SYSTEM)
    for (_, line), transfer in zip(settled, transfers, strict=True):
        _keep(db, bank, account, line, transfer)
    db.flush()
    return problems + [told for line in others if (told := _line(db, bank, account, line))]


def _known(db: Session, bank: str, account: str, lines: Sequence[Line]) -> dict[str, int]:
    """The entries among these that were taken in before, with their amounts in fen."""
    rows = db.execute(
        select(BankLine.bank_reference, BankLine.amount)
        .filter_by(bank=bank, account=account).where(BankLine.bank_reference.in_([one.bank_reference for one in lines]))
    )  # fmt: skip
    return {reference: fen for reference, fen in rows}


def _is_its_debit(refund: Refund, line: Line) -> bool:
    return refund.state in refunds.ON_THE_WAY and -line.amount == refund.amount


def _line(db: Session, bank: str, account: str, line: Line) -> str:
    """Take one booked entry in; a repeat does nothing; an untruth is told."""
    if receipts.line(db, bank, account, line.bank_reference) is not None:
        return ""
    refund = refunds.by_end_to_end_id(db, line.end_to_end_id)
    if line.is_credit:
        if refund is not None and _came_back(refund, line):
            _keep(db, bank, account, line, refunds.returned(db, refund, line.reason or "RETURNED", by=SYSTEM))
        else:
            receipts.take_in(db, _credit(bank, account, line), by=SYSTEM)
        return ""
    if refund is not None and _was_paid(db, refund, line):
        [transfer] = refunds.settled(db, [refund], by=SYSTEM)
        _keep(db, bank, account, line, transfer)
        return ""
    _keep(db, bank, account, line, None)
    return f"{line.bank_reference}: a debit that no order of ours explains"


def _came_back(refund: Refund, line: Line) -> bool:
    there = (*refunds.ON_THE_WAY, RefundState.SETTLED)
    return refund.state in there and line.amount == refund.amount


def _was_paid(db: Session, refund: Refund, line: Line) -> bool:
    """Whether this debit is the one booking of this refund: a second one, or another amount, is not."""
    if _is_its_debit(refund, line):
        return True
    before = select(BankLine.id).where(BankLine.end_to_end_id == refund.end_to_end_id, BankLine.amount < 0).limit(1)
    gone_on = refund.state in (RefundState.SETTLED, RefundState.RETURNED)
    return gone_on and -line.amount == refund.amount and db.scalar(before) is None


def _credit(bank: str, account: str, line: Line) -> receipts.Credit:
    return receipts.Credit(
        bank=bank, account=account, bank_reference=line.bank_reference, amount=line.amount, day=line.day,
        value_date=line.value_date, payer_name=line.party_name, payer_account=line.party_account,
        payer_bank=line.party_bank, references=line.references, note=line.note, end_to_end_id=line.end_to_end_id,
    )  # fmt: skip


def _keep(db: Session, bank: str, account: str, line: Line, transfer: uuid.UUID | None) -> None:
    db.add(
        BankLine(
            bank=bank, account=account, bank_reference=line.bank_reference, day=line.day, amount=line.amount.fen,
            end_to_end_id=line.end_to_end_id[:40] or None, transfer_id=transfer,
        )
    )  # fmt: skip


# --- statements 对账单 ----------------------------------------------------------------------------------


def _statement(db: Session, bank: str, page: Page) -> None:
    """Keep a statement and compare everything with it."""
    told = page.statement
    assert told is not None
    known = db.scalar(select(Statement).filter_by(bank=bank, account=page.account, statement_id=told.id))
    if known is None:
        known = Statement(
            bank=bank, account=page.account, statement_id=told.id, day=told.day, is_final=told.is_final,
            opening=told.opening, closing=told.closing, taken_at=clock.database(db),
            lines=[{"bank_reference": line.bank_reference, "fen": line.amount.fen} for line in page.lines],
        )  # fmt: skip
        db.add(known)
        db.flush()
    reconciliation.reconcile(db, known, by=SYSTEM)


# --- what became of a file 付款回执 -----------------------------------------------------------------------


def _statuses(db: Session, message: Message) -> list[str]:
    """A pain.002: payment by payment, or the whole file rejected."""
    ours = refunds.by_end_to_end_ids(db, {status.end_to_end_id for status in message.statuses})
    problems, accepted = [], []
    for status in message.statuses:
        refund = ours.get(status.end_to_end_id)
        if refund is None:
            problems.append(f"{status.end_to_end_id}: no payment of ours")
        elif status.is_rejected:
            refunds.rejected(db, refund, status.reason, by=SYSTEM)
        elif status.is_accepted:
            accepted.append(refund)
    refunds.accepted(db, accepted, by=SYSTEM)
    if not message.statuses and message.group and message.group.is_rejected:
        problems += _file_rejected(db, message)
    return problems


def _file_rejected(db: Session, message: Message) -> list[str]:
    """The whole file was refused. As a duplicate: the bank has it, so nothing is refused, and we ask."""
    assert message.group is not None
    try:
        file = db.get(PaymentFile, uuid.UUID(hex=message.original))
    except ValueError:
        file = None
    if file is None:
        return [f"{message.original}: no file of ours"]
    if message.group.reason in ("DUPL", "AM05"):
        return []
    for refund in list(file.refunds):
        refunds.rejected(db, refund, message.group.reason, by=SYSTEM)
    return []


def _returns_told(db: Session, message: Message) -> list[str]:
    """A pacs.004 tells why a payment comes back; the money itself comes as an entry."""
    problems = []
    for status in message.statuses:
        refund = refunds.by_end_to_end_id(db, status.end_to_end_id)
        if refund is None:
            problems.append(f"{status.end_to_end_id}: no payment of ours")
        else:
            journal.record(db, refund.file, "refund.return_told", by=SYSTEM, bank_reason=status.reason)
    return problems
