import asyncio
import hashlib

import pytest

from evaluation.recorder import uploads
from evaluation.recorder.spool import Kept
from evaluation.recorder.uploads import Uploads
from tests.evaluation.recorder.conftest import Moody, run


@pytest.fixture
def store(tmp_path):
    return Moody(tmp_path / "store")


@pytest.fixture
def kept(tmp_path):
    path = tmp_path / "000001.m4s"
    path.write_bytes(b"segment")
    return Kept("a.camera/000001.m4s", path, 7, hashlib.sha256(b"segment").hexdigest())


async def sent(store, kept, moods, monkeypatch) -> Uploads:
    """Send one file while the store goes through its moods; each mood is called at a retry."""
    monkeypatch.setattr(uploads, "FIRST_PAUSE_S", 0.02)
    at_work = Uploads(store)
    at_work.start()
    done = asyncio.Event()
    at_work.add("k", kept, done.set)
    for mood in moods:
        await asyncio.sleep(0.1)
        mood()
    try:
        await asyncio.wait_for(done.wait(), 2)
    finally:
        await at_work.stop()
    return at_work


def test_sent_confirmed_and_gone_from_here(store, kept, monkeypatch):
    at_work = run(sent(store, kept, [], monkeypatch))

    assert store.open("k").read() == b"segment"
    assert not kept.path.exists()
    assert (at_work.backlog_bytes, at_work.failures) == (0, 0)


def test_while_the_store_is_down_nothing_is_deleted_and_it_is_tried_again(store, kept, monkeypatch):
    store.down = True

    def still_here():
        assert kept.path.read_bytes() == b"segment"
        store.down = False

    at_work = run(sent(store, kept, [still_here], monkeypatch))

    assert at_work.failures >= 1
    assert store.stat("k").sha256 == kept.sha256
    assert not kept.path.exists()


def test_sent_before_a_crash_is_recognised(store, kept, monkeypatch):
    store.put("k", b"segment")

    run(sent(store, kept, [], monkeypatch))

    assert not kept.path.exists()


def test_other_bytes_under_the_name_are_never_taken_for_ours(store, kept, monkeypatch):
    store.put("k", b"Segment")

    with pytest.raises(TimeoutError):
        run(sent(store, kept, [], monkeypatch))

    assert kept.path.read_bytes() == b"segment"


def test_a_growing_backlog_raises_an_alarm(store, kept, monkeypatch):
    monkeypatch.setattr(uploads, "ALARM_BYTES", 6)

    async def waiting() -> bool:
        at_work = Uploads(store)
        at_work.add("k", kept, lambda: None)
        return at_work.alarm

    assert run(waiting())
