"""Our media engine: aiortc, used below its decoders.

aiortc decodes what it receives; a recorder must not. So each receiver's jitter buffer is replaced by our own
stage before the first packet comes, and nothing is ever handed to a decoder. The names used for that are
aiortc's private ones; all of them stand in this file, and `tests/evaluation/recorder/test_aiortc_names.py`
fails when one of them moves.
"""

import asyncio
import itertools
import logging
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from fractions import Fraction
from typing import Any

import aioice.ice
import av
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCRtpSender,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from aiortc.rtp import RTCP_PSFB_APP, RtcpPsfbPacket, RtcpSrPacket, pack_remb_fci

from evaluation.recorder.engine import BadOffer, Sink, Source
from evaluation.recorder.fmp4 import RATE, Media
from evaluation.recorder.reorder import Frame, Frames, Packet, Reorder
from evaluation.recorder.wire import Wire

log = logging.getLogger(__name__)
TICK_S, TICKS_A_SECOND = 0.04, 25
ADDRESSES = ("a=candidate:", "a=end-of-candidates")
COMING_S = 20.0  # who has not connected by then does not come
OFFER_S = 10.0  # an offer that cannot be answered by then is refused
LAST_PACKETS_S = 0.5  # waited for, when somebody leaves, for packets that were asked for
QUEUE = 90  # frames kept for a viewer who is slow; then he waits for the next key picture
KEY_PAUSE_S = 0.5
CEILING_BIT, FLOOR_BIT = 900_000, 150_000  # what a camera is told it may send
NTP_UNIX_S = 2_208_988_800
JITTER_BUFFER = "_RTCRtpReceiver__jitter_buffer"
NACK_GENERATOR = "_RTCRtpReceiver__nack_generator"
ESTIMATOR = "_RTCRtpReceiver__remote_bitrate_estimator"
STREAMS = "_RTCRtpReceiver__remote_streams"
OWN_SSRC = "_RTCRtpReceiver__rtcp_ssrc"


def listen_on(*addresses: str) -> None:
    """Offer these addresses of this machine to browsers, and no others."""

    def offered_addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
        return [one for one in addresses if (use_ipv6 if ":" in one else use_ipv4)]

    aioice.ice.get_host_addresses = offered_addresses


def listen_on_loopback() -> None:
    """Offer 127.0.0.1 to browsers on this very machine (demo, tests); aioice leaves it out."""
    listen_on("127.0.0.1")


def now_ms() -> float:
    """The recorder's own steady clock."""
    return time.monotonic() * 1000


