import pytest

from ca import ecdsa
from evaluation.evidence import Chain, Kind
from evaluation.recorder import pieces
from evaluation.recorder.pieces import Pieces
from storage.objects import FolderStore

KEY = ecdsa.Key(b"\x01" * 32)


def segment(chain: Chain, seq: int) -> tuple[bytes, str]:
    name = f"a.camera/{seq:06}.m4s"
    return chain.add(Kind.SEGMENT, track="a.camera", name=name, seq=seq, t0=seq * 4000, duration=4000), name


@pytest.fixture
def laid(tmp_path):
    """A store and what is laid down in it as files are confirmed."""
    store, chain, waiting = FolderStore(tmp_path), Chain("7", KEY), Pieces()
    waiting.add(0, chain.add(Kind.OPENED, at=0, zero=1_795_000_000_000, participants=[]))
    waiting.add(1, chain.add(Kind.INIT, track="a.camera", name="a.camera/init-000001.mp4", seq=1))
    for seq in (1, 2, 3):
        line, name = segment(chain, seq)
        waiting.add(chain.size - 1, line, name)

    def lay() -> str | None:
        piece = waiting.take()
        if piece is None:
            return None
        store.put(pieces.key_of("7", piece[0]), piece[1])
        return piece[0]

    return store, waiting, lay


def test_nothing_is_told_before_its_file_is_in_the_store(laid):
    store, waiting, lay = laid
    assert lay() == "chain/000000-000001.jsonl"
    waiting.confirm("a.camera/000002.m4s")
    assert lay() is None
    waiting.confirm("a.camera/000001.m4s")
    assert lay() == "chain/000002-000003.jsonl"

    items = pieces.read_items(store, "7")
    assert [item["n"] for item in items] == [0, 1, 2, 3]
    assert [item["n"] for item in pieces.read_items(store, "7", after=2)] == [3]
    assert pieces.tracks(items) == ["a.camera"]


def test_a_live_playlist_is_made_of_them(laid):
    store, waiting, lay = laid
    for seq in (1, 2):
        waiting.confirm(f"a.camera/{seq:06}.m4s")
    lay()

    text = pieces.live_playlist(pieces.read_items(store, "7"), "a.camera")

    assert "000001.m4s" in text
    assert "000002.m4s" in text
    assert "000003.m4s" not in text
    assert "#EXT-X-PLAYLIST-TYPE:EVENT" in text


def test_pieces_that_overlap_after_a_restart_read_as_one(laid):
    store, waiting, lay = laid
    lay()
    chain = Chain("7", KEY)
    line = chain.add(Kind.OPENED, at=0, zero=1_795_000_000_000, participants=[])
    store.put(pieces.key_of("7", "chain/000000-000000.jsonl"), line + b"\n")

    assert [item["n"] for item in pieces.read_items(store, "7")] == [0, 1]
