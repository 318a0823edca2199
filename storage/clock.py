"""What time it is. Nobody else asks the machine.

Deadlines are judged by the database's clock (`database`), so that every web process, worker and later
auditor means the same moment; `now` is for things that are only written down or expire in a process.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

_shift = timedelta(0)


def now() -> datetime:
    """This process's time, UTC."""
    return datetime.now(UTC) + _shift


def database(db: Session) -> datetime:
    """The database's time now (not the transaction's start), UTC: the judge of every deadline."""
    moment: datetime = db.execute(text("SELECT gh_clock()")).scalar_one()
    return moment.astimezone(UTC)


def set_to(moment: datetime) -> None:
    """For tests and simulation: let `now` start from another moment and run on from there."""
    global _shift
    _shift = moment - datetime.now(UTC)


def real() -> None:
    """Back to the machine's time."""
    global _shift
    _shift = timedelta(0)


# The database's clock. `gongheng.shift` is empty except in tests and simulations, which set it on their own
# connections; the server refuses to start in production when it is set for the database (app.config).
CREATE_CLOCK = """
CREATE OR REPLACE FUNCTION gh_clock() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE AS
$$ SELECT clock_timestamp() + coalesce(nullif(current_setting('gongheng.shift', true), ''), '0')::interval $$
"""


def shift_database(db: Session, by: timedelta) -> None:
    """For tests: move the database's clock for this session's connection."""
    db.execute(text("SELECT set_config('gongheng.shift', :by, false)"), {"by": f"{by.total_seconds()} seconds"})
