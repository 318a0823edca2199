"""The registrar 登记员: the one writer of registrations, behind one function.

It inserts what has come in once a second, in shuffled order, in one transaction of its own, so that neither
the order of rows nor a moment links a row with a request. The deadline is judged here, by the database's
clock, under the lock that the close of a project takes too. (The strict profile, which writes dummies at
public ticks, would change this file only.)
"""

import secrets
import threading
import time
import weakref
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from bidding.supermarket.models import Cell
from storage import clock

LOCK = "supermarket/registrations"
TICK_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 30
_CHANCE = secrets.SystemRandom()


@dataclass(frozen=True)
class Row:
    """A cell to be written, and until when that is allowed."""

    entry: bytes
    cell: bytes
    once: bytes
    before: datetime


Answer = bool | None


def write(db: Session, row: Row) -> Answer:
    """Keep a cell: True when it is kept, False when its `once` was there already, None when too late.

    Answers after the insert is durable. In a session that belongs to one connection (a test, a simulation)
    it writes in that session instead.
    """
    bind = db.get_bind()
    if not isinstance(bind, Engine):
        return _insert(db, [row])[0]
    changed = [*db.new, *db.dirty, *db.deleted]
    assert not changed, "a registration changes no row of its own request"
    db.commit()  # ends the request's reading: its connection serves others while this one waits
    return _writer(bind).queue(row).result(timeout=LONGEST_WAIT_SECONDS)


def shut(db: Session) -> None:
    """Wait for the batch that is being written and hold off the next, until this transaction is over."""
    db.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"), {"name": LOCK})


def _insert(db: Session, rows: Sequence[Row]) -> list[Answer]:
    """Write a batch: whatever comes before its deadline and is not there already."""
    db.execute(text("SELECT pg_advisory_xact_lock_shared(hashtextextended(:name, 0))"), {"name": LOCK})
    now = clock.database(db)
    hour = now.replace(minute=0, second=0, microsecond=0)
    lines = [{"entry": row.entry, "cell": row.cell, "once": row.once, "hour": hour} for row in rows if now < row.before]
    kept: set[bytes] = set()
    if lines:
        kept = set(db.scalars(insert(Cell).on_conflict_do_nothing().returning(Cell.entry), lines))
    return [None if now >= row.before else row.entry in kept for row in rows]


class _Writer:
    """One thread of one process; it starts with the first registration and sleeps until the next."""

    def __init__(self, engine: Engine) -> None:
        self._engine = weakref.ref(engine)
        self._waiting: list[tuple[Row, Future[Answer]]] = []
        self._lock = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="registrar", daemon=True)
        self._thread.start()

    def queue(self, row: Row) -> "Future[Answer]":
        future: Future[Answer] = Future()
        with self._lock:
            self._waiting.append((row, future))
            self._lock.notify()
        return future

    def _run(self) -> None:
        while True:
            with self._lock:
                while not self._waiting:
                    if not self._lock.wait(timeout=60) and self._engine() is None:
                        return
            time.sleep(TICK_SECONDS - time.time() % TICK_SECONDS)
            with self._lock:
                batch, self._waiting = self._waiting, []
            _CHANCE.shuffle(batch)
            self._write(batch)

    def _write(self, batch: "list[tuple[Row, Future[Answer]]]") -> None:
        engine = self._engine()
        try:
            assert engine is not None, "the database is closed"
            with Session(engine) as db:
                answers = _insert(db, [row for row, _ in batch])
                db.commit()
        except Exception as error:  # each asker hears it; the next batch is another chance
            for _, future in batch:
                future.set_exception(error)
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            future.set_result(answer)


_writers: "weakref.WeakKeyDictionary[Engine, _Writer]" = weakref.WeakKeyDictionary()
_writers_lock = threading.Lock()


def _writer(engine: Engine) -> _Writer:
    with _writers_lock:
        if engine not in _writers:
            _writers[engine] = _Writer(engine)
        return _writers[engine]
