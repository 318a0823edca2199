"""What the recorder asks of a media engine, so that another one can stand in for ours.

An engine speaks WebRTC to a browser: it takes an offer, gives an answer, and from then on hands over whole
encoded frames, or sends them. It knows no session, no file and no rule. `evaluation.recorder.rtc` is ours
(aiortc); a gateway to MediaMTX, Janus or LiveKit would offer the same two methods.
"""

from collections.abc import Callable
from typing import Protocol

from evaluation.recorder.fmp4 import Media
from evaluation.recorder.reorder import Frame


class BadOffer(ValueError):
    """The offer is no SDP, or nothing in it can be taken."""


class Sink(Protocol):
    """Where the frames of one sender go. All calls come in the event loop; none may block."""

    def began(self, media: frozenset[Media], ask_key: Callable[[], None]) -> None:
        """The offer was taken; `ask_key` asks the sender for a key picture."""

    def take(self, frame: Frame) -> None: ...

    def lost(self, media: Media, packets: int) -> None:
        """Packets were given up between the frame before and the frame to come."""

    def reported(self, media: Media, sender_ms: float, stamp: int) -> None:
        """The sender says which RTP time his clock showed when (RTCP SR)."""

    def ended(self, reason: str) -> None:
        """Nothing will come any more. Called once."""


class Outlet(Protocol):
    """Frames on their way to one viewer."""

    def push(self, frame: Frame) -> None: ...


class Source(Protocol):
    """A track that can be watched."""

    media: frozenset[Media]

    def attach(self, outlet: Outlet) -> None: ...
    def detach(self, outlet: Outlet) -> None: ...
    def ask_key(self) -> None: ...


class Connection(Protocol):
    """One WebRTC connection with a browser."""

    answer: str  # SDP

    async def close(self) -> None: ...


class MediaEngine(Protocol):
    async def receive(self, offer: str, sink: Sink) -> Connection:
        """Take what a browser sends. Raises BadOffer."""

    async def send(self, offer: str, source: Source, ended: Callable[[], None]) -> Connection:
        """Send a track to a browser, as it was received. Raises BadOffer."""

    async def close(self) -> None: ...
