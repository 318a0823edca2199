"""公告: drafted, waiting for its holders, published."""

import io
from datetime import timedelta

import pytest

from bidding.tenders import documents, notices
from bidding.tenders.models import DocumentKind, State
from ca import openings
from ca.rights import Role
from storage import journal
from storage.refusals import NotFound
from storage.values import Money


def test_a_notice_goes_out_when_the_last_holder_has_joined(stage):
    buyer = stage.buyer()
    tender = notices.publish(stage.db, stage.drafted(buyer), by=buyer.actor)
    assert tender.state is State.JOINING
    assert tender.id not in notices.due_to_publish(stage.db)

    stage.join_all(tender)
    assert tender.id in notices.due_to_publish(stage.db)
    notices.publish_joined(stage.db, tender.id)

    assert tender.state is State.PUBLISHED
    assert tender.params_hash == tender.opening.params_hash
    told = journal.entries(stage.db, tender.file)[-1]
    assert (told.act, told.facts["params"]) == ("tender.published", tender.params_hash)


def test_publishing_twice_begins_one_opening(stage):
    buyer = stage.buyer()
    tender = stage.drafted(buyer)
    first = notices.publish(stage.db, tender, by=buyer.actor).opening_id
    assert notices.publish(stage.db, tender, by=buyer.actor).opening_id == first


def test_nobody_else_sees_a_draft(stage):
    tender = stage.drafted()
    for actor in (None, stage.buyer().actor, stage.supervisor().actor):
        with pytest.raises(NotFound):
            notices.seen_by(stage.db, tender.id, actor)


def test_everybody_sees_a_published_tender(stage):
    tender = stage.published()
    assert notices.seen_by(stage.db, tender.id, None) is tender


def test_only_its_procuring_entity_publishes(stage):
    tender = stage.drafted()
    with pytest.raises(NotFound):
        notices.publish(stage.db, tender, by=stage.buyer().actor)


def test_only_a_procuring_entity_drafts(stage):
    bidder = stage.person("别人", Role.BIDDER)
    with pytest.raises(notices.NotYourTender):
        notices.draft(stage.db, stage.terms(stage.holders(bidder)), by=bidder.actor)


def test_a_tender_without_documents_is_not_published(stage):
    buyer = stage.buyer()
    tender = notices.draft(stage.db, stage.terms(stage.holders(buyer)), by=buyer.actor)
    with pytest.raises(notices.NoDocuments):
        notices.publish(stage.db, tender, by=buyer.actor)


@pytest.mark.parametrize(("change", "refusal"), [
    ({"submission_deadline": 4, "unlock_until": 10, "release_until": 30}, notices.TooSoon),
    ({"submission_deadline": 60, "unlock_until": 61, "release_until": 90}, notices.UnlockTooShort),
    ({"submission_deadline": 60, "unlock_until": 70, "release_until": 71}, notices.ReleaseTooShort),
])  # fmt: skip
def test_times_that_break_a_rule(stage, change, refusal):
    buyer = stage.buyer()
    terms = stage.terms(stage.holders(buyer))
    start = terms.submission_deadline - timedelta(seconds=60)
    tender = stage.drafted(buyer, **{name: start + timedelta(seconds=s) for name, s in change.items()})
    with pytest.raises(refusal):
        notices.publish(stage.db, tender, by=buyer.actor)


def test_under_the_law_twenty_days_are_kept(stage):
    buyer = stage.buyer()
    tender = stage.drafted(buyer)
    tender.profile = "tendering"
    with pytest.raises(notices.TooSoon) as told:
        notices.publish(stage.db, tender, by=buyer.actor)
    assert "第二十四条" in str(told.value)


def test_deposit_above_two_percent(stage):
    buyer = stage.buyer()
    tender = stage.drafted(buyer, deposit_amount=Money.yuan("20000.01"))
    with pytest.raises(notices.DepositTooHigh):
        notices.publish(stage.db, tender, by=buyer.actor)
    tender.deposit_amount = Money.yuan("20000.00")
    assert notices.publish(stage.db, tender, by=buyer.actor).state is State.JOINING