class SteadyRate:
    """What a sender is told once a second that he may send (REMB): less while packets are lost, more when not.

    Stands in place of aiortc's estimator, which works on every packet; 15 pictures a second need no more.
    """

    def __init__(self) -> None:
        self.rate_bit = CEILING_BIT
        self._told_ms = 0.0
        self._expected = 0
        self._missed = 0

    def missed(self, packets: int) -> None:
        self._missed += packets

    def due(self, at_ms: float, expected: int) -> bool:
        """Once a second, after `expected` packets in all: work out what to tell."""
        if at_ms - self._told_ms < 1000:
            return False
        packets, self._expected, self._told_ms = expected - self._expected, expected, at_ms
        if self._missed * 10 > packets:
            self.rate_bit = max(FLOOR_BIT, self.rate_bit * 8 // 10)
        else:
            self.rate_bit = min(CEILING_BIT, self.rate_bit * 108 // 100)
        self._missed = 0
        return True


class Intake:
    """Stands where a receiver's jitter buffer stood: packets in, whole frames out to the sink."""

    def __init__(self, receiver: RTCRtpReceiver, media: Media, sink: Sink, wire: Wire | None = None) -> None:
        self.media = media
        self._receiver = receiver
        self._sink = sink
        self._wire = wire
        self._frames = Frames(media, sink.take)
        self._reorder = Reorder(media, self._frames.add, self._lost)
        self._rate = SteadyRate() if media is Media.VIDEO else None
        self._report = receiver._handle_rtcp_packet
        setattr(receiver, NACK_GENERATOR, None)
        setattr(receiver, JITTER_BUFFER, self)
        setattr(receiver, ESTIMATOR, None)
        receiver._handle_rtcp_packet = self._reported  # type: ignore[method-assign]

    def add(self, packet: Any) -> tuple[bool, None]:
        """What aiortc calls for each packet, retransmissions unwrapped: (send a PLI now?, no frame to decode).

        Once a stream is known, its packets come by the short way (`Wire`), not through here.
        """
        if self._wire is not None and packet.ssrc != self._reorder.ssrc:
            statistics = getattr(self._receiver, STREAMS).get(packet.ssrc)
            if statistics is not None:
                self._wire.learn(packet.ssrc, packet.payload_type, self, statistics)
        self.take(packet, now_ms())
        return False, None

    def take(self, packet: Packet, at_ms: float) -> None:
        self._reorder.add(packet, at_ms)

    def _lost(self, packets: int) -> None:
        self._frames.lost()
        self._sink.lost(self.media, packets)

    async def _reported(self, packet: Any) -> None:
        if isinstance(packet, RtcpSrPacket) and packet.ssrc == self._reorder.ssrc:
            ntp = packet.sender_info.ntp_timestamp
            sender_ms = ((ntp >> 32) - NTP_UNIX_S) * 1000 + (ntp & 0xFFFF_FFFF) * 1000 / (1 << 32)
            self._sink.reported(self.media, sender_ms, packet.sender_info.rtp_timestamp)
        await self._report(packet)

    async def tick(self) -> None:
        """Ask for what is missing; give up what has been missing for too long; say what may be sent."""
        at_ms, ssrc = now_ms(), self._reorder.ssrc
        self._reorder.give_up(at_ms)
        missing = self._reorder.missing(at_ms)
        if missing and ssrc is not None:
            if self._rate is not None:
                self._rate.missed(len(missing))
            # in the order of the 16-bit numbers: aiortc cannot pack a list that wraps round
            await self._receiver._send_rtcp_nack(ssrc, sorted(missing))

    async def tell_rate(self) -> None:
        """Once a second for pictures: what the sender may send."""
        ssrc, own = self._reorder.ssrc, getattr(self._receiver, OWN_SSRC)
        if self._rate is None or ssrc is None or own is None:
            return
        if self._rate.due(now_ms(), self._reorder.count):
            fci = pack_remb_fci(self._rate.rate_bit, [ssrc])
            await self._receiver._send_rtcp(RtcpPsfbPacket(RTCP_PSFB_APP, own, 0, fci))

    async def ask_key(self) -> None:
        if self._reorder.ssrc is not None:
            await self._receiver._send_rtcp_pli(self._reorder.ssrc)

    @property
    def complete(self) -> bool:
        return self._reorder.complete

    def flush(self) -> None:
        self._reorder.flush()


class Peer:
    """One connection, in either direction."""

    def __init__(self) -> None:
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        self.answer = ""
        self.intakes: list[Intake] = []
        self._closed = False
        self._waiting: asyncio.TimerHandle | None = None
        self._leaving: asyncio.Future[None] | None = None
        self._ended: Callable[[str], None] = lambda reason: None

    async def negotiate(self, offer: str) -> None:
        """Take the offer, but none of the addresses in it: a browser comes to us, we knock on no door he names."""
        lines = [line for line in offer.splitlines() if not line.startswith(ADDRESSES)]
        await self.pc.setRemoteDescription(RTCSessionDescription("\r\n".join(lines) + "\r\n", "offer"))

    async def reply(self) -> None:
        await self.pc.setLocalDescription(await self.pc.createAnswer())
        self.answer = self.pc.localDescription.sdp
        self._waiting = asyncio.get_running_loop().call_later(COMING_S, self._not_come)

    def _not_come(self) -> None:
        if self.pc.connectionState != "connected":
            self._leaving = asyncio.ensure_future(self.close("never came"))

    def on_end(self, ended: Callable[[str], None]) -> None:
        self._ended = ended

        @self.pc.on("connectionstatechange")
        async def changed() -> None:
            if self.pc.connectionState in ("failed", "closed"):
                await self.close(self.pc.connectionState)

    async def _last_packets(self) -> None:
        """While the sender is still there, what is missing can still be had."""
        for _ in range(round(LAST_PACKETS_S / TICK_S)):
            if self.pc.connectionState != "connected" or all(intake.complete for intake in self.intakes):
                return
            await asyncio.sleep(TICK_S)

    async def close(self, reason: str = "left") -> None:
        if self._closed:
            return
        self._closed = True
        if self._waiting is not None:
            self._waiting.cancel()
        await self._last_packets()
        for intake in self.intakes:
            intake.flush()
        self._ended(reason)
        await self.pc.close()


class _Outgoing(MediaStreamTrack):
    """Encoded frames for one viewer, as a track whose packets aiortc only has to pack into RTP."""

    def __init__(self, media: Media) -> None:
        self.kind = media.value
        super().__init__()
        self._queue: asyncio.Queue[Frame | None] = asyncio.Queue(QUEUE + 1)
        self._needs_key = media is Media.VIDEO
        self._media = media
        self._offset: int | None = None
        self._last = 0

    def push(self, frame: Frame) -> bool:
        """Queue a frame. False: the viewer is behind or has just come and needs a key picture."""
        if self._needs_key and not frame.key:
            return False
        if self._queue.qsize() >= QUEUE:
            while not self._queue.empty():
                self._queue.get_nowait()
            self._needs_key = self._media is Media.VIDEO
            return not self._needs_key
        self._needs_key = False
        self._queue.put_nowait(frame)
        return True

    async def recv(self) -> av.Packet:
        frame = await self._queue.get()
        if frame is None:
            raise MediaStreamError
        rate = RATE[self._media]
        if self._offset is None or abs(frame.clock + self._offset - self._last) > 5 * rate:
            # the first frame, or the sender was replaced: go on from here, in time
            self._offset = round(now_ms() * rate / 1000) - frame.clock
        self._last = max(self._last + 1, frame.clock + self._offset)
        packet = av.Packet(frame.data)
        packet.pts, packet.time_base = self._last, Fraction(1, rate)
        return packet

    def finish(self) -> None:
        self._queue.put_nowait(None)


class Viewer:
    """An outlet of a source towards one browser."""

    def __init__(self, source: Source, media: frozenset[Media]) -> None:
        self.tracks = {kind: _Outgoing(kind) for kind in media}
        self._source = source

    def push(self, frame: Frame) -> None:
        track = self.tracks.get(frame.media)
        if track is not None and not track.push(frame):
            self._source.ask_key()


class Aiortc:
    """The engine. One timer for all connections asks for lost packets and keeps the time of the tracks."""

    def __init__(self) -> None:
        self._peers: set[Peer] = set()
        self._timer: asyncio.Task[None] | None = None
        self._asking: set[asyncio.Future[None]] = set()
        self.on_tick: Callable[[], None] = lambda: None

    def start(self) -> None:
        self._timer = asyncio.create_task(self._run())

    async def _run(self) -> None:
        for turn in itertools.count():
            await asyncio.sleep(TICK_S)
            try:
                self.on_tick()
                for peer in list(self._peers):
                    for intake in peer.intakes:
                        if not intake.complete:
                            await intake.tick()
                        if turn % TICKS_A_SECOND == 0:
                            await intake.tell_rate()
            except Exception:
                log.exception("a tick failed")

    async def receive(self, offer: str, sink: Sink) -> Peer:
        media = offered(offer, "sendonly", "sendrecv")
        peer = Peer()
        for kind in media:
            prefer(peer.pc.addTransceiver(kind.value, "recvonly"), kind)
        async with answering(peer):
            await peer.negotiate(offer)
            wire = Wire(peer.pc.getTransceivers()[0].receiver.transport, now_ms)
            for transceiver in peer.pc.getTransceivers():
                if transceiver.receiver.track is not None:
                    peer.intakes.append(Intake(transceiver.receiver, Media(transceiver.kind), sink, wire))
            await peer.reply()
        sink.began(frozenset(media), lambda: self._ask_keys(peer))
        peer.on_end(lambda reason: self._gone(peer, lambda: sink.ended(reason)))
        self._peers.add(peer)
        return peer

    async def send(self, offer: str, source: Source, ended: Callable[[], None]) -> Peer:
        media = [kind for kind in offered(offer, "recvonly", "sendrecv") if kind in source.media]
        if not media:
            raise BadOffer("nothing of this track is asked for")
        peer = Peer()
        viewer = Viewer(source, frozenset(media))
        for kind in media:
            transceiver = peer.pc.addTransceiver(viewer.tracks[kind], "sendonly")
            prefer(transceiver, kind)
            transceiver.sender._send_keyframe = source.ask_key  # type: ignore[method-assign]
        async with answering(peer):
            await peer.negotiate(offer)
            await peer.reply()

        def gone() -> None:
            source.detach(viewer)
            ended()

        peer.on_end(lambda reason: self._gone(peer, gone))
        self._peers.add(peer)
        source.attach(viewer)
        return peer

    def _ask_keys(self, peer: Peer) -> None:
        for intake in peer.intakes:
            if intake.media is Media.VIDEO:
                asking = asyncio.ensure_future(intake.ask_key())
                self._asking.add(asking)
                asking.add_done_callback(self._asking.discard)

    def _gone(self, peer: Peer, then: Callable[[], None]) -> None:
        self._peers.discard(peer)
        then()

    async def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        await asyncio.gather(*(peer.close() for peer in list(self._peers)), return_exceptions=True)


@asynccontextmanager
async def answering(peer: Peer) -> AsyncIterator[None]:
    """Around a negotiation: whatever a foreign SDP makes aiortc raise is a BadOffer, and leaves nothing behind."""
    try:
        async with asyncio.timeout(OFFER_S):
            yield
    except BaseException as exc:
        await peer.pc.close()
        if isinstance(exc, Exception):
            raise BadOffer(f"{type(exc).__name__}: {exc}") from exc
        raise


def offered(offer: str, *directions: str) -> list[Media]:
    """Which media an offer brings in one of these directions, in its order. Raises BadOffer."""
    if not offer.startswith("v=0"):
        raise BadOffer("not an SDP offer")
    found: list[Media] = []
    for section in re.split(r"^m=", offer, flags=re.M)[1:]:
        kind = section.split(" ", 1)[0]
        if kind not in ("audio", "video"):
            raise BadOffer(f"{kind[:20]!r} is not taken here")
        direction = re.search(r"^a=(sendrecv|sendonly|recvonly|inactive)\s*$", section, re.M)
        if Media(kind) in found:
            raise BadOffer("one picture and one sound for each connection")
        if (direction.group(1) if direction else "sendrecv") not in directions:
            raise BadOffer(f"{kind} goes in the wrong direction")
        found.append(Media(kind))
    if not found:
        raise BadOffer("neither picture nor sound")
    return found


def prefer(transceiver: Any, media: Media) -> None:
    """H.264 and Opus, and nothing else: what is recorded is never transcoded."""
    name = "video/h264" if media is Media.VIDEO else "audio/opus"
    capabilities = RTCRtpSender.getCapabilities(media.value).codecs
    transceiver.setCodecPreferences([c for c in capabilities if c.mimeType.lower() in (name, "video/rtx")])
