"""开标大厅: what everybody sees, and what bidders may say in it."""

import io

import pytest

from bidding.tenders import awards, documents, hall, opening, submission, uploads
from bidding.tenders.models import DocumentKind, State
from storage import journal
from storage.refusals import NotFound


@pytest.fixture
def opened(stage):
    buyer = stage.buyer()
    tender = stage.published(buyer)
    bids = [stage.submit(tender, stage.bidder(), price=f"{price}.00") for price in (800000, 790000, 810000)]
    stage.frozen(tender)
    for bid in bids:
        stage.unlock(bid)
    stage.closed(tender)
    stage.release(tender)
    return stage.opened(tender), buyer, bids


def person_of(stage, bid):
    from ca.parties import Person

    return stage.db.get(Person, bid.person_id)


def test_nothing_is_shown_before_the_deadline(stage):
    tender = stage.published()
    stage.submit(tender, stage.bidder())
    assert hall.lines(stage.db, tender) == []
    with pytest.raises(NotFound):
        hall.record(stage.db, tender)


def test_prices_are_shown_only_once_all_keys_are_here(stage):
    tender = stage.published()
    bids = [stage.submit(tender, stage.bidder()) for _ in range(3)]
    stage.frozen(tender)
    stage.unlock(bids[0])
    lines = hall.lines(stage.db, tender)
    assert [line.price for line in lines] == [None] * 3
    assert sorted(line.is_unlocked for line in lines) == [False, False, True]


def test_the_record_says_everything_that_was_read_out(stage, opened):
    tender, buyer, bids = opened
    hall.confirm(stage.db, bids[0], by=person_of(stage, bids[0]).actor)
    hall.confirm(stage.db, bids[0], by=person_of(stage, bids[0]).actor)
    one = hall.object_to(stage.db, tender, "报价与宣读不符", by=person_of(stage, bids[1]).actor)
    hall.answer(stage.db, one, "已当场核对", by=buyer.actor)
    told = hall.record(stage.db, tender)
    assert sorted(str(line["price"]) for line in told["lines"]) == ["790000.00", "800000.00", "810000.00"]
    assert [line["is_confirmed"] for line in told["lines"]].count(True) == 1
    assert [(one["words"], one["answer"]) for one in told["objections"]] == [("报价与宣读不符", "已当场核对")]
    assert len(told["holders"]) == 3
    acts = [entry.act for entry in journal.entries(stage.db, tender.file)]
    assert acts.count("tender.line_confirmed") == 1
    assert "报价与宣读不符" not in str([entry.facts for entry in journal.entries(stage.db, tender.file)])


def test_nobody_confirms_before_the_prices(stage):
    tender = stage.published()
    bids = [stage.submit(tender, stage.bidder()) for _ in range(3)]
    stage.frozen(tender)
    with pytest.raises(hall.NothingToConfirm):
        hall.confirm(stage.db, bids[0], by=person_of(stage, bids[0]).actor)


def test_nobody_confirms_for_another(stage, opened):
    _, buyer, bids = opened
    for actor in (buyer.actor, person_of(stage, bids[1]).actor, stage.supervisor().actor):
        with pytest.raises(NotFound):
            hall.confirm(stage.db, bids[0], by=actor)


def test_only_bidders_on_the_list_object(stage, opened):
    tender, buyer, _ = opened
    for actor in (buyer.actor, stage.bidder().actor, stage.supervisor().actor):
        with pytest.raises(hall.NotOnTheList):
            hall.object_to(stage.db, tender, "我也有话说", by=actor)


@pytest.mark.parametrize("words", ["", "   ", "长" * (hall.LONGEST + 1)])
def test_objections_have_words(stage, opened, words):
    tender, _, bids = opened
    with pytest.raises(hall.NoWords):
        hall.object_to(stage.db, tender, words, by=person_of(stage, bids[0]).actor)


def test_objections_are_for_the_spot(stage, opened):
    tender, buyer, bids = opened
    from ca.rights import Role

    awards.receive_ranking(stage.db, tender, [], {}, by=stage.person("专家", Role.EXPERT).actor)
    with pytest.raises(hall.HallClosed):
        hall.object_to(stage.db, tender, "太迟了", by=person_of(stage, bids[0]).actor)


def test_only_the_buyer_answers_and_once(stage, opened):
    from bidding.tenders import notices

    tender, buyer, bids = opened
    one = hall.object_to(stage.db, tender, "异议", by=person_of(stage, bids[0]).actor)
    with pytest.raises(notices.NotYourTender):
        hall.answer(stage.db, one, "答复", by=stage.buyer().actor)
    hall.answer(stage.db, one, "第一次", by=buyer.actor)
    hall.answer(stage.db, one, "第二次", by=buyer.actor)
    assert one.answer == "第一次"


