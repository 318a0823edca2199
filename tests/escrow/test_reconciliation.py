"""Reconciliation, three ways: each kind of planted error is found, named, and stops that account only."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from ca.rights import SYSTEM, Role
from escrow import deposits, desk, ledger, looking, reconciliation, refunds, sending
from escrow.models import BankLine, Receipt, Standing, Statement
from escrow.reconciliation import ExplanationNeeded, Kind, NotForYouToExplain
from escrow.refunds import NoAccountToPay
from storage import clock
from storage.values import Money
from tests.escrow.money import ACCOUNT, AMOUNT, BANK, DAY, REFERENCE, credit, expect, pay

K = Kind


@pytest.fixture
def paid(db, organisation):
    """One deposit, paid by one credit with the bank's reference RCV-A."""
    deposit = expect(db, organisation())
    pay(db, deposit, bank_reference="RCV-A")
    return deposit


def state(db, *, lines=(("RCV-A", AMOUNT.fen),), opening=0, closing=AMOUNT.fen, day=DAY, final=True, name="S-1"):
    """A statement of the bank, and what comparing finds."""
    row = Statement(
        bank=BANK, account=ACCOUNT, statement_id=name, day=day, is_final=final, opening=Money(opening),
        closing=Money(closing), lines=[{"bank_reference": one, "fen": fen} for one, fen in lines],
        taken_at=clock.database(db),
    )  # fmt: skip
    db.add(row)
    db.flush()
    return reconciliation.reconcile(db, row, by=SYSTEM)


def kinds(row) -> set[str]:
    return {one["kind"] for one in row.differences}


def test_what_agrees_agrees(db, paid):
    assert state(db).agrees
    assert not sending.is_stopped(db, BANK, ACCOUNT)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"lines": ()}, {K.MISSING_ON_STATEMENT, K.STATEMENT_DOES_NOT_ADD_UP}),
        ({"lines": (), "closing": 0}, {K.MISSING_ON_STATEMENT, K.CLOSING_DIFFERS}),
        ({"lines": (("RCV-A", 1),)}, {K.OTHER_AMOUNT, K.STATEMENT_DOES_NOT_ADD_UP}),
        ({"lines": (("RCV-A", 1),), "closing": 1}, {K.OTHER_AMOUNT, K.CLOSING_DIFFERS}),
        ({"lines": (("RCV-A", AMOUNT.fen), ("X", 5)), "closing": AMOUNT.fen + 5}, {K.CLOSING_DIFFERS}),
        ({"closing": AMOUNT.fen + 5}, {K.STATEMENT_DOES_NOT_ADD_UP, K.CLOSING_DIFFERS}),
    ],
)
def test_an_error_of_the_statement_is_found(db, paid, told, expected):
    row = state(db, **told)

    assert kinds(row) == expected
    assert sending.is_stopped(db, BANK, ACCOUNT)


def test_what_was_there_before_we_began_is_no_difference_but_a_jump_is(db, paid):
    assert state(db, opening=1000, closing=1000 + AMOUNT.fen).agrees

    next_day = {"day": DAY + timedelta(days=1), "lines": (), "name": "S-2"}
    assert state(db, opening=1000 + AMOUNT.fen, closing=1000 + AMOUNT.fen, **next_day).agrees
    jumped = state(db, opening=999, closing=999, day=DAY + timedelta(days=2), lines=(), name="S-3")

    assert kinds(jumped) == {K.OPENING_JUMPS, K.CLOSING_DIFFERS}


@pytest.mark.parametrize(
    ("crime", "expected"),
    [
        ("UPDATE deposit SET received = received - 1", {K.DEPOSIT_DIFFERS}),
        ("UPDATE receipt SET amount = amount + 1", {K.DEPOSIT_DIFFERS}),
        ("UPDATE bank_line SET amount = amount + 1", {K.OTHER_AMOUNT, K.CLOSING_DIFFERS, K.LEDGER_DIFFERS}),
        ("DELETE FROM bank_line", {K.CLOSING_DIFFERS, K.LEDGER_DIFFERS}),
        ("UPDATE ledger_account SET balance = balance + 1 WHERE code LIKE '%/received'", {K.DEPOSIT_DIFFERS, K.LEDGER_UNSOUND}),
        ("UPDATE ledger_account SET version = version + 1 WHERE code LIKE '%/received'", {K.LEDGER_UNSOUND}),
        ("UPDATE ledger_account SET balance = balance - 1 WHERE code LIKE 'bank/%'", {K.LEDGER_DIFFERS, K.LEDGER_UNSOUND}),
    ],
)  # fmt: skip
def test_an_error_planted_in_our_own_rows_is_found(db, paid, crime, expected):
    db.execute(text(crime))
    db.expire_all()

    assert kinds(state(db)) == expected


