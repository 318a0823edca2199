"""工作台: each party's next act, and nobody else's secrets."""

from bidding.tenders import awards, contracts, desk, notices, registration
from ca.desk import Pile
from ca.parties import Person
from ca.rights import Role


def says(stage, person):
    return [(one.pile, one.says) for one in desk.desk(stage.db, person.actor)]


def test_every_party_finds_its_next_act(client, stage):
    buyer, supervisor = stage.buyer(), stage.supervisor()
    tender = stage.drafted(buyer)
    assert says(stage, buyer) == [(Pile.NOW, desk.DRAFT)]
    notices.publish(stage.db, tender, by=buyer.actor)
    assert says(stage, buyer) == [(Pile.COMING, desk.JOINING)]
    stage.join_all(tender)
    notices.publish_joined(stage.db, tender.id)
    bidders = [stage.bidder() for _ in range(3)]
    assert says(stage, bidders[0]) == []
    registration.register(stage.db, tender, by=bidders[0].actor)
    assert says(stage, bidders[0]) == [(Pile.NOW, desk.HAND_IN)]
    bids = [stage.submit(tender, bidder) for bidder in bidders]
    assert says(stage, bidders[0]) == [(Pile.COMING, desk.HANDED_IN)]
    assert says(stage, buyer) == [(Pile.COMING, desk.OPEN)]
    assert says(stage, supervisor) == []
    stage.frozen(tender)
    assert says(stage, bidders[0]) == [(Pile.NOW, desk.UNLOCK)]
    for bid in bids:
        stage.unlock(bid)
    assert says(stage, bidders[0]) == []
    stage.at(tender.unlock_until)
    from bidding.tenders import opening

    opening.end_unlocking(stage.db, tender.id)
    assert (Pile.NOW, desk.CLOSE) in says(stage, supervisor)
    stage.closed(tender, supervisor)
    stage.release(tender)
    stage.opened(tender)
    assert says(stage, bidders[0]) == [(Pile.NOW, desk.CONFIRM)]
    ranking = [{"bid_id": str(bid.id), "place": place, "score": "9"} for place, bid in enumerate(bids, 1)]
    awards.receive_ranking(stage.db, tender, ranking, {}, by=stage.person("专家", Role.EXPERT).actor)
    assert says(stage, buyer) == [(Pile.NOW, desk.EVALUATED)]
    awards.publish_candidates(stage.db, tender, by=buyer.actor)
    assert says(stage, buyer) == [(Pile.COMING, desk.STANDSTILL)]
    stage.at(tender.standstill_until)
    awards.award(stage.db, tender, bids[0], by=buyer.actor)
    contract = contracts.draw_up(stage.db, tender, by=buyer.actor)
    winner = stage.db.get(Person, bids[0].person_id)
    for person in (buyer, winner):
        assert says(stage, person) == [(Pile.NOW, desk.SIGN)]
        contracts.sign(stage.db, contract, by=person.actor)
        assert says(stage, person) == []


def test_every_line_leads_to_a_door(client, stage):
    known = client.app.view_functions
    told = [*desk.OF_BUYER.values(), *desk.OF_BIDDER.values()]
    assert {endpoint for _, _, endpoint, _, _ in told} | {"tenders.contract", "tenders.closing"} <= set(known)
