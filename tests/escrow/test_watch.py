"""Against mock-bank: each mood of a bank ends in a defined state, and every fen is found again."""

import hashlib
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from ca.rights import SYSTEM, Role
from escrow import deposits, ledger, receipts, refunds, sending
from escrow.banks import reach, watch
from escrow.banks.bank import Heard, Unreachable
from escrow.models import (
    BankLine,
    BankMessage,
    DepositState,
    PaymentFile,
    Receipt,
    Reconciliation,
    Refund,
    RefundState,
    Standing,
)
from escrow.reconciliation import Kind
from escrow.sending import NotForYouToSend, NothingCameBack
from storage import clock
from storage.values import Money
from tests.escrow.mock_bank import ACCOUNT, PAYER, running
from tests.escrow.money import AMOUNT, REFERENCE, everything_adds_up, expect, purse

S, R = DepositState, RefundState


@pytest.fixture
def mock():
    with running() as both:
        yield both


@pytest.fixture
def bank(mock):
    return mock[0]


@pytest.fixture
def demo(mock):
    return mock[1]


def listen(db, bank) -> None:
    """Poll until nothing new comes."""
    for _ in range(20):
        if not watch.poll(db, bank):
            watch.poll(db, bank)
            return
    raise AssertionError("a bound on everything")


def send(db) -> list[PaymentFile]:
    """What the jobs would do: pack what is ordered, tell the bank."""
    packed = [file for account in sending.due_to_pack(db) for file in sending.pack_due(db, account)]
    for file in packed:
        sending.tell(db, file)
    return packed


@pytest.fixture
def held(db, organisation, bank, demo):
    """A deposit paid through the bank and held."""
    deposit = expect(db, organisation())
    demo.pay(deposit.sub_account, AMOUNT.fen)
    listen(db, bank)
    deposits.hold(db, REFERENCE, by=SYSTEM)
    assert deposit.state is S.HELD
    return deposit


def released(db, deposit) -> Refund:
    [refund] = deposits.release(db, REFERENCE, [deposit.organisation_id], reason="合同已签订", by=SYSTEM)
    return refund


# --- money in -------------------------------------------------------------------------------------------


def test_a_credit_notice_covers_the_deposit_it_names(db, organisation, bank, demo):
    deposit = expect(db, one := organisation())
    demo.pay(deposit.sub_account, AMOUNT.fen, name="某某建设有限公司")

    assert watch.poll(db, bank) == 1

    assert deposits.is_covered(db, REFERENCE, one.id)
    receipt = db.scalars(select(Receipt)).one()
    assert (receipt.payer_name, receipt.payer_account, receipt.amount) == ("某某建设有限公司", PAYER, AMOUNT)
    assert ledger.balance(db, f"bank/mock/{ACCOUNT}") == -AMOUNT
    everything_adds_up(db)


def test_a_message_is_filed_away_only_after_it_was_kept(db, organisation, bank, demo):
    demo.pay(expect(db, organisation()).sub_account, AMOUNT.fen)
    watch.poll(db, bank)
    assert len(demo.ask("GET", "/_mock/mailbox?leave")) == 1

    watch.poll(db, bank)

    assert demo.ask("GET", "/_mock/mailbox?leave") == []
    assert len(db.scalars(select(BankMessage)).all()) == 1


def test_what_was_taken_from_the_mailbox_and_then_lost_is_read_again_after_a_start(db, organisation, bank, demo):
    deposit = expect(db, organisation())
    demo.pay(deposit.sub_account, AMOUNT.fen)
    demo.ask("GET", "/_mock/mailbox")  # taken, and the process died

    watch.poll(db, bank)

    assert deposit.state is S.RECEIVED


def test_a_number_cut_in_two_by_the_bank_is_still_found(db, organisation, bank, demo):
    deposit = expect(db, organisation())
    demo.pay("", AMOUNT.fen, note=f"某某工程施工项目第一标段投标保证金汇入子账号{deposit.sub_account}请查收", wrap=35)

    watch.poll(db, bank)

    assert deposit.state is S.RECEIVED


@pytest.mark.parametrize("written", ["", "8801000000000000", "INV-1001"])
def test_money_without_a_good_number_goes_back_to_its_payer(db, organisation, bank, demo, written):
    expect(db, organisation())
    demo.pay(written, 12345)
    listen(db, bank)

    receipt = db.scalars(select(Receipt)).one()
    assert receipt.standing is Standing.UNKNOWN
    send(db)
    listen(db, bank)

    assert [one.state for one in receipt.refunds] == [R.SETTLED]
    assert demo.balance() == 0
    everything_adds_up(db)


