"""上传: from the spool into the object store, at once, and again until the store confirms.

A file is deleted here only after the store has told its size (and its digest, where it knows it) back.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from evaluation.recorder.spool import Kept
from storage.objects import KeyTaken, Store

log = logging.getLogger(__name__)
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
AT_ONCE = 4
ALARM_BYTES = 512 * 1024 * 1024
MEDIA_TYPES = {
    "m4s": "video/iso.segment", "mp4": "video/mp4", "m3u8": "application/vnd.apple.mpegurl",
    "json": "application/json", "jsonl": "application/jsonl",
}  # fmt: skip


class NotConfirmed(Exception):
    """The store has other bytes under this name than we have here."""


@dataclass(frozen=True)
class Upload:
    key: str
    kept: Kept
    retain_until: datetime | None
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

    def add(self, key: str, kept: Kept, done: Callable[[], None], *, retain_until: datetime | None = None) -> None:
        """Send a file of the spool; `done` is called when the store has confirmed it and it is gone from here."""
        self.backlog_bytes += kept.size
        self._waiting.put_nowait(Upload(key, kept, retain_until, done))

    async def put(self, key: str, content: bytes, *, retain_until: datetime | None = None) -> None:
        """A small object made here (a playlist, a manifest, a piece of the chain): until it is there."""
        await self._until_done(lambda: self._put(key, content, retain_until), key)

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

    def _put(self, key: str, content: bytes, retain_until: datetime | None) -> None:
        media_type = MEDIA_TYPES.get(key.rsplit(".", 1)[-1], "application/octet-stream")
        with suppress(KeyTaken):  # sent before we were killed: the comparison tells
            self.store.put(key, content, media_type=media_type, retain_until=retain_until)
        told = self.store.stat(key)
        if told.bytes != len(content) or told.sha256 != hashlib.sha256(content).hexdigest():
            raise NotConfirmed(key)

    def _send(self, upload: Upload) -> None:
        content = upload.kept.path.read_bytes()
        if hashlib.sha256(content).hexdigest() != upload.kept.sha256:
            log.error("%s was changed on the local disk", upload.kept.path)
        self._put(upload.key, content, upload.retain_until)
        upload.kept.path.unlink(missing_ok=True)
