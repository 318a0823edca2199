"""待办: work to be done later, ordered in the same transaction as the change that asks for it.

`later` writes the order on the caller's own connection: if the act is undone, so is the order. A worker
runs each task in a transaction of its own and marks the job as done *in that same transaction*, so what
a task does in the database happens once, whatever is killed in between. What it does to the outside
world (a bank, a mail server) may happen again after a crash: such a call carries its own key.

A job only announces; the truth is the row and the database's clock. Arguments are references and never
secrets, for they stand in the database and in error logs.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import procrastinate
import procrastinate.manager
import procrastinate.schema
import procrastinate.worker
import psycopg
from procrastinate import exceptions
from procrastinate import jobs as kept_jobs
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

POLL_SECONDS = 0.1  # how late a timer may be, beside the work itself
HEARTBEAT_SECONDS = 1.0
STALLED_SECONDS = 3.0  # a worker without a heartbeat for so long is dead
MEND_SECONDS = 1.0
KEEP_DONE_HOURS, KEEP_FAILED_HOURS = 24, 24 * 30
GRACE_SECONDS = 20.0  # how long a stopping worker waits for what it is doing
_LOCK_SPACE = 1_735_289_202  # first half of our advisory locks; the second is the job's number
_SETTLE = text("SELECT procrastinate_finish_job_v1(:job, 'succeeded', false)")
_RETRY = text("SELECT procrastinate_retry_job_v2(:job, now(), NULL, NULL, NULL)")

Sessions = sessionmaker[Session]
Work = Callable[..., None]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Retry(procrastinate.BaseRetryStrategy):
    """Try again after 1, 2, 4 … seconds, never waiting longer than `longest`, `tries` times in all."""

    tries: int = 20
    longest: int = 300  # seconds

    def get_retry_decision(
        self, *, exception: BaseException, job: kept_jobs.Job
    ) -> procrastinate.RetryDecision | None:
        if job.attempts + 1 >= self.tries:
            return None
        wait = min(2 ** min(job.attempts, 20), self.longest)
        return procrastinate.RetryDecision(retry_in={"seconds": wait})


NEVER = Retry(tries=1)


@dataclass(frozen=True)
class Task:
    """A named piece of work: `work(db, **arguments)`."""

    name: str
    work: Work
    retry: Retry


TASKS: dict[str, Task] = {}

# Only to write orders on a connection that is given; it has no connection of its own.
_desk = procrastinate.App(connector=procrastinate.PsycopgConnector())


def task(name: str, *, retry: Retry | None = None) -> Callable[[Work], Work]:
    """Make a function `(db, **arguments)` known to the workers under a name like "escrow.send_refund"."""

    def known(work: Work) -> Work:
        known_as = TASKS.get(name)
        assert known_as is None or known_as.work.__qualname__ == work.__qualname__, f"two tasks named {name}"
        TASKS[name] = Task(name, work, retry or Retry())
        return work

    return known


def later(
    db: Session, name: str, *, at: datetime | None = None, lock: str | None = None, once: str | None = None,
    **arguments: Any,
) -> int | None:
    """Order a task in the transaction of `db`, to be run at once after its commit or not before `at`.

    Jobs with the same `lock` run one after the other, in order. With `once`, the order is dropped (and
    None returned) while another of that name still waits to be started. Returns the job's number.
    """
    assert name in TASKS, f"no task is named {name}"
    assert at is None or at.tzinfo, "a moment knows its time zone"

    def write() -> int:
        connection: Any = db.connection().connection.driver_connection
        order = _desk.configure_task(name, schedule_at=at, lock=lock, queueing_lock=once, connection=connection)
        return order.defer(**arguments)

    if once is None:
        return write()
    try:
        with db.begin_nested():  # so that a refused order does not spoil the caller's transaction
            return write()
    except exceptions.AlreadyEnqueued:
        return None


def install(connection: Connection) -> None:
    """Make the tables of the queue, in the migration's own transaction, as the owner of the database."""
    driver: Any = connection.connection.driver_connection
    driver.execute(procrastinate.schema.SchemaManager.get_schema())


