"""会话时钟: where on the one clock of a session a frame belongs.

Zero is the opening of the session; everything else – frames, check-in, scores, votes – is milliseconds since.
A sender's clock is tied to it by the earliest arrivals (the least delayed packets tell most truly), sound and
picture of one sender to each other by his RTCP sender reports (RFC 3550 6.4.1). Clocks drift: the tie is
mended in steps too small to notice, at the boundaries of chunks.
"""

from collections import deque
from dataclasses import dataclass, field

from evaluation.recorder.fmp4 import RATE, Media

WINDOW_MS = 10_000  # arrivals are remembered for one to two windows
STEP_MS = 8.0  # the most that is mended at one boundary; under half a frame of Opus
FIRST_STEP_MS = 60.0  # once, when the sender reports of both media have come
JUMP_MS = 1_500.0  # beyond this it is no drift: the sender's clock was set, or slept
REPORTS = 8
FAR = 1e12


@dataclass
class Tie:
    """How one RTP clock is tied to the session's."""

    rate: int
    origin: int  # RTP time, unwrapped, that stands at `base`
    base: int  # ticks since zero
    low_ms: float = FAR  # least delay against the tie in this window, and in the one before
    low_before_ms: float = FAR
    window_ends_ms: float = 0.0
    reports: deque[float] = field(default_factory=lambda: deque(maxlen=REPORTS))

    @property
    def report_ms(self) -> float | None:
        """The sender's own wall clock at `origin`: the earliest of his last reports, for he may send late too."""
        return min(self.reports, default=None)

    @property
    def least_ms(self) -> float:
        return min(self.low_ms, self.low_before_ms)

    def moved(self, by_ms: float) -> None:
        ticks = round(by_ms * self.rate / 1000)
        self.base += ticks
        self.low_ms -= ticks * 1000 / self.rate
        self.low_before_ms -= ticks * 1000 / self.rate


class Timeline:
    """The ties of one sender: sound and picture."""

    def __init__(self) -> None:
        self._ties: dict[Media, Tie] = {}
        self._settled = False

    def arrived(self, media: Media, clock: int, now_ms: float) -> bool:
        """Note an arrival. True when the clock jumped and the tie had to be made anew: that is a gap."""
        tie = self._ties.get(media)
        if tie is None:
            self._ties[media] = self._tied(media, clock, now_ms)
            return False
        late_ms = now_ms - (tie.base + clock - tie.origin) * 1000 / tie.rate
        if late_ms < -JUMP_MS or (JUMP_MS < tie.least_ms < FAR / 2 and late_ms > JUMP_MS):
            self._ties[media] = self._tied(media, clock, now_ms)
            self._settled = False
            return True
        tie.low_ms = min(tie.low_ms, late_ms)
        if now_ms > tie.window_ends_ms:
            tie.low_before_ms, tie.low_ms = tie.low_ms, late_ms
            tie.window_ends_ms = now_ms + WINDOW_MS
        return False

    def _tied(self, media: Media, clock: int, now_ms: float) -> Tie:
        base = round(now_ms * RATE[media] / 1000)
        return Tie(RATE[media], clock, base, low_ms=0.0, window_ends_ms=now_ms + WINDOW_MS)

    def reported(self, media: Media, sender_ms: float, stamp: int) -> None:
        """A sender report: at `sender_ms` of the sender's wall clock his RTP clock showed `stamp` (32 bits)."""
        tie = self._ties.get(media)
        if tie is not None:
            delta = (stamp - tie.origin) & 0xFFFF_FFFF
            delta -= 0x1_0000_0000 if delta >= 0x8000_0000 else 0
            tie.reports.append(sender_ms - delta * 1000 / tie.rate)

    def mend(self, *, free: bool = False) -> None:
        """Move the ties towards the truth: a little between two chunks, at once while nothing is written (free)."""
        targets = self._targets()
        both = len(self._ties) > 1 and all(tie.report_ms is not None for tie in self._ties.values())
        forward_ms = FAR if free else FIRST_STEP_MS if both and not self._settled else STEP_MS
        back_ms = FAR if free else STEP_MS  # time must not run back within a track
        for media, by_ms in targets.items():
            self._ties[media].moved(max(-back_ms, min(forward_ms, by_ms)))
        self._settled = self._settled or both

    def _targets(self) -> dict[Media, float]:
        """By how much each tie is off, milliseconds."""
        reports = {media: tie.report_ms for media, tie in self._ties.items() if tie.report_ms is not None}
        if len(reports) < len(self._ties) or len(self._ties) < 2:
            return {media: tie.least_ms for media, tie in self._ties.items() if tie.least_ms < FAR / 2}
        at_ms = {media: tie.base * 1000 / tie.rate for media, tie in self._ties.items()}
        ahead_ms = min(at_ms[m] + min(self._ties[m].least_ms, FAR) - reports[m] for m in reports)
        return {media: reports[media] + ahead_ms - at_ms[media] for media in reports}

    def at(self, media: Media, clock: int) -> int:
        """Ticks since zero of the session."""
        tie = self._ties[media]
        return max(0, tie.base + clock - tie.origin)

    def at_ms(self, media: Media, clock: int) -> float:
        return self.at(media, clock) * 1000 / RATE[media]
