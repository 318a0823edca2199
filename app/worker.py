"""The worker 值守: does what is due at its moment, and runs the jobs that acts have left in the queue.

Truth is the row and the database's clock. Every 0.3 s each room is asked what is due now; each due act runs
in a transaction of its own and asks again under its lock, so two workers, a restart or a crash do no harm.
"""

import threading
from collections.abc import Callable
from typing import Any

import structlog

from app import Equipment, rooms
from storage import jobs
from storage.refusals import Refusal

PAUSE_SECONDS = 0.3
log = structlog.get_logger()


def sweep(equipment: Equipment) -> int:
    """Do once everything that is due now; the number of acts done."""
    done = 0
    for name, find_due, act in rooms.due():
        with equipment.sessions() as db:
            waiting = list(find_due(db))
        for id_ in waiting:
            done += _do(equipment, name, act, id_)
    return done


def _do(equipment: Equipment, name: str, act: Callable[..., Any], id_: Any) -> int:
    with equipment.sessions() as db:
        try:
            act(db, id_, equipment)
            db.commit()
            return 1
        except Refusal as no:  # somebody else did it meanwhile, or it must wait; the row says so next time
            db.rollback()
            log.info("not_due", act=name, code=no.code)
        except Exception:
            db.rollback()
            log.exception("due_act_failed", act=name)
    return 0


def run(equipment: Equipment, stop: threading.Event) -> None:
    """Sweep until told to stop."""
    while not stop.is_set():
        try:
            sweep(equipment)
        except Exception:
            log.exception("sweep_failed")  # the database is away: try again, nothing is lost
        stop.wait(PAUSE_SECONDS)


def run_jobs(equipment: Equipment, stop: threading.Event) -> None:
    """Run queued jobs until told to stop."""
    assert equipment.settings.database_url is not None
    jobs.run_worker(equipment.settings.database_url, equipment.sessions, stop)
