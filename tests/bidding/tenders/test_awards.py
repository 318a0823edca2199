"""定标: ranking, candidates, standstill, award, contract – and the deposits' way home."""

from datetime import timedelta

import pytest

from bidding.tenders import awards, contracts, notices
from bidding.tenders.bids import BidState
from bidding.tenders.models import ContractState, State
from ca.rights import Role
from escrow import deposits
from storage import journal
from storage.refusals import NotFound
from storage.values import Money


@pytest.fixture
def money(monkeypatch):
    """The strongroom's side of the seam, written down."""
    calls = []
    monkeypatch.setattr(deposits, "is_covered", lambda db, reference, party: True)
    monkeypatch.setattr(deposits, "hold", lambda db, reference, by: None)
    monkeypatch.setattr(
        deposits, "release",
        lambda db, reference, parties, reason, by: calls.append((reason, sorted(parties), by.person_id)),
    )  # fmt: skip
    monkeypatch.setattr(
        deposits, "forfeit", lambda db, reference, party, reason, by: calls.append(("forfeit", party, by.person_id))
    )
    return calls


@pytest.fixture
def opened(stage, money):
    buyer = stage.buyer()
    tender = stage.published(buyer, deposit_amount=Money.yuan("10000"))
    bids = [stage.submit(tender, stage.bidder(), price=f"{price}.00") for price in (800000, 790000, 810000)]
    stage.frozen(tender)
    for bid in bids:
        stage.unlock(bid)
    stage.closed(tender)
    stage.release(tender)
    stage.opened(tender)
    money.clear()
    return tender, buyer, bids


def ranking_of(bids):
    return [{"bid_id": str(bid.id), "place": place, "score": f"{95 - place}.00"} for place, bid in enumerate(bids, 1)]


@pytest.fixture
def standing(stage, opened):
    tender, buyer, bids = opened
    expert = stage.person("专家", Role.EXPERT)
    awards.receive_ranking(stage.db, tender, ranking_of(bids), {"digest": "ab" * 32}, by=expert.actor)
    awards.publish_candidates(stage.db, tender, by=buyer.actor)
    return tender, buyer, bids


def test_from_the_ranking_to_the_contract_and_the_deposits_home(stage, standing, money):
    tender, buyer, bids = standing
    assert tender.state is State.STANDSTILL
    stage.at(tender.standstill_until)
    awards.award(stage.db, tender, bids[0], by=buyer.actor)
    assert tender.state is State.AWARDED
    contract = contracts.draw_up(stage.db, tender, by=buyer.actor)
    assert (contract.price, contract.terms["bid"]) == (Money.yuan("800000"), bids[0].digest)
    contracts.sign(stage.db, contract, by=buyer.actor)
    assert (tender.state, money) == (State.AWARDED, [])
    supplier = stage.db.get(type(buyer), bids[0].person_id)
    contracts.sign(stage.db, contract, by=supplier.actor)
    assert (tender.state, contract.state) == (State.CONTRACTED, ContractState.SIGNED)
    everybody = sorted(bid.bidder_id for bid in bids)
    assert money == [("contract", everybody, None)]
    contracts.sign(stage.db, contract, by=supplier.actor)
    assert len(money) == 1
    assert journal.is_whole(stage.db, tender.file).ok


def test_the_ranking_comes_once(stage, opened):
    tender, _, bids = opened
    expert = stage.person("专家", Role.EXPERT)
    awards.receive_ranking(stage.db, tender, ranking_of(bids), {"digest": "ab"}, by=expert.actor)
    awards.receive_ranking(stage.db, tender, ranking_of(bids), {"digest": "ab"}, by=expert.actor)
    with pytest.raises(awards.AlreadyRanked):
        awards.receive_ranking(stage.db, tender, ranking_of(bids[::-1]), {"digest": "ab"}, by=expert.actor)


