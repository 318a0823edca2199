"""A participant without a browser: sends a synthetic picture and sound by WHIP, watches others by WHEP.

`gongheng day` uses it where no browser is installed; tests use it as the other side of the wire.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import aiohttp
import av
from aiortc import (
    MediaStreamTrack,
    RTCBundlePolicy,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError

from evaluation.recorder import rtc, synthetic
from evaluation.recorder.fmp4 import RATE, Media
from evaluation.recorder.reorder import Frame


class Refused(Exception):
    """The recorder did not let us in."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text[:200]}")
        self.status = status


class _Playing(MediaStreamTrack):
    """A loop of encoded frames in real time; starts over with its key picture when one is asked for."""

    def __init__(self, media: Media, frames: Sequence[bytes], step: int) -> None:
        self.kind = media.value
        super().__init__()
        self._frames = frames
        self._step = step
        self._rate = RATE[media]
        self.begun: float | None = None  # time.monotonic() of the first frame
        self._count = 0
        self._index = 0
        self.sent: list[int] = []  # which frames of the loop were sent, in order

    def start_over(self) -> None:
        self._index = 0

    async def recv(self) -> av.Packet:
        if self.readyState != "live":
            raise MediaStreamError
        now = time.monotonic()
        if self.begun is None:
            self.begun = now
        wait = self.begun + self._count * self._step / self._rate - now
        if wait > 0:
            await asyncio.sleep(wait)
        index = self._index % len(self._frames)
        packet = av.Packet(self._frames[index])
        packet.pts, packet.time_base = self._count * self._step, Fraction(1, self._rate)
        self._index += 1
        self._count += 1
        self.sent.append(index)
        return packet


@dataclass
class Watched:
    """What was seen of another participant."""

    name: str
    frames: dict[str, int] = field(default_factory=dict)


class _Counting:
    """A sink that only counts."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched

    def take(self, frame: Frame) -> None:
        counts = self._watched.frames
        counts[frame.media.value] = counts.get(frame.media.value, 0) + 1

    def began(self, media: object, ask_key: object) -> None: ...
    def lost(self, media: Media, packets: int) -> None: ...
    def reported(self, media: Media, sender_ms: float, stamp: int) -> None: ...
    def ended(self, reason: str) -> None: ...


class Participant:
    """One who joins: `publish`, `watch`, `leave`. `url` is the recorder's, e.g. http://127.0.0.1:8766."""

    def __init__(self, url: str, session: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._session = session
        self._head = {"Authorization": f"Bearer {token}"}
        self._http = aiohttp.ClientSession()
        self._open: list[tuple[RTCPeerConnection, str]] = []
        self._timer = asyncio.create_task(self._tick())
        self._intakes: list[rtc.Intake] = []
        self.video: _Playing | None = None
        self.audio: _Playing | None = None

    async def publish(self, *, tint: int = 0, video: bool = True, audio: bool = True, source: str = "camera") -> None:
        """Send until `leave`. Raises Refused."""
        loop = await asyncio.to_thread(synthetic.loop, tint)
        pc = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        if audio:
            self.audio = _Playing(Media.AUDIO, loop.sounds, synthetic.SAMPLES_A_PACKET)
            rtc.prefer(pc.addTransceiver(self.audio, "sendonly"), Media.AUDIO)
        if video:
            self.video = _Playing(Media.VIDEO, loop.pictures, synthetic.VIDEO_TICKS)
            transceiver = pc.addTransceiver(self.video, "sendonly")
            rtc.prefer(transceiver, Media.VIDEO)
            transceiver.sender._send_keyframe = self.video.start_over  # type: ignore[method-assign]
        await self._negotiate(pc, f"/whip/{self._session}?source={source}")

    async def watch(self, name: str) -> Watched:
        """Watch a participant (or one track of his). Raises Refused."""
        watched = Watched(name)
        pc = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        for media in Media:
            transceiver = pc.addTransceiver(media.value, "recvonly")
            rtc.prefer(transceiver, media)
            self._intakes.append(rtc.Intake(transceiver.receiver, media, _Counting(watched)))
        await self._negotiate(pc, f"/whep/{self._session}/{name}")
        return watched

    async def _negotiate(self, pc: RTCPeerConnection, path: str) -> None:
        await pc.setLocalDescription(await pc.createOffer())
        offer = pc.localDescription.sdp
        head = self._head | {"Content-Type": "application/sdp"}
        async with self._http.post(self._url + path, data=offer.encode(), headers=head) as response:
            text = await response.text()
            if response.status != 201:
                await pc.close()
                raise Refused(response.status, text)
            location = response.headers["Location"]
        await pc.setRemoteDescription(RTCSessionDescription(text, "answer"))
        self._open.append((pc, location))

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(rtc.TICK_S)
            for intake in self._intakes:
                if not intake.complete:
                    await intake.tick()

    async def leave(self) -> None:
        """Say good-bye and close. Safe to repeat."""
        self._timer.cancel()
        for pc, location in self._open:
            try:
                async with self._http.delete(self._url + location, headers=self._head):
                    pass
            except aiohttp.ClientError:
                pass
            await pc.close()
        self._open.clear()
        await self._http.close()


async def join(
    url: str, token: str, *, session: str, seconds: float, video: bool = True, tint: int = 0, watch: Sequence[str] = ()
) -> list[Watched]:
    """Take part for so many seconds and tell what was seen of the others."""
    participant = Participant(url, session, token)
    try:
        await participant.publish(video=video, tint=tint)
        ends = time.monotonic() + seconds
        seen = []
        for name in watch:
            seen.append(await _watch_patiently(participant, name, ends))
        await asyncio.sleep(max(0.0, ends - time.monotonic()))
        return seen
    finally:
        await participant.leave()


async def _watch_patiently(participant: Participant, name: str, ends: float) -> Watched:
    """Another may not have come yet (409): ask again until the time is over."""
    while True:
        try:
            return await participant.watch(name)
        except Refused as refused:
            if refused.status != 409 or time.monotonic() > ends:
                raise
        await asyncio.sleep(0.5)
