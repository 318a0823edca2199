"""评标会录制: one session being recorded, from its opening to the confirmed archive.

The session's state decides when recording runs, no button does. Whoever is admitted is recorded from his
first frame; whoever joins twice replaces himself, and the seam is a gap in the record.
"""

import asyncio
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
from evaluation.recorder.engine import Connection, MediaEngine
from evaluation.recorder.fmp4 import Malformed, Media, read_segment
from evaluation.recorder.pieces import Pieces, file_of, key_of
from evaluation.recorder.playlist import Entry, playlist
from evaluation.recorder.relay import Relay
from evaluation.recorder.reorder import Frame
from evaluation.recorder.scribe import Entered, Scribe
from evaluation.recorder.spool import SEGMENT, Kept, SessionSpool
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
    connection_id: str = ""
    entries: list[Entry] = field(default_factory=list)
    init: str = ""


class Publication:
    """The sink of one sender: to the track, and on to the viewers."""

    def __init__(self, session: "Session", stand: _Stand, why: str) -> None:
        self._session = session
        self._stand = stand
        self._why = why
        self._over = False

    def began(self, media: frozenset[Media], ask_key: Callable[[], None]) -> None:
        self._stand.track.joined(media, ask_key, why=self._why)
        self._stand.relay.begin(media, ask_key)

    def take(self, frame: Frame) -> None:
        if not self._over:
            self._stand.relay.push(frame)
            self._stand.track.take(frame, self._session.at_ms(frame.arrived_ms))

    def lost(self, media: Media, packets: int) -> None:
        if not self._over:
            self._stand.track.lost(media, packets, self._session.now_ms())

    def reported(self, media: Media, sender_ms: float, stamp: int) -> None:
        if not self._over:
            self._stand.track.reported(media, sender_ms, stamp)

    def ended(self, reason: str) -> None:
        if not self._over:
            self._over = True
            self._stand.relay.end()
            self._stand.track.left()
            self._stand.connection = None
            log.info("session %s: %s %s", self._session.name, self._stand.track.name, reason)


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
        self._steady_zero_ms = time.monotonic() * 1000 - (clock.now().timestamp() * 1000 - zero_ms)
        self._checked_ms = 0.0
        self._open_uploads = 0
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
        """Begin the chain, or go on with the one that lies in the spool."""
        lines = await asyncio.to_thread(self._recover)
        self._scribe.start()
        if not lines:
            await self._scribe.note(Kind.OPENED, at=0, zero=self.zero_ms, participants=participants)
        elif self.chain.closed:
            self._closing = True
            self._finishing = asyncio.create_task(self._archive())
        else:
            self._resumed = True
            await self._scribe.note(Kind.RESUMED, at=int(self.now_ms()), reason="recorder_restarted")

    def _recover(self) -> int:
        """Take up the chain; add files that a crash left out of it; send again what is still here."""
        self._spool.begin()
        lines = self._spool.lines()
        taken = self.chain.restore(lines)
        if taken < len(lines):
            log.error("session %s: chain file is damaged after item %d", self.name, taken)
        self._spool.cut_chain(taken)
        mended = set(self._spool.mend())
        items = [canonical.decode(line) for line in lines[:taken]]
        laid = self._spool.lines_laid()
        here = {kept.name for kept in self._spool.files()}
        for item, line in zip(items, lines, strict=False):
            if item["n"] >= laid:
                name = item.get("name", "")
                self._pieces.add(item["n"], line, name if name in here else "")
            if item["kind"] == Kind.OPENED:
                self.zero_ms = item["zero"]
                self._steady_zero_ms = time.monotonic() * 1000 - (clock.now().timestamp() * 1000 - self.zero_ms)
            self._take_up(item)
        known = {item.get("name") for item in items}
        for kept in self._spool.files():
            if kept.name not in known:
                self._add_found(kept, mended=kept.name in mended)
            self._send(kept)
        return taken

    def _take_up(self, item: dict[str, Any]) -> None:
        if item["kind"] in (Kind.INIT, Kind.SEGMENT):
            stand = self._stand(item["track"])
            self._enter(stand, Kind(item["kind"]), item)
            if item["kind"] == Kind.SEGMENT:
                stand.track.seq = item["seq"]
                stand.track.end_ms = max(stand.track.end_ms or 0, item["t0"] + item["duration"])

    def _add_found(self, kept: Kept, *, mended: bool) -> None:
        """A file that was finished, or could be mended, but did not reach the chain before the crash."""
        track, file = kept.name.split("/")
        facts: dict[str, Any] = {"track": track, "name": kept.name, "bytes": kept.size, "sha256": kept.sha256}
        kind = Kind.INIT
        if match := SEGMENT.fullmatch(file):
            kind = Kind.SEGMENT
            try:
                contents = read_segment(kept.path.read_bytes())
            except Malformed:
                log.error("session %s: %s is no segment", self.name, kept.name)
                return
            frames = {media.value: len(samples) for media, samples in contents.samples.items()}
            facts |= {
                "seq": int(match.group(1)), "t0": contents.starts_ms, "frames": frames,
                "duration": contents.ends_ms - contents.starts_ms, "found": "broken_off" if mended else "whole",
            }  # fmt: skip
        else:
            facts |= {"seq": int(file[5:11]), "codecs": "avc3.42e01f,opus"}
        line = self.chain.add(kind, **facts)
        self._spool.append([line])
        self._pieces.add(self.chain.size - 1, line, kept.name)
        self._take_up(facts | {"kind": kind})

    # --- participants ---

    def _stand(self, track: str) -> _Stand:
        if track not in self._stands:
            self._stands[track] = _Stand(Track(track, self._scribe), Relay(lambda: time.monotonic() * 1000))
        return self._stands[track]

    async def publish(self, participant: str, source: str, offer: str, connection_id: str) -> Connection:
        """Record what this participant sends; an earlier connection of his for the same source ends."""
        assert not self._closing
        stand = self._stand(f"{participant}.{source}")
        before, why = stand.connection, "rejoined"
        if before is not None:
            why = "replaced"
            await before.close()
        if self._resumed and stand.track.end_ms is not None and not stand.connection_id:
            why = "recorder_restarted"
        stand.connection_id = connection_id
        stand.connection = await self._engine.receive(offer, Publication(self, stand, why))
        return stand.connection

    async def play(self, name: str, offer: str, ended: Callable[[], None]) -> Connection | None:
        """Let someone watch a track, or a participant's camera. None: nobody sends there now."""
        stand = self._stands.get(name) or self._stands.get(f"{name}.camera")
        if stand is None or not stand.relay.live:
            return None
        return await self._engine.send(offer, stand.relay, ended)

    # --- the record ---

    async def events(self, events: list[dict[str, Any]]) -> list[int]:
        """Add business events to the chain; returns their places once they are durable."""
        told = [
            self._scribe.note(Kind.EVENT, at=event["at_ms"], what=event["kind"], facts=event["facts"])
            for event in events
        ]
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
