"""Packets back in order: what stands in place of a jitter buffer when the aim is to keep, not to play.

A live player would rather skip than wait; a record would rather wait than skip. A missing packet is asked
for again and again (generic NACK, RFC 4585 6.2.1) until it comes or the hold is over; only then is it given
up, and the loss is told so that it can stand in the record as a gap.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from evaluation.recorder.fmp4 import Media
from evaluation.recorder.h264 import START_CODE, Picture, picture

HOLD_MS = {Media.VIDEO: 1500, Media.AUDIO: 600}
ASK_AGAIN_MS = 80
LOOK_BACK = 16  # packets asked for before the first that was seen: the start may be lost too
LOOK_BACK_MS = 300
TOO_FAR = 1000  # a jump this wide is another stream, not a loss
ASKED_AT_ONCE = 200


class Packet(Protocol):
    """What is used of an RTP packet (aiortc's RtpPacket after depayloading)."""

    sequence_number: int
    timestamp: int
    marker: int
    ssrc: int
    _data: bytes


@dataclass(frozen=True, slots=True)
class Frame:
    """One whole coded frame. `clock` is its RTP time, unwrapped; `arrived_ms` on the recorder's own clock.

    `data` is what goes on to viewers: NAL units behind start codes, or one Opus packet.
    """

    media: Media
    clock: int
    data: bytes
    arrived_ms: float
    picture: Picture | None = None  # video only

    @property
    def key(self) -> bool:
        """A viewer can begin here."""
        return self.picture is None or self.picture.key


class Reorder:
    """One RTP stream put in order; hands each packet on exactly once, and each loss as a count."""

    def __init__(self, media: Media, deliver: Callable[[Packet, float], None], lost: Callable[[int], None]) -> None:
        self._hold_ms = HOLD_MS[media]
        self._deliver = deliver
        self._lost = lost
        self._waiting: dict[int, tuple[Packet, float]] = {}  # with the moment it came
        self._next: int | None = None  # extended sequence number
        self._top = 0
        self._since_ms: dict[int, float] = {}  # missing number -> when it was first missed
        self._asked_ms = -1e9
        self._starting_until_ms: float | None = None
        self._first = 0  # the first number that was really seen
        self.ssrc: int | None = None

    def add(self, packet: Packet, now_ms: float) -> None:
        if self._next is None:
            self._start(packet, now_ms)
        elif packet.ssrc != self.ssrc:
            self.flush()
            self._start(packet, now_ms)
        number = self._extended(packet.sequence_number)
        if abs(number - self._top) > TOO_FAR:
            self.flush()
            self._lost(1)
            self._start(packet, now_ms)
            number = self._extended(packet.sequence_number)
        assert self._next is not None
        if number < self._next or number in self._waiting:
            return  # came twice, or after it was given up
        if number == self._next and not self._waiting:
            self._since_ms.pop(number, None)
            self._next = number + 1
            self._top = max(self._top, number)
            self._deliver(packet, now_ms)
            return
        self._waiting[number] = packet, now_ms
        for missing in range(max(self._top + 1, self._next), number):
            self._since_ms[missing] = now_ms
        self._top = max(self._top, number)
        self._since_ms.pop(number, None)
        self._release()

    def _start(self, packet: Packet, now_ms: float) -> None:
        number = packet.sequence_number + 0x10000  # room to look back
        self.ssrc = packet.ssrc
        self._top, self._next, self._first = number - 1, number - LOOK_BACK, number
        self._since_ms = {before: now_ms for before in range(self._next, number)}
        self._starting_until_ms = now_ms + LOOK_BACK_MS

    def _extended(self, short: int) -> int:
        """The number whose low 16 bits are `short` and which lies nearest to the highest seen (RFC 3550 A.1)."""
        delta = (short - self._top) & 0xFFFF
        return self._top + (delta - 0x10000 if delta >= 0x8000 else delta)

    def _release(self) -> None:
        assert self._next is not None
        while (waited := self._waiting.pop(self._next, None)) is not None:
            self._next += 1
            self._deliver(*waited)

    @property
    def count(self) -> int:
        """How many packets were expected so far, in this stream."""
        return self._top - self._first + 1

    @property
    def complete(self) -> bool:
        """Nothing is waited for: no timer needs to look at this stream."""
        return not self._waiting and not self._since_ms

    def missing(self, now_ms: float) -> list[int]:
        """What to ask the sender for now (16-bit numbers, in order); empty between two askings."""
        if not self._since_ms or now_ms - self._asked_ms < ASK_AGAIN_MS:
            return []
        self._asked_ms = now_ms
        return [number & 0xFFFF for number in sorted(self._since_ms)[:ASKED_AT_ONCE]]

    def give_up(self, now_ms: float) -> bool:
        """Go on without what has been missing for too long. True when something was really lost."""
        if self._next is None:
            return False
        if self._starting_until_ms is not None:
            if now_ms < self._starting_until_ms:
                return False
            self._starting_until_ms = None
            while self._next < self._first and self._next not in self._waiting:
                self._since_ms.pop(self._next, None)  # before the first: it may never have been sent
                self._next += 1
            self._release()
        gone = 0
        while self._waiting and self._next not in self._waiting:
            if now_ms - self._since_ms.get(self._next, -1e9) < self._hold_ms:
                break
            gone += self._skip()
        return gone > 0

    def _skip(self) -> int:
        assert self._next is not None
        gone = 0
        while self._next not in self._waiting:
            self._since_ms.pop(self._next, None)
            self._next += 1
            gone += 1
        self._lost(gone)
        self._release()
        return gone

    def flush(self) -> None:
        """The stream is over: hand on all that is there, in order, telling what is missing between."""
        self._starting_until_ms = None
        if self._next is None:
            return
        if self._next < self._first:
            self._next = min([*self._waiting, self._first])
        self._release()
        while self._waiting:
            self._skip()
        self._since_ms.clear()


class Frames:
    """Packets in order become frames: by the marker bit for pictures, one packet each for sound."""

    def __init__(self, media: Media, take: Callable[[Frame], None]) -> None:
        self._media = media
        self._take = take
        self._parts: list[bytes] = []
        self._stamp: int | None = None  # RTP time of the parts in hand
        self._spoilt: int | None = None  # RTP time of a frame that lacks a part
        self._after_loss = False
        self._clock: int | None = None  # unwrapped RTP time

    def add(self, packet: Packet, now_ms: float) -> None:
        data, stamp = packet._data, packet.timestamp
        if not data:
            return  # padding, sent to probe the line
        if self._media is Media.AUDIO:
            self._take(Frame(Media.AUDIO, self._unwrapped(stamp), data, now_ms))
            return
        if self._after_loss:  # whether its first packets are among the lost cannot be known
            self._spoilt, self._after_loss = stamp, False
        if stamp == self._spoilt:
            return
        if self._parts and stamp != self._stamp:
            self._finish(now_ms)
        self._stamp = stamp
        self._parts.append(data)
        if packet.marker:
            self._finish(now_ms)

    def lost(self) -> None:
        self._parts.clear()
        self._after_loss = True

    def _finish(self, now_ms: float) -> None:
        parts, self._parts = self._parts, []
        assert self._stamp is not None
        clock = self._unwrapped(self._stamp)
        if parts[0].startswith(START_CODE):
            data = parts[0] if len(parts) == 1 else b"".join(parts)
            self._take(Frame(Media.VIDEO, clock, data, now_ms, picture(data)))

    def _unwrapped(self, stamp: int) -> int:
        if self._clock is None:
            self._clock = stamp
        else:
            delta = (stamp - self._clock) & 0xFFFF_FFFF
            self._clock += delta - 0x1_0000_0000 if delta >= 0x8000_0000 else delta
        return self._clock
