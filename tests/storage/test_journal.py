"""The journal is a chain that shows every change, and the database refuses to change it."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from storage import journal


@dataclass
class Somebody:
    person_id: int = 7


def write(db, *acts: str, file: str = "tender/1"):
    return [journal.record(db, file, act, by=Somebody(), note=act) for act in acts]


def test_entries_of_one_file_form_a_chain(db):
    first, second = write(db, "one", "two")
    write(db, "other", file="tender/2")

    assert (first.number, second.number, second.prev) == (1, 2, first.hash)
    assert journal.is_whole(db, "tender/1") == journal.Whole(entries=2, head=second.hash)


def test_what_is_read_back_has_the_same_hash(db):
    moment = datetime(2026, 11, 22, 1, 2, 3, 456789, tzinfo=UTC)
    journal.record(db, "tender/1", "odd", by=None, at=moment, text="公衡\n\u2028", number=12, nothing=None)
    db.expire_all()

    assert journal.is_whole(db, "tender/1").ok


@pytest.mark.parametrize("spoil", [
    lambda chain: chain.pop(1),
    lambda chain: chain.pop(0),
    lambda chain: chain.reverse(),
    lambda chain: setattr(chain[1], "facts", {"note": "changed"}),
    lambda chain: setattr(chain[1], "by", 8),
    lambda chain: setattr(chain[1], "act", "changed"),
    lambda chain: setattr(chain[1], "at", datetime(2026, 1, 1, tzinfo=UTC)),
    lambda chain: chain.insert(1, chain[0]),
])  # fmt: skip
def test_every_change_shows(db, spoil):
    chain = write(db, "one", "two", "three")
    with db.no_autoflush:
        spoil(chain)

        assert not journal.check(chain).ok
    db.expunge_all()


def test_a_cut_tail_shows_against_a_published_head(db):
    chain = write(db, "one", "two", "three")

    assert journal.check(chain[:2]).head != chain[2].hash


@pytest.mark.parametrize("change", [
    "UPDATE journal SET act = 'changed'", "DELETE FROM journal", "TRUNCATE journal CASCADE",
])  # fmt: skip
def test_the_database_refuses_the_application_to_change_the_past(db, change):
    write(db, "one")

    with pytest.raises(ProgrammingError, match="permission denied|append-only"):
        db.execute(text(change))


@pytest.mark.parametrize("change", [
    "UPDATE journal SET act = 'changed'", "DELETE FROM journal", "TRUNCATE journal CASCADE",
])  # fmt: skip
def test_the_database_refuses_even_its_owner(database, change):
    from storage.db import connect

    with database() as session:
        write(session, "one")
        session.commit()
    owner = connect(database.urls.owner)

    with owner.connect() as connection, pytest.raises(ProgrammingError, match="append-only"):
        connection.execute(text(change))
    owner.dispose()


plain_values = st.one_of(st.integers(-(2**60), 2**60), st.text(), st.none(), st.booleans())


@given(st.dictionaries(st.text(min_size=1), st.one_of(plain_values, st.lists(plain_values))))
def test_facts_are_kept_in_a_form_that_stays_the_same(facts):
    plain = journal._plain(facts)

    assert journal._plain(plain) == plain == facts


def test_floats_are_refused(db):
    with pytest.raises(AssertionError):
        journal.record(db, "tender/1", "float", by=None, value=1.5)
