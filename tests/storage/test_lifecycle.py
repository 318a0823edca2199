"""`move` is the only hand that changes a state: by the table, with a line in the journal."""

from enum import StrEnum
from types import SimpleNamespace

import pytest

from storage import journal, lifecycle


class State(StrEnum):
    DRAFT = "draft"
    OPEN = "open"
    DONE = "done"


class Thing(SimpleNamespace):
    __tablename__ = "thing"
    called = "事项"
    MOVES = {State.DRAFT: {State.OPEN}, State.OPEN: {State.DONE}, State.DONE: set()}
    STATE_NAMES = {State.DRAFT: "草稿", State.OPEN: "办理中", State.DONE: "办结"}
    file = "thing/1"


def test_a_move_changes_the_state_and_writes_the_journal(db):
    thing = Thing(state=State.DRAFT)
    lifecycle.move(db, thing, State.OPEN, by=None, why="ready")

    entry = journal.entries(db, "thing/1")[-1]
    assert thing.state is State.OPEN
    assert (entry.act, entry.facts) == ("thing.open", {"was": "draft", "why": "ready"})


@pytest.mark.parametrize(("was", "to"), [
    (was, to) for was in State for to in State if to not in Thing.MOVES[was]
])  # fmt: skip
def test_every_move_outside_the_table_is_refused_and_leaves_nothing(db, was, to):
    thing = Thing(state=was)

    with pytest.raises(lifecycle.WrongState, match="事项现在是"):
        lifecycle.move(db, thing, to, by=None)
    assert thing.state is was
    assert journal.entries(db, "thing/1") == []


def test_the_diagram_shows_every_move():
    assert lifecycle.diagram(Thing).splitlines()[4:] == [
        "    [*] --> draft", "    draft --> open", "    open --> done", "    done --> [*]",
    ]  # fmt: skip
