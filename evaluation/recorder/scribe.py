"""书记: keeps one session's chain. What it has told of is on the disk, and only then sent to the store.

Jobs are taken in order and in batches: finish the files, add their items to the chain, bring the chain to
the disk once for all, then upload. So nothing is ever in the chain that is not on the disk, and a file that
is not in the chain (killed in between) is found and added at the next start.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from ca import canonical
from evaluation import evidence
from evaluation.evidence import Kind
from evaluation.recorder.spool import Kept, Part, SessionSpool

log = logging.getLogger(__name__)
T = TypeVar("T")
PAUSE_S = 0.5  # between two tries to write to a full disk
LAST_WORDS_S = 5.0  # for writing down what is left when the process ends


@dataclass
class _Job:
    kind: Kind
    facts: dict[str, Any]
    part: Part | None
    told: asyncio.Future[int] | None


@dataclass(frozen=True)
class Entered:
    """An item that is durable: its place, its line, and the file it tells of, if any."""

    kind: Kind
    place: int
    line: bytes
    facts: dict[str, Any]
    kept: Kept | None


Told = Callable[[Entered], None]


class Scribe:
    """One session's only writer. `told` is called in the loop for every item once it is durable."""

    def __init__(self, chain: evidence.Chain, spool: SessionSpool, threads: ThreadPoolExecutor, told: Told) -> None:
        self.chain = chain
        self._spool = spool
        self._threads = threads
        self._told = told
        self._jobs: asyncio.Queue[_Job] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._over = threading.Event()

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Write down all that was told so far, then end."""
        if self._task is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._jobs.join(), LAST_WORDS_S)
            self._over.set()
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    # --- Keeper ---

    def part(self, track: str, name: str) -> Part:
        return self._spool.part(track, name)

    def keep_init(self, part: Part, **facts: Any) -> None:
        self._jobs.put_nowait(_Job(Kind.INIT, facts, part, None))

    def keep_segment(self, part: Part, **facts: Any) -> None:
        self._jobs.put_nowait(_Job(Kind.SEGMENT, facts, part, None))

    def gap(self, **facts: Any) -> None:
        self._jobs.put_nowait(_Job(Kind.GAP, facts, None, None))

    def note(self, kind: Kind, **facts: Any) -> asyncio.Future[int]:
        """Anything else; the future gives the item's place once it is durable."""
        told: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._jobs.put_nowait(_Job(kind, facts, None, told))
        return told

    # --- writing ---

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batch = [await self._jobs.get()]
            while not self._jobs.empty():
                batch.append(self._jobs.get_nowait())
            try:
                done = await loop.run_in_executor(self._threads, self._write, batch)
            except OSError as exc:  # the process ends while the disk takes nothing
                done = [exc] * len(batch)
            for job, entered in zip(batch, done, strict=True):
                self._tell(job, entered)
                self._jobs.task_done()

    def _tell(self, job: _Job, entered: Entered | Exception) -> None:
        waiting = job.told if job.told is not None and not job.told.done() else None
        if isinstance(entered, Exception):
            if waiting is not None:
                waiting.set_exception(entered)
            return
        if waiting is not None:
            waiting.set_result(entered.place)
        self._told(entered)

    def _write(self, batch: list[_Job]) -> list[Entered | Exception]:
        done: list[Entered | Exception] = []
        for job in batch:
            try:
                done.append(self._enter(job))
            except (canonical.NotCanonical, AssertionError) as exc:  # it alone has no place in the chain
                log.exception("session %s: %s could not be entered", self.chain.session, job.kind)
                done.append(exc)
        lines = [entered.line for entered in done if isinstance(entered, Entered)]
        self._insist(lambda: self._spool.append(lines))
        return done

    def _enter(self, job: _Job) -> Entered:
        kept = self._insist(job.part.finish) if job.part is not None else None
        facts = job.facts
        if kept is not None:
            facts = facts | {"name": kept.name, "bytes": kept.size, "sha256": kept.sha256}
        place = self.chain.size
        line = self.chain.close(**facts) if job.kind is Kind.CLOSED else self.chain.add(job.kind, **facts)
        return Entered(job.kind, place, line, facts, kept)

    def _insist(self, act: Callable[[], T]) -> T:
        """A disk that is full now may have room in a moment: uploads make it. Nothing is skipped."""
        while True:
            try:
                return act()
            except OSError as exc:
                log.error("session %s: the disk takes nothing: %s", self.chain.session, exc)
                if self._over.wait(PAUSE_S):
                    raise
