"""上传: pieces arrive, lines are cut, servers die; the row's offset is the truth."""

import hashlib
import io
from datetime import timedelta

import pytest

from bidding.tenders import registration, uploads
from ca.rights import Role
from storage.refusals import NotFound

CONTENT = bytes(range(256)) * 4000


@pytest.fixture
def begun(stage):
    tender, bidder = stage.published(), stage.bidder()
    held = registration.register(stage.db, tender, by=bidder.actor)
    upload = uploads.begin(stage.db, stage.store, held, size=len(CONTENT), by=bidder.actor)

    def receive(offset, piece):
        source = piece if hasattr(piece, "read") else io.BytesIO(piece)
        return uploads.receive(stage.db, stage.store, upload, offset, source, by=bidder.actor)

    return tender, bidder, upload, receive


def test_pieces_become_the_file(stage, begun):
    _, _, upload, receive = begun
    for start in range(0, len(CONTENT), 300_000):
        assert upload.completed_at is None
        receive(start, CONTENT[start : start + 300_000])
    assert upload.digest == hashlib.sha256(CONTENT).hexdigest()
    assert stage.store.open(upload.object_key).read() == CONTENT


def test_a_cut_line_keeps_what_came(stage, begun):
    _, _, upload, receive = begun

    class Cut(io.BytesIO):
        def read(self, size=-1):
            if self.tell() >= 100_000:
                raise OSError("the line was cut")
            return super().read(min(size, 50_000))

    receive(0, Cut(CONTENT))
    assert upload.received == 100_000
    receive(100_000, CONTENT[100_000:])
    assert upload.digest == hashlib.sha256(CONTENT).hexdigest()


def test_a_piece_kept_before_a_crash_is_sent_again(stage, begun):
    """The store has the part, the row does not know it yet: the same part arrives once more."""
    _, _, upload, receive = begun
    piece = CONTENT[:1000]
    stage.store.put_part(upload.multipart_id, 1, CONTENT[:5000], hashlib.sha256(CONTENT[:5000]).hexdigest())
    receive(0, piece)
    receive(1000, CONTENT[1000:])
    assert upload.digest == hashlib.sha256(CONTENT).hexdigest()


def test_an_empty_piece_changes_nothing(begun):
    _, _, upload, receive = begun
    receive(0, b"")
    assert (upload.received, upload.parts) == (0, 0)


def test_a_wrong_offset_is_told_the_right_one(begun):
    _, _, _, receive = begun
    receive(0, CONTENT[:10])
    for offset in (0, 9, 11):
        with pytest.raises(uploads.WrongOffset) as told:
            receive(offset, b"x")
        assert told.value.facts == {"received": 10}


def test_more_than_was_announced(begun):
    _, _, upload, receive = begun
    with pytest.raises(uploads.TooMuch):
        receive(0, CONTENT + b"x")
    assert upload.received == 0


def test_a_piece_too_large(begun, monkeypatch):
    _, _, _, receive = begun
    monkeypatch.setattr(uploads, "LARGEST_PIECE", 1000)
    with pytest.raises(uploads.PieceTooLarge):
        receive(0, CONTENT[:1001])


@pytest.mark.parametrize("size", [0, -1, uploads.LARGEST + 1])
def test_sizes_that_make_no_sense(stage, begun, size):
    tender, bidder, _, _ = begun
    held = registration.register(stage.db, tender, by=bidder.actor)
    with pytest.raises(uploads.WrongSize):
        uploads.begin(stage.db, stage.store, held, size=size, by=bidder.actor)


def test_few_unfinished_uploads_at_once(stage, begun):
    tender, bidder, first, _ = begun
    held = registration.register(stage.db, tender, by=bidder.actor)
    for _ in range(uploads.MOST_AT_ONCE - 1):
        uploads.begin(stage.db, stage.store, held, size=5, by=bidder.actor)
    with pytest.raises(uploads.TooManyUploads):
        uploads.begin(stage.db, stage.store, held, size=5, by=bidder.actor)
    uploads.drop(stage.db, stage.store, first, by=bidder.actor)
    uploads.begin(stage.db, stage.store, held, size=5, by=bidder.actor)


def test_others_uploads_are_not_there(stage, begun):
    _, _, upload, _ = begun
    for actor in (stage.bidder().actor, stage.buyer().actor, stage.supervisor().actor):
        with pytest.raises(NotFound):
            uploads.mine(stage.db, upload.id, actor)


def test_no_upload_after_the_deadline(stage, begun):
    tender, bidder, _, _ = begun
    held = registration.register(stage.db, tender, by=bidder.actor)
    stage.at(tender.submission_deadline)
    with pytest.raises(registration.DeadlinePassed):
        uploads.begin(stage.db, stage.store, held, size=5, by=bidder.actor)


def test_what_expires_leaves_nothing_in_the_store(stage, begun):
    _, bidder, upload, receive = begun
    receive(0, CONTENT)
    assert stage.store.list("sealed/")
    stage.at(upload.expires_at)
    assert upload.id in uploads.due_to_expire(stage.db)
    uploads.expire(stage.db, stage.store, upload.id)
    assert not stage.store.list("sealed/")
    assert upload.id not in uploads.due_to_expire(stage.db)
    with pytest.raises(NotFound):
        uploads.mine(stage.db, upload.id, bidder.actor)


def test_before_its_time_nothing_expires(stage, begun):
    _, _, upload, receive = begun
    receive(0, CONTENT)
    stage.at(upload.expires_at - timedelta(seconds=5))
    uploads.expire(stage.db, stage.store, upload.id)
    assert not upload.dropped


@pytest.mark.parametrize("role", [Role.PROCURING_ENTITY, Role.SUPERVISOR, Role.CENTRE_STAFF])
def test_only_bidders_register(stage, role):
    with pytest.raises(registration.NotABidder):
        registration.register(stage.db, stage.published(), by=stage.person("别人", role).actor)


def test_the_procuring_entity_does_not_bid(stage):
    buyer = stage.person("招标人", Role.PROCURING_ENTITY, Role.KEY_HOLDER, Role.BIDDER)
    with pytest.raises(registration.OwnTender):
        registration.register(stage.db, stage.published(buyer), by=buyer.actor)


def test_registering_twice_is_registering_once(stage):
    tender, bidder = stage.published(), stage.bidder()
    first = registration.register(stage.db, tender, by=bidder.actor)
    assert registration.register(stage.db, tender, by=bidder.actor) is first


def test_no_registration_for_a_draft(stage):
    with pytest.raises(registration.NotOpenForBids):
        registration.register(stage.db, stage.drafted(), by=stage.bidder().actor)