# refusals of other acts that need a tender this far


def test_nothing_to_unlock_twice_over(stage, opened):
    tender, _, bids = opened
    tender.state = State.UNLOCKING
    stage.at(tender.submission_deadline)
    with pytest.raises(opening.NothingToUnlock):
        opening.unlock(
            stage.db, bids[0], "00" * 32, by=person_of(stage, bids[0]).actor, key=stage.key
        )


def test_nothing_to_close_before_the_unlocks_are_fixed(stage):
    tender = stage.published()
    for _ in range(3):
        stage.submit(tender, stage.bidder())
    stage.frozen(tender)
    with pytest.raises(opening.NothingToClose):
        opening.close(stage.db, tender, b"x", by=stage.supervisor().actor, recognised=stage.recognised)


def test_nothing_to_award_before_the_standstill(stage, opened):
    tender, buyer, bids = opened
    with pytest.raises(awards.NothingToAward):
        awards.award(stage.db, tender, bids[0], by=buyer.actor)


def test_a_handed_in_upload_is_not_dropped(stage):
    tender, bidder = stage.published(), stage.bidder()
    bid = stage.submit(tender, bidder)
    upload = stage.db.get(uploads.Upload, bid.upload_id)
    with pytest.raises(uploads.AlreadyHandedIn):
        uploads.drop(stage.db, stage.store, upload, by=bidder.actor)


def test_a_replaced_bid_is_not_withdrawn(stage):
    tender, bidder = stage.published(), stage.bidder()
    first = stage.submit(tender, bidder)
    stage.submit(tender, bidder, seq=2)
    with pytest.raises(submission.CannotWithdraw):
        submission.withdraw(stage.db, first, by=bidder.actor)


def test_documents_with_limits(stage, monkeypatch):
    buyer = stage.buyer()
    tender = stage.drafted(buyer)

    def add(name, content=b"x"):
        documents.add(
            stage.db, stage.store, tender, DocumentKind.OTHER, name, io.BytesIO(content), by=buyer.actor
        )

    with pytest.raises(documents.NameTaken):
        add("招标文件.pdf")
    monkeypatch.setattr(documents, "LARGEST", 10)
    for content in (b"", b"x" * 11):
        with pytest.raises(documents.DocumentTooLarge):
            add("大.pdf", content)
    monkeypatch.setattr(documents, "MOST", 2)
    add("二.pdf")
    with pytest.raises(documents.TooManyDocuments):
        add("三.pdf")


def test_a_removed_document_is_gone(stage):
    buyer = stage.buyer()
    tender = stage.drafted(buyer)
    (document,) = documents.of(stage.db, tender)
    documents.remove(stage.db, stage.store, document, by=buyer.actor)
    assert documents.of(stage.db, tender) == []
    with pytest.raises(NotFound):
        documents.seen(stage.db, tender, document.id)


@pytest.mark.parametrize(("path", "fields", "code"), [
    ("/tenders/{}/bids/new", {"upload": "x"}, "NoUpload"),
    ("/tenders/{}/bids/new", {}, "NoUpload"),
])  # fmt: skip
def test_forms_without_their_files(client, stage, path, fields, code):
    tender, bidder = stage.published(), stage.bidder()
    stage.upload(tender, bidder, b"x")
    stage.db.flush()
    client.login(bidder)
    answer = client.post(path.format(tender.id), data=fields, content_type="multipart/form-data")
    assert (answer.status_code, "no_upload" in answer.get_data(as_text=True)) == (422, True)


def test_a_form_without_its_signature(client, stage):
    tender, bidder = stage.published(), stage.bidder()
    upload = stage.upload(tender, bidder, b"x")
    stage.db.flush()
    client.login(bidder)
    answer = client.post(
        f"/tenders/{tender.id}/bids/new", data={"upload": str(upload.id)}, content_type="multipart/form-data"
    )
    assert (answer.status_code, "no_signature_file" in answer.get_data(as_text=True)) == (422, True)


def test_a_form_without_its_document(client, stage):
    buyer = stage.buyer()
    tender = stage.drafted(buyer)
    stage.db.flush()
    client.login(buyer)
    answer = client.post(f"/tenders/{tender.id}/documents", data={"kind": "other"}, content_type="multipart/form-data")
    assert (answer.status_code, "no_file_chosen" in answer.get_data(as_text=True)) == (422, True)


def test_a_signature_that_is_no_base64(client, stage):
    tender, bidder = stage.published(), stage.bidder()
    upload = stage.upload(tender, bidder, b"x")
    stage.db.flush()
    answer = client.api(
        "POST", f"/tenders/{tender.id}/bids", bidder, json={"upload": str(upload.id), "signature": "*"}
    )
    assert (answer.status_code, answer.get_json()["code"]) == (422, "not_base64")
