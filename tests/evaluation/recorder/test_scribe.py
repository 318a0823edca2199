import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from ca import canonical, ecdsa
from evaluation.evidence import Chain, Kind
from evaluation.recorder import scribe
from evaluation.recorder.scribe import Scribe
from evaluation.recorder.spool import SessionSpool, Spool
from tests.evaluation.recorder.conftest import run

KEY = ecdsa.Key(b"\x01" * 32)


def written(tmp_path, act):
    """What a scribe has written (lines) and told (places) after `act(scribe)`."""
    spool = Spool(tmp_path).of("7")
    spool.begin()

    async def play():
        told = []
        writing = Scribe(Chain("7", KEY), spool, ThreadPoolExecutor(1), lambda entered: told.append(entered.place))
        writing.start()
        await writing.note(Kind.OPENED, at=0, zero=1, participants=[])
        await act(writing)
        await writing.stop()
        return told

    told = run(play())
    return [canonical.decode(line) for line in spool.lines()], told


def test_what_is_told_is_on_the_disk_first(tmp_path, monkeypatch):
    append, order = SessionSpool.append, []

    def noted(self, lines):
        append(self, lines)
        order.append("kept")

    monkeypatch.setattr(SessionSpool, "append", noted)

    async def act(writing):
        await writing.note(Kind.EVENT, at=1, what="vote", facts={})
        order.append("told")

    items, told = written(tmp_path, act)

    assert order == ["kept", "kept", "told"]
    assert [item["n"] for item in items] == told == [0, 1]


def test_one_that_has_no_canonical_form_stops_no_other(tmp_path):
    async def act(writing):
        good = writing.note(Kind.EVENT, at=1, what="vote", facts={})
        bad = writing.note(Kind.EVENT, at=-1, what="vote", facts={})
        after = writing.note(Kind.EVENT, at=2, what="vote", facts={})
        assert await good == 1
        with pytest.raises(canonical.NotCanonical):
            await bad
        assert await after == 2

    items, told = written(tmp_path, act)

    assert [item["at"] for item in items] == [0, 1, 2]
    assert told == [0, 1, 2]


def test_nothing_follows_the_closing_record(tmp_path):
    async def act(writing):
        await writing.note(Kind.CLOSED, at=5)
        with pytest.raises(AssertionError, match="nothing follows"):
            await writing.note(Kind.EVENT, at=6, what="vote", facts={})

    items, _ = written(tmp_path, act)

    assert [item["kind"] for item in items] == ["opened", "closed"]


def test_a_full_disk_is_waited_out(tmp_path, monkeypatch):
    monkeypatch.setattr(scribe, "PAUSE_S", 0.02)
    append, failures = SessionSpool.append, iter([True, True, False])

    async def act(writing):
        def full(self, lines):
            if next(failures, False):
                raise OSError(28, "No space left on device")
            append(self, lines)

        monkeypatch.setattr(SessionSpool, "append", full)
        assert await asyncio.wait_for(writing.note(Kind.EVENT, at=1, what="vote", facts={}), 2) == 1

    items, _ = written(tmp_path, act)

    assert [item["n"] for item in items] == [0, 1]