def test_late_money_goes_back(db, held, bank, demo):
    demo.pay(held.sub_account, 100)
    listen(db, bank)

    late = db.scalars(select(Receipt).filter_by(standing=Standing.LATE)).one()
    assert late.refunds[0].reason == receipts.BACK[Standing.LATE]
    assert held.received == AMOUNT


def test_money_from_a_wrong_payer_goes_back_and_from_the_right_one_stays(db, organisation, bank, demo):
    party = organisation("某某建设有限公司")
    deposit = expect(db, party, payer="same_name")
    demo.pay(deposit.sub_account, AMOUNT.fen, name="别的公司")
    listen(db, bank)
    assert deposit.state is S.EXPECTED

    demo.pay(deposit.sub_account, AMOUNT.fen, name="某某建设有限公司")
    listen(db, bank)

    assert deposit.state is S.RECEIVED
    assert {one.standing for one in db.scalars(select(Receipt))} == {Standing.WRONG_PAYER, Standing.MATCHED}


# --- money home -----------------------------------------------------------------------------------------


def test_accept(db, held, bank, demo):
    refund = released(db, held)
    [file] = send(db)
    assert refund.state is R.SENT
    listen(db, bank)

    assert (refund.state, held.state) == (R.SETTLED, S.REFUNDED)
    assert purse(db, held) == {}
    [paid] = demo.payments()
    assert (paid["end_to_end_id"], paid["msg_id"], paid["creditor_iban"]) == (refund.end_to_end_id, file.msg_id, PAYER)
    everything_adds_up(db)


@pytest.mark.parametrize(
    ("behaviour", "where", "reason"),
    [("closed-account", "PAYER", "AC04"), ("bad-bank-id", "PAYER", "RC01"), ("insufficient-funds", "ESCROW", "AM04")],
)
def test_reject_and_reorder_after_it_is_mended(db, held, bank, demo, actor, behaviour, where, reason):
    demo.ask("POST", "/_mock/accounts", id="PAYER", name="付款单位", iban=PAYER, currency="CNY", balance=0)
    demo.behave(behaviour, where)
    if where == "ESCROW":
        demo.ask("PATCH", "/_mock/accounts/ESCROW", balance=0)
    first = released(db, held)
    send(db)
    listen(db, bank)
    assert (first.state, first.bank_reason, held.state) == (R.REJECTED, reason, S.RETURNED)
    assert purse(db, held) == {"returned": AMOUNT.fen}

    demo.behave("accept", where)
    if where == "ESCROW":
        demo.ask("PATCH", "/_mock/accounts/ESCROW", balance=AMOUNT.fen)
    with pytest.raises(NotForYouToSend):
        sending.reorder(db, first, by=actor(Role.BIDDER))
    again = sending.reorder(db, first, by=actor(Role.CENTRE_STAFF))
    assert sending.reorder(db, first, by=actor(Role.CENTRE_STAFF)) is again
    send(db)
    listen(db, bank)

    assert (again.state, held.state) == (R.SETTLED, S.REFUNDED)
    assert again.end_to_end_id != first.end_to_end_id
    everything_adds_up(db)
    with pytest.raises(NothingCameBack):
        sending.reorder(db, first, by=actor(Role.CENTRE_STAFF))


def test_reject_file(db, held, bank, demo):
    demo.behave("reject-file")
    refund = released(db, held)
    send(db)
    listen(db, bank)

    assert (refund.state, refund.bank_reason, held.state) == (R.REJECTED, "FF01", S.RETURNED)


def test_return_later_opens_it_again(db, held, bank, demo, actor):
    demo.behave("return-later", days=3, reason="AC04")
    first = released(db, held)
    send(db)
    listen(db, bank)
    assert held.state is S.REFUNDED

    demo.days(3)
    listen(db, bank)
    assert (first.state, first.bank_reason, held.state) == (R.RETURNED, "AC04", S.RETURNED)
    assert purse(db, held) == {"returned": AMOUNT.fen}
    demo.behave("accept")
    sending.reorder(db, first, by=actor(Role.CENTRE_STAFF))
    send(db)
    listen(db, bank)

    assert held.state is S.REFUNDED
    assert demo.balance() == 0
    everything_adds_up(db)


def test_silent_is_asked_and_never_sent_under_a_new_number(db, held, bank, demo):
    demo.behave("silent")
    refund = released(db, held)
    [file] = send(db)
    demo.ask("GET", "/_mock/mailbox")  # the debit notice is lost as well
    bank._has_read_all = True
    listen(db, bank)
    assert refund.state is R.SENT

    sending.ask(db, file)
    assert refund.state is R.ACCEPTED
    demo.days(1)
    listen(db, bank)  # the statement tells what the lost notice told

    assert (refund.state, held.state) == (R.SETTLED, S.REFUNDED)
    assert len(demo.payments()) == 1
    everything_adds_up(db)