def remove(connection: Connection) -> None:
    """Take the queue away again (for a migration that goes down)."""
    kinds = (("TABLE", "regclass", "pg_class WHERE relkind = 'r' AND rel"),
             ("FUNCTION", "regprocedure", "pg_proc WHERE pro"),
             ("TYPE", "regtype", "pg_type WHERE typ"))
    for kind, shown, found in kinds:
        of = found.rpartition(" ")[2]
        names: Sequence[str] = connection.execute(text(
            f"SELECT oid::{shown}::text FROM {found}name LIKE 'procrastinate\\_%' "  # noqa: S608
            f"AND {of}namespace = current_schema()::regnamespace"
        )).scalars().all()
        for name in names:
            connection.execute(text(f"DROP {kind} IF EXISTS {name} CASCADE"))


def counts(db: Session) -> dict[str, int]:
    """How many jobs stand in each state: todo, doing, succeeded, failed …"""
    rows: Any = db.execute(text("SELECT status::text, count(*) FROM procrastinate_jobs GROUP BY status"))
    return {str(state): int(number) for state, number in rows}


def run_worker(url: str, sessions: Sessions, stop: threading.Event, *, concurrency: int = 4) -> None:
    """Run jobs until `stop` is set or SIGTERM or SIGINT comes; a lost database is waited for.

    `url` is SQLAlchemy's or libpq's; `sessions` make the transactions in which the tasks run.
    """
    if threading.current_thread() is threading.main_thread():
        for sign in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sign, lambda *_: stop.set())
    pause = 0.1
    while not stop.is_set():
        begun = time.monotonic()
        try:
            asyncio.run(_Shift(url, sessions, concurrency).work(stop))
            trouble = "its connection ended"
        except (exceptions.ConnectorException, SQLAlchemyError, psycopg.Error, OSError) as error:
            trouble = type(error).__name__
        if not stop.is_set():
            pause = 0.1 if time.monotonic() - begun > 30 else min(pause * 2, 3)
            log.warning("worker lost its database (%s) and begins again", trouble)
            stop.wait(pause)


def run_waiting(url: str, sessions: Sessions) -> None:
    """Run whatever is due now and return; for tests and the command line."""
    asyncio.run(_Shift(url, sessions, 1).work(None))


class _Settled(procrastinate.manager.JobManager):
    """The library's book-keeping, except that a job already settled in its own transaction stays so."""

    def __init__(self, connector: Any) -> None:
        super().__init__(connector)
        self.settled: set[int] = set()

    async def finish_job(self, job: kept_jobs.Job, status: kept_jobs.Status, delete_job: bool) -> None:
        assert job.id is not None
        if job.id in self.settled:
            self.settled.discard(job.id)
        else:
            await super().finish_job(job, status, delete_job)


