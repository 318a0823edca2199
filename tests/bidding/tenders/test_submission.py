"""递交: sealed, signed, in time – or told why not."""

import uuid
from datetime import timedelta

import pytest

from bidding.tenders import opening, registration, submission, uploads
from bidding.tenders.bids import BidState
from bidding.tenders.models import State
from ca import ecdsa
from ca.keys import KeyKind
from ca.sealing import messages
from escrow import deposits
from storage import journal
from storage.refusals import NotFound
from storage.values import Money


@pytest.mark.parametrize("kind", list(KeyKind))
def test_a_sealed_and_signed_bid_gets_a_receipt(stage, kind):
    tender, bidder = stage.published(), stage.bidder(kind=kind)
    bid = stage.submit(tender, bidder)
    assert (bid.state, bid.seq, bid.refused_code) == (BidState.SEALED, 1, None)

    told = bid.receipt["content"]
    leaf = messages.salted_leaf(bytes.fromhex(bid.receipt["salt"]), bytes.fromhex(bid.digest))
    message = messages.receipt(
        bytes.fromhex(tender.params_hash), lot="1", bidder=bidder.organisation.credit_code, seq=1,
        digest=bytes.fromhex(bid.digest), bytes_=bid.size, at=told["at"], leaf=leaf,
    )  # fmt: skip
    assert ecdsa.verify(stage.key.public, message, bytes.fromhex(bid.receipt["signature"]))


def test_the_platform_cannot_read_it(stage):
    tender, bidder = stage.published(), stage.bidder()
    made = stage.make(tender, bidder, "765432.10")
    bid = stage.submit(tender, bidder, made)
    kept = stage.store.open(bid.object_key).read()
    assert kept == made.file
    assert b"765432" not in kept
    assert "技术标".encode() not in kept
    assert made.sealed.kb not in kept


def damaged(made, **changes):
    return type(made)(**{"file": made.file, "signature": made.signature, "sealed": made.sealed} | changes)


def test_plain_bytes_are_refused_at_once(stage):
    tender, bidder = stage.published(), stage.bidder()
    made = stage.make(tender, bidder)
    plain = b"%PDF-1.7 not sealed at all"
    bid = stage.submit(tender, bidder, damaged(made, file=plain, signature=stage.sign(bidder, plain)))
    assert (bid.state, bid.refused_code) == (BidState.REFUSED, "NOT_SEALED")


@pytest.mark.parametrize(("change", "code"), [
    (lambda file: b"GHSEAL2\n" + (70_000).to_bytes(4) + file[12:], "NOT_SEALED"),
    (lambda file: file[:12] + b" " + file[13:], "NOT_CANONICAL"),
    (lambda file: file.replace(b'"v":2', b'"v":3'), "FIELDS"),
    (lambda file: file[:-1], "LENGTH"),
    (lambda file: file + b"\0", "LENGTH"),
])  # fmt: skip
def test_upload_codes_in_their_order(stage, change, code):
    tender, bidder = stage.published(), stage.bidder()
    made = stage.make(tender, bidder)
    file = change(made.file)
    bid = stage.submit(tender, bidder, damaged(made, file=file, signature=stage.sign(bidder, file)))
    assert bid.refused_code == code


@pytest.mark.parametrize(("context", "code"), [
    ({"lot": "2"}, "OTHER_LOT"), ({"bidder": "91510000MA0000001X"}, "OTHER_BIDDER"),
])  # fmt: skip
def test_sealed_for_something_else(stage, context, code):
    tender, bidder = stage.published(), stage.bidder()
    assert stage.submit(tender, bidder, stage.make(tender, bidder, **context)).refused_code == code


def test_sealed_for_another_opening(stage):
    one, other, bidder = stage.published(), stage.published(), stage.bidder()
    assert stage.submit(one, bidder, stage.make(other, bidder)).refused_code == "OTHER_OPENING_OR_MODE"