def test_told_twice_the_bank_pays_once(db, held, bank, demo):
    refund = released(db, held)
    [file] = send(db)
    file.told_at = None  # the process died before it could remember
    sending.tell(db, file)
    bank.tell(file.msg_id, [refund])  # and even a blind repeat is only a duplicate to the bank
    listen(db, bank)

    assert refund.state is R.SETTLED
    assert len(demo.payments()) == 1
    assert demo.balance() == 0


def test_a_duplicate_refused_is_no_refusal_whenever_it_is_told(db, held, bank, demo):
    refund = released(db, held)
    [file] = send(db)
    assert bank.tell(file.msg_id, [refund]) is False
    told = [letter.body for letter in bank.letters() if b"DUPL" in letter.body]
    assert len(told) == 1

    watch.take_in(db, "mock", ACCOUNT, told[0])  # before anything else the bank had to say

    assert (refund.state, held.state) == (R.SENT, S.REFUNDING)


def test_two_debits_for_one_order_in_one_message_settle_once(db, held, bank, demo):
    refund = released(db, held)
    send(db)
    [notice] = [
        letter.body
        for letter in bank.letters()
        if refund.end_to_end_id.encode() in letter.body and b"DBIT" in letter.body
    ]
    entry = notice[notice.index(b"<Ntry>") : notice.index(b"</Ntry>") + 7]
    twice = notice.replace(entry, entry + entry.replace(b"MB-PMT-", b"AGAIN-"))

    row = watch.take_in(db, "mock", ACCOUNT, twice)

    assert refund.state is R.SETTLED
    assert "no order of ours explains" in row.problem
    lines = {one.bank_reference: one.transfer_id is not None for one in db.scalars(select(BankLine)) if one.amount < 0}
    assert sorted(lines.values()) == [False, True]
    everything_adds_up(db)


def test_even_a_bank_that_takes_duplicates_pays_once(db, organisation):
    with running(allow_duplicates=True) as (bank, demo):
        deposit = expect(db, organisation())
        demo.pay(deposit.sub_account, AMOUNT.fen)
        listen(db, bank)
        deposits.hold(db, REFERENCE, by=SYSTEM)
        released(db, deposit)
        [file] = send(db)
        file.told_at = None  # the process died before it could remember
        sending.tell(db, file)

        assert len(demo.payments()) == 1


def test_a_silent_rejection_is_learnt_by_asking(db, held, bank, demo):
    demo.ask("POST", "/_mock/accounts", id="PAYER", name="付款单位", iban=PAYER, currency="CNY", balance=0)
    demo.behave("closed-account", "PAYER")
    demo.behave("silent")
    refund = released(db, held)
    [file] = send(db)
    listen(db, bank)
    assert refund.state is R.SENT

    sending.ask(db, file)

    assert (refund.state, refund.bank_reason, held.state) == (R.REJECTED, "AC04", S.RETURNED)


def test_what_is_due_is_found_by_the_clock_and_asked_less_and_less_often(db, held, bank, demo):
    demo.behave("silent")
    released(db, held)
    [file] = [one for account in sending.due_to_pack(db) for one in sending.pack_due(db, account)]
    assert sending.due_to_tell(db) == []
    clock.shift_database(db, timedelta(seconds=21))
    assert sending.due_to_tell(db) == [file.id]
    sending.tell_due(db, file.id)
    assert sending.due_to_tell(db) == []
    sending.send_file(db, file=str(file.id))
    assert sending.due_to_ask(db) == []
    for seconds, due in ((45, [file.id]), (60, []), (90, [file.id]), (160, []), (180, [file.id])):
        clock.shift_database(db, timedelta(seconds=seconds))
        assert sending.due_to_ask(db) == due, seconds
        for id_ in due:
            sending.ask_due(db, id_)
            file.asked_at = clock.database(db)
            db.flush()


def test_a_bank_that_is_away_is_told_later(db, held, demo):
    refund = released(db, held)

    class Away:
        name, account, holder = "mock", ACCOUNT, "x"

        def ask(self, end_to_end_id):
            raise Unreachable("timeout")

    real = reach.named(db, "mock")
    reach.connect(Away())
    with pytest.raises(Unreachable):
        send(db)
    reach.connect(real)
    file = db.scalars(select(PaymentFile)).one()
    assert (file.told_at, refund.state) == (None, R.SENT)

    sending.tell(db, file)
    listen(db, real)
    assert refund.state is R.SETTLED


