"""Reconciliation 对账, three ways: what the bank states, what the ledger says, what the deposits add up to.

It runs with every statement (camt.053 at the end of the day, camt.052 when asked for). A difference stops the
automatic refunds of that one account until it is gone or a person has explained it; nothing is ever booked
away. Differences carry no names: before the opening nobody may learn who paid.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from ca.rights import Actor, Role
from escrow import ledger
from escrow.models import BankLine, Explanation, Reconciliation, Statement
from storage import clock, journal
from storage.db import take
from storage.refusals import NotValid, NotYours


class Kind(StrEnum):
    """In what way two counts differ."""

    MISSING_ON_STATEMENT = "missing_on_statement"
    OTHER_AMOUNT = "other_amount"
    UNEXPLAINED_LINE = "unexplained_line"
    STATEMENT_DOES_NOT_ADD_UP = "statement_does_not_add_up"
    OPENING_JUMPS = "opening_jumps"
    CLOSING_DIFFERS = "closing_differs"
    LEDGER_DIFFERS = "ledger_differs"
    DEPOSIT_DIFFERS = "deposit_differs"
    LEDGER_UNSOUND = "ledger_unsound"


KIND_NAMES = {
    Kind.MISSING_ON_STATEMENT: "对账单缺少一笔流水",
    Kind.OTHER_AMOUNT: "流水金额与对账单不符",
    Kind.UNEXPLAINED_LINE: "银行有一笔无法解释的流水",
    Kind.STATEMENT_DOES_NOT_ADD_UP: "对账单流水与其余额不符",
    Kind.OPENING_JUMPS: "期初余额与上一期期末余额不符",
    Kind.CLOSING_DIFFERS: "期末余额与已入账流水不符",
    Kind.LEDGER_DIFFERS: "账簿余额与银行流水不符",
    Kind.DEPOSIT_DIFFERS: "一笔保证金与其账簿科目不符",
    Kind.LEDGER_UNSOUND: "账簿自身核算不平",
}


class NotForYouToExplain(NotYours):
    says = "对账差异由交易中心工作人员核实。"


class ExplanationNeeded(NotValid):
    says = "请写明差异的原因和依据。"


@dataclass(frozen=True)
class Difference:
    """One difference; `key` is the same each time it is found again."""

    key: str
    kind: Kind
    fen: int
    about: str


def reconcile(db: Session, statement: Statement, *, by: Actor) -> Reconciliation:
    """Compare everything with this statement and keep what was found."""
    explained = set(db.scalars(select(Explanation.key).filter_by(bank=statement.bank, account=statement.account)))
    found = [one for one in differences(db, statement) if one.key not in explained]
    row = Reconciliation(
        bank=statement.bank, account=statement.account, day=statement.day, at=clock.database(db),
        differences=[asdict(one) for one in found],
    )  # fmt: skip
    db.add(row)
    db.flush()
    if found:
        kinds = sorted({one.kind.value for one in found})
        journal.record(db, f"reconciliation/{row.id}", "reconciliation.differs", by=by, kinds=kinds)
    return row


def differences(db: Session, statement: Statement) -> list[Difference]:
    """Everything that does not agree with this statement, the ledger and the deposits."""
    return [
        *_lines(db, statement),
        *_unexplained(db, statement),
        *_balances(db, statement),
        *_ledger(db, statement),
        *_deposits(db),
    ]


def _ours(statement: Statement) -> Any:
    return (BankLine.bank == statement.bank) & (BankLine.account == statement.account)


def _lines(db: Session, statement: Statement) -> list[Difference]:
    """First way: each entry of the day, one by one."""
    told = {line["bank_reference"]: line["fen"] for line in statement.lines}
    kept = db.scalars(select(BankLine).where(_ours(statement), BankLine.day == statement.day)).all()
    found = []
    for line in kept:
        if line.bank_reference not in told:
            kind, fen = Kind.MISSING_ON_STATEMENT, line.amount
        elif told[line.bank_reference] != line.amount:
            kind, fen = Kind.OTHER_AMOUNT, told[line.bank_reference] - line.amount
        else:
            continue
        found.append(Difference(f"{kind}/{line.bank_reference}", kind, fen, line.bank_reference))
    return found


def _unexplained(db: Session, statement: Statement) -> list[Difference]:
    lines = db.scalars(select(BankLine).where(_ours(statement), BankLine.transfer_id.is_(None)))
    kind = Kind.UNEXPLAINED_LINE
    return [Difference(f"{kind}/{one.bank_reference}", kind, one.amount, one.bank_reference) for one in lines]


def _balances(db: Session, statement: Statement) -> list[Difference]:
    """Second way: balances against each other and against all we took in."""
    found = []
    opening, closing = statement.opening.fen, statement.closing.fen
    listed = sum(line["fen"] for line in statement.lines)
    if opening + listed != closing:
        fen = closing - opening - listed
        found.append(_about(Kind.STATEMENT_DOES_NOT_ADD_UP, statement, fen))
    before = db.scalar(_finals(statement).where(Statement.day < statement.day).order_by(Statement.day.desc()).limit(1))
    if before is not None and before.closing.fen != opening:
        found.append(_about(Kind.OPENING_JUMPS, statement, opening - before.closing.fen))
    expected = _base(db, statement) + _sum_of_lines(db, statement, statement.day)
    if expected != closing:
        found.append(_about(Kind.CLOSING_DIFFERS, statement, closing - expected))
    return found


def _finals(statement: Statement) -> Any:
    return select(Statement).filter_by(bank=statement.bank, account=statement.account, is_final=True)


def _base(db: Session, statement: Statement) -> int:
    """What was on the account before we began: the opening of the first statement, less what we knew then."""
    first = db.scalar(
        select(Statement).filter_by(bank=statement.bank, account=statement.account)
        .order_by(Statement.day, Statement.taken_at).limit(1)
    )  # fmt: skip
    if first is None:
        return 0
    earlier = select(func.coalesce(func.sum(BankLine.amount), 0)).where(_ours(statement), BankLine.day < first.day)
    return first.opening.fen - int(db.scalar(earlier) or 0)


def _sum_of_lines(db: Session, statement: Statement, until: date) -> int:
    total = select(func.coalesce(func.sum(BankLine.amount), 0)).where(_ours(statement), BankLine.day <= until)
    return int(db.scalar(total) or 0)


def _ledger(db: Session, statement: Statement) -> list[Difference]:
    """The ledger's mirror of the bank account against the entries it was posted from, and the ledger itself."""
    found = []
    posted = select(func.coalesce(func.sum(BankLine.amount), 0)).where(
        _ours(statement), BankLine.transfer_id.is_not(None)
    )
    mirror = -ledger.balance(db, f"bank/{statement.bank}/{statement.account}").fen
    if (fen := mirror - int(db.scalar(posted) or 0)) != 0:
        found.append(_about(Kind.LEDGER_DIFFERS, statement, fen))
    count = ledger.recount(db)
    if not count.good:
        found.append(_about(Kind.LEDGER_UNSOUND, statement, count.total))
    return found


