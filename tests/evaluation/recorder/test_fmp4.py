import contextlib
import io

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.recorder import fmp4, h264, synthetic
from evaluation.recorder.fmp4 import Format, Media, Sample
from tests.evaluation.recorder.conftest import annex_b

BOTH = frozenset(Media)


@pytest.fixture(scope="module")
def pictures() -> list[h264.Picture]:
    return [h264.picture(annex_b(body)) for body in synthetic.loop(2).pictures]


@pytest.fixture(scope="module")
def film(pictures) -> tuple[bytes, bytes]:
    """Four seconds from second 3 of a session: an init and a segment of four fragments."""
    sounds = synthetic.loop(2).sounds
    seen = [Sample(270_000 + n * 6000, 6000, one.stored, one.key) for n, one in enumerate(pictures)]
    heard = [Sample(144_000 + n * 960, 960, sound) for n, sound in enumerate(sounds)]
    segment = fmp4.SEGMENT_TYPE
    for n in range(4):
        runs = [(Media.VIDEO, seen[n * 15 : n * 15 + 15]), (Media.AUDIO, heard[n * 50 : n * 50 + 50])]
        segment += fmp4.fragment(n + 1, runs)
    return fmp4.init_segment(Format(BOTH, pictures[0].sps, pictures[0].pps)), segment


def test_what_was_written_is_read_back(film, pictures):
    contents = fmp4.read_segment(film[1])

    assert [sample.data for sample in contents.samples[Media.VIDEO]] == [one.stored for one in pictures]
    assert [sample.data for sample in contents.samples[Media.AUDIO]] == list(synthetic.loop(2).sounds)
    assert (contents.starts_ms, contents.ends_ms) == (3000, 7000)
    assert [sample.key for sample in contents.samples[Media.VIDEO]] == [True] + [False] * 59


def test_a_player_decodes_every_frame_at_its_time(film):
    with av.open(io.BytesIO(b"".join(film))) as container:
        shown = {"video": [], "audio": []}
        for packet in container.demux():
            shown[packet.stream.type] += [float(frame.pts * frame.time_base) for frame in packet.decode()]
        size = container.streams.video[0].width, container.streams.video[0].height

    assert size == (640, 360)
    assert len(shown["video"]) == 60
    assert shown["video"][0] == pytest.approx(3.0)
    assert shown["video"][-1] == pytest.approx(6 + 14 / 15, abs=1e-3)
    assert len(shown["audio"]) == 200
    assert shown["audio"][0] == pytest.approx(3.0)


def test_without_parameter_sets_the_stream_speaks_for_itself(film):
    head = fmp4.init_segment(Format(BOTH))

    with av.open(io.BytesIO(head + film[1])) as container:
        frames = [frame for packet in container.demux(video=0) for frame in packet.decode()]

    assert len(frames) == 60
    assert (frames[0].width, frames[0].height) == (640, 360)


def test_change_of_resolution_in_the_middle_spoils_nothing(film, pictures):
    small = [h264.picture(annex_b(body)) for body in synthetic.loop(2, seconds=1, width=320, height=180).pictures]
    samples = [Sample(630_000 + n * 6000, 6000, one.stored, one.key) for n, one in enumerate(small)]
    later = fmp4.SEGMENT_TYPE + fmp4.fragment(5, [(Media.VIDEO, samples)])

    with av.open(io.BytesIO(b"".join(film) + later)) as container:
        widths = [frame.width for packet in container.demux(video=0) for frame in packet.decode()]

    assert widths == [640] * 60 + [320] * 15


def test_codecs_are_named_for_players(pictures):
    assert Format(BOTH, pictures[0].sps).codecs == "avc3.42c01f,opus"
    assert Format(frozenset({Media.AUDIO})).codecs == "opus"


@given(st.integers(0, 100))
def test_broken_off_file_keeps_its_whole_fragments(percent):
    fragment = fmp4.fragment(1, [(Media.AUDIO, [Sample(0, 960, b"sound" * 20)])])
    content = fmp4.SEGMENT_TYPE + fragment * 3
    cut = len(content) * percent // 100

    good = fmp4.whole_part(content[:cut])

    whole = max(0, cut - len(fmp4.SEGMENT_TYPE)) // len(fragment)
    assert good == (len(fmp4.SEGMENT_TYPE) + whole * len(fragment) if whole else 0)
    if good:
        assert len(fmp4.read_segment(content[:good]).samples[Media.AUDIO]) == whole


@given(st.binary(max_size=300))
def test_garbage_is_malformed_and_nothing_else(content):
    with pytest.raises(fmp4.Malformed):
        fmp4.read_segment(content)
    fmp4.whole_part(content)


@given(st.data())
def test_flipped_bytes_never_crash_the_reader(data):
    content = bytearray(fmp4.SEGMENT_TYPE + fmp4.fragment(1, [(Media.AUDIO, [Sample(0, 960, b"sound" * 20)])]))
    for _ in range(3):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(fmp4.Malformed):
        fmp4.read_segment(bytes(content))