class _Shift:
    """One worker from its connection to the database until it is lost or told to stop."""

    def __init__(self, url: str, sessions: Sessions, concurrency: int) -> None:
        self.sessions, self.concurrency = sessions, concurrency
        connector = procrastinate.PsycopgConnector(
            conninfo=url.replace("postgresql+psycopg://", "postgresql://", 1),
            min_size=1, max_size=3, timeout=10,
        )
        self.app = procrastinate.App(connector=connector)
        self.app.job_manager = self.manager = _Settled(connector)
        self.worker: procrastinate.worker.Worker | None = None
        self.over = False
        for known in TASKS.values():
            self.app.task(name=known.name, pass_context=True, retry=known.retry)(self._running(known))

    async def work(self, stop: threading.Event | None) -> None:
        """Work until stopped; without `stop`, until nothing is due any more."""
        async with self.app.open_async():
            await asyncio.to_thread(mend, self.sessions)
            worker = self.worker = procrastinate.worker.Worker(
                self.app, concurrency=self.concurrency, wait=stop is not None, install_signal_handlers=False,
                fetch_job_polling_interval=POLL_SECONDS, update_heartbeat_interval=HEARTBEAT_SECONDS,
                stalled_worker_timeout=STALLED_SECONDS, shutdown_graceful_timeout=GRACE_SECONDS,
                listen_notify=stop is not None, abort_job_polling_interval=86_400,  # nobody aborts a job here
            )
            if stop is None:
                await worker.run()
                return
            side = [asyncio.create_task(self._watch(stop)), asyncio.create_task(self._mend_always())]
            try:
                await worker.run()
            finally:
                self.over = True
                for other in side:
                    other.cancel()
                await asyncio.gather(*side, return_exceptions=True)

    def _running(self, known: Task) -> Callable[..., None]:
        """The task as the library calls it: in one transaction that also settles the job."""

        def run(context: procrastinate.JobContext, **arguments: Any) -> None:
            job = context.job
            assert job.id is not None
            with self.sessions() as db, db.begin():
                ours = _take(db, job.id, self.worker.worker_id if self.worker else None)
                if ours:
                    known.work(db, **arguments)
                    db.execute(_SETTLE, {"job": job.id})
            self.manager.settled.add(job.id)

        return run

    async def _watch(self, stop: threading.Event) -> None:
        while not stop.is_set():
            await asyncio.sleep(0.05)
        if self.worker:
            self.worker.stop()

    async def _mend_always(self) -> None:
        """Bring back the jobs of dead workers, each second; forget old ones, each hour.

        A cancellation that hits in the middle of a query may come out as an error of the database, so
        being over is also a flag.
        """
        swept = 0.0
        while not self.over:
            await asyncio.sleep(MEND_SECONDS)
            try:
                await asyncio.to_thread(mend, self.sessions)
                if not swept or time.monotonic() - swept > 3600:
                    await self.manager.delete_old_jobs(nb_hours=KEEP_DONE_HOURS)
                    await self.manager.delete_old_jobs(
                        nb_hours=KEEP_FAILED_HOURS,
                        include_failed=True, include_cancelled=True, include_aborted=True,
                    )
                    swept = time.monotonic()
            except (exceptions.ConnectorException, SQLAlchemyError) as trouble:
                log.warning("could not mend the queue: %s", type(trouble).__name__)


def _lock(db: Session, job: int) -> bool:
    """Hold the mark "someone runs this job" until the transaction ends; False: another holds it."""
    keys = {"space": _LOCK_SPACE, "job": job % 2**31}
    return bool(db.execute(text("SELECT pg_try_advisory_xact_lock(:space, :job)"), keys).scalar_one())


def _take(db: Session, job: int, worker: int | None) -> bool:
    """Whether this job is still ours to run; while we run it, its lock tells that someone does.

    A worker that was frozen for a while wakes to find its job given to another: then it must not run.
    """
    return _lock(db, job) and db.execute(
        text("SELECT status = 'doing' AND worker_id = :worker FROM procrastinate_jobs WHERE id = :job"),
        {"worker": worker, "job": job},
    ).scalar_one_or_none() is True


def mend(sessions: Sessions) -> int:
    """Put the jobs of dead workers back in the queue and return how many there were.

    A job whose lock is held is being run by a worker that is only slow, and stays where it is. The lock
    of a killed worker goes with its connection.
    """
    with sessions() as db, db.begin():
        found: Sequence[int] = db.execute(text("""
            SELECT job.id FROM procrastinate_jobs job
            LEFT JOIN procrastinate_workers worker ON worker.id = job.worker_id
            WHERE job.status = 'doing'
              AND (worker.id IS NULL OR worker.last_heartbeat < now() - :stalled * interval '1 second')
            FOR UPDATE OF job SKIP LOCKED"""), {"stalled": STALLED_SECONDS}).scalars().all()
        mended = 0
        for job in found:
            if _lock(db, job):
                db.execute(_RETRY, {"job": job})
                mended += 1
        return mended
