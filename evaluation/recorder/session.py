"""评标会录制: one session being recorded, from its opening to the confirmed archive.

The session's state decides when recording runs, no button does. Whoever is admitted is recorded from his
first frame; whoever joins twice replaces himself, and the seam is a gap in the record.
"""

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ca import canonical
from evaluation import evidence
from evaluation.evidence import Chain, Kind, Signer
from evaluation.recorder.archived import Closed
from evaluation.recorder.engine import Connection, MediaEngine
from evaluation.recorder.fmp4 import Media
from evaluation.recorder.pieces import Pieces, file_of, key_of
from evaluation.recorder.playlist import Entry, playlist
from evaluation.recorder.recovery import TakenUp, take_up
from evaluation.recorder.relay import Relay
from evaluation.recorder.reorder import Frame
from evaluation.recorder.scribe import Entered, Scribe
from evaluation.recorder.spool import Kept, SessionSpool
from evaluation.recorder.track import Track
from evaluation.recorder.uploads import Uploads
from storage import clock

log = logging.getLogger(__name__)
CHECKPOINT_MS = 60_000
PIECE_MS = 2_000


@dataclass
class _Stand:
    """A participant's place: his track, those who watch it, his connection if he is there."""

    track: Track
    relay: Relay
    connection: Connection | None = None
    publication: "Publication | None" = None  # whose frames are taken; an earlier one's are not
    entering: asyncio.Lock = field(default_factory=asyncio.Lock)
    entries: list[Entry] = field(default_factory=list)
    init: str = ""


class Publication:
    """The sink of one sender: to the track, and on to the viewers."""

    def __init__(self, session: "Session", stand: _Stand, why: str, ended: Callable[[], None]) -> None:
        self._session = session
        self._stand = stand
        self._why = why
        self._then = ended

    @property
    def _current(self) -> bool:
        return self._stand.publication is self

    def began(self, media: frozenset[Media], ask_key: Callable[[], None]) -> None:
        if not self._session.is_open:
            return  # it was closed while the offer was being answered
        self._stand.publication = self
        self._stand.track.joined(media, ask_key, why=self._why)
        self._stand.relay.begin(media, ask_key)

    def take(self, frame: Frame) -> None:
        if self._current:
            self._stand.relay.push(frame)
            self._stand.track.take(frame, self._session.at_ms(frame.arrived_ms))

    def lost(self, media: Media, packets: int) -> None:
        if self._current:
            self._stand.track.lost(media, packets, self._session.now_ms())

    def reported(self, media: Media, sender_ms: float, stamp: int) -> None:
        if self._current:
            self._stand.track.reported(media, sender_ms, stamp)

    def ended(self, reason: str) -> None:
        self._then()
        if self._current:
            self._stand.relay.end()
            self._stand.track.left()
            self._stand.connection = None
            log.info("session %s: %s %s", self._session.name, self._stand.track.name, reason)


def steady_zero(zero_ms: int) -> float:
    """The session's zero on the machine's steady clock."""
    return time.monotonic() * 1000 - (clock.now().timestamp() * 1000 - zero_ms)


def event_digest(at: int, what: str, facts: dict[str, Any]) -> bytes:
    """What makes a business event that event."""
    return hashlib.sha256(canonical.encode([at, what, facts])).digest()


