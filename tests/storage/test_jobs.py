"""Jobs: nothing is run that was not committed, and whatever was committed takes effect once."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from storage import db as rows
from storage import jobs
from storage.postgres import temporary_server
from tests.storage.jobs_at_work import TABLES

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def server():
    with temporary_server() as server:
        template = server.create_database("queue")
        engine = rows.connect(template.owner)
        with engine.begin() as connection:
            jobs.install(connection)
            connection.execute(text(TABLES))
        engine.dispose()
        yield server


@pytest.fixture
def urls(server, request):
    name = f"queue_{abs(hash(request.node.name))}"
    yield server.create_database(name, template="queue")
    server.drop_database(name)


@pytest.fixture
def sessions(urls):
    engine = rows.connect(urls.app)
    yield rows.sessions(engine)
    engine.dispose()


@pytest.fixture
def worker(urls, sessions):
    """A worker in a thread of this process."""
    stop = threading.Event()
    thread = threading.Thread(target=jobs.run_worker, args=(urls.app, sessions, stop))
    thread.start()
    yield thread
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


def order(sessions, number, **options):
    with sessions() as db, db.begin():
        return jobs.later(db, "test.write", number=number, **options)


def done(sessions):
    with sessions() as db:
        return list(db.execute(text("SELECT number FROM done ORDER BY at")).scalars())


def states(sessions):
    with sessions() as db:
        return jobs.counts(db)


def wait_until(what, seconds=20):
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


def test_what_was_undone_is_not_run_and_what_was_committed_is_run_once(urls, sessions):
    with sessions() as db:
        jobs.later(db, "test.write", number=1)
        db.rollback()
    order(sessions, 2)

    jobs.run_waiting(urls.app, sessions)
    jobs.run_waiting(urls.app, sessions)

    assert done(sessions) == [2]
    assert states(sessions) == {"succeeded": 1}


def test_the_commit_that_keeps_the_effect_also_settles_the_job(urls, sessions, monkeypatch, caplog):
    """So that a worker killed right after that commit cannot lead to a second effect."""
    seen = []
    finish = jobs._Settled.finish_job

    async def watched(self, job, status, delete_job):
        seen.append((done(sessions), states(sessions)))
        await finish(self, job, status, delete_job)

    monkeypatch.setattr(jobs._Settled, "finish_job", watched)
    order(sessions, 1)

    jobs.run_waiting(urls.app, sessions)

    assert seen == [([1], {"succeeded": 1})]
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_a_job_is_run_at_once_after_the_commit_and_not_before(sessions, worker):
    with sessions() as db:
        jobs.later(db, "test.write", number=1)
        time.sleep(0.3)
        assert done(sessions) == []
        db.commit()
        committed = time.monotonic()
    wait_until(lambda: done(sessions) == [1])

    assert time.monotonic() - committed < 0.5


def test_a_timer_is_not_early_and_less_than_a_second_late(sessions, worker):
    moments = {number: datetime.now(UTC) + timedelta(seconds=0.5 + number / 7) for number in range(5)}
    for number, moment in moments.items():
        order(sessions, number, at=moment)
    wait_until(lambda: len(done(sessions)) == 5)

    with sessions() as db:
        rang = db.execute(text("SELECT number, at FROM done")).all()
    late = [(at - moments[number]).total_seconds() for number, at in rang]
    assert min(late) >= 0
    assert max(late) < 1


def test_a_failing_task_leaves_no_trace_and_is_tried_again(urls, sessions, worker):
    order(sessions, 1, fail_first=2)
    wait_until(lambda: states(sessions) == {"succeeded": 1})

    assert done(sessions) == [1]


def test_a_task_that_never_works_ends_as_failed(monkeypatch, urls, sessions):
    monkeypatch.setitem(jobs.TASKS, "test.fails", jobs.Task("test.fails", lambda db: 1 / 0, jobs.NEVER))
    with sessions() as db, db.begin():
        jobs.later(db, "test.fails")

    jobs.run_waiting(urls.app, sessions)

    assert states(sessions) == {"failed": 1}


def test_waits_between_tries_double_up_to_a_longest():
    retry = jobs.Retry(tries=12, longest=60)
    job = procrastinate_job(attempts=0)
    waits = []
    while decision := retry.get_retry_decision(exception=ValueError(), job=job):
        waits.append(round((decision.retry_at - datetime.now(UTC)).total_seconds()))
        job = procrastinate_job(attempts=len(waits))

    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60]


def procrastinate_job(attempts):
    return jobs.kept_jobs.Job(
        id=1, queue="default", lock=None, queueing_lock=None, task_name="test.write", attempts=attempts
    )


def test_the_same_thing_waits_only_once_and_the_transaction_goes_on(urls, sessions):
    with sessions() as db, db.begin():
        assert jobs.later(db, "test.write", number=1, once="one") is not None
        assert jobs.later(db, "test.write", number=2, once="one") is None
        jobs.later(db, "test.write", number=3)
    jobs.run_waiting(urls.app, sessions)
    assert sorted(done(sessions)) == [1, 3]

    assert order(sessions, 4, once="one") is not None  # nothing waits any more


def test_jobs_with_one_lock_run_one_after_the_other(sessions, worker):
    for number in range(8):
        order(sessions, number, lock="account/1", seconds=0.02)
    wait_until(lambda: len(done(sessions)) == 8)

    assert done(sessions) == list(range(8))


def test_a_name_that_nobody_knows_and_a_moment_without_zone_are_bugs(sessions):
    with sessions() as db:
        with pytest.raises(AssertionError, match="no task is named"):
            jobs.later(db, "test.unknown")
        with pytest.raises(AssertionError, match="time zone"):
            jobs.later(db, "test.write", number=1, at=datetime(2026, 1, 1))  # noqa: DTZ001


def start_worker(urls):
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.storage.jobs_at_work", urls.app],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )
    assert process.stdout.readline() == "ready\n"
    return process


def test_a_hundred_jobs_take_effect_once_each_while_workers_are_killed(urls, sessions):
    chance = random.Random(20260730)
    for number in range(100):
        order(sessions, number, seconds=0.05)
    workers = [start_worker(urls), start_worker(urls)]
    kills = 0
    try:
        wait_until(lambda: len(done(sessions)) > 3)
        while kills < 8:
            time.sleep(chance.uniform(0.05, 0.4))
            victim = chance.randrange(2)
            workers[victim].kill()
            workers[victim].communicate()
            workers[victim] = start_worker(urls)
            kills += 1
        wait_until(lambda: states(sessions) == {"succeeded": 100}, seconds=40)
    finally:
        for process in workers:
            process.kill()
            process.communicate()

    assert Counter(done(sessions)) == Counter(range(100))


def test_a_worker_that_was_frozen_does_not_run_again_what_another_did(urls, sessions):
    frozen = start_worker(urls)
    try:
        order(sessions, 1)
        wait_until(lambda: done(sessions) == [1])
        os.kill(frozen.pid, signal.SIGSTOP)
        with sessions() as db, db.begin():  # as if it had been frozen just after it took the job
            taker = db.execute(text("SELECT max(id) FROM procrastinate_workers")).scalar_one()
            job = jobs.later(db, "test.write", number=2)
            db.execute(
                text("UPDATE procrastinate_jobs SET status = 'doing', worker_id = :taker WHERE id = :job"),
                {"taker": taker, "job": job},
            )
            db.execute(text("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 minute'"))
        jobs.run_waiting(urls.app, sessions)
        assert done(sessions) == [1, 2]

        with sessions() as db, db.begin():
            assert not jobs._take(db, job, taker)
        os.kill(frozen.pid, signal.SIGCONT)
        order(sessions, 3)
        wait_until(lambda: done(sessions) == [1, 2, 3])  # and it works on, under a new number
    finally:
        frozen.kill()
        frozen.communicate()


def test_a_slow_job_whose_worker_gives_no_sign_is_left_to_it(sessions, worker):
    order(sessions, 1, seconds=1.0)
    wait_until(lambda: states(sessions) == {"doing": 1})
    time.sleep(0.2)
    with sessions() as db, db.begin():
        db.execute(text("UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 minute'"))

    assert jobs.mend(sessions) == 0
    wait_until(lambda: states(sessions) == {"succeeded": 1})
    assert done(sessions) == [1]


def test_sigterm_lets_a_worker_finish_what_it_does(urls, sessions):
    process = start_worker(urls)
    order(sessions, 1, seconds=0.5)
    wait_until(lambda: states(sessions) == {"doing": 1})

    process.terminate()

    assert process.wait(10) == 0
    process.stdout.close()
    assert done(sessions) == [1]
    assert states(sessions) == {"succeeded": 1}


@pytest.mark.parametrize("seconds", [0.0, 1.5, 3.0])
def test_a_worker_outlives_the_death_of_its_database(server, urls, sessions, worker, monkeypatch, seconds):
    order(sessions, 1)
    wait_until(lambda: done(sessions) == [1])
    restarts, evict, dead = server.restarts, server._evict, threading.Event()
    monkeypatch.setattr(server, "_evict", lambda: (dead.wait(seconds), evict()))
    os.kill(server.pid, signal.SIGKILL)
    wait_until(lambda: server.restarts > restarts and server.alive())

    order(sessions, 2)
    wait_until(lambda: done(sessions) == [1, 2])


def test_a_cancellation_that_comes_out_as_a_database_error_still_ends_the_shift(urls, sessions, monkeypatch):
    async def cut_short():
        monkeypatch.setattr(jobs, "MEND_SECONDS", 0)
        shift = jobs._Shift(urls.app, sessions, 1)
        asked = asyncio.Event()

        async def delete_old_jobs(**_):
            asked.set()
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                raise jobs.exceptions.ConnectorException from None

        monkeypatch.setattr(shift.manager, "delete_old_jobs", delete_old_jobs)
        side = asyncio.create_task(shift._mend_always())
        await asked.wait()
        shift.over = True
        side.cancel()
        await asyncio.wait_for(asyncio.gather(side, return_exceptions=True), 5)

    asyncio.run(cut_short())


def test_old_jobs_are_forgotten(urls, sessions):
    order(sessions, 1)
    jobs.run_waiting(urls.app, sessions)
    with sessions() as db, db.begin():
        db.execute(text("UPDATE procrastinate_events SET at = now() - interval '3 days'"))
    stop = threading.Event()
    thread = threading.Thread(target=jobs.run_worker, args=(urls.app, sessions, stop))
    thread.start()
    try:
        wait_until(lambda: states(sessions) == {})
    finally:
        stop.set()
        thread.join(10)


def test_the_queue_can_be_taken_away_and_made_again(urls):
    engine = rows.connect(urls.owner)
    with engine.begin() as connection:
        jobs.remove(connection)
        left = "SELECT count(*) FROM pg_class WHERE relname LIKE '%procrastinate%'"
        assert connection.execute(text(left)).scalar_one() == 0
        jobs.install(connection)
        assert jobs.counts(connection) == {}
    engine.dispose()
