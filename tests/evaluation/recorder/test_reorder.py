"""Packets in any order, some late, some twice, some never: out they come in order, once, and losses are told."""

import random
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.recorder.fmp4 import Media
from evaluation.recorder.reorder import HOLD_MS, LOOK_BACK_MS, Frames, Reorder


@dataclass
class Packet:
    sequence_number: int
    timestamp: int = 0
    marker: int = 1
    ssrc: int = 5
    _data: bytes = b"x"


class Taken:
    """What came out of a reorder stage, in order: packets by number, losses as negative counts."""

    def __init__(self, media: Media = Media.VIDEO) -> None:
        self.out: list[int] = []
        self.stage = Reorder(media, lambda packet, at: self.out.append(packet.sequence_number), self._lost)

    def _lost(self, packets: int) -> None:
        self.out.append(-packets)

    def settle(self, first: int, at_ms: float = 0.0) -> None:
        """The first packet, and the time during which earlier ones are still awaited."""
        self.stage.add(Packet(first), at_ms)
        self.stage.give_up(at_ms + LOOK_BACK_MS)


def test_in_order_goes_through_at_once():
    taken = Taken()
    taken.settle(100)

    for number in range(101, 110):
        taken.stage.add(Packet(number), 400)

    assert taken.out == list(range(100, 110))
    assert taken.stage.complete


def test_missing_packet_is_asked_for_again_and_again_until_it_comes():
    taken = Taken()
    taken.settle(100)
    taken.stage.add(Packet(102), 400)

    assert taken.stage.missing(400) == [101]
    assert taken.stage.missing(440) == []
    assert taken.stage.missing(480) == [101]
    taken.stage.add(Packet(101), 500)
    assert taken.stage.missing(600) == []
    assert taken.out == [100, 101, 102]


def test_after_the_hold_the_loss_is_told_and_the_rest_goes_on():
    taken = Taken(Media.AUDIO)
    taken.settle(100)
    for number in (103, 104):
        taken.stage.add(Packet(number), 1000)

    assert not taken.stage.give_up(1000 + HOLD_MS[Media.AUDIO] - 1)
    assert taken.stage.give_up(1000 + HOLD_MS[Media.AUDIO])

    assert taken.out == [100, -2, 103, 104]
    taken.stage.add(Packet(101), 1700)
    assert taken.out == [100, -2, 103, 104]


def test_what_was_sent_before_the_first_seen_is_asked_for():
    taken = Taken()
    taken.stage.add(Packet(100), 0)

    assert taken.stage.missing(1)[-3:] == [97, 98, 99]
    taken.stage.add(Packet(99), 50)
    taken.stage.add(Packet(98), 60)
    assert not taken.stage.give_up(LOOK_BACK_MS)

    assert taken.out == [98, 99, 100]


def test_a_jump_is_a_new_beginning_not_a_thousand_questions():
    taken = Taken()
    taken.settle(100)
    taken.stage.add(Packet(9000), 500)

    assert len(taken.stage.missing(600)) < 50
    taken.stage.give_up(500 + LOOK_BACK_MS)
    assert taken.out == [100, -1, 9000]


def test_another_sender_on_the_same_line_begins_anew():
    taken = Taken()
    taken.settle(100)
    taken.stage.add(Packet(7, ssrc=6), 500)
    taken.stage.give_up(500 + LOOK_BACK_MS)

    assert taken.out == [100, 7]
    assert taken.stage.ssrc == 6


def test_numbers_wrap_round():
    taken = Taken()
    taken.settle(65530)
    for number in (65531, 65533, 65535, 0, 2, 1, 65534, 65532, 3):
        taken.stage.add(Packet(number), 500)

    assert taken.out == [65530, 65531, 65532, 65533, 65534, 65535, 0, 1, 2, 3]


def test_flush_hands_on_what_waits_and_tells_what_is_missing():
    taken = Taken()
    taken.settle(100)
    for number in (102, 105):
        taken.stage.add(Packet(number), 500)
    taken.stage.flush()

    assert taken.out == [100, -1, 102, -2, 105]


@given(st.integers(0, 2**32), st.floats(0, 0.3), st.integers(0, 65535))
def test_any_loss_that_is_mended_in_time_leaves_no_trace(seed, rate, first):
    chance, taken, sent = random.Random(seed), Taken(), []
    at_ms = 0.0
    for step in range(300):
        at_ms += 10
        number = (first + step) & 0xFFFF
        sent.append(number)
        if step == 0 or chance.random() >= rate:
            for _ in range(1 + (chance.random() < 0.05)):
                taken.stage.add(Packet(number), at_ms)
        taken.stage.give_up(at_ms)
        for asked in taken.stage.missing(at_ms):
            if asked in sent and chance.random() >= rate:
                taken.stage.add(Packet(asked), at_ms + 5)
    while not taken.stage.complete and at_ms < 6000:
        at_ms += 40
        for asked in taken.stage.missing(at_ms):
            if asked in sent:
                taken.stage.add(Packet(asked), at_ms)
        taken.stage.give_up(at_ms)

    assert taken.out == sent[: len(taken.out)]
    assert len(taken.out) >= 300 - 20  # at the very end nothing shows that more was sent


def picture_frames(packets: list[Packet | None]) -> list[bytes]:
    frames: list[bytes] = []
    stage = Frames(Media.VIDEO, lambda frame: frames.append(frame.data))
    for packet in packets:
        stage.lost() if packet is None else stage.add(packet, 0.0)
    return frames


def part(stamp: int, body: bytes, *, first: bool = False, last: bool = False) -> Packet:
    return Packet(0, stamp, int(last), _data=(b"\0\0\0\1" if first else b"") + body)


def test_parts_become_a_frame_at_the_marker():
    frames = picture_frames([part(1, b"a", first=True), part(1, b"b"), part(1, b"c", last=True)])

    assert frames == [b"\0\0\0\1abc"]


@pytest.mark.parametrize("packets", [
    [part(1, b"a", first=True), None, part(1, b"c", last=True)],
    [None, part(1, b"b"), part(1, b"c", last=True)],
    [part(1, b"a", first=True), part(1, b"b"), None],
    [None, part(1, b"sps-is-gone", first=True), part(1, b"c", last=True)],
])  # fmt: skip
def test_a_frame_that_lacks_a_part_is_no_frame_but_the_next_is(packets):
    frames = picture_frames([*packets, part(2, b"n", first=True, last=True), part(3, b"m", first=True, last=True)])

    assert frames in ([b"\0\0\0\1n", b"\0\0\0\1m"], [b"\0\0\0\1m"])
    assert b"\0\0\0\1m" in frames


def test_a_frame_without_marker_ends_where_the_next_begins():
    frames = picture_frames([part(1, b"a", first=True), part(2, b"b", first=True, last=True), Packet(0, 2, 0, 5, b"")])

    assert frames == [b"\0\0\0\1a", b"\0\0\0\1b"]


def test_rtp_time_is_unwrapped():
    clocks = []
    stage = Frames(Media.AUDIO, lambda frame: clocks.append(frame.clock))
    for stamp in (0xFFFF_FFF0, 0x10, 0x3D0):
        stage.add(Packet(0, stamp), 0.0)

    assert [clock - clocks[0] for clock in clocks] == [0, 0x20, 0x3E0]
