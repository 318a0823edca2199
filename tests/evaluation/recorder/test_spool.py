import hashlib

import pytest

from evaluation.recorder import fmp4
from evaluation.recorder.fmp4 import Media, Sample
from evaluation.recorder.spool import Spool

FRAGMENT = fmp4.fragment(1, [(Media.AUDIO, [Sample(48_000, 960, b"sound" * 9)])])


@pytest.fixture
def session(tmp_path):
    made = Spool(tmp_path / "spool").of("7")
    made.begin()
    return made


def test_a_file_has_no_name_before_it_is_whole(session):
    part = session.part("a.camera", "000001.m4s")
    part.write(b"one")
    part.write(b"two")
    assert list(session.files()) == []

    kept = part.finish()

    assert (kept.name, kept.size, kept.sha256) == ("a.camera/000001.m4s", 6, hashlib.sha256(b"onetwo").hexdigest())
    assert kept.path.read_bytes() == b"onetwo"
    assert list(session.files()) == [kept]


def test_what_a_crash_leaves_is_mended_to_its_last_whole_fragment(session):
    part = session.part("a.camera", "000003.m4s")
    part.write(fmp4.SEGMENT_TYPE + FRAGMENT * 2 + FRAGMENT[:-7])
    part._file.close()
    short = session.part("b.camera", "000001.m4s")
    short.write(fmp4.SEGMENT_TYPE + FRAGMENT[:20])
    short._file.close()

    assert session.mend() == ["a.camera/000003.m4s"]

    (kept,) = session.files()
    assert kept.path.read_bytes() == fmp4.SEGMENT_TYPE + FRAGMENT * 2
    assert session.mend() == []


def test_half_a_line_of_the_chain_is_no_line(session):
    session.append([b"one", b"two"])
    with session.chain_file.open("ab") as file:
        file.write(b"thr")

    assert session.lines() == [b"one", b"two"]
    session.cut_chain(2)
    session.append([b"three"])
    assert session.lines() == [b"one", b"two", b"three"]


def test_sessions_with_something_left_are_found(session, tmp_path):
    spool = Spool(tmp_path / "spool")
    assert spool.sessions() == []
    session.append([b"one"])
    (tmp_path / "spool" / "not a session").mkdir()

    assert spool.sessions() == ["7"]
    session.remove()
    assert spool.sessions() == []


@pytest.mark.parametrize("name", ["", "..", "a/b", "a\0", "ä", "x" * 65])
def test_no_session_is_named_like_a_path(tmp_path, name):
    with pytest.raises(AssertionError):
        Spool(tmp_path).of(name)


def test_a_full_disk_leaves_no_half_line(session, monkeypatch):
    session.append([b"one"])

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("evaluation.recorder.spool.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        session.append([b"two"])
    monkeypatch.undo()

    session.append([b"two"])
    assert session.lines() == [b"one", b"two"]
