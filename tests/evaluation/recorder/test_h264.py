import struct

import pytest
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.h264 import h264_depayload as aiortc_depayload
from hypothesis import given
from hypothesis import strategies as st

from evaluation.recorder import h264, synthetic
from tests.evaluation.recorder.conftest import annex_b


@pytest.mark.parametrize("pixels", [(640, 360), (320, 180), (1280, 720), (176, 144)])
def test_size_is_read_from_the_parameter_set(pixels):
    first = synthetic.loop(0, seconds=1, width=pixels[0], height=pixels[1]).pictures[0]

    assert h264.size(h264.picture(annex_b(first)).sps) == pixels


def test_picture_tells_whether_it_stands_alone():
    coded = [h264.picture(annex_b(body)) for body in synthetic.loop(0, seconds=1).pictures]

    assert [one.key for one in coded] == [True] + [False] * 14
    assert coded[0].pps is not None
    assert coded[1].sps is None


def test_stored_units_stand_behind_their_length():
    stored = h264.picture(b"\0\0\0\1\x67ab\0\0\0\1\x65" + b"x" * 300).stored

    assert stored == b"\0\0\0\3\x67ab\0\0\1\x2d\x65" + b"x" * 300


@given(st.binary(min_size=1, max_size=60))
def test_any_parameter_set_gives_a_size_or_a_value_error(sps):
    try:
        width, height = h264.size(sps)
    except ValueError:
        return
    assert 0 < width <= 16384
    assert 0 < height <= 16384


@given(st.binary(max_size=80) | st.tuples(st.sampled_from([24, 28, 0x7C, 0x65, 0x78]), st.binary(max_size=60)).map(
    lambda made: bytes([made[0]]) + made[1]))  # fmt: skip
def test_payloads_are_unpacked_as_aiortc_unpacks_them(payload):
    """Where both accept, both say the same; we accept nothing that aiortc refuses."""
    try:
        theirs = aiortc_depayload(payload)
    except (ValueError, IndexError, struct.error):
        theirs = None
    try:
        ours = h264.depayload(payload)
    except ValueError:
        ours = None

    assert ours is None or ours == theirs


def test_every_packet_of_a_picture_is_unpacked():
    for body in synthetic.loop(0, seconds=1).pictures:
        payloads = H264Encoder._packetize(H264Encoder._split_bitstream(body))

        assert b"".join(h264.depayload(payload) for payload in payloads) == annex_b(body)
