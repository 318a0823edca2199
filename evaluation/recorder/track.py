"""轨道: one participant's camera (or screen) becoming numbered segments on the session's clock.

Frames come in order per medium; each second they are written out as one fragment, each four seconds a
segment is cut at a key picture that was asked for a moment before. What is missing becomes a gap record.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from evaluation.recorder import fmp4
from evaluation.recorder.fmp4 import RATE, Media, Sample
from evaluation.recorder.reorder import Frame
from evaluation.recorder.spool import Part
from evaluation.recorder.timeline import Timeline

log = logging.getLogger(__name__)
CHUNK_MS = 1_000
SEGMENT_MS = 4_000
ASK_KEY_MS = SEGMENT_MS - 150  # a key picture takes a round trip and a frame to come
LATEST_CUT_MS = 7_000  # without a key picture: the camera sends none, or nothing at all
MOST_WAITING = 500  # frames held while nothing can be written
STALE_MS = 5_000  # nothing at all came for so long: what is held is written out
SILENT_MS = {Media.VIDEO: 5_000, Media.AUDIO: 1_000}  # a sender's own pause, beyond this told as a gap
KEY_PATIENCE_MS = 2_500  # how long a first key picture is waited for before sound is kept alone
JOIN_MS = 150  # a seam narrower than this between two fragments is closed
OPUS_MS = (10, 20, 40, 60) * 3 + (10, 20) * 2 + (2.5, 5, 10, 20) * 4  # by configuration, RFC 6716 table 2
NOMINAL = {Media.VIDEO: RATE[Media.VIDEO] // 15, Media.AUDIO: RATE[Media.AUDIO] // 50}


class Keeper(Protocol):
    """Where a track puts what it has: the session's scribe."""

    def part(self, track: str, name: str) -> Part: ...
    def keep_init(self, part: Part, **facts: Any) -> None: ...
    def keep_segment(self, part: Part, **facts: Any) -> None: ...
    def gap(self, **facts: Any) -> None: ...


@dataclass
class _Pending:
    """Frames of one medium that wait for the next fragment."""

    clocks: list[int] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    keys: list[bool] = field(default_factory=list)
    end: int | None = None  # ticks: where the last written sample ended
    last_duration: int = 0
    lost: int = 0  # packets given up since the last frame
    last_clock: int | None = None
    came_ms: float = 0.0
    broken_at: int | None = None  # index of the frame before which a gap lies

    def drop(self, count: int) -> None:
        del self.clocks[:count], self.bodies[:count], self.keys[:count]


@dataclass
class _Open:
    """The segment in hand."""

    part: Part
    seq: int
    start_ms: float
    ends_ms: float = 0.0
    frames: dict[str, int] = field(default_factory=dict)
    fragments: int = 0


