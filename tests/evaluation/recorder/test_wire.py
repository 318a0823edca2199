"""The short way reads what aiortc reads, and nothing malformed gets further than a refusal."""

import contextlib

import pylibsrtp
import pytest
from aiortc.rtp import RtpPacket
from hypothesis import given
from hypothesis import strategies as st

from evaluation.recorder import wire
from evaluation.recorder.fmp4 import Media
from evaluation.recorder.wire import Wire


@given(
    st.integers(0, 65535), st.integers(0, 2**32 - 1), st.booleans(), st.binary(min_size=1, max_size=60),
    st.integers(0, 9), st.lists(st.integers(0, 2**32 - 1), max_size=3), st.booleans(),
)  # fmt: skip
def test_a_packet_is_read_as_aiortc_writes_it(number, stamp, marker, payload, padding, sources, extended):
    packet = RtpPacket(96, int(marker), number, stamp, 7, payload)
    packet.padding_size, packet.csrc = padding, sources
    plain = packet.serialize()
    if extended:
        head = 12 + 4 * len(sources)
        plain = bytes([plain[0] | 0x10]) + plain[1:head] + b"\xbe\xde\x00\x01\x10\x00\x00\x00" + plain[head:]

    assert wire.read(plain, 7, Media.AUDIO) == wire.Short(number, stamp, int(marker), 7, payload)


@given(st.binary(min_size=12, max_size=60))
def test_garbage_is_refused_or_read(plain):
    with contextlib.suppress(ValueError):
        wire.read(plain, 7, Media.VIDEO)


class Fake:
    """A transport, its socket side, an intake and statistics in one: remembers what came to it."""

    def __init__(self) -> None:
        self.ordinary: list[bytes] = []
        self.taken: list[int] = []
        self.counted = 0
        self.transport = self._connection = self._rx_srtp = self
        self.media = Media.AUDIO

    def data_received(self, data: bytes, component: int) -> None:
        self.ordinary.append(data)

    def unprotect(self, data: bytes) -> bytes:
        if data.endswith(b"forged"):
            raise pylibsrtp.Error("authentication failed")
        return data

    def add(self, packet: wire.Short) -> None:
        self.counted += 1

    def take(self, packet: wire.Short, at_ms: float) -> None:
        self.taken.append(packet.sequence_number)


@pytest.fixture
def line():
    fake = Fake()
    made = Wire(fake, lambda: 0.0)
    made.learn(7, 96, fake, fake)
    return fake


@pytest.mark.parametrize(("datagram", "short"), [
    (RtpPacket(96, 0, 5, 0, 7, b"sound").serialize(), True),
    (RtpPacket(97, 0, 5, 0, 7, b"sound").serialize(), False),  # another payload type: retransmission, perhaps
    (RtpPacket(96, 0, 5, 0, 8, b"sound").serialize(), False),  # a stream not yet known
    (b"\x00\x01" + bytes(6) + b"\x00\x00\x00\x07", False),  # STUN whose bytes look like our stream
    (b"\x16\xfe\xfd", False), (b"", False),
])  # fmt: skip
def test_only_packets_of_known_streams_go_the_short_way(line, datagram, short):
    line.data_received(datagram, 1)

    assert (line.taken, line.ordinary) == (([5], []) if short else ([], [datagram]))
    assert line.counted == len(line.taken)


def test_forged_and_repeated_packets_go_nowhere(line):
    line.data_received(RtpPacket(96, 0, 5, 0, 7, b"forged").serialize(), 1)

    assert (line.taken, line.ordinary, line.counted) == ([], [], 0)
