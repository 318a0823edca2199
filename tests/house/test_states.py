"""Every table of moves is whole, and the document shows what the tables say."""

from pathlib import Path

import pytest

from app import states
from storage import lifecycle

HOUSE = Path(__file__).resolve().parents[2]
LIVES = lifecycle.lives()


@pytest.mark.parametrize("kind", LIVES, ids=lambda kind: kind.__tablename__)
def test_a_table_of_moves_is_whole(kind):
    listed = set(kind.MOVES)
    every = set(type(next(iter(listed))))
    assert listed == every, "each state is listed"
    assert set(kind.STATE_NAMES) == every, "each state has its Chinese name"
    reached, edge = set(), [next(iter(kind.MOVES))]
    while edge:
        state = edge.pop()
        if state not in reached:
            reached.add(state)
            edge += kind.MOVES[state]
    assert reached == every, "each state can be reached from the first"


@pytest.mark.parametrize("kind", LIVES, ids=lambda kind: kind.__tablename__)
def test_a_new_thing_begins_in_the_first_state(kind):
    default = kind.__table__.c.state.default
    assert default is None or default.arg == next(iter(kind.MOVES))


def test_the_document_of_states_is_what_the_tables_print():
    assert (HOUSE / "docs/states.md").read_text() == states.document(), "run `make states`"