def test_the_bid_of_another_cannot_be_handed_in(stage):
    tender, bidder, thief = stage.published(), stage.bidder(), stage.bidder()
    stolen = stage.make(tender, bidder)
    assert stage.submit(tender, thief, stolen).refused_code == "OTHER_BIDDER"


def test_signed_by_another(stage):
    tender, bidder, other = stage.published(), stage.bidder(), stage.bidder()
    made = stage.make(tender, bidder)
    bid = stage.submit(tender, bidder, damaged(made, signature=stage.sign(other, made.file)))
    assert (bid.refused_code, bid.verdict["good"]) == ("OTHER_SIGNER", True)


def test_a_signature_over_other_bytes(stage):
    tender, bidder = stage.published(), stage.bidder()
    made = stage.make(tender, bidder)
    bid = stage.submit(tender, bidder, damaged(made, signature=stage.sign(bidder, made.file + b"x")))
    assert (bid.refused_code, bid.verdict["intact"]) == ("SIGNATURE", False)


def test_no_signature_at_all(stage):
    tender, bidder = stage.published(), stage.bidder()
    bid = stage.submit(tender, bidder, damaged(stage.make(tender, bidder), signature=b"garbage"))
    assert bid.refused_code == "SIGNATURE_UNREADABLE"


def test_an_expired_certificate(stage):
    tender, bidder = stage.published(), stage.person("过期", submission.registration.Role.BIDDER)
    stage.certificate(bidder, lasts=timedelta(minutes=1))
    bid = stage.submit(tender, bidder)
    assert (bid.refused_code, bid.verdict["in_force"]) == ("SIGNATURE", False)


def test_bytes_our_own_reader_stumbles_over_do_not_hold_up_the_tender(stage, monkeypatch):
    from bidding.tenders.recognised import Recognised

    tender, bidder = stage.published(), stage.bidder()
    monkeypatch.setattr(Recognised, "verify", lambda *_, **__: {}["a bug"])
    assert stage.submit(tender, bidder).refused_code == "UNVERIFIABLE"
    stage.at(tender.submission_deadline)
    assert tender.id in opening.due_to_freeze(stage.db)


def test_a_store_out_of_reach_is_tried_again(stage, monkeypatch):
    from storage.objects import OutOfReach

    tender, bidder = stage.published(), stage.bidder()
    made = stage.make(tender, bidder)
    upload = stage.upload(tender, bidder, made.file)
    bid = submission.hand_in(stage.db, upload, made.signature, by=bidder.actor)

    class Away:
        def open(self, *_, **__):
            raise OutOfReach

    with pytest.raises(OutOfReach):
        submission.verify(stage.db, Away(), bid.id, key=stage.key, recognised=stage.recognised)
    assert bid.state is BidState.VERIFYING
    submission.verify(stage.db, stage.store, bid.id, key=stage.key, recognised=stage.recognised)
    assert bid.state is BidState.SEALED


def test_bytes_that_changed_in_the_store(stage):
    tender, bidder = stage.published(), stage.bidder()
    made = stage.make(tender, bidder)
    upload = stage.upload(tender, bidder, made.file)
    upload.digest = "0" * 64
    bid = submission.hand_in(stage.db, upload, made.signature, by=bidder.actor)
    submission.verify(stage.db, stage.store, bid.id, key=stage.key, recognised=stage.recognised)
    assert bid.refused_code == "DIGEST"


def test_without_its_deposit_a_bid_is_not_taken(stage, monkeypatch):
    tender, bidder = stage.published(deposit_amount=Money.yuan("10000")), stage.bidder()
    covered = []
    monkeypatch.setattr(deposits, "is_covered", lambda db, reference, party: (reference, party) in covered)
    made = stage.make(tender, bidder)
    assert stage.submit(tender, bidder, made).refused_code == "DEPOSIT"
    covered.append((tender.lot.reference, bidder.organisation_id))
    assert stage.submit(tender, bidder, made).state is BidState.SEALED


