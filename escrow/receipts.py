"""Money that comes in 到账: taken in once whatever the bank repeats, matched by the sub-account number.

Every fen is posted somewhere: to the deposit it names, or in suspense 挂账 of its own. What cannot belong to a
deposit – no such number, too late, from an account the rule does not allow – goes back to its payer by itself.
"""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from ca.parties import Organisation
from ca.rights import Actor
from escrow import ledger, numbers, refunds
from escrow.models import (
    BankLine,
    Deposit,
    DepositState,
    PayeeAccount,
    PayeeState,
    PayerRule,
    Receipt,
    Standing,
)
from storage import clock, journal
from storage.lifecycle import move
from storage.values import Money

BACK = {
    Standing.UNKNOWN: "付款未注明有效的子账号，原路退回",
    Standing.LATE: "款项在截止后到账，原路退回",
    Standing.WRONG_PAYER: "付款账户不符合要求，原路退回",
}


@dataclass(frozen=True)
class Credit:
    """One credit entry of a bank account, as the bank tells it."""

    bank: str
    account: str
    bank_reference: str
    amount: Money
    day: date
    value_date: date
    payer_name: str = ""
    payer_account: str = ""
    payer_bank: str = ""
    references: tuple[str, ...] = ()  # structured references and the account credited
    note: str = ""
    end_to_end_id: str = ""


def lock_account(db: Session, bank: str, account: str) -> None:
    """One taker at a time for one bank account, until the transaction ends."""
    db.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": f"bank/{bank}/{account}"})


def line(db: Session, bank: str, account: str, bank_reference: str) -> BankLine | None:
    """The booked entry we already know under the bank's reference."""
    return db.scalar(select(BankLine).filter_by(bank=bank, account=account, bank_reference=bank_reference))


def take_in(db: Session, credit: Credit, *, by: Actor) -> Receipt:
    """Take one credit in: match it, post it, and let its deposit know; a repeat changes nothing."""
    lock_account(db, credit.bank, credit.account)
    known = db.scalar(
        select(Receipt).filter_by(bank=credit.bank, account=credit.account, bank_reference=credit.bank_reference)
    )
    if known:
        return known
    deposit = _named(db, credit)
    standing = _standing(db, credit, deposit)
    receipt = Receipt(
        bank=credit.bank, account=credit.account, bank_reference=credit.bank_reference,
        sub_account=deposit.sub_account if deposit else None, amount=credit.amount,
        payer_name=credit.payer_name[:140], payer_account=credit.payer_account[:34],
        payer_bank=credit.payer_bank[:40], note=credit.note[:500], value_date=credit.value_date,
        booked_at=clock.database(db), standing=standing, deposit_id=deposit.id if deposit else None,
    )  # fmt: skip
    db.add(receipt)
    db.flush()
    _post(db, credit, receipt)
    if standing is Standing.MATCHED:
        assert deposit is not None
        _arrived(db, deposit, receipt, by)
    elif receipt.payer_account:
        refunds.order(
            db, [receipt], "suspense", reason=BACK[standing], by=by
        )  # the sweep sends it: sending.due_to_pack
    return receipt


def _named(db: Session, credit: Credit) -> Deposit | None:
    """The one deposit whose number the payer wrote, taken in hand; None for no number, or for several."""
    written = numbers.found_in(*credit.references) or numbers.found_in(credit.note)
    found = db.scalars(
        select(Deposit).where(Deposit.sub_account.in_(written)).with_for_update()
        .execution_options(populate_existing=True)
    ).all()  # fmt: skip
    return found[0] if len(found) == 1 else None


def _standing(db: Session, credit: Credit, deposit: Deposit | None) -> Standing:
    if deposit is None:
        return Standing.UNKNOWN
    if deposit.state not in (DepositState.EXPECTED, DepositState.RECEIVED) or deposit.release_reason:
        return Standing.LATE
    return Standing.MATCHED if _may_pay(db, credit, deposit) else Standing.WRONG_PAYER


def _may_pay(db: Session, credit: Credit, deposit: Deposit) -> bool:
    """Whether the deposit's rule lets it come from this account (招标投标法实施条例 art. 26 for the basic account)."""
    if deposit.payer_rule is PayerRule.ANY:
        return True
    party = db.get_one(Organisation, deposit.organisation_id)
    if credit.payer_name.replace(" ", "") != party.name.replace(" ", ""):
        return False
    if deposit.payer_rule is PayerRule.SAME_NAME:
        return True
    basic = select(PayeeAccount.number).filter_by(organisation_id=party.id, is_basic=True, state=PayeeState.APPROVED)
    return credit.payer_account in set(db.scalars(basic))


def _post(db: Session, credit: Credit, receipt: Receipt) -> None:
    stage = "received" if receipt.standing is Standing.MATCHED else "suspense"
    ledger.open_accounts(db, [receipt.bank_code], floor=None)
    ledger.open_accounts(db, [f"{receipt.purse}/{stage}"])
    key = f"receipt/{credit.bank}/{credit.account}/{credit.bank_reference}"
    transfer = ledger.post_one(db, key, "receipt", receipt.bank_code, f"{receipt.purse}/{stage}", credit.amount)
    db.add(
        BankLine(
            bank=credit.bank, account=credit.account, bank_reference=credit.bank_reference, day=credit.day,
            amount=credit.amount.fen, end_to_end_id=credit.end_to_end_id[:40] or None, transfer_id=transfer,
        )
    )  # fmt: skip
    db.flush()


def _arrived(db: Session, deposit: Deposit, receipt: Receipt, by: Actor) -> None:
    deposit.received = deposit.received + receipt.amount
    db.flush()
    journal.record(
        db, deposit.file, "deposit.credited", by=by,
        receipt=str(receipt.id), amount=receipt.amount.fen, received=deposit.received.fen,
    )  # fmt: skip
    if deposit.state is DepositState.EXPECTED and deposit.received >= deposit.amount:
        deposit.received_at = receipt.booked_at
        move(db, deposit, DepositState.RECEIVED, by=by)