@pytest.mark.parametrize("spoil", [
    lambda lines: [*lines, lines[0]],
    lambda lines: [lines[0] | {"place": 2}, *lines[1:]],
    lambda lines: [lines[0] | {"bid_id": "00000000-0000-0000-0000-000000000000"}, *lines[1:]],
    lambda lines: [lines[0] | {"score": "many"}, *lines[1:]],
    lambda lines: [{"place": 1}],
])  # fmt: skip
def test_rankings_that_make_no_sense(stage, opened, spoil):
    tender, _, bids = opened
    expert = stage.person("专家", Role.EXPERT)
    with pytest.raises(awards.NotARanking):
        awards.receive_ranking(stage.db, tender, spoil(ranking_of(bids)), {}, by=expert.actor)


@pytest.mark.parametrize("role", [Role.PROCURING_ENTITY, Role.BIDDER, Role.SUPERVISOR])
def test_only_the_panel_ranks(stage, opened, role):
    tender, _, bids = opened
    with pytest.raises(awards.NotFromThePanel):
        awards.receive_ranking(stage.db, tender, ranking_of(bids), {}, by=stage.person("别人", role).actor)


def test_no_ranking_before_the_opening(stage):
    expert = stage.person("专家", Role.EXPERT)
    with pytest.raises(awards.NothingToPublish):
        awards.receive_ranking(stage.db, stage.published(), [], {}, by=expert.actor)


def test_no_candidates_before_the_report(stage, opened):
    tender, buyer, _ = opened
    with pytest.raises(awards.NothingToPublish):
        awards.publish_candidates(stage.db, tender, by=buyer.actor)


def test_the_panel_rejected_everybody(stage, opened, money):
    tender, buyer, bids = opened
    awards.receive_ranking(stage.db, tender, [], {}, by=stage.person("专家", Role.EXPERT).actor)
    awards.publish_candidates(stage.db, tender, by=buyer.actor)
    assert tender.state is State.FAILED
    assert money == [("failed", sorted(bid.bidder_id for bid in bids), None)]


@pytest.mark.parametrize(("plus", "open_"), [(timedelta(milliseconds=-300), False), (timedelta(0), True)])
def test_nobody_is_awarded_during_the_standstill(stage, standing, plus, open_):
    tender, buyer, bids = standing
    stage.at(tender.standstill_until, plus)
    if open_:
        assert awards.award(stage.db, tender, bids[0], by=buyer.actor).state is State.AWARDED
    else:
        with pytest.raises(awards.StillStandstill):
            awards.award(stage.db, tender, bids[0], by=buyer.actor)


def test_the_end_of_the_standstill_is_told_once(stage, standing):
    tender, buyer, _ = standing
    assert tender.id not in awards.due_to_announce(stage.db)
    stage.at(tender.standstill_until)
    assert tender.id in awards.due_to_announce(stage.db)
    for _ in range(2):
        awards.announce_standstill_over(stage.db, tender.id, by=notices.SYSTEM)
    acts = [entry.act for entry in journal.entries(stage.db, tender.file)]
    assert acts.count("tender.standstill_over") == 1


def test_the_first_must_win_unless_a_reason_is_written(stage, standing):
    tender, buyer, bids = standing
    stage.at(tender.standstill_until)
    for blank in ("", "   "):
        with pytest.raises(awards.FirstMustWin):
            awards.award(stage.db, tender, bids[1], by=buyer.actor, reason=blank)
    awards.award(stage.db, tender, bids[1], by=buyer.actor, reason="第一名书面放弃中标")
    assert (tender.winner_bid, tender.reason) == (str(bids[1].id), "第一名书面放弃中标")


def test_only_candidates_are_awarded(stage, opened):
    tender, buyer, bids = opened
    awards.receive_ranking(
        stage.db, tender, ranking_of(bids[:2]), {}, by=stage.person("专家", Role.EXPERT).actor
    )
    awards.publish_candidates(stage.db, tender, by=buyer.actor)
    stage.at(tender.standstill_until)
    with pytest.raises(awards.NotACandidate):
        awards.award(stage.db, tender, bids[2], by=buyer.actor, reason="x")