def test_an_unexplained_entry_is_explained_by_a_person_and_then_stops_nothing(db, paid, actor):
    db.add(BankLine(bank=BANK, account=ACCOUNT, bank_reference="FEE", day=DAY, amount=-500))
    db.flush()
    told = {"lines": (("RCV-A", AMOUNT.fen), ("FEE", -500)), "closing": AMOUNT.fen - 500}
    row = state(db, **told)
    [found] = row.differences
    assert (found["kind"], found["fen"], found["about"]) == (K.UNEXPLAINED_LINE, -500, "FEE")

    with pytest.raises(NotForYouToExplain):
        reconciliation.explain(db, row, found["key"], "手续费", by=actor(Role.SUPERVISOR))
    with pytest.raises(ExplanationNeeded):
        reconciliation.explain(db, row, found["key"], "  ", by=actor(Role.CENTRE_STAFF))
    with pytest.raises(ExplanationNeeded):
        reconciliation.explain(db, row, "another", "手续费", by=actor(Role.CENTRE_STAFF))
    reconciliation.explain(db, row, found["key"], "手续费", by=actor(Role.CENTRE_STAFF))

    assert not sending.is_stopped(db, BANK, ACCOUNT)
    assert state(db, name="S-2", **told).agrees


def test_a_difference_stops_no_other_account(db, paid):
    state(db, lines=())

    assert sending.is_stopped(db, BANK, ACCOUNT)
    assert not sending.is_stopped(db, BANK, "another")


def test_the_third_way_follows_a_deposit_through_its_whole_life(db, organisation, actor):
    """Interest, a rejection, a second order, an overpayment, a forfeit: the count agrees at each step."""
    home, kept = expect(db, organisation()), expect(db, organisation())
    pay(db, home, value_date=DAY - timedelta(days=900))
    pay(db, kept, amount=AMOUNT + Money(7))

    def agrees() -> None:
        assert reconciliation._deposits(db) == []

    agrees()
    deposits.hold(db, REFERENCE, by=SYSTEM)
    agrees()
    deposits.forfeit(db, REFERENCE, kept.organisation_id, reason="拒签", by=SYSTEM)
    deposits.confirm_forfeit(db, kept, by=actor(Role.CENTRE_STAFF))
    agrees()
    [refund] = deposits.release(db, REFERENCE, [home.organisation_id], reason="合同已签订", by=SYSTEM)
    assert refund.interest > Money(0)
    agrees()
    sending.pack_due(db, f"{BANK}/{ACCOUNT}")
    agrees()
    refunds.rejected(db, refund, "AC04", by=SYSTEM)
    agrees()
    again = sending.reorder(db, refund, by=SYSTEM)
    assert again.interest == refund.interest
    sending.pack_due(db, f"{BANK}/{ACCOUNT}")
    refunds.settled(db, [again], by=SYSTEM)
    agrees()
    refunds.returned(db, again, "AC04", by=SYSTEM)
    agrees()
    assert ledger.recount(db).good


# --- what waits for a person ------------------------------------------------------------------------------


def test_money_that_names_no_account_waits_in_suspense(db):
    from escrow import receipts

    stuck = receipts.take_in(db, credit("", account=""), by=SYSTEM)

    assert stuck.standing is Standing.UNKNOWN
    assert looking.suspense(db) == [stuck]
    with pytest.raises(NoAccountToPay):
        refunds.order(db, [stuck], "suspense", reason="x", by=SYSTEM)
    assert ledger.balance(db, f"receipt/{stuck.id}/suspense") == AMOUNT


def test_desks(db, person):
    bidder, staff = person(Role.BIDDER), person(Role.CENTRE_STAFF)
    assert desk.desk(db, staff.actor) == []
    deposit = expect(db, bidder.organisation, title="某工程")
    [lying] = desk.desk(db, bidder.actor)
    assert (lying.says, lying.facts["title"], lying.facts["amount"]) == (desk.TO_PAY, "某工程", "80000.00")
    pay(db, deposit)
    assert [one.says for one in desk.desk(db, bidder.actor)] == [desk.ARRIVED]

    deposits.hold(db, REFERENCE, by=SYSTEM)
    [refund] = deposits.release(db, REFERENCE, [deposit.organisation_id], reason="x", by=SYSTEM)
    sending.pack_due(db, f"{BANK}/{ACCOUNT}")
    refunds.rejected(db, refund, "AC04", by=SYSTEM)
    state(db, lines=())

    assert [one.says for one in desk.desk(db, bidder.actor)] == [desk.CAME_BACK]
    assert {one.says for one in desk.desk(db, staff.actor)} == {desk.RETURNED, desk.DIFFERS}
    assert db.get(Receipt, refund.receipt_id) is not None
