"""Many at once is the same as one by one: the table of moves holds, and the journal's chains are whole."""

import pytest

from ca.rights import SYSTEM
from escrow import many
from escrow.models import DepositState
from storage import journal
from storage.lifecycle import WrongState
from tests.escrow.money import expect


def test_a_move_outside_the_table_is_refused_for_all(db, organisation):
    one, two = expect(db, organisation()), expect(db, organisation())

    with pytest.raises(WrongState):
        many.move_all(db, [one, two], DepositState.REFUNDED, by=SYSTEM)

    assert {one.state, two.state} == {DepositState.EXPECTED}


def test_entries_written_together_join_the_chains_written_one_by_one(db):
    journal.record(db, "x/1", "begun", by=SYSTEM)

    many.record_all(db, [("x/1", "a", {"n": 1}), ("x/2", "b", {}), ("x/1", "c", {"n": 2}), ("x/2", "d", {})], by=SYSTEM)
    journal.record(db, "x/2", "ended", by=SYSTEM)

    assert [entry.act for entry in journal.entries(db, "x/1")] == ["begun", "a", "c"]
    assert [entry.act for entry in journal.entries(db, "x/2")] == ["b", "d", "ended"]
    for file in ("x/1", "x/2"):
        assert journal.is_whole(db, file).ok


def test_nothing_is_nothing(db):
    many.record_all(db, [], by=SYSTEM)
    many.move_all(db, [], DepositState.HELD, by=SYSTEM)