class Track:
    """The record of one track. One sender at a time; the numbering outlives the senders."""

    def __init__(self, name: str, keeper: Keeper, *, seq: int = 0, end_ms: float | None = None) -> None:
        self.name = name
        self.seq = seq
        self.end_ms = end_ms  # where the last segment ended; None: nothing yet
        self.form: fmp4.Format | None = None
        self._keeper = keeper
        self._open: _Open | None = None
        self._timeline = Timeline()
        self._pending: dict[Media, _Pending] = {}
        self._media: frozenset[Media] = frozenset()
        self._ask_key: Callable[[], None] = lambda: None
        self._joined_ms: float | None = None
        self._flushed_ms = self._now_ms = 0.0
        self._asked_ms = -1e9
        self._why = ""
        self._sps = self._pps = b""
        self._next_picture: int | None = None  # RTP time of the key picture that is being cut at

    # --- a sender comes and goes ---

    def joined(self, media: frozenset[Media], ask_key: Callable[[], None], *, why: str = "rejoined") -> None:
        """A sender begins. `why` names the gap since the last one, should there be one."""
        self.left()
        self._media, self._ask_key, self._why = media, ask_key, why
        self._timeline = Timeline()
        self._pending = {kind: _Pending() for kind in media}
        self._joined_ms = None
        self.form = None
        self._sps = self._pps = b""

    def left(self) -> None:
        """The sender is gone, or the session closes: write out all there is."""
        if any(pending.clocks for pending in self._pending.values()):
            self._flush(final=True)
        self._finish()
        self._pending = {}

    # --- frames ---

    def take(self, frame: Frame, now_ms: float) -> None:
        """One frame, in order within its medium. `now_ms`: its arrival on the session's clock."""
        media = frame.media
        pending = self._pending.get(media)
        if pending is None:
            return
        self._now_ms = now_ms
        if self._joined_ms is None:
            self._joined_ms = self._flushed_ms = now_ms
        body, key = frame.data, True
        if picture := frame.picture:
            body, key = picture.stored, picture.key
            self._sps, self._pps = picture.sps or self._sps, picture.pps or self._pps
            if not key and pending.end is None and not pending.clocks:
                self._want_key(now_ms)
                return  # nothing can be shown before the first key picture
        if self._timeline.arrived(media, frame.clock, now_ms):
            self._jumped(now_ms)
            pending.last_clock = None
        reason = self._gap_before(media, pending, frame.clock)
        if media is Media.VIDEO and key:
            self._cut_at(frame.clock)
        if reason:
            pending.broken_at = len(pending.clocks)
        pending.clocks.append(frame.clock)
        pending.bodies.append(body)
        pending.keys.append(key)
        pending.last_clock, pending.came_ms = frame.clock, now_ms
        if reason:
            self._tell_gap(media, pending, reason)

    def _gap_before(self, media: Media, pending: _Pending, clock: int) -> str:
        """Why something is missing before this frame; empty when nothing is."""
        if pending.lost:
            return "lost"
        limit = SILENT_MS[media] * RATE[media] // 1000
        return "silent" if pending.last_clock is not None and clock - pending.last_clock > limit else ""

    def lost(self, media: Media, packets: int, now_ms: float) -> None:
        """Packets were given up; the gap is told when the next frame shows where it ends."""
        pending = self._pending.get(media)
        if pending is not None and (pending.clocks or pending.end is not None):
            pending.lost += packets
            if media is Media.VIDEO:
                self._want_key(now_ms)

    def reported(self, media: Media, sender_ms: float, stamp: int) -> None:
        self._timeline.reported(media, sender_ms, stamp)

    def tick(self, now_ms: float) -> None:
        """What is due: a fragment each second, a key picture before each cut, a cut without one at the latest."""
        if self._joined_ms is None:
            return
        self._now_ms = now_ms
        age_ms = now_ms - self._open.start_ms if self._open else 0.0
        quiet_ms = now_ms - max(pending.came_ms for pending in self._pending.values()) if self._pending else 0.0
        if quiet_ms >= STALE_MS and self._open:
            self._flush(final=True)
            self._finish()
        elif age_ms >= LATEST_CUT_MS or (age_ms >= SEGMENT_MS and Media.VIDEO not in self._media):
            self._flush()
            self._finish()
        elif now_ms - self._flushed_ms >= CHUNK_MS:
            self._flush()
        if age_ms >= ASK_KEY_MS or quiet_ms >= 2_000:  # a still screen sends nothing unless it is asked
            self._want_key(now_ms)

    def _want_key(self, now_ms: float) -> None:
        if Media.VIDEO in self._media and now_ms - self._asked_ms >= 500:
            self._asked_ms = now_ms
            self._ask_key()

    # --- gaps ---

    def _jumped(self, now_ms: float) -> None:
        """The sender's clock was set: a new start on the timeline, told as a gap of unknown size."""
        self._flush(final=True)
        self._keeper.gap(track=self.name, media="all", t0=int(now_ms), duration=0, reason="clock_jumped")

    def _tell_gap(self, media: Media, pending: _Pending, reason: str) -> None:
        packets, pending.lost = pending.lost, 0
        at = len(pending.clocks) - 1
        here = self._timeline.at(media, pending.clocks[at])
        nominal = pending.last_duration or NOMINAL[media]
        before = self._timeline.at(media, pending.clocks[at - 1]) + nominal if at else (pending.end or here)
        missing = max(0, here - before)
        self._keeper.gap(
            track=self.name, media=media.value, reason=reason, packets=packets,
            t0=before * 1000 // RATE[media], duration=missing * 1000 // RATE[media],
            frames=max(1, round(missing / nominal)),
        )  # fmt: skip

    # --- fragments and segments ---

    def _ready(self) -> bool:
        """Is it known how the file begins? Pictures are waited for, but not for ever."""
        if self.form is not None:
            return True
        assert self._joined_ms is not None
        if Media.VIDEO in self._media and not self._sps:
            waited_ms = self._flushed_ms - self._joined_ms
            if waited_ms < KEY_PATIENCE_MS:
                return False
        form = fmp4.Format(self._media, self._sps, self._pps)
        part = self._keeper.part(self.name, f"init-{self.seq + 1:06}.mp4")
        try:
            part.write(fmp4.init_segment(form))
        except OSError:
            part.drop()
            raise
        self.form = form
        self._keeper.keep_init(part, track=self.name, seq=self.seq + 1, codecs=self.form.codecs)
        return True

    def _flush(self, *, final: bool = False, upto_ms: float | None = None) -> None:
        """Write one fragment of all frames but the last of each medium, whose length is not yet known."""
        self._flushed_ms = self._now_ms
        try:
            if not self._ready():
                return
        except OSError as exc:
            self._unwritable(exc)
            return
        if all(pending.end is None for pending in self._pending.values()):
            self._timeline.mend(free=True)
        counts = {m: self._count(m, p, final, upto_ms) for m, p in self._pending.items()}
        begun = {m: self._timeline.at(m, p.clocks[0]) for m, p in self._pending.items() if counts[m]}
        if not begun:
            return
        starts = {m: self._starts(m, self._pending[m], counts[m]) for m in begun}
        self._timeline.mend()
        runs = [(m, self._samples(m, self._pending[m], starts[m], final)) for m in Media if m in begun]
        try:
            self._write(runs)
        except OSError as exc:
            log.error("%s: a second is lost: %s", self.name, exc)
            self._gap_of(runs)
        for media, _ in runs:
            self._pending[media].drop(counts[media])
            self._pending[media].broken_at = None

    def _unwritable(self, exc: OSError) -> None:
        """Not even the head can be written: do not let frames pile up in memory meanwhile."""
        for media, pending in self._pending.items():
            if len(pending.clocks) > MOST_WAITING:
                log.error("%s: %s is lost: %s", self.name, media.value, exc)
                start, end = (self._timeline.at_ms(media, pending.clocks[at]) for at in (0, -1))
                self._keeper.gap(
                    track=self.name, media=media.value, reason="disk_full", t0=int(start), duration=int(end - start)
                )
                pending.drop(len(pending.clocks))

    def _gap_of(self, runs: list[tuple[Media, list[Sample]]]) -> None:
        for media, samples in runs:
            start = samples[0].at * 1000 // RATE[media]
            end = (samples[-1].at + samples[-1].duration) * 1000 // RATE[media]
            self._keeper.gap(
                track=self.name, media=media.value, reason="disk_full", t0=start, duration=end - start,
                frames=len(samples),
            )  # fmt: skip

    def _count(self, media: Media, pending: _Pending, final: bool, upto_ms: float | None) -> int:
        if upto_ms is not None:
            if media is Media.VIDEO:
                return len(pending.clocks)
            at_ms = self._timeline.at_ms
            late = sum(1 for clock in pending.clocks if at_ms(media, clock) >= upto_ms)
            return len(pending.clocks) - max(late, 1) if pending.clocks else 0
        return len(pending.clocks) if final else max(0, len(pending.clocks) - 1)

    def _starts(self, media: Media, pending: _Pending, count: int) -> list[int]:
        starts = [self._timeline.at(media, clock) for clock in pending.clocks[:count]]
        joins = pending.end is not None and pending.broken_at != 0
        if joins and starts[0] - (pending.end or 0) < JOIN_MS * RATE[media] // 1000:
            starts[0] = pending.end or 0  # the tie was mended in between
        for index in range(1, count):
            starts[index] = max(starts[index], starts[index - 1] + 1)
        return starts

    def _samples(self, media: Media, pending: _Pending, starts: list[int], final: bool) -> list[Sample]:
        count = len(starts)
        follows = self._after(media, pending, count)
        ends = [*starts[1:], follows if follows is not None else starts[-1] + self._usual(media, pending)]
        samples = []
        for index in range(count):
            duration = max(1, ends[index] - starts[index])
            if pending.broken_at == index + 1:
                duration = min(duration, self._usual(media, pending))
            else:
                pending.last_duration = duration
            samples.append(Sample(starts[index], duration, pending.bodies[index], pending.keys[index]))
        pending.end = samples[-1].at + samples[-1].duration
        return samples

    def _after(self, media: Media, pending: _Pending, count: int) -> int | None:
        """Where the frame after the fragment stands, by the tie as just mended."""
        if count < len(pending.clocks):
            return self._timeline.at(media, pending.clocks[count])
        if media is Media.VIDEO and self._next_picture is not None:
            return self._timeline.at(media, self._next_picture)
        return None

    def _usual(self, media: Media, pending: _Pending) -> int:
        if media is Media.AUDIO and pending.bodies:
            return opus_ticks(pending.bodies[-1])
        return pending.last_duration or NOMINAL[media]

    def _cut_at(self, clock: int) -> None:
        """A key picture has come: cut before it when the segment is long enough."""
        at_ms = self._timeline.at_ms(Media.VIDEO, clock)
        if self._open is None or at_ms - self._open.start_ms < ASK_KEY_MS - 350:
            return
        self._next_picture = clock
        self._flush(upto_ms=at_ms)
        self._next_picture = None
        self._finish()

    def _write(self, runs: list[tuple[Media, list[Sample]]]) -> None:
        starts_ms = min(samples[0].at * 1000 / RATE[media] for media, samples in runs)
        ends_ms = max((s[-1].at + s[-1].duration) * 1000 / RATE[media] for media, s in runs)
        if self._open is None:
            self._begin(starts_ms)
        assert self._open is not None
        current = self._open
        head = fmp4.SEGMENT_TYPE if not current.fragments else b""
        current.part.write(head + fmp4.fragment(current.seq * 100 + current.fragments, runs))
        current.fragments += 1
        current.ends_ms = max(current.ends_ms, ends_ms)
        current.start_ms = min(current.start_ms, starts_ms)
        for media, samples in runs:
            current.frames[media.value] = current.frames.get(media.value, 0) + len(samples)

    def _begin(self, starts_ms: float) -> None:
        part = self._keeper.part(self.name, f"{self.seq + 1:06}.m4s")
        self.seq += 1
        if self._why and self.end_ms is not None:
            self._keeper.gap(
                track=self.name, media="all", reason=self._why, t0=int(self.end_ms),
                duration=max(0, int(starts_ms - self.end_ms)),
            )  # fmt: skip
        self._why = ""
        self._open = _Open(part, self.seq, starts_ms)

    def _finish(self) -> None:
        if self._open is None:
            return
        current, self._open = self._open, None
        if not current.fragments:  # the disk took nothing of it
            current.part.drop()
            self.seq -= 1
            return
        self.end_ms = max(self.end_ms or 0.0, current.ends_ms)
        self._keeper.keep_segment(
            current.part, track=self.name, seq=current.seq, t0=int(current.start_ms),
            duration=int(current.ends_ms) - int(current.start_ms), frames=current.frames,
        )  # fmt: skip


def opus_ticks(packet: bytes) -> int:
    """How long an Opus packet sounds, in ticks of 48 kHz (RFC 6716 3.1)."""
    code = packet[0] & 3
    frames = 1 if code == 0 else 2 if code < 3 else (packet[1] & 0x3F if len(packet) > 1 else 1)
    return int(OPUS_MS[packet[0] >> 3] * 48) * max(1, frames)
