"""录制进程: `gongheng recorder` – one asyncio process, signalling on 127.0.0.1, media over UDP.

It is told by the app which sessions are open, and asks again whenever it starts. Killed at any moment it
comes back with what was on the disk, goes on with the same chain, and says in it that it was away.
"""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web

from ca import canonical
from evaluation.evidence import Signer
from evaluation.recorder import rtc
from evaluation.recorder.archived import Archived, find_archived
from evaluation.recorder.session import Session
from evaluation.recorder.signalling import Signalling
from evaluation.recorder.spool import Spool
from evaluation.recorder.tickets import Authorise
from evaluation.recorder.uploads import Uploads
from storage.objects import Store

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OpenSession:
    """A session that the app says is open."""

    name: str
    zero_ms: int
    participants: tuple[str, ...]


@dataclass(frozen=True)
class Settings:
    """All that the recorder must be told. Nothing is read from the environment here."""

    spool: Path
    store: Store
    authorise: Authorise
    signer: Signer
    app_bearer: str
    host: str = "127.0.0.1"
    port: int = 8766
    origins: tuple[str, ...] = ()
    loopback: bool = False  # everything on one machine: offer 127.0.0.1 to browsers
    addresses: tuple[str, ...] = ()  # offered to browsers instead of all the machine has
    retained: timedelta | None = None  # how long a recording is kept under lock, from its opening
    open_sessions: Callable[[], Iterable[OpenSession]] = field(default=lambda: ())


class RecorderProcess:
    """The sessions of this node, and what they share: engine, uploads, disk threads."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.sessions: dict[str, Session] = {}
        self.engine = rtc.Aiortc()
        self.uploads = Uploads(settings.store)
        self._spool = Spool(settings.spool)
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="disk")
        self._runner: web.AppRunner | None = None
        self._beginning = asyncio.Lock()
        self.port = settings.port
        self.doors = Signalling(
            self, authorise=settings.authorise, app_bearer=settings.app_bearer, origins=settings.origins
        )

    async def start(self) -> None:
        if self.settings.loopback or self.settings.addresses:
            rtc.listen_on(*(["127.0.0.1"] if self.settings.loopback else []), *self.settings.addresses)
        self.uploads.start()
        self.engine.on_tick = self._tick
        self.engine.start()
        await self._take_up()
        self._runner = web.AppRunner(self.doors.app(), access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.settings.host, self.settings.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _take_up(self) -> None:
        """What lies in the spool, and what the app says is open; a session that ended meanwhile is closed."""
        told = {one.name: one for one in await asyncio.to_thread(lambda: list(self.settings.open_sessions()))}
        for name in self._spool.sessions():
            opened = canonical.decode(self._spool.of(name).lines()[0])
            await self.begin(name, opened["zero"], list(opened["participants"]))
        for one in told.values():
            await self.begin(one.name, one.zero_ms, list(one.participants))

    def runs(self, name: str) -> bool:
        """Whether this session is being recorded (or closed) here."""
        return name in self.sessions

    async def find(self, name: str) -> Session | Archived | None:
        """A session that runs here, or one that is archived."""
        running = self.sessions.get(name)
        return running or await asyncio.to_thread(find_archived, self.settings.store, name)

    async def begin(self, name: str, zero_ms: int, participants: list[str]) -> Session | Archived:
        """Begin a session, or go on with it; one that is archived stays so."""
        async with self._beginning:
            found = self.sessions.get(name) or await self._archived(name)
            if found is not None:
                return found
            opened = datetime.fromtimestamp(zero_ms / 1000, UTC)
            session = Session(
                name, zero_ms, spool=self._spool.of(name), uploads=self.uploads, engine=self.engine,
                signer=self.settings.signer, threads=self._threads,
                retain_until=opened + self.settings.retained if self.settings.retained else None,
            )  # fmt: skip
            await session.open(participants)
            self.sessions[name] = session
            return session

    async def _archived(self, name: str) -> Archived | None:
        """An archived session, as far as the store answers: when it is away, recording begins all the same."""
        if self._spool.of(name).chain_file.exists():
            return None
        try:
            return await asyncio.to_thread(find_archived, self.settings.store, name)
        except Exception as exc:  # whatever a store away from home says
            log.error("the store does not answer whether session %s is archived: %s", name, exc)
            return None

    def _tick(self) -> None:
        for name, session in list(self.sessions.items()):
            if session.archived.is_set():
                del self.sessions[name]
                continue
            try:
                session.tick()
            except Exception:  # one session's fault is not the others'
                log.exception("session %s: a tick failed", name)

    def health(self) -> dict[str, Any]:
        return {
            "sessions": sum(1 for session in self.sessions.values() if session.is_open),
            "backlog_bytes": self.uploads.backlog_bytes,
            "upload_failures": self.uploads.failures,
            "alarm": self.uploads.alarm,
        }

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        for session in self.sessions.values():
            await session.stop()
        await self.engine.close()
        await self.uploads.stop()
        self._threads.shutdown(wait=True)


async def serve(settings: Settings, ready: Callable[[int], None] = lambda port: None) -> None:
    """Run until SIGTERM or SIGINT; `ready` is called with the port once the doors are open."""
    process = RecorderProcess(settings)
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, over.set)
    await process.start()
    ready(process.port)
    try:
        await over.wait()
    finally:
        await process.stop()


def run(settings: Settings, ready: Callable[[int], None] = lambda port: None) -> None:
    """`gongheng recorder`."""
    asyncio.run(serve(settings, ready))
