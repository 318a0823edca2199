"""Tasks for the tests, and a worker process to be killed: `python -m tests.storage.jobs_at_work URL`."""

import sys
import threading
import time

from sqlalchemy import text

from storage import db as rows
from storage import jobs

TABLES = """
CREATE TABLE done (number int, pid int DEFAULT pg_backend_pid(), at timestamptz DEFAULT clock_timestamp());
CREATE TABLE tried (number int, at timestamptz DEFAULT clock_timestamp());
"""


@jobs.task("test.write", retry=jobs.Retry(tries=4, longest=1))
def write(db, *, number, seconds=0.0, fail_first=0):
    """Note that the number was done, after `seconds`, failing the first times."""
    db.execute(text("INSERT INTO done (number) VALUES (:number)"), {"number": number})
    if fail_first:
        with db.get_bind().connect() as other:
            other.execute(text("INSERT INTO tried (number) VALUES (:number)"), {"number": number})
            other.commit()
            count = text("SELECT count(*) FROM tried WHERE number = :number")
            if other.execute(count, {"number": number}).scalar_one() <= fail_first:
                raise RuntimeError("not yet")
    time.sleep(seconds)


if __name__ == "__main__":
    engine = rows.connect(sys.argv[1])
    print("ready", flush=True)
    jobs.run_worker(sys.argv[1], rows.sessions(engine), threading.Event())
