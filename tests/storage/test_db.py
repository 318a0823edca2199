"""Rows: money and moments survive the way to PostgreSQL; who takes a row in hand holds it alone."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from ca.parties import Person, Region, add_region
from storage import clock
from storage.db import Fen, Moment, find, take
from storage.refusals import NotFound
from storage.values import Money


def test_what_is_not_there_is_not_found(db):
    with pytest.raises(NotFound):
        find(db, Person, 10**9)
    with pytest.raises(NotFound):
        take(db, Person, 10**9)


def test_a_taken_row_waits_for_nobody_else(database):
    with database.begin() as db:
        id_ = add_region(db, "990001", "示例市").id
    with database() as holder, database() as other:
        take(holder, Region, id_)
        with pytest.raises(OperationalError, match="could not obtain lock"):
            other.execute(select(Region).filter_by(id=id_).with_for_update(nowait=True))
        other.rollback()


def test_a_taken_row_is_read_anew(database):
    with database.begin() as db:
        id_ = add_region(db, "990001", "示例市").id
    with database() as mine, database() as theirs:
        find(mine, Region, id_)
        mine.commit()
        theirs.get(Region, id_).name = "新名"
        theirs.commit()
        assert take(mine, Region, id_).name == "新名"


def test_columns_give_back_what_they_were_given():
    assert Fen().process_result_value(Fen().process_bind_param(Money(5), None), None) == Money(5)
    beijing = datetime(2026, 11, 22, 9, tzinfo=timezone(timedelta(hours=8)))
    assert Moment().process_result_value(beijing, None) == datetime(2026, 11, 22, 1, tzinfo=UTC)


def test_a_moment_without_a_zone_is_a_mistake():
    with pytest.raises(AssertionError):
        Moment().process_bind_param(datetime(2026, 11, 22), None)


def test_the_databases_clock_runs_during_a_transaction(db):
    first = clock.database(db)

    assert clock.database(db) > first
    clock.shift_database(db, timedelta(days=1))
    assert clock.database(db) > first + timedelta(hours=23)