def test_refused_may_be_handed_in_again_from_the_same_upload(stage):
    tender, bidder = stage.published(), stage.bidder()
    made = stage.make(tender, bidder)
    upload = stage.upload(tender, bidder, made.file)
    for signature, state in ((b"garbage", BidState.REFUSED), (made.signature, BidState.SEALED)):
        bid = submission.hand_in(stage.db, upload, signature, by=bidder.actor)
        submission.verify(stage.db, stage.store, bid.id, key=stage.key, recognised=stage.recognised)
        assert bid.state is state


def test_handing_in_twice_is_handing_in_once(stage):
    tender, bidder = stage.published(), stage.bidder()
    made = stage.make(tender, bidder)
    upload = stage.upload(tender, bidder, made.file)
    first = submission.hand_in(stage.db, upload, made.signature, by=bidder.actor)
    assert submission.hand_in(stage.db, upload, made.signature, by=bidder.actor) is first
    sealed = submission.verify(stage.db, stage.store, first.id, key=stage.key, recognised=stage.recognised)
    receipt = sealed.receipt
    again = submission.verify(stage.db, stage.store, first.id, key=stage.key, recognised=stage.recognised)
    assert again.receipt == receipt
    assert submission.hand_in(stage.db, upload, made.signature, by=bidder.actor) is first


def test_a_half_uploaded_file_is_not_handed_in(stage):
    tender, bidder = stage.published(), stage.bidder()
    held = registration.register(stage.db, tender, by=bidder.actor)
    upload = uploads.begin(stage.db, stage.store, held, size=10, by=bidder.actor)
    with pytest.raises(submission.NotUploadedYet):
        submission.hand_in(stage.db, upload, b"x", by=bidder.actor)


@pytest.mark.parametrize("length", [0, submission.LONGEST_SIGNATURE + 1])
def test_signatures_of_absurd_size(stage, length):
    tender, bidder = stage.published(), stage.bidder()
    upload = stage.upload(tender, bidder, b"x")
    with pytest.raises(submission.SignatureTooLong):
        submission.hand_in(stage.db, upload, b"x" * length, by=bidder.actor)


def test_a_newer_version_replaces_and_the_older_ciphertext_goes(stage):
    tender, bidder = stage.published(), stage.bidder()
    first = stage.submit(tender, bidder)
    gone = first.object_key
    second = stage.submit(tender, bidder, seq=2)
    assert (first.state, second.state) == (BidState.REPLACED, BidState.SEALED)
    for bid_id in submission.due_to_delete(stage.db):
        submission.delete_ciphertext(stage.db, stage.store, bid_id)
    assert gone not in [one.key for one in stage.store.list()]
    assert stage.store.stat(second.object_key)
    assert not submission.due_to_delete(stage.db)


@pytest.mark.parametrize("seq", [1, 2])
def test_versions_only_rise(stage, seq):
    tender, bidder = stage.published(), stage.bidder()
    stage.submit(tender, bidder, seq=2)
    assert stage.submit(tender, bidder, seq=seq).refused_code == "OTHER_SEQ"


def test_withdrawn_is_gone_and_may_be_handed_in_anew(stage):
    tender, bidder = stage.published(), stage.bidder()
    bid = stage.submit(tender, bidder)
    submission.withdraw(stage.db, bid, by=bidder.actor)
    submission.withdraw(stage.db, bid, by=bidder.actor)
    assert bid.state is BidState.WITHDRAWN
    submission.delete_ciphertext(stage.db, stage.store, bid.id)
    assert stage.submit(tender, bidder, seq=2).state is BidState.SEALED


def test_a_withdrawn_version_never_comes_back(stage):
    tender, bidder = stage.published(), stage.bidder()
    made = stage.make(tender, bidder)
    submission.withdraw(stage.db, stage.submit(tender, bidder, made), by=bidder.actor)
    assert stage.submit(tender, bidder, made).refused_code == "OTHER_SEQ"


