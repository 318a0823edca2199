"""When to listen 轮询: once a second, when a file was told, and when the bank calls. Listening is a job, so that
a bank that does not answer keeps nobody waiting."""

import time
from collections.abc import Sequence

import structlog
from sqlalchemy.orm import Session

from escrow.banks import reach, watch
from escrow.banks.bank import Unreachable
from storage import jobs

log = structlog.get_logger()
PAUSE_SECONDS = 1.0
_left: dict[str, float] = {}  # when this process last left a job for a bank, by its monotonic clock


def announce(db: Session, bank: str) -> None:
    """Leave the job that listens; one that still waits is enough."""
    jobs.later(db, "escrow.poll_bank", once=f"escrow.poll_bank/{bank}", bank=bank)


@jobs.task("escrow.poll_bank")
def poll_bank(db: Session, bank: str) -> None:
    """The job: take in what waits at the bank; a bank that is away is listened to again in a second."""
    try:
        watch.poll(db, reach.named(db, bank))
    except Unreachable as trouble:
        log.warning("bank_unreachable", bank=bank, why=str(trouble))


def due_to_poll(db: Session) -> Sequence[str]:
    """The banks this process has not listened to for a second."""
    now = time.monotonic()
    return [bank.name for bank in reach.banks(db) if now - _left.get(bank.name, 0.0) >= PAUSE_SECONDS]


def poll_due(db: Session, bank: str) -> None:
    """The due act for `due_to_poll`."""
    _left[bank] = time.monotonic()
    announce(db, bank)


@jobs.task("escrow.ask_report")
def ask_report(db: Session, bank: str) -> None:
    """The job: ask the bank for a statement of the day so far, to reconcile on demand."""
    reach.named(db, bank).report()
    announce(db, bank)


def ask_now(db: Session, bank: str) -> None:
    """Leave the job that asks for such a statement."""
    jobs.later(db, "escrow.ask_report", once=f"escrow.ask_report/{bank}", bank=bank)