def test_a_bank_that_lost_the_order_is_told_again_under_the_same_number(db, held, bank, demo):
    refund = released(db, held)
    [file] = [one for account in sending.due_to_pack(db) for one in sending.pack_due(db, account)]
    file.told_at = file.packed_at  # it said yes and forgot
    assert bank.ask(refund.end_to_end_id).heard is Heard.UNKNOWN

    sending.ask(db, file)
    assert (refund.state, file.told_at) == (R.UNCLEAR, None)
    sending.tell(db, file)
    listen(db, bank)

    assert refund.state is R.SETTLED
    assert [one["end_to_end_id"] for one in demo.payments()] == [refund.end_to_end_id]


def test_duplicated_and_reordered_messages_change_nothing(db, held, bank, demo):
    demo.behave("return-later", days=1, reason="AC04")
    released(db, held)
    send(db)
    demo.days(2)
    bodies = [letter.body for letter in bank.letters()]
    for body in [*reversed(bodies), *bodies]:
        watch.take_in(db, "mock", ACCOUNT, body)
    count = db.scalar(select(func.count()).select_from(BankLine))

    for place, body in enumerate(bodies):  # the same entries under other message numbers
        watch.take_in(db, "mock", ACCOUNT, body.replace(b"<MsgId>MB-C05", b"<MsgId>X%d-C05" % place))

    assert db.scalar(select(func.count()).select_from(BankLine)) == count == 3
    assert held.state is S.RETURNED
    assert purse(db, held) == {"returned": AMOUNT.fen}
    everything_adds_up(db)


# --- statements -----------------------------------------------------------------------------------------


def reconciled(db) -> Reconciliation:
    return db.scalars(select(Reconciliation).order_by(Reconciliation.id.desc()).limit(1)).one()


def test_a_day_without_gaps_agrees(db, held, bank, demo):
    released(db, held)
    send(db)
    bank.report()
    listen(db, bank)
    assert reconciled(db).agrees
    demo.days(1)
    listen(db, bank)

    assert reconciled(db).agrees
    assert not sending.is_stopped(db, "mock", ACCOUNT)


def test_a_gap_in_the_statement_is_found_and_stops_the_refunds_of_that_account(db, held, bank, demo):
    demo.behave("statement-gap")
    demo.days(1)
    listen(db, bank)

    kinds = {one["kind"] for one in reconciled(db).differences}
    assert kinds == {Kind.MISSING_ON_STATEMENT, Kind.STATEMENT_DOES_NOT_ADD_UP}
    released(db, held)
    assert send(db) == []
    assert sending.is_stopped(db, "mock", ACCOUNT)


def test_a_debit_nobody_ordered_is_a_difference_and_books_nothing(db, held, bank, demo):
    stranger = bank_file("STRANGER", 500)
    demo.http.post("/payments", content=stranger)
    bank.report()
    listen(db, bank)

    [found] = reconciled(db).differences
    assert (found["kind"], found["fen"]) == (Kind.UNEXPLAINED_LINE, -500)
    assert purse(db, held) == {"held": AMOUNT.fen}


def test_a_payment_booked_twice_is_a_difference(db, held, bank, demo):
    refund = released(db, held)
    send(db)
    demo.http.post("/payments", content=bank_file(refund.end_to_end_id, AMOUNT.fen, msg_id="other"))
    bank.report()
    listen(db, bank)

    assert refund.state is R.SETTLED
    [found] = reconciled(db).differences
    assert (found["kind"], found["fen"]) == (Kind.UNEXPLAINED_LINE, -AMOUNT.fen)
    everything_adds_up(db)


def bank_file(end_to_end_id: str, fen: int, msg_id: str = "M-OTHER") -> bytes:
    from datetime import datetime

    from escrow.banks.iso20022 import Payment, write_payments

    payment = Payment(end_to_end_id, Money(fen), "某人", PAYER, "", "x")
    return write_payments(msg_id, datetime(2026, 11, 23, 9, 0), "x", ACCOUNT, [payment])


def test_what_is_said_of_another_account_changes_nothing(db, held, bank, demo):
    body = db.scalars(select(BankMessage.body)).one().encode()
    count = db.scalar(select(func.count()).select_from(BankLine))

    other = body.replace(ACCOUNT.encode(), b"CN50ESCROW9902").replace(b"MB-RCV-", b"OTHER-")
    row = watch.take_in(db, "mock", ACCOUNT, other)

    assert (row.kind, row.problem) == ("camt.054", None)
    assert db.scalar(select(func.count()).select_from(BankLine)) == count


def test_a_refund_is_known_only_by_a_number_of_ours(db):
    assert refunds.by_end_to_end_id(db, "NOTPROVIDED") is None
    assert refunds.by_end_to_end_id(db, hashlib.md5(b"x").hexdigest()) is None
