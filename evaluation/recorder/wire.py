"""捷径: packets of known streams go from the socket to the reorder stage without a queue or a coroutine.

aiortc takes a datagram through two queues and four coroutines; at a hundred packets a second and participant
that is most of what recording costs. Here the packets of a stream that aiortc has already sorted out once are
decrypted and read at the socket's own call. Everything else – STUN, DTLS, RTCP, retransmission streams,
unknown senders – goes the ordinary way.
"""

from collections.abc import Callable
from dataclasses import dataclass
from struct import unpack_from
from typing import Any, Protocol

import pylibsrtp
from aiortc import RTCDtlsTransport

from evaluation.recorder import h264
from evaluation.recorder.fmp4 import Media

ICE = "_connection"  # of RTCIceTransport: aioice's Connection, whose `data_received` the socket calls
SRTP = "_rx_srtp"  # of RTCDtlsTransport: None before the handshake is over


@dataclass(slots=True)
class Short:
    """An RTP packet, as far as it is needed."""

    sequence_number: int
    timestamp: int
    marker: int
    ssrc: int
    _data: bytes


class Intake(Protocol):
    media: Media

    def take(self, packet: Any, at_ms: float) -> None: ...


class Statistics(Protocol):
    """aiortc's StreamStatistics: what its receiver reports are made of."""

    def add(self, packet: Any) -> None: ...


class Wire:
    """Between one connection's socket and its intakes."""

    def __init__(self, transport: RTCDtlsTransport, clock_ms: Callable[[], float]) -> None:
        self._transport = transport
        self._clock_ms = clock_ms
        self._known: dict[bytes, tuple[int, int, Intake, Statistics]] = {}
        ice = getattr(transport.transport, ICE)
        self._ordinary = ice.data_received
        ice.data_received = self.received

    def learn(self, ssrc: int, payload_type: int, intake: Intake, statistics: Statistics) -> None:
        """From now on this stream goes the short way."""
        self._known[ssrc.to_bytes(4, "big")] = ssrc, payload_type, intake, statistics

    def received(self, datagram: bytes, component: int) -> None:
        """What the socket calls. RTP headers are not encrypted, so the stream shows before decryption."""
        stream = self._known.get(datagram[8:12])
        if stream is None or datagram[0] >> 6 != 2 or datagram[1] & 0x7F != stream[1]:
            self._ordinary(datagram, component)
            return
        try:
            plain = getattr(self._transport, SRTP).unprotect(datagram)
            packet = read(plain, stream[0], stream[2].media)
        except (pylibsrtp.Error, ValueError):
            return  # forged, seen before, or no payload of ours
        stream[3].add(packet)
        stream[2].take(packet, self._clock_ms())


def read(plain: bytes, ssrc: int, media: Media) -> Short:
    """An RTP packet (RFC 3550 5.1) with its payload unpacked. Raises ValueError."""
    first, second, number, stamp = unpack_from("!BBHI", plain)
    at, end = 12 + 4 * (first & 0x0F), len(plain)
    if first & 0x10:
        if at + 4 > end:
            raise ValueError("no room for the header extension")
        at += 4 + 4 * int.from_bytes(plain[at + 2 : at + 4], "big")
    if first & 0x20:
        end -= plain[-1]
    if at > end:
        raise ValueError("the header is longer than the packet")
    payload = plain[at:end]
    if media is Media.VIDEO and payload:
        payload = h264.depayload(payload)
    return Short(number, stamp, second >> 7, ssrc, payload)
