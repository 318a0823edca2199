"""保证金 for real: the strongroom's own rows, from the sub-account to the order home."""

import pytest

from bidding.tenders import awards, contracts, opening, registration, submission
from bidding.tenders.bids import BidState
from bidding.tenders.models import State
from ca.parties import Person
from ca.rights import Role
from escrow import deposits
from escrow.models import DepositState
from storage.values import Money
from tests.escrow.money import pay

AMOUNT = Money.yuan("10000")


@pytest.fixture
def tender(stage):
    stage.buyer_ = stage.buyer()
    return stage.published(stage.buyer_, deposit_amount=AMOUNT)


def paid(stage, tender):
    bidder = stage.bidder()
    held = registration.register(stage.db, tender, by=bidder.actor)
    deposit = deposits.mine(stage.db, tender.lot.reference, bidder.organisation_id)
    assert held.sub_account == deposit.sub_account
    pay(stage.db, deposit, amount=AMOUNT)
    return bidder


def states(stage, tender, bidders):
    found = {one.organisation_id: one.state for one in deposits.of(stage.db, tender.lot.reference)}
    return [found[bidder.organisation_id] for bidder in bidders]


def test_paid_bids_are_taken_and_unpaid_ones_are_not(stage, tender):
    assert stage.submit(tender, paid(stage, tender)).state is BidState.SEALED
    assert stage.submit(tender, stage.bidder()).refused_code == "DEPOSIT"


def test_they_are_held_at_the_freeze_and_go_home_after_the_contract(stage, tender):
    bidders = [paid(stage, tender) for _ in range(4)]
    bids = [stage.submit(tender, bidder) for bidder in bidders]
    submission.withdraw(stage.db, bids[3], by=bidders[3].actor)
    stage.frozen(tender)
    held = states(stage, tender, bidders)
    assert held[:3] == [DepositState.HELD] * 3
    assert held[3] is DepositState.REFUND_ORDERED  # no bid on the list: home at once

    for bid in bids[:3]:
        stage.unlock(bid)
    stage.closed(tender)
    stage.release(tender)
    stage.opened(tender)
    ranking = [{"bid_id": str(bid.id), "place": place, "score": "90"} for place, bid in enumerate(bids[:3], 1)]
    awards.receive_ranking(stage.db, tender, ranking, {}, by=stage.person("专家", Role.EXPERT).actor)
    awards.publish_candidates(stage.db, tender, by=stage.buyer_.actor)
    stage.at(tender.standstill_until)
    awards.award(stage.db, tender, bids[0], by=stage.buyer_.actor)
    contract = contracts.draw_up(stage.db, tender, by=stage.buyer_.actor)
    contracts.sign(stage.db, contract, by=stage.buyer_.actor)
    assert states(stage, tender, bidders)[:3] == [DepositState.HELD] * 3
    contracts.sign(stage.db, contract, by=stage.db.get(Person, bids[0].person_id).actor)
    assert tender.state is State.CONTRACTED
    assert states(stage, tender, bidders) == [DepositState.REFUND_ORDERED] * 4


def test_too_few_bids_and_everything_goes_home(stage, tender):
    bidders = [paid(stage, tender) for _ in range(2)]
    for bidder in bidders:
        stage.submit(tender, bidder)
    stage.at(tender.submission_deadline)
    opening.freeze(stage.db, tender.id, key=stage.key)
    assert tender.state is State.FAILED
    refunds = [deposits.mine(stage.db, tender.lot.reference, one.organisation_id).state for one in bidders]
    assert refunds == [DepositState.REFUND_ORDERED] * 2


def test_called_off_before_the_deadline_everything_goes_home(stage, tender):
    bidder = paid(stage, tender)
    stage.submit(tender, bidder)
    awards.cancel(stage.db, tender, "采购任务取消", by=stage.buyer_.actor)
    found = deposits.mine(stage.db, tender.lot.reference, bidder.organisation_id)
    assert found.state is DepositState.REFUND_ORDERED


def test_a_kept_deposit_waits_for_a_second_person_and_stays(stage, tender):
    bidders = [paid(stage, tender) for _ in range(4)]
    bids = [stage.submit(tender, bidder) for bidder in bidders]
    stage.frozen(tender)
    for bid in bids[:3]:
        stage.unlock(bid)
    stage.closed(tender)
    stage.release(tender)
    stage.opened(tender)
    contracts.keep_deposit(stage.db, tender, bids[3], "未按时解密", by=stage.buyer_.actor)
    assert states(stage, tender, bidders)[3] is DepositState.FORFEIT_PENDING
    awards.fail(stage.db, tender, "没有合格的投标", by=stage.buyer_.actor)
    after = states(stage, tender, bidders)
    assert after[:3] == [DepositState.REFUND_ORDERED] * 3
    assert after[3] is DepositState.FORFEIT_PENDING