class Session:
    """One evaluation session in the recorder."""

    def __init__(
        self, name: str, zero_ms: int, *, spool: SessionSpool, uploads: Uploads, engine: MediaEngine,
        signer: Signer, threads: ThreadPoolExecutor, retain_until: datetime | None = None,
    ) -> None:  # fmt: skip
        self.name = name
        self.zero_ms = zero_ms
        self.chain = Chain(name, signer)
        self.archived = asyncio.Event()
        self._spool = spool
        self._uploads = uploads
        self._engine = engine
        self._stands: dict[str, _Stand] = {}
        self._scribe = Scribe(self.chain, spool, threads, self._told)
        self._steady_zero_ms = steady_zero(zero_ms)
        self._events: dict[bytes, asyncio.Future[int]] = {}
        self._checked_ms = 0.0
        self._open_uploads = 0
        self._viewers: set[Connection | None] = set()
        self._retain_until = retain_until
        self._pieces = Pieces()
        self._laying: asyncio.Task[None] | None = None
        self._laid_ms = 0.0
        self._finishing: asyncio.Task[None] | None = None
        self._closing = False
        self._resumed = False

    @property
    def is_open(self) -> bool:
        return not self._closing

    # --- time ---

    def now_ms(self) -> float:
        """Milliseconds since the opening."""
        return self.at_ms(time.monotonic() * 1000)

    def at_ms(self, steady_ms: float) -> float:
        return max(0.0, steady_ms - self._steady_zero_ms)

    # --- opening, also after a crash ---

    async def open(self, participants: list[str]) -> None:
        """Begin the chain, or go on with the one that lies in the spool (or, this machine being new, in the store)."""
        before = await asyncio.to_thread(take_up, self.chain, self._spool, self._uploads.store)
        self._go_on(before)
        self._scribe.start()
        if not before.lines:
            await self._scribe.note(Kind.OPENED, at=0, zero=self.zero_ms, participants=participants)
        elif self.chain.closed:
            self._closing = True
            self._finishing = asyncio.create_task(self._archive())
        else:
            self._resumed = True
            await self._scribe.note(Kind.RESUMED, at=int(self.now_ms()), reason="recorder_restarted")

    def _go_on(self, before: TakenUp) -> None:
        here = {kept.name for kept in before.here}
        for n, (item, line) in enumerate(zip(before.items, before.lines, strict=True)):
            kind, name = Kind(item["kind"]), item.get("name", "")
            if n >= before.laid:
                self._pieces.add(n, line, name if name in here else "")
            if kind is Kind.OPENED:
                self.zero_ms = item["zero"]
                self._steady_zero_ms = steady_zero(self.zero_ms)
            elif kind is Kind.EVENT:
                told: asyncio.Future[int] = asyncio.get_running_loop().create_future()
                told.set_result(n)
                self._events[event_digest(item["at"], item["what"], item["facts"])] = told
            elif name:
                stand = self._stand(item["track"])
                self._enter(stand, kind, item)
                if kind is Kind.SEGMENT:
                    stand.track.seq = item["seq"]
                    stand.track.end_ms = max(stand.track.end_ms or 0, item["t0"] + item["duration"])
        for kept in before.here:
            self._send(kept)

    # --- participants ---

    def _stand(self, track: str) -> _Stand:
        if track not in self._stands:
            self._stands[track] = _Stand(Track(track, self._scribe), Relay(lambda: time.monotonic() * 1000))
        return self._stands[track]

    async def publish(
        self, participant: str, source: str, offer: str, ended: Callable[[], None] = lambda: None
    ) -> Connection:
        """Record what this participant sends. An earlier connection of his for the same source ends once this one
        stands: a bad offer throws nobody out. Raises BadOffer, Closed."""
        assert not self._closing
        stand = self._stand(f"{participant}.{source}")
        async with stand.entering:
            before = stand.connection
            why = "replaced" if before is not None else "rejoined"
            if self._resumed and stand.track.end_ms is not None and stand.publication is None:
                why = "recorder_restarted"
            connection = await self._engine.receive(offer, Publication(self, stand, why, ended))
            if self._closing:
                await connection.close()
                raise Closed
            stand.connection = connection
            if before is not None:
                await before.close()
        return connection

    async def play(self, name: str, offer: str, ended: Callable[[], None]) -> Connection | None:
        """Let someone watch a track, or a participant's camera. None: nobody sends there now."""
        stand = self._stands.get(name) or self._stands.get(f"{name}.camera")
        if stand is None or not stand.relay.live:
            return None
        connection: Connection | None = None

        def gone() -> None:
            self._viewers.discard(connection)
            ended()

        connection = await self._engine.send(offer, stand.relay, gone)
        self._viewers.add(connection)
        return connection

    # --- the record ---

    async def events(self, events: list[dict[str, Any]]) -> list[int]:
        """Add business events to the chain; returns their places once they are durable.

        An event told again – the same moment, kind and facts – stands where it stood: telling twice is safe.
        """
        told = []
        for event in events:
            at, what, facts = event["at_ms"], event["kind"], event["facts"]
            digest = event_digest(at, what, facts)
            if digest not in self._events and self._closing:
                raise Closed
            if digest not in self._events:
                self._events[digest] = self._scribe.note(Kind.EVENT, at=at, what=what, facts=facts)
            told.append(self._events[digest])
        return list(await asyncio.gather(*told))

    def tick(self) -> None:
        """Called many times a second: what is due in tracks, and the signed checkpoint each minute."""
        if self._closing:
            return
        now_ms = self.now_ms()
        for stand in self._stands.values():
            stand.track.tick(now_ms)
        self._lay_later(now_ms)
        if now_ms - self._checked_ms >= CHECKPOINT_MS:
            self._checked_ms = now_ms
            self._scribe.note(Kind.CHECKPOINT, at=int(now_ms))

    def _told(self, entered: Entered) -> None:
        self._pieces.add(entered.place, entered.line, entered.kept.name if entered.kept else "")
        if entered.kept is not None:
            self._enter(self._stand(entered.facts["track"]), entered.kind, entered.facts)
            self._send(entered.kept)

    def _enter(self, stand: _Stand, kind: Kind, facts: dict[str, Any]) -> None:
        if kind is Kind.INIT:
            stand.init = file_of(facts)
        else:
            stand.entries.append(Entry(file_of(facts), stand.init, facts["t0"], facts["duration"]))

    # --- into the store ---

    def _send(self, kept: Kept) -> None:
        self._open_uploads += 1
        key = key_of(self.name, kept.name)
        self._uploads.add(key, kept, lambda: self._sent(kept), retain_until=self._retain_until)

    def _sent(self, kept: Kept) -> None:
        self._open_uploads -= 1
        self._pieces.confirm(kept.name)

    def _lay_later(self, now_ms: float) -> None:
        """Lay down a piece of the chain every two seconds, one at a time."""
        if now_ms - self._laid_ms >= PIECE_MS and (self._laying is None or self._laying.done()):
            self._laid_ms = now_ms
            self._laying = asyncio.create_task(self._lay())

    async def _lay(self) -> None:
        piece = self._pieces.take()
        if piece is not None:
            name, content = piece
            await self._uploads.put(key_of(self.name, name), content)
            await asyncio.to_thread(self._spool.laid, int(name[-12:-6]) + 1)

    # --- closing ---

    async def close(self) -> None:
        """End every connection, write the signed closing record. Safe to repeat."""
        if not self._closing:
            self._closing = True
            for stand in self._stands.values():
                if stand.connection is not None:
                    await stand.connection.close()
                stand.track.left()
            await asyncio.gather(*(viewer.close() for viewer in list(self._viewers) if viewer is not None))
            await self._scribe.note(Kind.CLOSED, at=int(self.now_ms()))
            self._finishing = asyncio.create_task(self._archive())

    async def _archive(self) -> None:
        """When the store has everything: playlists, manifest; then nothing is left here."""
        while self._open_uploads:
            await asyncio.sleep(0.05)
        if self._laying is not None:
            await self._laying
        await self._lay()
        for track, stand in self._stands.items():
            if stand.entries:
                await self._put(f"{track}/index.m3u8", playlist(stand.entries, self.zero_ms, closed=True))
        lines = await asyncio.to_thread(self._spool.lines)
        await self._put("manifest.json", json.dumps(evidence.manifest(self.name, lines)))
        await self._scribe.stop()
        await asyncio.to_thread(self._spool.remove)
        self.archived.set()

    async def _put(self, name: str, text: str) -> None:
        await self._uploads.put(key_of(self.name, name), text.encode(), retain_until=self._retain_until)

    async def stop(self) -> None:
        """The process ends, the session does not: write out what is there, so that it can be resumed."""
        for stand in self._stands.values():
            if stand.connection is not None:
                await stand.connection.close()
        for task in (self._finishing, self._laying):
            if task is not None:
                task.cancel()
        await self._scribe.stop()

    def standing(self) -> dict[str, Any]:
        """What the app shows of it."""
        return {
            "session": self.name,
            "state": "archived" if self.archived.is_set() else "closing" if self._closing else "open",
            "now_ms": int(self.now_ms()),
            "items": self.chain.size,
            "tracks": [
                {
                    "name": track, "live": stand.relay.live, "viewers": stand.relay.viewers,
                    "segments": len(stand.entries), "end_ms": int(stand.track.end_ms or 0),
                }
                for track, stand in sorted(self._stands.items())
            ],
        }  # fmt: skip