_DEPOSITS = text("""
WITH home AS (
    SELECT r.deposit_id, sum(r.amount) AS paid,
           coalesce(sum(best.interest), 0) AS interest, coalesce(sum(best.settled), 0) AS settled
    FROM receipt r LEFT JOIN (
        SELECT receipt_id, max(interest) AS interest,
               sum(principal + interest) FILTER (WHERE state = 'settled') AS settled
        FROM refund GROUP BY receipt_id) best ON best.receipt_id = r.id
    WHERE r.standing = 'matched' GROUP BY r.deposit_id
), books AS (
    SELECT split_part(code, '/', 2) AS deposit, sum(balance) AS balance
    FROM ledger_account WHERE code LIKE 'deposit/%' GROUP BY 1
)
SELECT d.id, coalesce(books.balance, 0)
     - (coalesce(home.paid, 0) + coalesce(home.interest, 0) - coalesce(home.settled, 0)
        - CASE WHEN d.state = 'forfeited' THEN least(d.amount, d.received) ELSE 0 END) AS fen,
       d.received - coalesce(home.paid, 0) AS rows
FROM deposit d LEFT JOIN home ON home.deposit_id = d.id LEFT JOIN books ON books.deposit = d.id::text
""")


def _deposits(db: Session) -> list[Difference]:
    """Third way: each deposit's receipts and refunds against its own accounts in the ledger."""
    kind = Kind.DEPOSIT_DIFFERS
    found: Any = db.execute(_DEPOSITS)
    return [Difference(f"{kind}/{deposit}", kind, int(fen or rows), "") for deposit, fen, rows in found if fen or rows]


def _about(kind: Kind, statement: Statement, fen: int) -> Difference:
    return Difference(f"{kind}/{statement.statement_id}/{fen}", kind, fen, statement.day.isoformat())


def latest(db: Session) -> Sequence[Reconciliation]:
    """The newest comparison of each bank account."""
    newest = select(func.max(Reconciliation.id)).group_by(Reconciliation.bank, Reconciliation.account)
    return db.scalars(select(Reconciliation).where(Reconciliation.id.in_(newest)).order_by(Reconciliation.id)).all()


def explain(db: Session, row: Reconciliation, key: str, note: str, *, by: Actor) -> None:
    """A person says what a difference is: it is kept with the name and no longer stops refunds."""
    if not by.is_a(Role.CENTRE_STAFF):
        raise NotForYouToExplain
    row = take(db, Reconciliation, row.id)
    if not note.strip() or key not in {one["key"] for one in row.differences}:
        raise ExplanationNeeded
    assert by.person_id is not None
    db.add(Explanation(
        bank=row.bank, account=row.account, key=key, note=note[:500], by=by.person_id, at=clock.database(db)
    ))  # fmt: skip
    row.differences = [one for one in row.differences if one["key"] != key]
    db.flush()
    journal.record(db, f"reconciliation/{row.id}", "reconciliation.explained", by=by, difference=key)
