"""上传: from the spool into the object store, at once, and again until the store confirms.

A file is deleted here only after the store has told its size (and its digest, where it knows it) back.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

from evaluation.recorder.spool import Kept

log = logging.getLogger(__name__)
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
AT_ONCE = 4
ALARM_BYTES = 512 * 1024 * 1024


class Store(Protocol):
    """What is asked of the object store (`storage.objects`)."""

    def put(self, key: str, content: Any, /) -> Any: ...
    def stat(self, key: str, /) -> Any: ...
    def open(self, key: str, /) -> BinaryIO: ...


class NotConfirmed(Exception):
    """The store took the bytes but does not tell the same size back."""


@dataclass(frozen=True)
class Upload:
    key: str
    kept: Kept
    done: Callable[[], None]


class Uploads:
    """A few uploads at a time, each retried for ever with a growing pause."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.backlog_bytes = 0
        self.failures = 0
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="upload")
        self._waiting: asyncio.Queue[Upload] = asyncio.Queue()
        self._workers: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._workers = [asyncio.create_task(self._work()) for _ in range(AT_ONCE)]

    async def stop(self) -> None:
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    @property
    def alarm(self) -> bool:
        """So much waits here that someone must look at the store."""
        return self.backlog_bytes > ALARM_BYTES

    def add(self, key: str, kept: Kept, done: Callable[[], None]) -> None:
        self.backlog_bytes += kept.size
        self._waiting.put_nowait(Upload(key, kept, done))

    async def put(self, key: str, content: bytes) -> None:
        """A small object that may be written again (a playlist, a manifest): until it is there."""
        await self._until_done(lambda: self._put(key, content), key)

    async def _work(self) -> None:
        while True:
            upload = await self._waiting.get()
            await self._until_done(lambda upload=upload: self._send(upload), upload.key)  # type: ignore[misc]
            self.backlog_bytes -= upload.kept.size
            upload.done()

    async def _until_done(self, act: Callable[[], None], key: str) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                await asyncio.get_running_loop().run_in_executor(self._threads, act)
                return
            except Exception as exc:  # whatever the store says: the bytes stay here and are sent again
                self.failures += 1
                log.warning("store did not take %s: %s", key, exc)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    def _put(self, key: str, content: bytes) -> None:
        self.store.put(key, content)

    def _send(self, upload: Upload) -> None:
        content = upload.kept.path.read_bytes()
        if hashlib.sha256(content).hexdigest() != upload.kept.sha256:
            log.error("%s was changed on the local disk", upload.kept.path)
        self.store.put(upload.key, content)
        told = self.store.stat(upload.key)
        if told is None or told.size != upload.kept.size:
            raise NotConfirmed(upload.key)
        if getattr(told, "sha256", None) not in (None, "", upload.kept.sha256):
            raise NotConfirmed(upload.key)
        upload.kept.path.unlink(missing_ok=True)
