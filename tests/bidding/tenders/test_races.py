"""Two at once, on connections that really commit: the deadline, the freeze, two workers, a crash."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import text

from bidding.tenders import notices, opening, submission, uploads
from bidding.tenders.bids import Bid, BidState, Upload
from bidding.tenders.models import State, Tender
from ca import parties
from ca.ecdsa import PlatformKey
from storage import clock
from tests.bidding.tenders.conftest import Stage

WAIT = 10  # seconds; nothing here takes as long


@pytest.fixture
def city(database, store, tmp_path, cas, recognised):
    """A stage whose work is committed, so that others see it."""
    folder = tmp_path / "home"
    folder.mkdir()
    with database() as db:
        region = parties.add_region(db, "510000", "示例市")
        notices.set_profile(db, region, "demo", by=notices.SYSTEM)
        stage = Stage(db, store, folder, cas, recognised, PlatformKey.at(tmp_path / "keys"), region)
        stage.sessions = database
        yield stage


@pytest.fixture
def ready(city):
    """A tender with two bids and a third that only needs to be handed in."""
    tender, bidder = city.published(), city.bidder()
    for _ in range(2):
        city.submit(tender, city.bidder())
    made = city.make(tender, bidder)
    upload = city.upload(tender, bidder, made.file)
    city.db.commit()
    return tender, bidder, upload, made


def shifted(db, moment):
    """The clock of this transaction stands at a moment (and runs on)."""
    seconds = (moment - clock.database(db)).total_seconds()
    db.execute(text("SELECT set_config('gongheng.shift', :by, true)"), {"by": f"{seconds} seconds"})


def test_the_freeze_waits_for_a_bid_that_is_being_handed_in(city, ready):
    tender, bidder, upload, made = ready
    began, frozen = threading.Event(), []

    def freeze():
        with city.sessions() as other:
            shifted(other, tender.submission_deadline + timedelta(seconds=1))
            began.set()
            frozen.append(opening.freeze(other, tender.id, key=city.key).state)
            other.commit()

    bid = submission.hand_in(city.db, upload, made.signature, by=bidder.actor)  # and not yet committed
    thread = threading.Thread(target=freeze)
    thread.start()
    assert began.wait(WAIT)
    thread.join(0.4)
    assert thread.is_alive(), "the freeze overtook a bid handed in in time"
    city.db.commit()
    thread.join(WAIT)
    assert frozen == [State.PUBLISHED]  # it found a bid to be verified, and waits for that too

    submission.verify(city.db, city.store, bid.id, key=city.key, recognised=city.recognised)
    city.db.commit()
    freeze()
    assert frozen[-1] is State.FROZEN
    with city.sessions() as other:
        assert other.get(Bid, bid.id).state is BidState.LOCKED
        assert other.get(Tender, tender.id).freeze["content"]["count"] == 3


def test_a_bid_that_waits_for_the_freeze_is_late(city, ready):
    """The other way round: the freeze holds the row, the bidder queues behind it and reads the clock after."""
    tender, bidder, upload, made = ready
    with city.sessions() as other:
        other.execute(text("SELECT 1 FROM tender WHERE id = :id FOR UPDATE"), {"id": tender.id})

        def hand_in():
            with city.sessions() as mine:
                shifted(mine, tender.submission_deadline - timedelta(milliseconds=300))
                with pytest.raises(submission.TooLate):
                    submission.hand_in(mine, mine.get(Upload, upload.id), made.signature, by=bidder.actor)
                mine.commit()

        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(hand_in)
            threading.Event().wait(0.5)
            other.rollback()
            waiting.result(WAIT)
    assert city.db.query(Bid).filter_by(state=BidState.LATE_REJECTED).count() == 1


def test_a_transaction_begun_before_the_deadline_does_not_help(city, ready):
    """F17: the transaction's own time is before the deadline; the clock at the last byte is not."""
    tender, bidder, upload, made = ready
    with city.sessions() as mine:
        begun = mine.execute(text("SELECT now()")).scalar_one()
        shifted(mine, tender.submission_deadline)
        assert mine.execute(text("SELECT now()")).scalar_one() == begun < tender.submission_deadline
        with pytest.raises(submission.TooLate):
            submission.hand_in(mine, mine.get(Upload, upload.id), made.signature, by=bidder.actor)