def test_ceiling_above_the_budget(stage):
    buyer = stage.buyer()
    with pytest.raises(notices.CeilingAboveBudget):
        stage.drafted(buyer, ceiling_price=Money.yuan("1000000.01"))


def test_first_holder_is_the_procuring_entitys(stage):
    buyer = stage.buyer()
    holders = stage.holders(buyer)
    tender = stage.drafted(buyer, holders=[person.id for person in holders[1:] + holders[:1]])
    with pytest.raises(notices.WrongHolders):
        notices.publish(stage.db, tender, by=buyer.actor)


def test_holders_of_one_body_sit_once(stage):
    buyer = stage.buyer()
    holders = stage.holders(buyer)
    twin = stage.person("同单位", Role.KEY_HOLDER, organisation=holders[1].organisation)
    tender = stage.drafted(buyer, holders=[person.id for person in [*holders[:4], twin]])
    with pytest.raises(openings.SameHolderTwice):
        notices.publish(stage.db, tender, by=buyer.actor)


def test_two_spare_holders_are_needed(stage):
    buyer = stage.buyer()
    tender = stage.drafted(buyer, holders=[person.id for person in stage.holders(buyer, 4)])
    with pytest.raises(openings.WrongNumbers):
        notices.publish(stage.db, tender, by=buyer.actor)


def test_a_published_tender_is_not_edited(stage):
    buyer = stage.buyer()
    tender = stage.published(buyer)
    with pytest.raises(notices.AlreadyPublished):
        notices.edit(stage.db, tender, stage.terms(stage.holders(buyer)), by=buyer.actor)


def test_holders_who_join_too_late_send_it_back_to_draft(stage):
    buyer = stage.buyer()
    tender = notices.publish(stage.db, stage.drafted(buyer), by=buyer.actor)
    stage.at(tender.submission_deadline - timedelta(seconds=1))
    assert tender.id in notices.due_to_publish(stage.db)
    notices.publish_joined(stage.db, tender.id)
    assert (tender.state, tender.opening_id) == (State.DRAFT, None)


def test_back_to_draft_and_published_again_with_another_opening(stage):
    buyer = stage.buyer()
    tender = notices.publish(stage.db, stage.drafted(buyer), by=buyer.actor)
    first = tender.opening.name
    notices.back_to_draft(stage.db, tender, by=buyer.actor)
    notices.publish(stage.db, tender, by=buyer.actor)
    assert tender.opening.name != first


@pytest.mark.parametrize("name", ["../x.pdf", "/etc/passwd", "", " ", ".hidden", "a\x00b", "gpj.\u202eexe", "x" * 300])
def test_document_names_that_lie(stage, name):
    buyer = stage.buyer()
    tender = stage.drafted(buyer)
    with pytest.raises(documents.BadDocumentName):
        documents.add(stage.db, stage.store, tender, DocumentKind.OTHER, name, io.BytesIO(b"x"), by=buyer.actor)


def test_documents_are_fixed_once_published(stage):
    buyer = stage.buyer()
    tender = stage.published(buyer)
    with pytest.raises(documents.FixedOnceOut):
        documents.add(stage.db, stage.store, tender, DocumentKind.OTHER, "新.pdf", io.BytesIO(b"x"), by=buyer.actor)
    note = documents.add(
        stage.db, stage.store, tender, DocumentKind.CLARIFICATION, "澄清.pdf", io.BytesIO(b"x"), by=buyer.actor
    )
    with pytest.raises(documents.FixedOnceOut):
        documents.remove(stage.db, stage.store, note, by=buyer.actor)
    stage.at(tender.submission_deadline - timedelta(seconds=3))
    with pytest.raises(documents.NoteTooLate):
        documents.add(
            stage.db, stage.store, tender, DocumentKind.CLARIFICATION, "迟.pdf", io.BytesIO(b"x"), by=buyer.actor
        )
