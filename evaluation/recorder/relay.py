"""转发: what comes from one participant goes on to those who watch him, as it is."""

from collections.abc import Callable

from evaluation.recorder.engine import Outlet
from evaluation.recorder.fmp4 import Media
from evaluation.recorder.reorder import Frame

KEY_PAUSE_MS = 500


class Relay:
    """A track that can be watched, whoever sends it at the moment."""

    def __init__(self, clock_ms: Callable[[], float]) -> None:
        self.media: frozenset[Media] = frozenset()
        self._clock_ms = clock_ms
        self._outlets: set[Outlet] = set()
        self._ask: Callable[[], None] | None = None
        self._asked_ms = -1e9

    @property
    def live(self) -> bool:
        return self._ask is not None

    @property
    def viewers(self) -> int:
        return len(self._outlets)

    def begin(self, media: frozenset[Media], ask: Callable[[], None]) -> None:
        self.media, self._ask = media, ask
        self._asked_ms = -1e9

    def end(self) -> None:
        self._ask = None

    def push(self, frame: Frame) -> None:
        for outlet in self._outlets:
            outlet.push(frame)

    def attach(self, outlet: Outlet) -> None:
        self._outlets.add(outlet)
        self.ask_key()

    def detach(self, outlet: Outlet) -> None:
        self._outlets.discard(outlet)

    def ask_key(self) -> None:
        """Pass a viewer's wish for a key picture to the sender, twice a second at most."""
        now = self._clock_ms()
        if self._ask is not None and now - self._asked_ms >= KEY_PAUSE_MS:
            self._asked_ms = now
            self._ask()