def test_others_bids_are_not_there(stage):
    tender, bidder = stage.published(), stage.bidder()
    bid = stage.submit(tender, bidder)
    for actor in (stage.bidder().actor, stage.buyer().actor, stage.supervisor().actor):
        with pytest.raises(NotFound):
            submission.mine(stage.db, bid.id, actor)
        with pytest.raises(NotFound):
            submission.withdraw(stage.db, bid, by=actor)
    with pytest.raises(NotFound):
        submission.mine(stage.db, uuid.uuid4(), bidder.actor)


@pytest.mark.parametrize(("plus", "in_time"), [
    (timedelta(seconds=-1), True), (timedelta(milliseconds=-200), True), (timedelta(0), False),
    (timedelta(milliseconds=1), False), (timedelta(seconds=5), False),
])  # fmt: skip
def test_the_databases_clock_decides(stage, plus, in_time):
    tender, bidder = stage.published(), stage.bidder()
    made = stage.make(tender, bidder)
    upload = stage.upload(tender, bidder, made.file)
    stage.at(tender.submission_deadline, plus)
    if in_time:
        bid = submission.hand_in(stage.db, upload, made.signature, by=bidder.actor)
        assert bid.state is BidState.VERIFYING
        assert bid.received_at < tender.submission_deadline
        return
    with pytest.raises(submission.TooLate) as told:
        submission.hand_in(stage.db, upload, made.signature, by=bidder.actor)
    assert told.value.keeps
    (late,) = submission.versions(stage.db, upload.registration)
    assert (late.state, late.received_at >= tender.submission_deadline) == (BidState.LATE_REJECTED, True)


def test_handed_in_in_time_is_waited_for_and_counts(stage):
    """The last byte was there before the deadline; the check ends after it (sealing.md F17)."""
    tender, bidder = stage.published(), stage.bidder()
    for _ in range(2):
        stage.submit(tender, stage.bidder())
    made = stage.make(tender, bidder)
    upload = stage.upload(tender, bidder, made.file)
    bid = submission.hand_in(stage.db, upload, made.signature, by=bidder.actor)
    stage.at(tender.submission_deadline, timedelta(seconds=1))
    assert tender.id not in opening.due_to_freeze(stage.db)
    assert opening.freeze(stage.db, tender.id, key=stage.key).state is State.PUBLISHED
    submission.verify(stage.db, stage.store, bid.id, key=stage.key, recognised=stage.recognised)
    assert bid.state is BidState.SEALED
    assert tender.id in opening.due_to_freeze(stage.db)
    assert opening.freeze(stage.db, tender.id, key=stage.key).state is State.FROZEN


def test_no_withdrawal_after_the_deadline(stage):
    tender, bidder = stage.published(), stage.bidder()
    bid = stage.submit(tender, bidder)
    stage.at(tender.submission_deadline)
    with pytest.raises(registration.DeadlinePassed):
        submission.withdraw(stage.db, bid, by=bidder.actor)


def test_the_journal_tells_nothing_before_the_deadline(stage):
    tender, bidder = stage.published(), stage.bidder()
    before = len(journal.entries(stage.db, tender.file))
    bid = stage.submit(tender, bidder)
    stage.submit(tender, bidder, seq=2)
    assert len(journal.entries(stage.db, tender.file)) == before
    own = [*journal.entries(stage.db, bid.file), *journal.entries(stage.db, bid.registration.file)]
    assert own
    assert all(entry.by is None for entry in own)
    words = str([(entry.act, entry.facts) for entry in own])
    for secret in (tender.number, bidder.organisation.name, bidder.organisation.credit_code, bid.digest):
        assert secret not in words
    assert bid.object_key.count("/") == 1
    assert str(tender.id) != bid.object_key.split("/")[1]