def test_only_the_buyer_awards(stage, standing):
    tender, _, bids = standing
    stage.at(tender.standstill_until)
    for actor in (stage.buyer().actor, stage.supervisor().actor, stage.bidder().actor):
        with pytest.raises(notices.NotYourTender):
            awards.award(stage.db, tender, bids[0], by=actor)


def test_at_most_three_candidates(stage, opened):
    tender, _, _ = opened
    assert tender.rules["most_candidates"].value == 3


def test_no_contract_before_the_award(stage, standing):
    tender, buyer, _ = standing
    with pytest.raises(contracts.NotAwarded):
        contracts.draw_up(stage.db, tender, by=buyer.actor)


def test_strangers_see_and_sign_no_contract(stage, standing):
    tender, buyer, bids = standing
    stage.at(tender.standstill_until)
    awards.award(stage.db, tender, bids[0], by=buyer.actor)
    contract = contracts.draw_up(stage.db, tender, by=buyer.actor)
    assert contracts.draw_up(stage.db, tender, by=buyer.actor) is contract
    loser = stage.db.get(type(buyer), bids[1].person_id)
    for actor in (loser.actor, stage.buyer().actor):
        with pytest.raises(contracts.NotAParty):
            contracts.sign(stage.db, contract, by=actor)
        with pytest.raises(NotFound):
            contracts.seen_by(stage.db, contract.id, actor)
    assert contracts.seen_by(stage.db, contract.id, stage.supervisor().actor) is contract


def test_a_kept_deposit_does_not_go_home(stage, money):
    buyer = stage.buyer()
    tender = stage.published(buyer, deposit_amount=Money.yuan("10000"))
    bids = [stage.submit(tender, stage.bidder()) for _ in range(4)]
    stage.frozen(tender)
    for bid in bids[:3]:
        stage.unlock(bid)
    stage.closed(tender)
    stage.release(tender)
    stage.opened(tender)
    assert bids[3].state is BidState.REVOKED_BIDDER_FAULT
    with pytest.raises(contracts.DepositNotToKeep):
        contracts.keep_deposit(stage.db, tender, bids[0], "理由", by=buyer.actor)
    contracts.keep_deposit(stage.db, tender, bids[3], "未按时解密", by=buyer.actor)
    assert ("forfeit", bids[3].bidder_id, buyer.id) in money
    assert bids[3].bidder_id not in awards.losers(stage.db, tender)
    assert bids[0].bidder_id in awards.losers(stage.db, tender)


@pytest.mark.parametrize("reason", ["", "  ", "长" * 501])
def test_cancelling_needs_its_reason(stage, reason):
    buyer = stage.buyer()
    with pytest.raises(notices.NoReason):
        awards.cancel(stage.db, stage.published(buyer), reason, by=buyer.actor)


def test_cancelled_before_the_deadline_everything_goes_back(stage, money):
    buyer = stage.buyer()
    tender = stage.published(buyer, deposit_amount=Money.yuan("10000"))
    bid = stage.submit(tender, stage.bidder())
    awards.cancel(stage.db, tender, "采购任务取消", by=buyer.actor)
    awards.cancel(stage.db, tender, "采购任务取消", by=buyer.actor)
    assert (tender.state, bid.state) == (State.CANCELLED, BidState.RETURNED)
    assert money == [("cancelled", [bid.bidder_id], None)]
    told = journal.entries(stage.db, tender.file)[-1]
    assert set(told.facts) == {"was", "reason"}


def test_a_contracted_tender_is_not_cancelled(stage, standing):
    tender, buyer, bids = standing
    stage.at(tender.standstill_until)
    awards.award(stage.db, tender, bids[0], by=buyer.actor)
    with pytest.raises(awards.CannotCancel):
        awards.cancel(stage.db, tender, "反悔", by=buyer.actor)
