"""H3: every act in every state that is not its own is refused, and nothing has happened."""

import io

import pytest

from bidding.tenders import awards, contracts, documents, hall, notices, opening, registration, submission, uploads
from bidding.tenders.bids import BidState
from bidding.tenders.models import DocumentKind, State
from ca.parties import Person
from ca.rights import Role
from storage import journal
from storage.refusals import Refusal

AFTER = set(hall.HALL_OPEN)
ACTS = {
    "edit": ({State.DRAFT}, lambda s, t: notices.edit(s.db, t, s.terms([]), by=s.buyer_.actor)),
    "publish": (
        {State.DRAFT, State.JOINING, State.PUBLISHED}, lambda s, t: notices.publish(s.db, t, by=s.buyer_.actor),
    ),
    "back_to_draft": ({State.JOINING}, lambda s, t: notices.back_to_draft(s.db, t, by=s.buyer_.actor)),
    "document": (
        {State.DRAFT},
        lambda s, t: documents.add(s.db, s.store, t, DocumentKind.OTHER, "n.pdf", io.BytesIO(b"x"), by=s.buyer_.actor),
    ),
    "clarification": (
        {State.DRAFT, State.PUBLISHED},
        lambda s, t: documents.add(
            s.db, s.store, t, DocumentKind.CLARIFICATION, "c.pdf", io.BytesIO(b"x"), by=s.buyer_.actor
        ),
    ),
    "register": ({State.PUBLISHED}, lambda s, t: registration.register(s.db, t, by=s.bidder().actor)),
    "upload": (
        {State.PUBLISHED}, lambda s, t: uploads.begin(s.db, s.store, s.bid_.registration, size=5, by=s.me_.actor),
    ),
    "hand_in": ({State.PUBLISHED}, lambda s, t: submission.hand_in(s.db, s.upload_, b"x", by=s.me_.actor)),
    "withdraw": ({State.PUBLISHED}, lambda s, t: submission.withdraw(s.db, s.bid_, by=s.me_.actor)),
    "unlock": ({State.UNLOCKING}, lambda s, t: opening.unlock(s.db, s.bid_, "00" * 32, by=s.me_.actor, key=s.key)),
    "close": (
        {State.UNLOCKS_FROZEN, State.CLOSED},
        lambda s, t: opening.close(s.db, t, b"x", by=s.supervisor_.actor, recognised=s.recognised),
    ),
    "confirm": ({State.OPENED}, lambda s, t: hall.confirm(s.db, s.bid_, by=s.me_.actor)),
    "object": (AFTER, lambda s, t: hall.object_to(s.db, t, "异议", by=s.me_.actor)),
    "rank": ({State.OPENED}, lambda s, t: awards.receive_ranking(s.db, t, [], {}, by=s.expert_.actor)),
    "candidates": (
        {State.EVALUATED, State.STANDSTILL}, lambda s, t: awards.publish_candidates(s.db, t, by=s.buyer_.actor),
    ),
    "award": ({State.STANDSTILL, State.AWARDED}, lambda s, t: awards.award(s.db, t, s.bid_, by=s.buyer_.actor)),
    "contract": ({State.AWARDED}, lambda s, t: contracts.draw_up(s.db, t, by=s.buyer_.actor)),
    "keep": (
        {State.AWARDED}, lambda s, t: contracts.keep_deposit(s.db, t, s.bid_, "理由", by=s.buyer_.actor),
    ),
    "fail": (
        {state for state in State if State.FAILED in notices.Tender.MOVES[state]} - {State.PUBLISHED},
        lambda s, t: awards.fail(s.db, t, "理由", by=s.buyer_.actor),
    ),
    "cancel": (
        {state for state in State if State.CANCELLED in notices.Tender.MOVES[state]} | {State.CANCELLED},
        lambda s, t: awards.cancel(s.db, t, "理由", by=s.buyer_.actor),
    ),
}  # fmt: skip


@pytest.mark.parametrize("act", ACTS)
def test_out_of_its_state_an_act_does_nothing(stage, act):
    stage.buyer_, stage.supervisor_ = stage.buyer(), stage.supervisor()
    stage.expert_ = stage.person("专家", Role.EXPERT)
    tender = stage.published(stage.buyer_)
    stage.bid_ = stage.submit(tender, stage.bidder())
    stage.me_ = stage.db.get(Person, stage.bid_.person_id)
    stage.upload_ = stage.upload(tender, stage.me_, b"x")
    own, run = ACTS[act]
    tender.freeze_root = tender.unlock_root = "0" * 64
    tender.winner_bid = str(stage.bid_.id)
    for state in State:
        if state in own:
            continue
        with stage.db.begin_nested() as undone:
            tender.state = state
            stage.bid_.state = BidState.SEALED
            stage.db.flush()
            before = (len(journal.entries(stage.db, tender.file)), len(journal.entries(stage.db, stage.bid_.file)))
            with pytest.raises(Refusal):
                run(stage, tender)
            stage.db.flush()
            after = (len(journal.entries(stage.db, tender.file)), len(journal.entries(stage.db, stage.bid_.file)))
            assert (tender.state, stage.bid_.state, after) == (state, BidState.SEALED, before), state
            undone.rollback()
        stage.db.expire_all()
