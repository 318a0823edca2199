import pytest
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