def test_our_own_clock_is_asked_by_nobody(city, ready):
    tender, bidder, upload, made = ready
    for minutes in (-5, 5):
        clock.set_to(tender.submission_deadline + timedelta(minutes=minutes))
        with city.sessions() as mine:
            bid = submission.hand_in(mine, mine.get(Upload, upload.id), made.signature, by=bidder.actor)
            assert bid.state is BidState.VERIFYING
            assert bid.received_at < tender.submission_deadline


def together(count, act):
    """Let `count` threads do the same at the same moment; what each of them got."""
    gate = threading.Barrier(count)

    def one(number):
        gate.wait(WAIT)
        try:
            return act(number)
        except Exception as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_handing_in_four_times_at_once_makes_one_bid(city, ready):
    tender, bidder, upload, made = ready

    def hand_in(_):
        with city.sessions() as mine:
            bid = submission.hand_in(mine, mine.get(Upload, upload.id), made.signature, by=bidder.actor)
            mine.commit()
            return bid.id

    assert len(set(together(4, hand_in))) == 1
    assert city.db.query(Bid).filter_by(upload_id=upload.id).count() == 1


def test_two_workers_give_one_receipt(city, ready):
    tender, bidder, upload, made = ready
    bid = submission.hand_in(city.db, upload, made.signature, by=bidder.actor)
    city.db.commit()

    def verify(_):
        with city.sessions() as mine:
            found = submission.verify(mine, city.store, bid.id, key=city.key, recognised=city.recognised)
            mine.commit()
            return found.receipt["signature"]

    assert len(set(together(3, verify))) == 1


def test_two_workers_freeze_once(city, ready):
    tender, bidder, upload, made = ready
    bid = submission.hand_in(city.db, upload, made.signature, by=bidder.actor)
    submission.verify(city.db, city.store, bid.id, key=city.key, recognised=city.recognised)
    city.db.commit()

    def freeze(_):
        with city.sessions() as mine:
            shifted(mine, tender.submission_deadline)
            found = opening.freeze(mine, tender.id, key=city.key)
            mine.commit()
            return found.freeze["signature"]

    assert len(set(together(3, freeze))) == 1


def test_two_versions_at_once_leave_one_that_counts(city):
    tender, bidder = city.published(), city.bidder()
    bids = []
    for seq in (1, 2):
        made = city.make(tender, bidder, seq=seq)
        upload = city.upload(tender, bidder, made.file)
        bids.append(submission.hand_in(city.db, upload, made.signature, by=bidder.actor).id)
    city.db.commit()

    def verify(number):
        with city.sessions() as mine:
            found = submission.verify(mine, city.store, bids[number], key=city.key, recognised=city.recognised)
            mine.commit()
            return found.state

    together(2, verify)
    with city.sessions() as db:
        states = [db.get(Bid, bid).state for bid in bids]
    assert states.count(BidState.SEALED) == 1
    assert states[1] is BidState.SEALED  # version 2 counts, whoever was first


def test_a_crash_between_store_and_row_costs_one_piece(city):
    """The process dies after the store has the piece and before the row knows: it is sent again, once."""
    tender, bidder = city.published(), city.bidder()
    made = city.make(tender, bidder)
    held = submission.registration.register(city.db, tender, by=bidder.actor)
    upload = uploads.begin(city.db, city.store, held, size=len(made.file), by=bidder.actor)
    city.db.commit()
    sent, step = 0, 10_000
    for number in range(100):
        with city.sessions() as mine:
            here = mine.get(Upload, upload.id)
            if here.received == len(made.file):
                break
            piece = made.file[here.received : here.received + step]
            sent += len(piece)
            uploads.receive(mine, city.store, here, here.received, io.BytesIO(piece), by=bidder.actor)
            mine.rollback() if number % 3 == 1 else mine.commit()
    with city.sessions() as mine:
        assert mine.get(Upload, upload.id).digest == made.sealed.digest.hex()
    assert sent <= len(made.file) * 3 // 2 + step
