"""Deposits: expected, received, held, home or forfeited; blind until the opening; home exactly once."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text

from ca import parties
from ca.rights import SYSTEM, Role
from escrow import deposits, guarantees, ledger, numbers, receipts, sending
from escrow.deposits import (
    AmountDiffers,
    NotForYouToOrder,
    NotHeld,
    NotYourDeposit,
    OpenedAlready,
    SecondPersonNeeded,
)
from escrow.guarantees import GuaranteeNotNow, GuaranteeTooSmall, NotYourGuarantee, OnlyTheGuarantor
from escrow.models import Deposit, DepositState, GuaranteeState, PaymentFile, Refund, RefundState, Transfer
from storage import clock, journal
from storage.values import Money
from tests.escrow.money import ACCOUNT, AMOUNT, BANK, REFERENCE, credit, everything_adds_up, expect, pay, purse

S = DepositState


# --- before the opening ---------------------------------------------------------------------------------


def test_expecting_gives_a_number_of_its_own_and_repeats_do_nothing(db, organisation):
    first, other = expect(db, one := organisation()), expect(db, organisation())

    assert expect(db, one).id == first.id
    assert numbers.is_ours(first.sub_account)
    assert first.sub_account != other.sub_account
    assert first.state is S.EXPECTED
    assert not deposits.is_covered(db, REFERENCE, one.id)


def test_a_party_expects_only_its_own_and_the_amount_stays(db, organisation, actor):
    one, stranger = organisation(), actor(Role.BIDDER)

    with pytest.raises(NotYourDeposit):
        deposits.expect(db, REFERENCE, one.id, AMOUNT, by=stranger)
    expect(db, one)
    with pytest.raises(AmountDiffers):
        expect(db, one, amount=Money(1))


def test_money_that_came_in_covers(db, organisation):
    deposit = expect(db, one := organisation())

    pay(db, deposit, amount=Money.yuan("79999.99"))
    assert deposit.state is S.EXPECTED
    assert deposit.missing == Money(1)
    assert not deposits.is_covered(db, REFERENCE, one.id)
    pay(db, deposit, amount=Money(1))

    assert deposit.state is S.RECEIVED
    assert deposits.is_covered(db, REFERENCE, one.id)
    assert purse(db, deposit) == {"received": AMOUNT.fen}
    everything_adds_up(db)


def test_the_same_credit_twice_is_one(db, organisation):
    deposit = expect(db, organisation())

    first, again = (pay(db, deposit, bank_reference="RCV-SAME") for _ in range(2))

    assert first is again
    assert deposit.received == AMOUNT


def test_a_payer_who_writes_two_numbers_pays_neither(db, organisation):
    one, two = expect(db, organisation()), expect(db, organisation())
    receipts.take_in(db, credit("", references=(one.sub_account, two.sub_account)), by=SYSTEM)

    assert (one.state, two.state) == (S.EXPECTED, S.EXPECTED)


def test_nobody_can_learn_who_or_how_many_before_the_opening(db, organisation):
    pay(db, expect(db, organisation()))

    assert deposits.of(db, REFERENCE) == []
    assert deposits.same_payers(db, REFERENCE) == []
    assert not deposits.is_opened(db, REFERENCE)


# --- the opening ----------------------------------------------------------------------------------------


def test_opening_holds_what_came_sends_home_what_is_short_and_lapses_the_rest(db, organisation):
    full, short, none = (expect(db, organisation()) for _ in range(3))
    pay(db, full)
    pay(db, short, amount=Money.yuan("1000"))

    held = deposits.hold(db, REFERENCE, by=SYSTEM)

    assert held == [full]
    assert (full.state, short.state, none.state) == (S.HELD, S.REFUND_ORDERED, S.LAPSED)
    assert {one.id for one in deposits.of(db, REFERENCE)} == {full.id, short.id, none.id}
    assert purse(db, full) == {"held": AMOUNT.fen}
    assert purse(db, short) == {"ordered": 100_000}
    assert deposits.hold(db, REFERENCE, by=SYSTEM) == []
    everything_adds_up(db)


def test_nobody_joins_after_the_opening_and_a_bidder_does_not_open(db, organisation, actor):
    pay(db, expect(db, organisation()))
    with pytest.raises(NotForYouToOrder):
        deposits.hold(db, REFERENCE, by=actor(Role.BIDDER))
    deposits.hold(db, REFERENCE, by=SYSTEM)

    with pytest.raises(OpenedAlready):
        expect(db, organisation())


def test_two_parties_paid_from_one_account_are_flagged_after_the_opening(db, organisation):
    one, two, three = organisation(), organisation(), organisation()
    for party, account in ((one, "6222001"), (two, "6222001"), (three, "6222003")):
        pay(db, expect(db, party), account=account)
    deposits.hold(db, REFERENCE, by=SYSTEM)

    [flag] = deposits.same_payers(db, REFERENCE)

    assert flag.payer_account == "6222001"
    assert set(flag.organisation_ids) == {one.id, two.id}


# --- home -----------------------------------------------------------------------------------------------


@pytest.fixture
def held(db, organisation):
    party = organisation()
    deposit = expect(db, party)
    pay(db, deposit)
    deposits.hold(db, REFERENCE, by=SYSTEM)
    return deposit


def test_release_orders_one_refund_to_the_paying_account_with_interest(db, held):
    db.execute(text("UPDATE receipt SET value_date = value_date - 365"))
    db.expire_all()

    [refund] = deposits.release(db, REFERENCE, [held.organisation_id], reason="合同已签订", by=SYSTEM)

    assert held.state is S.REFUND_ORDERED
    assert refund.state is RefundState.ORDERED
    assert (refund.payee_account, refund.principal) == ("CN14PAYER0001", AMOUNT)
    assert refund.interest > Money(0)
    assert purse(db, held) == {"ordered": (AMOUNT + refund.interest).fen}
    assert refund.end_to_end_id == ledger.find(db, f"refund/{refund.id}").id.hex
    assert db.scalar(text("SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'escrow.pack_refunds'")) == 1
    assert journal.is_whole(db, held.file).ok
    everything_adds_up(db)


def test_release_twice_is_release_once(db, held):
    first = deposits.release(db, REFERENCE, [held.organisation_id], reason="合同已签订", by=SYSTEM)
    count = db.scalar(select(func.count()).select_from(Transfer))

    deposits.release(db, REFERENCE, [held.organisation_id], reason="合同已签订", by=SYSTEM)

    assert db.scalars(select(Refund)).all() == first
    assert db.scalar(select(func.count()).select_from(Transfer)) == count


def test_a_party_takes_its_own_home_before_the_opening_only(db, person):
    bidder = person(Role.BIDDER)
    deposit = expect(db, bidder.organisation)
    pay(db, deposit)
    stranger = person(Role.BIDDER).actor

    with pytest.raises(NotForYouToOrder):
        deposits.release(db, REFERENCE, [deposit.organisation_id], reason="x", by=stranger)
    deposits.release(db, REFERENCE, [deposit.organisation_id], reason="撤回投标", by=bidder.actor)

    assert deposit.state is S.REFUND_ORDERED
    assert db.scalars(select(Refund)).one().interest == Money(0)


def test_a_party_does_not_take_its_own_home_after_the_opening(db, person):
    bidder = person(Role.BIDDER)
    pay(db, deposit := expect(db, bidder.organisation))
    deposits.hold(db, REFERENCE, by=SYSTEM)

    with pytest.raises(NotForYouToOrder):
        deposits.release(db, REFERENCE, [deposit.organisation_id], reason="撤销投标", by=bidder.actor)


def test_two_receipts_go_home_to_the_account_each_came_from(db, organisation):
    deposit = expect(db, organisation())
    pay(db, deposit, amount=Money.yuan("30000"), account="6222001")
    pay(db, deposit, amount=Money.yuan("50000"), account="6222002")

    refunds = deposits.release(db, REFERENCE, [deposit.organisation_id], reason="流标", by=SYSTEM)

    assert {one.payee_account: str(one.amount) for one in refunds} == {"6222001": "30000.00", "6222002": "50000.00"}


@pytest.fixture
def held_for_good(database, organisation):
    """A held deposit in a database that really commits."""
    with database() as db:
        party = parties.add_organisation(db, "竞争单位", organisation().credit_code)
        pay(db, expect(db, party))
        deposits.hold(db, REFERENCE, by=SYSTEM)
        db.commit()
        return party.id


def race(database, act, count: int = 6) -> None:
    """So many at once do the same, each in a transaction of its own; nobody may fail."""
    gate, trouble = threading.Barrier(count), []

    def run() -> None:
        with database() as db:
            gate.wait()
            try:
                act(db)
                db.commit()
            except Exception as error:
                trouble.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    [thread.start() for thread in threads]
    [thread.join(30) for thread in threads]
    assert trouble == []


def test_two_releases_race_and_one_refund_is_made(database, held_for_good):
    race(database, lambda db: deposits.release(db, REFERENCE, [held_for_good], reason="合同已签订", by=SYSTEM))

    with database() as db:
        assert len(db.scalars(select(Refund)).all()) == 1
        [deposit] = deposits.of(db, REFERENCE)
        assert [entry.act for entry in journal.entries(db, deposit.file)].count("deposit.refund_ordered") == 1
        everything_adds_up(db)


def test_two_who_pack_race_and_each_refund_is_in_one_file(database, held_for_good):
    with database() as db:
        deposits.release(db, REFERENCE, [held_for_good], reason="合同已签订", by=SYSTEM)
        db.commit()

    race(database, lambda db: sending.pack(db, BANK, ACCOUNT, by=SYSTEM))

    with database() as db:
        [refund] = db.scalars(select(Refund))
        assert len(db.scalars(select(PaymentFile)).all()) == 1
        assert [entry.act for entry in journal.entries(db, refund.file)] == ["refund.ordered", "refund.sent"]


# --- frozen, forfeited, guaranteed ------------------------------------------------------------------------


def test_a_decision_freezes_only_what_it_names_and_frees_what_was_ordered(db, organisation):
    one, two = organisation(), organisation()
    for party in (one, two):
        pay(db, expect(db, party))
    deposits.hold(db, REFERENCE, by=SYSTEM)
    deposits.freeze(db, REFERENCE, [one.id], decision="投诉处理决定（2026）1号", by=SYSTEM)

    deposits.release(db, REFERENCE, [one.id, two.id], reason="合同已签订", by=SYSTEM)
    frozen, free = deposits.mine(db, REFERENCE, one.id), deposits.mine(db, REFERENCE, two.id)
    assert (frozen.state, free.state) == (S.HELD, S.REFUND_ORDERED)

    [refund] = deposits.unfreeze(db, REFERENCE, [one.id], by=SYSTEM)
    assert frozen.state is S.REFUND_ORDERED
    assert refund.principal == AMOUNT


def test_forfeit_needs_two_people_and_what_was_paid_above_goes_home(db, organisation, actor):
    deposit = expect(db, organisation())
    pay(db, deposit, amount=AMOUNT + Money(7))
    deposits.hold(db, REFERENCE, by=SYSTEM)
    first, second = actor(Role.CENTRE_STAFF), actor(Role.CENTRE_STAFF)

    deposits.forfeit(db, REFERENCE, deposit.organisation_id, reason="中标后拒签合同", by=first)
    assert deposit.state is S.FORFEIT_PENDING
    with pytest.raises(SecondPersonNeeded):
        deposits.confirm_forfeit(db, deposit, by=first)
    with pytest.raises(NotForYouToOrder):
        deposits.confirm_forfeit(db, deposit, by=actor(Role.BIDDER))
    deposits.confirm_forfeit(db, deposit, by=second)

    assert deposit.state is S.FORFEITED
    assert ledger.balance(db, f"forfeited/{REFERENCE}") == AMOUNT
    assert db.scalars(select(Refund)).one().principal == Money(7)
    assert deposits.confirm_forfeit(db, deposit, by=second).state is S.FORFEITED
    everything_adds_up(db)


def test_a_forfeit_may_be_dropped_and_only_what_is_held_is_forfeited(db, held, actor):
    first, second = actor(Role.PROCURING_ENTITY), actor(Role.CENTRE_STAFF)
    deposits.forfeit(db, REFERENCE, held.organisation_id, reason="理由", by=first)
    deposits.forfeit(db, REFERENCE, held.organisation_id, reason="理由", by=first)
    deposits.drop_forfeit(db, held, by=second)
    assert held.state is S.HELD

    with pytest.raises(NotHeld):
        deposits.confirm_forfeit(db, held, by=second)
    deposits.release(db, REFERENCE, [held.organisation_id], reason="合同已签订", by=SYSTEM)
    with pytest.raises(NotHeld):
        deposits.forfeit(db, REFERENCE, held.organisation_id, reason="理由", by=first)


def letter(db, deposit, by, **given):
    facts = {"guarantor": "示例担保公司", "number": "BH-1", "amount": AMOUNT, "digest": "0" * 64}
    until = clock.database(db) + timedelta(days=90)
    return guarantees.hand_in(db, deposit, **facts | {"valid_until": until} | given, by=by)


def test_a_guarantee_covers_only_when_the_guarantor_confirmed_it_and_goes_back(db, person):
    bidder = person(Role.BIDDER)
    deposit = expect(db, bidder.organisation)
    handed = letter(db, deposit, bidder.actor)
    assert letter(db, deposit, bidder.actor) is handed
    assert not deposits.is_covered(db, REFERENCE, deposit.organisation_id)

    with pytest.raises(OnlyTheGuarantor):
        guarantees.answer(db, handed, genuine=True, by=bidder.actor)
    guarantees.answer(db, handed, genuine=True, by=SYSTEM)
    assert deposits.is_covered(db, REFERENCE, deposit.organisation_id)
    deposits.hold(db, REFERENCE, by=SYSTEM)
    deposits.release(db, REFERENCE, [deposit.organisation_id], reason="合同已签订", by=SYSTEM)

    assert handed.state is GuaranteeState.GIVEN_BACK
    assert deposit.state is S.REFUNDED
    assert db.scalars(select(Refund)).all() == []


def test_a_guarantee_that_has_run_out_covers_nothing(db, person):
    bidder = person(Role.BIDDER)
    deposit = expect(db, bidder.organisation)
    guarantees.answer(db, letter(db, deposit, bidder.actor), genuine=True, by=SYSTEM)

    clock.shift_database(db, timedelta(days=91))

    assert not deposits.is_covered(db, REFERENCE, deposit.organisation_id)


def test_what_a_guarantee_must_be(db, person):
    bidder = person(Role.BIDDER)
    deposit = expect(db, bidder.organisation)
    with pytest.raises(NotYourGuarantee):
        letter(db, deposit, person(Role.BIDDER).actor)
    with pytest.raises(GuaranteeTooSmall):
        letter(db, deposit, bidder.actor, amount=Money(1))
    guarantees.answer(db, letter(db, deposit, bidder.actor), genuine=False, by=SYSTEM)
    assert deposit.state is S.EXPECTED
    with pytest.raises(GuaranteeNotNow):
        letter(db, deposit, bidder.actor, number="BH-2")


def test_a_forfeited_guarantee_is_claimed(db, person, actor):
    bidder = person(Role.BIDDER)
    deposit = expect(db, bidder.organisation)
    handed = letter(db, deposit, bidder.actor)
    guarantees.answer(db, handed, genuine=True, by=SYSTEM)
    deposits.hold(db, REFERENCE, by=SYSTEM)
    deposits.forfeit(db, REFERENCE, deposit.organisation_id, reason="拒签合同", by=actor(Role.CENTRE_STAFF))
    deposits.confirm_forfeit(db, deposit, by=actor(Role.CENTRE_STAFF))

    assert handed.state is GuaranteeState.CLAIMED


def test_orders_are_found_again_when_their_job_is_lost(db, held):
    deposits.release(db, REFERENCE, [held.organisation_id], reason="合同已签订", by=SYSTEM)
    assert sending.due_to_pack(db) == [f"{BANK}/{ACCOUNT}"]

    [file] = sending.pack_due(db, f"{BANK}/{ACCOUNT}")

    assert [one.state for one in file.refunds] == [RefundState.SENT]
    assert sending.due_to_pack(db) == []
    assert held.state is S.REFUNDING
    assert db.get_one(Deposit, held.id).account("sent") in ledger.balances(db, "deposit/")
