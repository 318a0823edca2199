"""A strongroom for tests: parties with deposits, and credits as a bank would tell them."""

import itertools
from datetime import date

from ca.rights import SYSTEM
from escrow import deposits, ledger, receipts
from escrow.models import Deposit, Receipt
from storage.values import Money

BANK, ACCOUNT = "mock", "CN23ESCROW8801"
REFERENCE = "tender/1/lot/1"
AMOUNT = Money.yuan("80000")
DAY = date(2026, 11, 23)
_references = itertools.count(1)


def expect(db, organisation, *, reference=REFERENCE, amount=AMOUNT, **rules) -> Deposit:
    return deposits.expect(db, reference, organisation.id, amount, by=SYSTEM, **rules)


def credit(sub_account="", *, amount=AMOUNT, name="付款单位", account="CN14PAYER0001", **given) -> receipts.Credit:
    number = given.pop("bank_reference", None) or f"RCV-{next(_references)}"
    facts = {"references": (sub_account,) if sub_account else (), "day": DAY, "value_date": DAY} | given
    return receipts.Credit(
        bank=BANK, account=ACCOUNT, bank_reference=number, amount=amount, payer_name=name, payer_account=account,
        **facts,
    )  # fmt: skip


def pay(db, deposit: Deposit, **given) -> Receipt:
    return receipts.take_in(db, credit(deposit.sub_account, **given), by=SYSTEM)


def purse(db, deposit: Deposit) -> dict[str, int]:
    """What stands in each stage of a deposit, in fen, stages with nothing left out."""
    prefix = f"deposit/{deposit.id}/"
    return {code.removeprefix(prefix): money.fen for code, money in ledger.balances(db, prefix).items() if money.fen}


def everything_adds_up(db) -> None:
    found = ledger.recount(db)
    assert found.good, found
