"""The one writer: batches, the deadline at the insert, and nothing doubled under a rush."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from bidding.supermarket import registrar, views
from bidding.supermarket.models import CELL_BYTES, Cell
from storage import clock


def a_row(before, once: bytes | None = None) -> registrar.Row:
    entry = secrets.token_bytes(32)
    return registrar.Row(entry, entry + secrets.token_bytes(CELL_BYTES - 32), once or secrets.token_bytes(32), before)


def test_a_rush_is_written_in_few_batches_and_everybody_is_answered(database):
    with database() as db:
        before = clock.database(db) + timedelta(hours=1)
    rows = [a_row(before) for _ in range(40)]

    def hand_in(row: registrar.Row) -> registrar.Answer:
        with database() as db:
            return registrar.write(db, row)

    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(hand_in, rows))

    assert answers == [True] * 40
    with database() as db:
        kept = set(db.scalars(select(Cell.entry)))
        batches = db.scalar(text("SELECT count(DISTINCT xmin::text) FROM supermarket_cell"))
    assert kept == {row.entry for row in rows}
    assert batches <= 4


def test_the_order_of_rows_is_not_the_order_of_coming(database, monkeypatch):
    with database() as db:
        before = clock.database(db) + timedelta(hours=1)
        rows = [a_row(before) for _ in range(30)]
        writer = registrar._writer(db.get_bind())
        futures = [writer.queue(row) for row in rows]
        assert all(future.result(timeout=10) for future in futures)
        stored = list(db.scalars(select(Cell.entry).order_by(text("ctid"))))
    assert set(stored) == {row.entry for row in rows}
    assert stored != [row.entry for row in rows]


def test_of_one_firm_twenty_times_at_once_one_is_kept(database):
    with database() as db:
        before = clock.database(db) + timedelta(hours=1)
    once = secrets.token_bytes(32)

    def hand_in(_: int) -> registrar.Answer:
        with database() as db:
            return registrar.write(db, a_row(before, once))

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(hand_in, range(20)))

    assert sorted(answers) == [False] * 19 + [True]
    with database() as db:
        assert len(db.scalars(select(Cell.entry)).all()) == 1


@pytest.mark.parametrize(("milliseconds", "kept"), [(-1, None), (0, None), (5000, True)])
def test_the_deadline_is_judged_when_the_row_is_written(database, milliseconds, kept):
    with database() as db:
        row = a_row(clock.database(db) + timedelta(milliseconds=milliseconds))
        assert registrar.write(db, row) is kept


def test_a_batch_that_fails_tells_every_asker_and_the_next_one_works(database):
    with database() as db:
        before = clock.database(db) + timedelta(hours=1)
        broken = a_row(before)
        broken = registrar.Row(broken.entry, b"too short", broken.once, before)
        with pytest.raises(Exception, match="one_size"):
            registrar.write(db, broken)
        assert registrar.write(db, a_row(before)) is True


def test_the_close_waits_for_a_batch_that_is_being_written(database):
    with database() as writer, database() as closer:
        registrar._insert(writer, [a_row(clock.database(writer) + timedelta(hours=1))])
        closer.execute(text("SET LOCAL lock_timeout = '200ms'"))
        with pytest.raises(Exception, match="lock timeout"):
            registrar.shut(closer)
        closer.rollback()
        writer.commit()
        registrar.shut(closer)
        assert len(closer.scalars(select(Cell.entry)).all()) == 1


def test_the_doors_to_leave_unseen_are_there(app):
    assert set(app.view_functions) >= views.UNSEEN
